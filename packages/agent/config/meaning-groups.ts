/** Groups: from the file's shape to values, with the rules for addresses, interfaces and candidates. */
import {
  EVERYBODY_MAX,
  type Failback,
  type GroupAddress,
  type GroupConfig,
  type NodeConfig,
} from "@holdfast/core/cluster.ts";
import { isName, type GroupName, type NodeName } from "@holdfast/core/units/names.ts";
import { type Milliseconds, milliseconds } from "@holdfast/core/units/time.ts";
import { parseVirtualAddress } from "./address-rules.ts";
import { quoted } from "./config-error.ts";
import { type Path, pathText } from "./document.ts";
import { parseDuration } from "./duration.ts";
import { isKernelName, reportInterfaceName } from "./kernel-name.ts";
import type { AddressSource, InterfaceSource } from "./parsed-config.ts";
import type { Report } from "./report.ts";
import type { AddressShape, GroupShape, Shape } from "./shape.ts";
import { suggestion } from "./suggest.ts";

const MOST_GROUPS = 1000;
const MOST_ADDRESSES = 4096;
/** Of a group in a cluster where not everybody hears everybody. */
const MOST_CANDIDATES = 8;
/** The old owner serves for so long what it should have left. */
const LONGEST_DRAIN = milliseconds(3_600_000);
const DEFAULT_SETTLE = milliseconds(10_000);

export interface Groups {
  readonly groups: readonly GroupConfig[];
  readonly addresses: readonly AddressSource[];
  readonly interfaces: readonly InterfaceSource[];
}

export function readGroups(report: Report, shape: Shape, nodes: readonly NodeConfig[]): Groups {
  const shapes = shape.groups ?? {};
  const names = report.places.inFileOrder(["groups"], Object.keys(shapes));
  if (names.length > MOST_GROUPS) {
    const message = `${names.length} groups: at most ${MOST_GROUPS}`;
    report.error(
      "too-many",
      ["groups", names[MOST_GROUPS] ?? ""],
      "key",
      message,
      "put addresses that move together into one",
    );
    return { groups: [], addresses: [], interfaces: [] };
  }
  const total = names.reduce((sum, name) => sum + (shapes[name]?.addresses.length ?? 0), 0);
  if (total > MOST_ADDRESSES) {
    report.error("too-many", ["groups"], "key", `${total} addresses: at most ${MOST_ADDRESSES}`, "remove some");
    return { groups: [], addresses: [], interfaces: [] };
  }
  const reader = new GroupReader(report, nodes);
  const groups = names.map((name) => reader.read(name, shapes[name]));
  return { groups, addresses: reader.addresses, interfaces: reader.interfaces };
}

class GroupReader {
  readonly addresses: AddressSource[] = [];
  readonly interfaces: InterfaceSource[] = [];
  readonly #report: Report;
  readonly #nodes: readonly NodeConfig[];
  readonly #members: readonly NodeConfig[];
  readonly #logical: ReadonlySet<string>;
  readonly #owners = new Map<string, string>();
  readonly #interfaceSeen = new Set<string>();
  /** Node and interface: one error each, however many groups need it. */
  readonly #lacking = new Set<string>();

  constructor(report: Report, nodes: readonly NodeConfig[]) {
    this.#report = report;
    this.#nodes = nodes;
    this.#members = nodes.filter((node) => node.role === "member");
    this.#logical = new Set(nodes.flatMap((node) => Object.keys(node.interfaces)));
    for (const node of nodes) {
      for (const [link, address] of Object.entries(node.links)) {
        this.#owners.set(address, `the address of node ${node.name} on link ${link}`);
      }
    }
  }

  read(name: string, group: GroupShape | undefined): GroupConfig {
    const path = ["groups", name];
    const prefer = this.#prefer(path, group?.prefer);
    const interfaces = this.#interfaces([...path, "interfaces"], group?.interfaces ?? []);
    const addresses: GroupAddress[] = [];
    (group?.addresses ?? []).forEach((address, i) => {
      const read = this.#address(name, [...path, "addresses", i], address, interfaces);
      if (read) addresses.push(read);
    });
    this.#checkCandidates(path, prefer, addresses);
    this.#checkStandbys(path, addresses);
    return {
      name: name as GroupName,
      addresses,
      prefer,
      failback: this.#failback([...path, "failback"], group?.failback),
      settle:
        group?.settle === undefined ? DEFAULT_SETTLE : parseDuration(this.#report, [...path, "settle"], group.settle),
      ...(group?.on_quorum_loss === "hold" ? { onQuorumLoss: "hold" } : {}),
      ...(group?.on_conflict === undefined || group.on_conflict === "defend" ? {} : { onConflict: group.on_conflict }),
      drain: this.#drain([...path, "drain"], group?.drain),
    };
  }

  #prefer(path: Path, prefer: readonly string[] | undefined): NodeName[] {
    if (this.#nodes.length > EVERYBODY_MAX) this.#checkLength(path, prefer);
    if (prefer === undefined) return this.#members.map((node) => node.name);
    const names: NodeName[] = [];
    prefer.forEach((name, i) => {
      const at = [...path, "prefer", i];
      const node = this.#nodes.find((each) => each.name === name);
      if (!node) {
        const hint = suggestion(
          name,
          this.#members.map((each) => each.name),
          "nodes",
        );
        this.#report.error("unknown-node", at, "value", `unknown node ${quoted(name)} in prefer`, hint);
      } else if (node.role === "witness") {
        this.#report.error(
          "witness-preferred",
          at,
          "value",
          `${name} is a witness and never owns`,
          "remove it from prefer",
        );
      } else if (names.includes(node.name)) {
        this.#report.error("duplicate-node", at, "value", `${name} is twice in prefer`, "remove one");
      } else names.push(node.name);
    });
    return names;
  }

  /** Candidates of one group hear each other, and in a large cluster nobody else but the voters. */
  #checkLength(path: Path, prefer: readonly string[] | undefined): void {
    const nodes = `of more than ${EVERYBODY_MAX} nodes`;
    if (prefer === undefined) {
      const message = `group ${String(path[1])} names no candidates, which a cluster ${nodes} needs`;
      this.#report.error("no-prefer", path, "key", message, `add prefer: with at most ${MOST_CANDIDATES} nodes`);
    } else if (prefer.length > MOST_CANDIDATES) {
      const message = `${prefer.length} candidates: at most ${MOST_CANDIDATES} in a cluster ${nodes}`;
      const hint = "name the ones that should own it, most wanted first";
      this.#report.error("too-many", [...path, "prefer", MOST_CANDIDATES], "value", message, hint);
    }
  }

  #interfaces(path: Path, interfaces: readonly string[]): string[] {
    interfaces.forEach((name, i) => {
      if (interfaces.indexOf(name) !== i) {
        this.#report.error("duplicate-interface", [...path, i], "value", `${quoted(name)} is twice here`, "remove one");
      } else if (!isName(name) && !isKernelName(name)) reportInterfaceName(this.#report, [...path, i], name);
    });
    return [...interfaces];
  }

  #address(group: string, path: Path, shape: AddressShape, inherited: readonly string[]): GroupAddress | undefined {
    const own = typeof shape === "string" ? { address: shape } : shape;
    const at = typeof shape === "string" ? path : [...path, "address"];
    const interfacePath = own.interfaces ? [...path, "interfaces"] : [...path.slice(0, 2), "interfaces"];
    const interfaces = own.interfaces ? this.#interfaces(interfacePath, own.interfaces) : inherited;
    const parsed = parseVirtualAddress(own.address);
    if (!parsed.ok) {
      this.#report.error(parsed.error.code, at, "value", parsed.error.message, parsed.error.hint);
      return undefined;
    }
    const { address, prefixLength } = parsed.value;
    const place = this.#report.place(at, "value");
    const owner = this.#owners.get(address);
    if (owner !== undefined) {
      const hint = "an address belongs to one group, and to no node";
      this.#report.error("duplicate-address", at, "value", `${address} is already ${owner}`, hint);
    } else this.#owners.set(address, `in group ${group}, line ${place.line}`);
    const [first] = interfaces;
    if (first === undefined) {
      this.#noInterface(path, address, at);
      return undefined;
    }
    const outsideNetworks = typeof shape !== "string" && shape.outside_networks === true;
    this.addresses.push({ group: group as GroupName, address, outsideNetworks, place });
    interfaces.forEach((name, i) => this.#recordInterface(name, [...interfacePath, i]));
    return { address, prefixLength, interfaces };
  }

  #noInterface(path: Path, address: string, at: Path): void {
    const message = `no interface for ${address}: groups.${String(path[1])} names none`;
    const example = this.#logical.values().next().value ?? "eth0";
    this.#report.error("no-interface", at, "value", message, `add interfaces: [${example}] to the group`);
  }

  #recordInterface(name: string, path: Path): void {
    if (this.#interfaceSeen.has(name)) return;
    this.#interfaceSeen.add(name);
    if (!this.#logical.has(name)) {
      this.interfaces.push({ node: null, name, place: this.#report.place(path, "value") });
      return;
    }
    for (const node of this.#nodes) {
      if (!Object.hasOwn(node.interfaces, name)) continue;
      const place = this.#report.place(["nodes", node.name, "interfaces", name], "value");
      this.interfaces.push({ node: node.name, name, place });
    }
  }

  /**
   * A name that any node explains is a logical one: then every candidate must explain it, of standby adapters too. A node
   * with a single adapter says so by giving both names to it.
   */
  #checkCandidates(path: Path, prefer: readonly NodeName[], addresses: readonly GroupAddress[]): void {
    const services = new Set(addresses.map((address) => address.interfaces[0] ?? ""));
    for (const name of new Set(addresses.flatMap((address) => address.interfaces))) {
      if (!this.#logical.has(name)) continue;
      for (const candidate of prefer) {
        const node = this.#nodes.find((each) => each.name === candidate);
        if (!node || Object.hasOwn(node.interfaces, name) || this.#lacking.has(`${candidate} ${name}`)) continue;
        this.#lacking.add(`${candidate} ${name}`);
        const message = `node ${candidate} has no interface "${name}", which groups.${String(path[1])} needs`;
        const hint = services.has(name)
          ? `add interfaces: { ${name}: ... } to the node, or leave it out of prefer`
          : `add ${name}: ... to interfaces: of the node; with a single adapter the same as its service adapter`;
        this.#report.error("missing-interface", ["nodes", candidate], "key", message, hint);
      }
    }
  }

  /** Addresses of one service adapter go to a standby adapter together. */
  #checkStandbys(path: Path, addresses: readonly GroupAddress[]): void {
    const firsts = new Map<string, GroupAddress>();
    for (const address of addresses) {
      const [service = "", ...standbys] = address.interfaces;
      const first = firsts.get(service);
      if (first === undefined) firsts.set(service, address);
      if (first === undefined || first.interfaces.slice(1).join() === standbys.join()) continue;
      const message = `${address.address} and ${first.address} are both on ${service}, with different standby adapters`;
      const hint = `write interfaces: [${first.interfaces.join(", ")}] for both: they go to another adapter together`;
      this.#report.error("standby-differs", [...path, "addresses"], "key", message, hint);
    }
  }

  #drain(path: Path, text: string | undefined): Milliseconds {
    if (text === undefined) return milliseconds(0);
    const drain = parseDuration(this.#report, path, text);
    if (drain > LONGEST_DRAIN) {
      const message = `${pathText(path)} is longer than an hour`;
      this.#report.error("drain-range", path, "value", message, "connections that long are better reset: write 10m");
    }
    return drain;
  }

  #failback(path: Path, text: string | undefined): Failback {
    if (text === undefined || text === "manual") return { kind: "manual" };
    if (text === "immediate") return { kind: "immediate" };
    return { kind: "after", delay: parseDuration(this.#report, path, text.replace(/^after +/, "")) };
  }
}
