/** `lab status`: the lab's own view, and what each node's daemon says. */
import type { Status } from "@holdfast/api/schema.ts";
import { describeFaults } from "./faults.ts";
import type { Lab } from "./lab.ts";
import type { DaemonState } from "./daemons.ts";
import { usageOf } from "./processes.ts";

const RECENT_MS = 100;

export interface LabStatus {
  readonly schema: "holdfast.lab-status/1";
  readonly name: string;
  readonly directory: string;
  /** Who answers the client at the moment. */
  readonly owner: string | null;
  readonly faults: readonly string[];
  readonly nodes: readonly LabNodeStatus[];
  readonly violations: readonly (readonly string[])[];
}

export interface LabNodeStatus {
  readonly name: string;
  readonly daemon: DaemonState;
  readonly processes: number;
  readonly resident_mb: number;
  readonly socket: string;
  /** The daemon's own `holdfast status --json`; null when it does not answer. */
  readonly status: Status | null;
}

export async function labStatus(lab: Lab): Promise<LabStatus> {
  const statuses = await lab.statuses();
  const position = await lab.traffic.position();
  const seen = await lab.traffic.report(0, position);
  const nodes = [...lab.daemons].map(([name, daemon]): LabNodeStatus => {
    const usage = usageOf(name);
    const resident_mb = Math.round(usage.resident_mb * 10) / 10;
    return {
      name,
      daemon: daemon.state,
      processes: usage.processes,
      resident_mb,
      socket: daemon.files.socket,
      status: statuses.get(name) ?? null,
    };
  });
  return {
    schema: "holdfast.lab-status/1",
    name: lab.name,
    directory: lab.directory,
    owner: (await lab.owner(RECENT_MS, RECENT_MS)) ?? null,
    faults: describeFaults(lab.faults),
    nodes,
    violations: seen.violations,
  };
}

export function statusLines(status: LabStatus): readonly string[] {
  const rows = status.nodes.map((node) => {
    const health = node.status ? node.status.health : "-";
    const quorum = node.status ? (node.status.quorum ? "yes" : "NO") : "-";
    const alive = node.status
      ? `${node.status.nodes.filter((each) => each.alive).length}/${node.status.nodes.length}`
      : "-";
    const owner = node.status ? (node.status.groups[0]?.owner ?? "NONE") : "-";
    const cells = [
      node.name.padEnd(6),
      node.daemon.padEnd(9),
      String(node.processes).padStart(5),
      `${node.resident_mb} MB`.padStart(10),
      `  ${health.padEnd(9)}`,
    ];
    return `${cells.join("")}${quorum.padEnd(8)}${alive.padEnd(7)}${owner}`;
  });
  return [
    `lab ${status.name}  ${status.directory}`,
    `client: ${status.owner ? `answered by ${status.owner}` : "NO steady answers"}   watcher: ${status.violations.length === 0 ? "never two nodes" : `TWO NODES ANSWERED ${status.violations.length} times`}`,
    `faults: ${status.faults.join("; ") || "none"}`,
    "",
    "NODE  DAEMON    PROCS  RESIDENT  HEALTH   QUORUM  ALIVE  OWNER",
    ...rows,
    ...status.violations.flat(),
  ];
}

/** "n1 [web]   n2 [ready]   n3 [down]" */
export function nodesLine(status: LabStatus, group: string): string {
  const word = (node: LabNodeStatus) => {
    if (status.owner === node.name) return group;
    if (node.daemon !== "running") return node.daemon;
    const standbys = status.nodes.flatMap((each) => each.status?.groups[0]?.standbys ?? []);
    return standbys.includes(node.name) ? "ready" : "up";
  };
  return status.nodes.map((node) => `${node.name} [${word(node)}]`).join("   ");
}
