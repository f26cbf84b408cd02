/** What is risky about a configuration on this very machine, and beside the daemon that runs here. Pure: the facts are given. */
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import type { ConfigWarning } from "./warnings.ts";

/** Each undefined when it could not be found out. */
export interface MachineFacts {
  /** Which of the nodes this machine is. */
  readonly node: NodeName | undefined;
  /** By the kernel's name, the addresses on it. */
  readonly interfaces: ReadonlyMap<string, readonly string[]>;
  /** Permission bits of the key file. */
  readonly keyMode: number | undefined;
  /** Why the kernel gives this user no real-time scheduling; "" when it does. */
  readonly notRealTime: string | undefined;
  readonly daemon: DaemonFacts | undefined;
}

export interface DaemonFacts {
  readonly cluster: string;
  readonly generation: number;
  /** Of the round trips measured while asked, in milliseconds. */
  readonly roundTrips_ms: readonly number[];
}

/** Below this a processor that is busy for a moment costs a beat. */
const REAL_TIME_BELOW_MS = 50;
const ROUND_TRIPS_IN_DEAD = 3;
/** What nobody but the owner and the group's readers may have. */
const OPEN_TO_OTHERS = 0o027;

export function machineRisks(cluster: Cluster, facts: MachineFacts): ConfigWarning[] {
  return [
    ...linkRisks(cluster, facts),
    ...keyRisks(cluster, facts),
    ...schedulingRisks(cluster, facts),
    ...daemonRisks(cluster, facts.daemon),
  ];
}

function linkRisks(cluster: Cluster, { node, interfaces }: MachineFacts): ConfigWarning[] {
  const self = cluster.nodes.find(({ name }) => name === node);
  const carried = new Map<string, string>();
  for (const [link, end] of Object.entries({ ...self?.links, ...self?.devices })) {
    const found = interfaces.has(end) ? end : [...interfaces].find(([, addresses]) => addresses.includes(end))?.[0];
    const other = found === undefined ? undefined : carried.get(found);
    if (found !== undefined && other !== undefined) {
      const text = `links ${other} and ${link} share the adapter ${found} of ${node}: they fail together`;
      return [{ code: "links-share-adapter", text, path: ["nodes", node ?? "", link] }];
    }
    if (found !== undefined) carried.set(found, link);
  }
  return [];
}

function keyRisks({ keys }: Cluster, { keyMode }: MachineFacts): ConfigWarning[] {
  if (keyMode === undefined || (keyMode & OPEN_TO_OTHERS) === 0) return [];
  const mode = (keyMode & 0o7777).toString(8).padStart(4, "0");
  const text = `key file ${keys} has mode ${mode}: others read or change it, and the daemon refuses it`;
  return [{ code: "key-file-mode", text, path: ["cluster", "keys"] }];
}

function schedulingRisks({ timing }: Cluster, { notRealTime }: MachineFacts): ConfigWarning[] {
  if (timing.heartbeat >= REAL_TIME_BELOW_MS || notRealTime === undefined || notRealTime === "") return [];
  const text = `heartbeat ${timing.heartbeat} ms without real-time scheduling (${notRealTime}): a busy processor costs beats`;
  return [{ code: "no-real-time", text, path: ["timing"] }];
}

function daemonRisks(cluster: Cluster, daemon: DaemonFacts | undefined): ConfigWarning[] {
  if (daemon === undefined || daemon.cluster !== cluster.name) return [];
  const warnings: ConfigWarning[] = [];
  if (cluster.generation < daemon.generation) {
    const text = `generation ${cluster.generation} is over: the daemon here is in ${daemon.generation}`;
    warnings.push({ code: "old-generation", text, path: ["generation"] });
  }
  const p99 = percentile99(daemon.roundTrips_ms);
  if (p99 !== undefined && cluster.timing.dead < ROUND_TRIPS_IN_DEAD * p99) {
    const text =
      `dead ${cluster.timing.dead} ms is less than ${ROUND_TRIPS_IN_DEAD} round trips: ` +
      `their p99 is ${p99.toFixed(1)} ms (${daemon.roundTrips_ms.length} measured)`;
    warnings.push({ code: "dead-near-round-trip", text, path: ["timing"] });
  }
  return warnings;
}

/** The nearest rank; undefined of nothing. */
export function percentile99(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1];
}
