/** Faults of the lab's network as a state, and the nftables rules of the switch that make it so. Pure. */
import { CABLES, port } from "./topology.ts";
import type { CableName } from "./topology.ts";

/** Everything that is wrong with the lab at the moment. Changed by the functions below only. */
export interface Faults {
  /** Frames from one node to another are dropped on both bridges: "n1>n2". */
  readonly cut: ReadonlySet<string>;
  /** Percent of the frames between nodes lost at random. */
  readonly loss: number;
  /** Cables out: switch ports that are down. */
  readonly unplugged: ReadonlySet<string>;
  /** Switch ports that take nothing and send nothing; their carrier stays. */
  readonly muted: ReadonlySet<string>;
  /** Nodes without power, or cut off as if they had none: nothing enters or leaves. */
  readonly off: ReadonlySet<string>;
}

export const NO_FAULTS: Faults = { cut: new Set(), loss: 0, unplugged: new Set(), muted: new Set(), off: new Set() };

export function oneWay(faults: Faults, from: string, to: string): Faults {
  return { ...faults, cut: new Set([...faults.cut, `${from}>${to}`]) };
}

export function partition(faults: Faults, a: string, b: string): Faults {
  return oneWay(oneWay(faults, a, b), b, a);
}

/** Cuts a node from all the other nodes; clients still reach it. */
export function isolate(faults: Faults, node: string, nodes: readonly string[]): Faults {
  return nodes.filter((other) => other !== node).reduce((all, other) => partition(all, node, other), faults);
}

export function unplug(faults: Faults, node: string, cables: readonly CableName[]): Faults {
  return {
    ...faults,
    unplugged: new Set([...faults.unplugged, ...cables.map((cable) => port(node, cable))]),
  };
}

/** An adapter that hears nothing and is not heard, with a carrier. */
export function mute(faults: Faults, node: string, cables: readonly CableName[]): Faults {
  return { ...faults, muted: new Set([...faults.muted, ...cables.map((cable) => port(node, cable))]) };
}

/** The switch of the lan passes nothing between anybody. */
export function deadNetwork(faults: Faults, nodes: readonly string[]): Faults {
  return nodes.reduce((all, node) => mute(all, node, ["lan", "standby"]), faults);
}

/** Nothing enters or leaves the node on any link, and its cables look well. */
export function silence(faults: Faults, node: string): Faults {
  return { ...faults, off: new Set([...faults.off, node]) };
}

export function powerOff(faults: Faults, node: string): Faults {
  return silence(unplug(faults, node, CABLES), node);
}

/** The whole state as one nftables transaction. */
export function faultRules(faults: Faults, nodes: readonly string[]): string {
  const rules: string[] = [];
  const portsOf = (...names: readonly string[]) =>
    `{ ${names.flatMap((name) => CABLES.map((cable) => `"${port(name, cable)}"`)).join(", ")} }`;
  for (const node of faults.off) rules.push(`iifname ${portsOf(node)} drop`, `oifname ${portsOf(node)} drop`);
  for (const name of faults.muted) rules.push(`iifname "${name}" drop`, `oifname "${name}" drop`);
  for (const pair of faults.cut) {
    const [from, to] = pair.split(">") as [string, string];
    rules.push(`iifname ${portsOf(from)} oifname ${portsOf(to)} drop`);
  }
  if (faults.loss > 0) {
    const ports = portsOf(...nodes);
    rules.push(`iifname ${ports} oifname ${ports} numgen random mod 100 < ${faults.loss} drop`);
  }
  const chain = ["type filter hook forward priority 0", ...rules].map((rule) => `    ${rule}\n`).join("");
  return `table bridge faults\ndelete table bridge faults\ntable bridge faults {\n  chain forward {\n${chain}  }\n}\n`;
}

/** One phrase for each fault, for a person. */
export function describeFaults(faults: Faults): readonly string[] {
  const phrases = [...faults.off].map((node) => `${node} without power`);
  for (const name of faults.unplugged) {
    if (![...faults.off].some((node) => CABLES.some((cable) => name === port(node, cable))))
      phrases.push(`cable ${name} out`);
  }
  for (const name of faults.muted) phrases.push(`nothing passes port ${name}`);
  for (const pair of faults.cut) {
    const [from, to] = pair.split(">") as [string, string];
    const both = faults.cut.has(`${to}>${from}`);
    if (!both) phrases.push(`frames from ${from} to ${to} dropped`);
    else if (from < to) phrases.push(`${from} and ${to} cut from each other`);
  }
  if (faults.loss > 0) phrases.push(`${faults.loss}% loss between the nodes`);
  return phrases;
}
