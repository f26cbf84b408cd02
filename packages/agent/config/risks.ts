/** What else is risky in a configuration, for `holdfast lint`: too much for check-config, where only the worst is told. */
import { type Cluster, type GroupConfig, segmentsOf } from "@holdfast/core/cluster.ts";
import { inNetwork } from "@holdfast/core/units/ip.ts";
import type { ConfigWarning } from "./warnings.ts";

/** From the file alone. */
export function configRisks(cluster: Cluster): ConfigWarning[] {
  return [
    ...sealRisks(cluster),
    ...referenceRisks(cluster),
    ...cluster.groups.flatMap((group) => [...adapterRisks(cluster, group), ...subnetRisks(group)]),
  ];
}

function sealRisks({ seal }: Cluster): ConfigWarning[] {
  if (seal === "encrypt") return [];
  const text = "seal authenticate-only: whoever is on a link reads names, addresses and states";
  return [{ code: "not-encrypted", text, path: ["cluster", "seal"] }];
}

function hasStandbyAdapter(group: GroupConfig): boolean {
  return group.addresses.some(({ interfaces }) => interfaces.length > 1);
}

/** A7: without somebody to ask, silence does not tell the adapter from the network. */
function referenceRisks({ groups, reference }: Cluster): ConfigWarning[] {
  const group = groups.find(hasStandbyAdapter);
  if (group === undefined || (reference ?? []).length > 0) return [];
  const text = `group ${group.name} has standby adapters and there is no reference: a silent adapter stays undecided`;
  return [{ code: "no-reference", text, path: ["groups", group.name, "interfaces"] }];
}

function adapterRisks({ nodes }: Cluster, group: GroupConfig): ConfigWarning[] {
  if (nodes.length < 2 || group.addresses.every(({ interfaces }) => interfaces.length > 1)) return [];
  const alone = group.addresses.find(({ interfaces }) => interfaces.length === 1);
  const text = `group ${group.name}: ${alone?.interfaces[0]} has no standby adapter; when it fails the group leaves the node`;
  return [{ code: "no-standby-adapter", text, path: ["groups", group.name, "interfaces"] }];
}

/** A8: two adapters in one network, and the kernel may answer over the wrong one. */
function subnetRisks(group: GroupConfig): ConfigWarning[] {
  if (segmentsOf(group).length < 2) return [];
  for (const [index, one] of group.addresses.entries()) {
    for (const other of group.addresses.slice(index + 1)) {
      const length = Math.min(one.prefixLength, other.prefixLength);
      if (one.interfaces[0] === other.interfaces[0] || !inNetwork(one.address, other.address, length)) continue;
      const text =
        `group ${group.name}: ${one.address} on ${one.interfaces[0]} and ${other.address} on ${other.interfaces[0]} ` +
        `are in one subnet`;
      return [{ code: "adapters-share-subnet", text, path: ["groups", group.name, "addresses"] }];
    }
  }
  return [];
}
