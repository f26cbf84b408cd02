/** What is valid and yet risky in a configuration, in sentences for an operator. */
import { type Cluster, type GroupConfig, votersOf } from "@holdfast/core/cluster.ts";
import { serialNeed } from "@holdfast/core/node/narrow-links.ts";
import { lossesTolerated, sendsInWindow } from "@holdfast/core/ownership/lease/timing.ts";
import { inNetwork, isIpv4 } from "@holdfast/core/units/ip.ts";
import { isLoopback } from "./address-rules.ts";
import type { Place } from "./config-error.ts";
import type { Path } from "./document.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import { nearest } from "./suggest.ts";

export interface ConfigWarning {
  /** Stable, kebab-case. */
  readonly code: string;
  readonly text: string;
  /** Where in the file it stands; the file as a whole when absent. */
  readonly path?: Path;
  /** The same, where the parser kept it. */
  readonly place?: Place;
}

export function configWarnings(config: ParsedConfig): ConfigWarning[] {
  const { cluster } = config;
  return [
    ...voterWarnings(cluster),
    ...linkWarnings(cluster),
    ...serialWarnings(cluster),
    ...subnetWarnings(cluster),
    ...timingWarnings(cluster),
    ...interfaceWarnings(config),
    ...cluster.groups.flatMap(groupWarnings),
    ...(cluster.groups.length === 0 ? [NO_GROUPS] : []),
  ];
}

const NO_GROUPS: ConfigWarning = { code: "no-groups", text: "no groups: nothing is kept alive" };

function voterWarnings(cluster: Cluster): ConfigWarning[] {
  const voters = votersOf(cluster).length;
  if (voters === 1) {
    const text =
      cluster.nodes.length === 1
        ? "one node: nobody takes over when it dies"
        : "one voter: nobody owns anything when it dies; name 3 or 5";
    return [{ code: "one-voter", text, path: ["nodes"] }];
  }
  if (cluster.quorum === "available") {
    const text = "quorum available: two owners in a network cut, if both nodes reach the reference and not each other";
    return [{ code: "quorum-available", text, path: ["cluster", "quorum"] }];
  }
  if (voters === 2) {
    const text = "2 voters: when either node is down nobody may own; add a witness (role: witness)";
    return [{ code: "even-voters", text, path: ["nodes"] }];
  }
  if (voters % 2 === 1) return [];
  const text = `${voters} voters: no more may be lost than with ${voters - 1}; add or remove a witness`;
  return [{ code: "even-voters", text, path: ["nodes"] }];
}

function linkWarnings(cluster: Cluster): ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  if (cluster.links.length === 1 && cluster.nodes.length > 1) {
    const text = "one link: its failure takes the owner's right away; add a second, over another network";
    warnings.push({ code: "one-link", text, path: ["links"] });
  }
  const loopback = cluster.nodes.filter((node) => Object.values(node.links).some(isLoopback));
  if (loopback.length > 0) {
    const text = `loopback link addresses (${loopback.map((node) => node.name).join(", ")}): all nodes are one machine`;
    warnings.push({ code: "loopback-link", text, path: ["nodes"] });
  }
  for (const node of cluster.nodes) {
    const addresses = Object.values(node.links);
    if (new Set(addresses).size === addresses.length) continue;
    warnings.push({
      code: "shared-link-address",
      text: `${node.name} has one address for two links: they fail together`,
      path: ["nodes", node.name],
    });
  }
  return warnings;
}

/** Proof of life is worth having, but who counts on more should know. */
function serialWarnings(cluster: Cluster): ConfigWarning[] {
  return cluster.links.flatMap((link) => {
    if (link.kind !== "serial") return [];
    const { renewal, inWindow } = serialNeed(cluster, link);
    if (renewal <= inWindow) return [];
    const text =
      `link ${link.name}: ${link.baud} baud carry ${inWindow} octets in the window of ${cluster.timing.window} ms, and ` +
      `a renewal with its answer has ${renewal}: an owner whose other links are gone loses its groups`;
    return [{ code: "slow-serial-link", text, path: ["links", link.name] }];
  });
}

/** What networks of machines mostly are; the file does not say how long theirs is. */
const USUAL_PREFIX = { ipv4: 24, ipv6: 64 } as const;

/** B1: the kernel sends both over one adapter, so that they fail together. */
function subnetWarnings(cluster: Cluster): ConfigWarning[] {
  for (const node of cluster.nodes) {
    const ends = Object.entries(node.links);
    for (const [i, [link, address]] of ends.entries()) {
      const length = isIpv4(address) ? USUAL_PREFIX.ipv4 : USUAL_PREFIX.ipv6;
      const other = ends.slice(0, i).find(([, each]) => each !== address && inNetwork(each, address, length));
      if (other === undefined || isLoopback(address)) continue;
      const text = `links ${other[0]} and ${link}: ${other[1]} and ${address} of ${node.name} look like one subnet`;
      return [{ code: "links-share-subnet", text, path: ["nodes", node.name, link] }];
    }
  }
  return [];
}

function timingWarnings({ timing }: Cluster): ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  if (lossesTolerated(timing) < 1) {
    const text = "timing: one lost renewal closes the fence for a moment; choose a longer dead";
    warnings.push({ code: "no-loss-tolerated", text, path: ["timing"] });
  }
  if (sendsInWindow(timing) < 4) {
    const text = `timing: only ${sendsInWindow(timing)} sends of a renewal fit its window; choose a longer heartbeat`;
    warnings.push({ code: "narrow-window", text, path: ["timing"] });
  }
  return warnings;
}

function interfaceWarnings(config: ParsedConfig): ConfigWarning[] {
  const logical = new Set(config.cluster.nodes.flatMap((node) => Object.keys(node.interfaces)));
  return config.interfaces
    .filter((each) => each.node === null && logical.size > 0)
    .map((each) => {
      const near = nearest(each.name, logical);
      const hint = near === undefined ? "" : `; did you mean "${near}"?`;
      const text = `line ${each.place.line}: no node explains interface "${each.name}", so it is the kernel's name${hint}`;
      return { code: "kernel-interface", text, place: each.place };
    });
}

function groupWarnings(group: GroupConfig): ConfigWarning[] {
  const path = ["groups", group.name];
  const warnings: ConfigWarning[] = [];
  if (group.prefer.length === 1) {
    const text = `group ${group.name}: only ${String(group.prefer[0])} may own it; nobody takes over`;
    warnings.push({ code: "one-candidate", text, path: [...path, "prefer"] });
  }
  if (group.onQuorumLoss === "hold") {
    const text = `group ${group.name}: an owner without a majority answers on; the others may elect a second one meanwhile`;
    warnings.push({ code: "holds", text, path: [...path, "on_quorum_loss"] });
  }
  if (group.onConflict === "yield") {
    const text = `group ${group.name}: any station that takes one of its addresses ends the service for as long as it stays`;
    warnings.push({ code: "yields", text, path: [...path, "on_conflict"] });
  }
  return warnings;
}
