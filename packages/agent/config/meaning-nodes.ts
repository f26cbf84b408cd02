/** Links and nodes: from the file's shape to values, with the rules that tie them together. */
import { type Cluster, EVERYBODY_MAX, type LinkConfig, type NodeConfig } from "@holdfast/core/cluster.ts";
import { isIpv4, type IpAddress } from "@holdfast/core/units/ip.ts";
import { isInterfaceName, type InterfaceName, type LinkName, type NodeName } from "@holdfast/core/units/names.ts";
import { parseLinkAddress } from "./address-rules.ts";
import { quoted } from "./config-error.ts";
import type { Path } from "./document.ts";
import type { Report } from "./report.ts";
import type { NodeShape, Shape } from "./shape.ts";
import { suggestion } from "./suggest.ts";

const MOST_LINKS = 8;
/** More voters only make every renewal slower. */
const MOST_VOTERS = 7;
const MOST_NODES = 64;

export function readLinks(report: Report, shape: Shape): LinkConfig[] {
  const names = report.places.inFileOrder(["links"], Object.keys(shape.links));
  if (names.length === 0) report.error("no-links", ["links"], "key", "no links", "add links: { lan: { port: 7400 } }");
  if (names.length > MOST_LINKS) {
    report.error("too-many", ["links", names[MOST_LINKS] ?? ""], "key", `more than ${MOST_LINKS} links`, "remove some");
  }
  for (const name of names.filter((each) => each === "role" || each === "interfaces")) {
    const hint = "the name has a meaning in nodes; choose another";
    report.error("reserved-name", ["links", name], "key", `a link cannot be called ${name}`, hint);
  }
  const usable = names.filter((each) => each !== "role" && each !== "interfaces");
  return usable.map((name) => ({ kind: "udp", name: name as LinkName, port: shape.links[name]?.port ?? 0 }));
}

export function readNodes(report: Report, shape: Shape, links: readonly LinkConfig[]): NodeConfig[] {
  const names = report.places.inFileOrder(["nodes"], Object.keys(shape.nodes));
  if (names.length === 0) report.error("no-nodes", ["nodes"], "key", "no nodes", "add a node for each machine");
  if (names.length > MOST_NODES) {
    const message = `${names.length} nodes: at most ${MOST_NODES}`;
    report.error("too-many", ["nodes", names[MOST_NODES] ?? ""], "key", message, "remove some, or make two clusters");
  }
  const nodes = names.map((name) => readNode(report, name, shape.nodes[name] ?? {}, links));
  if (names.length > 0 && nodes.every((node) => node.role === "witness")) {
    report.error(
      "only-witnesses",
      ["nodes"],
      "key",
      "every node is a witness: nobody may own",
      "remove role: from the owners",
    );
  }
  checkLinkAddresses(report, nodes, links);
  return nodes;
}

/** Nothing when everybody votes, so that the digest does not depend on how that is spelt. */
export function readVoters(report: Report, shape: Shape, nodes: readonly NodeConfig[]): Pick<Cluster, "voters"> {
  const names = shape.voters;
  if (names === undefined) {
    if (nodes.length > EVERYBODY_MAX) {
      const message = `${nodes.length} nodes without voters: when every node votes there may be ${EVERYBODY_MAX}`;
      const five = nodes.slice(0, 5).map((node) => node.name);
      report.error("no-voters", ["nodes"], "key", message, `add voters: [${five.join(", ")}], 3, 5 or 7 of the nodes`);
    }
    return {};
  }
  names.forEach((name, i) => {
    const at = ["voters", i];
    const known = nodes.map((node) => node.name as string);
    if (!known.includes(name))
      report.error(
        "unknown-node",
        at,
        "value",
        `unknown node ${quoted(name)} in voters`,
        suggestion(name, known, "nodes"),
      );
    else if (names.indexOf(name) !== i)
      report.error("duplicate-node", at, "value", `${name} is twice in voters`, "remove one");
  });
  if (names.length > MOST_VOTERS) {
    const message = `${names.length} voters: at most ${MOST_VOTERS}`;
    report.error("too-many", ["voters", MOST_VOTERS], "value", message, "5 are enough for a cluster of any size");
  }
  for (const node of nodes) {
    if (node.role !== "witness" || names.includes(node.name)) continue;
    const hint = "add it to voters, or remove the node";
    report.error("idle-witness", ["nodes", node.name, "role"], "value", `witness ${node.name} does not vote`, hint);
  }
  const voters = nodes.map((node) => node.name).filter((name) => names.includes(name));
  return voters.length === nodes.length ? {} : { voters };
}

function readNode(report: Report, name: string, node: NodeShape, links: readonly LinkConfig[]): NodeConfig {
  const path = ["nodes", name];
  const role = node.role ?? "member";
  const known = new Set<string>(links.map((link) => link.name));
  for (const key of Object.keys(node)) {
    if (key === "role" || key === "interfaces" || known.has(key)) continue;
    const hint = suggestion(key, [...known, "role", "interfaces"], "keys");
    report.error("unknown-key", [...path, key], "key", `unknown key ${quoted(key)} in nodes.${name}`, hint);
  }
  const addresses: Record<string, IpAddress> = {};
  for (const link of links) {
    const text = Object.hasOwn(node, link.name) ? node[link.name] : undefined;
    if (typeof text !== "string") {
      const message = `node ${name} has no address on link ${link.name}`;
      report.error("missing-link", path, "key", message, `add ${link.name}: and its address there`);
      continue;
    }
    const parsed = parseLinkAddress(text);
    if (parsed.ok) addresses[link.name] = parsed.value;
    else report.error(parsed.error.code, [...path, link.name], "value", parsed.error.message, parsed.error.hint);
  }
  if (role === "witness" && node.interfaces !== undefined) {
    const hint = "a witness carries no address: remove interfaces";
    report.error("witness-interfaces", [...path, "interfaces"], "key", `witness ${name} has interfaces`, hint);
  }
  return { name: name as NodeName, role, links: addresses, interfaces: readInterfaces(report, path, node) };
}

function readInterfaces(report: Report, path: Path, node: NodeShape): Record<string, InterfaceName> {
  const interfaces: Record<string, InterfaceName> = {};
  for (const [logical, kernel] of Object.entries(node.interfaces ?? {})) {
    if (!isKernelName(kernel)) reportInterfaceName(report, [...path, "interfaces", logical], kernel);
    interfaces[logical] = kernel as InterfaceName;
  }
  return interfaces;
}

/** Narrower than the kernel by what only aliases and mischief contain. */
export function isKernelName(text: string): boolean {
  return isInterfaceName(text) && /^[\x21-\x7e]+$/.test(text) && !/["'`\\:;{}$]/.test(text);
}

export function reportInterfaceName(report: Report, path: Path, text: string): void {
  const hint = text.length > 15 ? "Linux allows 15 characters; see: ip link" : "write a name that ip link shows";
  report.error("interface-name", path, "value", `${quoted(text)} is not a valid interface name`, hint);
}

function checkLinkAddresses(report: Report, nodes: readonly NodeConfig[], links: readonly LinkConfig[]): void {
  const ports = new Map<string, number>(links.map((link) => [link.name, link.kind === "udp" ? link.port : 0]));
  const seen = new Map<string, { node: string; link: string }>();
  const family = new Map<string, { node: string; ipv4: boolean }>();
  for (const node of nodes) {
    for (const [link, address] of Object.entries(node.links)) {
      const path = ["nodes", node.name, link];
      const first = seen.get(address);
      if (first && (first.node !== node.name || ports.get(first.link) === ports.get(link))) {
        const message = `${address} is already the address of ${first.node} on ${first.link}`;
        report.error("duplicate-link-address", path, "value", message, "every node and link needs its own");
      }
      if (!first) seen.set(address, { node: node.name, link });
      const ipv4 = isIpv4(address);
      const other = family.get(link);
      if (other && other.ipv4 !== ipv4) {
        const message = `link ${link} is ${ipv4 ? "IPv4" : "IPv6"} here and ${ipv4 ? "IPv6" : "IPv4"} on ${other.node}`;
        report.error("link-family", path, "value", message, "a link is of one kind on all nodes");
      }
      if (!other) family.set(link, { node: node.name, ipv4 });
    }
  }
}
