/** `quorum: available`, only for two voters and never without something to ask, and the reference addresses. */
import type { Cluster, GroupConfig, NodeConfig } from "@holdfast/core/cluster.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { parseLinkAddress } from "./address-rules.ts";
import type { Path } from "./document.ts";
import type { Report } from "./report.ts";
import type { Shape } from "./shape.ts";

const MOST_REFERENCES = 8;

/** Nothing for a majority, so that its digest does not depend on how it is spelt. */
export function readQuorum(
  report: Report,
  shape: Shape,
  nodes: readonly NodeConfig[],
  groups: readonly GroupConfig[],
): Pick<Cluster, "quorum" | "reference"> {
  const reference = shape.reference && readReference(report, shape.reference, nodes, groups);
  if (shape.cluster.quorum !== "available") return reference === undefined ? {} : { reference };
  const path = ["cluster", "quorum"];
  if (nodes.length !== 2) {
    const message = `quorum available is for two nodes, not ${nodes.length}`;
    report.error("available-voters", path, "value", message, "write majority, or remove the line");
  }
  if (reference === undefined) {
    const message = "quorum available needs addresses that tell a dead adapter from a dead peer";
    report.error("available-reference", path, "value", message, "add reference: [10.0.0.1], a router for instance");
    return { quorum: "available" };
  }
  return { quorum: "available", reference };
}

function readReference(
  report: Report,
  texts: readonly string[],
  nodes: readonly NodeConfig[],
  groups: readonly GroupConfig[],
): IpAddress[] {
  if (texts.length > MOST_REFERENCES) {
    const message = `more than ${MOST_REFERENCES} reference addresses`;
    report.error("too-many", ["reference", MOST_REFERENCES], "value", message, "one or two are enough");
  }
  const taken = new Map<string, string>();
  for (const node of nodes) for (const address of Object.values(node.links)) taken.set(address, `node ${node.name}`);
  for (const group of groups) for (const { address } of group.addresses) taken.set(address, `group ${group.name}`);
  const addresses: IpAddress[] = [];
  texts.forEach((text, i) => {
    const at: Path = ["reference", i];
    const parsed = parseLinkAddress(text);
    if (!parsed.ok) return report.error(parsed.error.code, at, "value", parsed.error.message, parsed.error.hint);
    const owner = taken.get(parsed.value);
    if (owner === undefined) return void addresses.push(parsed.value);
    const hint = "choose what stays when a node dies, such as a router";
    report.error("reference-own", at, "value", `${parsed.value} is an address of ${owner}`, hint);
  });
  return addresses;
}
