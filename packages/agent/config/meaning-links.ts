/** Links: from the file's shape to values; which kind each is, and where each node has its end. */
import { type Cluster, isOn, type LinkConfig, type NodeConfig, sharedLinks } from "@holdfast/core/cluster.ts";
import { audienceOf } from "@holdfast/core/membership/audience.ts";
import { serialNeed } from "@holdfast/core/node/narrow-links.ts";
import { durationText } from "@holdfast/core/ownership/lease/timing.ts";
import { inNetwork, isIpv4, parseIp, type IpAddress } from "@holdfast/core/units/ip.ts";
import type { LinkName } from "@holdfast/core/units/names.ts";
import { parseLinkAddress } from "./address-rules.ts";
import { quoted } from "./config-error.ts";
import type { Path } from "./document.ts";
import { isKernelName, reportInterfaceName } from "./kernel-name.ts";
import type { Report } from "./report.ts";
import { BAUD_RATES, type LinkShape, type NodeShape, type Shape } from "./shape.ts";

const MOST_LINKS = 8;
/** What a node writes for a link that it has no end of. */
const NONE = "none";
const DEFAULT_BAUD = 115_200;
/** Two ends, and one node at each. */
const SERIAL_ENDS = 2;

/** A link, and where it lies on the nodes that do not say otherwise. */
export interface LinkDraft {
  readonly config: LinkConfig;
  /** Interface or tty. */
  readonly device: string | undefined;
}

export function readLinks(report: Report, shape: Shape): LinkDraft[] {
  const names = report.places.inFileOrder(["links"], Object.keys(shape.links));
  if (names.length === 0) report.error("no-links", ["links"], "key", "no links", "add links: { lan: { port: 7400 } }");
  if (names.length > MOST_LINKS) {
    report.error("too-many", ["links", names[MOST_LINKS] ?? ""], "key", `more than ${MOST_LINKS} links`, "remove some");
  }
  for (const name of names.filter(isReserved)) {
    const hint = "the name has a meaning in nodes; choose another";
    report.error("reserved-name", ["links", name], "key", `a link cannot be called ${name}`, hint);
  }
  return names
    .filter((name) => !isReserved(name))
    .flatMap((name) => readLink(report, name as LinkName, shape.links[name] ?? {}) ?? []);
}

function isReserved(name: string): boolean {
  return name === "role" || name === "interfaces";
}

const KINDS = ["port", "ethernet", "serial"] as const;

/** Undefined when its kind is not known; anything else that is wrong was reported and it is as good as it can be. */
function readLink(report: Report, name: LinkName, shape: LinkShape): LinkDraft | undefined {
  const path = ["links", name];
  const kinds = KINDS.filter((kind) => shape[kind] !== undefined);
  const [kind, second] = kinds;
  if (kind === undefined) {
    const hint = "add port: 7400 (UDP), ethernet: eth1, or serial: /dev/ttyS0";
    report.error("link-kind", path, "key", `link ${name} has neither port nor ethernet nor serial`, hint);
    return undefined;
  }
  if (second !== undefined) {
    const message = `link ${name} has both ${kind} and ${second}`;
    report.error("link-kind", [...path, second], "key", message, "make two links of it, or remove one");
  }
  for (const [key, wanted] of [
    ["multicast", "port"],
    ["baud", "serial"],
  ] as const) {
    if (shape[key] === undefined || kind === wanted) continue;
    const message = `${key} is for links with ${wanted}, and link ${name} has ${kind}`;
    report.error("link-kind", [...path, key], "key", message, "remove it");
  }
  if (kind === "ethernet") {
    if (!isKernelName(shape.ethernet ?? "")) reportInterfaceName(report, [...path, kind], shape.ethernet ?? "");
    return { config: { kind, name }, device: shape.ethernet };
  }
  if (kind === "serial") {
    if (!isTty(shape.serial ?? "")) reportTty(report, [...path, kind], shape.serial ?? "");
    return { config: { kind, name, baud: shape.baud ?? DEFAULT_BAUD }, device: shape.serial };
  }
  const multicast = readMulticast(report, [...path, "multicast"], shape.multicast);
  const group = multicast === undefined ? {} : { multicast };
  return { config: { kind: "udp", name, port: shape.port ?? 0, ...group }, device: undefined };
}

/** RFC 5771 and RFC 4291: groups that every host joins, or that never leave one. */
const RESERVED_GROUPS = [
  ["224.0.0.0", 24, "belongs to routing protocols and to every host"],
  ["232.0.0.0", 8, "is for groups of one source (SSM)"],
  ["ff00::", 16, "has no scope"],
  ["ff01::", 16, "never leaves the machine"],
  ["ff02::", 124, "belongs to every host or router"],
] as const;

function readMulticast(report: Report, path: Path, text: string | undefined): IpAddress | undefined {
  if (text === undefined) return undefined;
  const group = parseIp(text);
  const isGroup =
    group !== undefined &&
    inNetwork(group, (isIpv4(group) ? "224.0.0.0" : "ff00::") as IpAddress, isIpv4(group) ? 4 : 8);
  const hint = "choose one of 239.0.0.0/8 such as 239.192.74.0, or ff02::7400";
  if (group === undefined || !isGroup) {
    report.error("multicast", path, "value", `${quoted(text)} is not a multicast group`, hint);
    return undefined;
  }
  const reserved = RESERVED_GROUPS.find(([network, length]) => inNetwork(group, network as IpAddress, length));
  if (reserved !== undefined) report.error("multicast", path, "value", `${group} ${reserved[2]}`, hint);
  return group;
}

/** Where one node's ends are. */
export type Ends = Pick<NodeConfig, "links" | "devices">;

/** `logical`: the logical names of interfaces that any node has. */
export function readEnds(
  report: Report,
  name: string,
  node: NodeShape,
  links: readonly LinkDraft[],
  logical: ReadonlySet<string>,
): Ends {
  const addresses: Record<string, IpAddress> = {};
  const devices: Record<string, string> = {};
  for (const { config, device } of links) {
    const path = ["nodes", name, config.name];
    const own = Object.hasOwn(node, config.name) ? node[config.name] : undefined;
    const text = typeof own === "string" ? own : device;
    if (text === NONE) continue;
    if (text === undefined) {
      const message = `node ${name} has no address on link ${config.name}`;
      const hint = `add ${config.name}: and its address there, or ${config.name}: none`;
      report.error("missing-link", path.slice(0, 2), "key", message, hint);
      continue;
    }
    const end =
      config.kind === "udp" ? readAddress(report, path, text) : readDevice(report, path, config, text, node, logical);
    if (end === undefined) continue;
    // The link's own device was looked at with the link.
    if (own !== undefined && config.kind === "ethernet" && !isKernelName(end)) reportInterfaceName(report, path, end);
    if (own !== undefined && config.kind === "serial" && !isTty(end)) reportTty(report, path, end);
    if (config.kind === "udp") addresses[config.name] = end as IpAddress;
    else devices[config.name] = end;
  }
  return { links: addresses, ...(Object.keys(devices).length === 0 ? {} : { devices }) };
}

function readAddress(report: Report, path: Path, text: string): IpAddress | undefined {
  const parsed = parseLinkAddress(text);
  if (parsed.ok) return parsed.value;
  report.error(parsed.error.code, path, "value", parsed.error.message, parsed.error.hint);
  return undefined;
}

/** What a logical name stands for on the node, and any other as it is. */
function readDevice(
  report: Report,
  [, node = "", link]: Path,
  { kind }: LinkConfig,
  text: string,
  shape: NodeShape,
  logical: ReadonlySet<string>,
): string | undefined {
  const own = shape.interfaces ?? {};
  if (kind === "serial") return text;
  if (Object.hasOwn(own, text)) return own[text];
  if (!logical.has(text)) return text;
  const message = `node ${node} has no interface called ${text}, where link ${link} lies`;
  report.error("missing-link", ["nodes", node], "key", message, `add ${link}: and its interface, or ${link}: none`);
  return undefined;
}

function isTty(text: string): boolean {
  return /^\/[\x21-\x7e]{1,200}$/.test(text);
}

function reportTty(report: Report, path: Path, text: string): void {
  report.error("serial-device", path, "value", `${quoted(text)} is not the path of a tty`, "write one like /dev/ttyS0");
}

/** What the ends of all nodes must be together. */
export function checkEnds(report: Report, nodes: readonly NodeConfig[], links: readonly LinkDraft[]): void {
  // What is missing was told before.
  for (const { config } of report.errors.length === 0 ? links : []) {
    const ends = nodes.filter((node) => isOn(node, config.name));
    checkCount(
      report,
      config,
      ends.map((node) => node.name),
      nodes.length,
    );
  }
  checkAddresses(report, nodes, links);
  checkDevices(report, nodes);
}

function checkCount(report: Report, link: LinkConfig, ends: readonly string[], nodes: number): void {
  const path = ["links", link.name];
  if (link.kind === "serial" && ends.length > SERIAL_ENDS) {
    const message = `a serial line has two ends, and ${link.name} has ${ends.length}: ${ends.join(", ")}`;
    report.error("link-ends", path, "key", message, `write ${link.name}: none in the other nodes`);
  } else if (nodes > 1 && ends.length < 2) {
    const message = `link ${link.name} has ${ends.length === 0 ? "no end" : `one end only, on ${ends[0]}`}`;
    report.error("link-ends", path, "key", message, "give it a place on another node, or remove it");
  }
}

function checkAddresses(report: Report, nodes: readonly NodeConfig[], links: readonly LinkDraft[]): void {
  const udp = new Map(links.flatMap(({ config }) => (config.kind === "udp" ? [[config.name as string, config]] : [])));
  const seen = new Map<string, { node: string; link: string }>();
  const family = new Map<string, { node: string; ipv4: boolean }>();
  for (const node of nodes) {
    for (const [link, address] of Object.entries(node.links)) {
      const path = ["nodes", node.name, link];
      const first = seen.get(address);
      if (first && (first.node !== node.name || udp.get(first.link)?.port === udp.get(link)?.port)) {
        const message = `${address} is already the address of ${first.node} on ${first.link}`;
        report.error("duplicate-link-address", path, "value", message, "every node and link needs its own");
      }
      if (!first) seen.set(address, { node: node.name, link });
      const ipv4 = isIpv4(address);
      const group = udp.get(link)?.multicast;
      const other = family.get(link);
      if (other && other.ipv4 !== ipv4) {
        const message = `link ${link} is ${ipv4 ? "IPv4" : "IPv6"} here and ${ipv4 ? "IPv6" : "IPv4"} on ${other.node}`;
        report.error("link-family", path, "value", message, "a link is of one kind on all nodes");
      } else if (!other && group !== undefined && isIpv4(group) !== ipv4) {
        const message = `${group} is ${ipv4 ? "IPv6" : "IPv4"}, and the addresses of link ${link} are ${ipv4 ? "IPv4" : "IPv6"}`;
        const hint = "choose a group and addresses of one kind";
        report.error("link-family", ["links", link, "multicast"], "value", message, hint);
      }
      if (!other) family.set(link, { node: node.name, ipv4 });
    }
  }
}

/** Two links on one device would hear each other. Told once a link. */
function checkDevices(report: Report, nodes: readonly NodeConfig[]): void {
  const told = new Set<string>();
  for (const node of nodes) {
    const seen = new Map<string, string>();
    for (const [link, device] of Object.entries(node.devices ?? {})) {
      const first = seen.get(device);
      seen.set(device, link);
      if (first === undefined || told.has(link)) continue;
      told.add(link);
      const message = `${device} of ${node.name} is already the place of link ${first}`;
      report.error("duplicate-link-device", ["links", link], "key", message, "every link needs a device of its own");
    }
  }
}

/** A line on which the beats pile up carries none of them in time. */
export function checkSpeeds(report: Report, cluster: Cluster): void {
  for (const link of cluster.links) {
    if (link.kind !== "serial") continue;
    const { beat, inInterval } = serialNeed(cluster, link);
    if (beat <= inInterval) continue;
    const heartbeat = durationText(cluster.timing.heartbeat);
    const message = `${link.baud} baud carry ${inInterval} octets in a heartbeat of ${heartbeat}, and the shortest has ${beat}`;
    const enough = BAUD_RATES.find((baud) => beat <= (inInterval * baud) / link.baud);
    const hint =
      enough === undefined ? "choose a longer heartbeat" : `write baud: ${enough}, or choose a longer heartbeat`;
    report.error("serial-speed", ["links", link.name], "key", message, hint);
  }
}

/** Nodes that exchange heartbeats and have no link in common would each count the other as dead. */
export function checkMeeting(report: Report, cluster: Cluster): void {
  const told = new Set<string>();
  for (const node of cluster.nodes) {
    for (const other of audienceOf(cluster, node.name)) {
      const pair = [node.name, other.name].toSorted().join(" ");
      if (told.has(pair) || sharedLinks(cluster.links, node, other).length > 0) continue;
      told.add(pair);
      const message = `${node.name} and ${other.name} have no link in common`;
      report.error("no-common-link", ["nodes", node.name], "key", message, "give both an end of one link");
    }
  }
}
