/**
 * Worlds of those who go on without a majority (ownership.md Q1 to Q3): two nodes with `quorum: available`, three with
 * `on_quorum_loss: hold`. Two owners are allowed there when one hears nothing of the other, and at no other time; and after
 * the faults there is one.
 */
import { clusterOf } from "./clusters.ts";
import { hostileWorld } from "./hostile.ts";
import type { Scenario } from "./scenario.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";

export const available: Scenario = {
  name: "available",
  about: "two nodes with quorum available: two owners only while one hears nothing of the other",
  run: (seed, options) => hostileWorld(seed, options, availableCluster),
};

export const hold: Scenario = {
  name: "hold",
  about: "owners that hold on without a majority: two owners only while one hears nothing of the other",
  run: (seed, options) => hostileWorld(seed, options, holdCluster),
};

function availableCluster(seed: number, times: Parameters<typeof clusterOf>[2]): Cluster {
  const groups = seed % 2 === 0 ? ["web"] : ["web", "db"];
  const cluster = clusterOf(2, groups, times);
  return { ...cluster, quorum: "available", reference: ["10.0.0.254" as IpAddress] };
}

function holdCluster(seed: number, times: Parameters<typeof clusterOf>[2]): Cluster {
  const cluster = clusterOf(seed % 3 === 0 ? 5 : 3, ["web", "db"], times);
  return { ...cluster, groups: cluster.groups.map((group) => ({ ...group, onQuorumLoss: "hold" })) };
}
