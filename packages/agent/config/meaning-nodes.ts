/** Nodes: from the file's shape to values. */
import { type Cluster, EVERYBODY_MAX, type NodeConfig } from "@holdfast/core/cluster.ts";
import type { InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import { quoted } from "./config-error.ts";
import type { Path } from "./document.ts";
import { isKernelName, reportInterfaceName } from "./kernel-name.ts";
import { checkEnds, type LinkDraft, readEnds } from "./meaning-links.ts";
import type { Report } from "./report.ts";
import type { NodeShape, Shape } from "./shape.ts";
import { suggestion } from "./suggest.ts";

/** More voters only make every renewal slower. */
const MOST_VOTERS = 7;
const MOST_NODES = 64;

export function readNodes(report: Report, shape: Shape, links: readonly LinkDraft[]): NodeConfig[] {
  const names = report.places.inFileOrder(["nodes"], Object.keys(shape.nodes));
  if (names.length === 0) report.error("no-nodes", ["nodes"], "key", "no nodes", "add a node for each machine");
  if (names.length > MOST_NODES) {
    const message = `${names.length} nodes: at most ${MOST_NODES}`;
    report.error("too-many", ["nodes", names[MOST_NODES] ?? ""], "key", message, "remove some, or make two clusters");
  }
  const linkNames = Object.keys(shape.links);
  const logical = new Set(Object.values(shape.nodes).flatMap((node) => Object.keys(node.interfaces ?? {})));
  const nodes = names.map((name) => readNode(report, name, shape.nodes[name] ?? {}, links, linkNames, logical));
  if (names.length > 0 && nodes.every((node) => node.role === "witness")) {
    report.error(
      "only-witnesses",
      ["nodes"],
      "key",
      "every node is a witness: nobody may own",
      "remove role: from the owners",
    );
  }
  checkEnds(report, nodes, links);
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

function readNode(
  report: Report,
  name: string,
  node: NodeShape,
  links: readonly LinkDraft[],
  linkNames: readonly string[],
  logical: ReadonlySet<string>,
): NodeConfig {
  const path = ["nodes", name];
  const role = node.role ?? "member";
  const known = new Set(linkNames);
  for (const key of Object.keys(node)) {
    if (key === "role" || key === "interfaces" || known.has(key)) continue;
    const hint = suggestion(key, [...known, "role", "interfaces"], "keys");
    report.error("unknown-key", [...path, key], "key", `unknown key ${quoted(key)} in nodes.${name}`, hint);
  }
  const ends = readEnds(report, name, node, links, logical);
  if (role === "witness" && node.interfaces !== undefined) {
    const hint = "a witness carries no address: remove interfaces";
    report.error("witness-interfaces", [...path, "interfaces"], "key", `witness ${name} has interfaces`, hint);
  }
  return { name: name as NodeName, role, ...ends, interfaces: readInterfaces(report, path, node) };
}

function readInterfaces(report: Report, path: Path, node: NodeShape): Record<string, InterfaceName> {
  const interfaces: Record<string, InterfaceName> = {};
  for (const [logical, kernel] of Object.entries(node.interfaces ?? {})) {
    if (!isKernelName(kernel)) reportInterfaceName(report, [...path, "interfaces", logical], kernel);
    interfaces[logical] = kernel as InterfaceName;
  }
  return interfaces;
}
