/** For tests: the degraded cluster of three nodes that the documentation shows. */
import type { Status } from "@holdfast/api/schema.ts";

export const NOON = new Date(2026, 10, 21, 12, 0, 0).getTime();

const ENGINE: Status["engine"] = {
  boot: "00000000000000b1",
  pid: 4711,
  bundled: true,
  real_time: true,
  not_real_time_because: null,
  ready_ms: 60,
  first_renewal_ms: 80,
  crashes: 0,
  unconfirmed_ms: null,
  lateness: {
    tolerated_ms: 50,
    wakeups: 5000,
    late: 0,
    max_ms: 7.1,
    minute: { wakeups: 600, p99_ms: 0.2, max_ms: 1.4 },
  },
};

const NODE = {
  role: "member",
  alive: true,
  state: "up",
  drained: false,
  heard_by: [],
  drain_reason: null,
  failing: [],
  adapters: [],
  version: "1.2.0",
  keys: ["5e3b1f52"],
} as const;
const UNDISTURBED = {
  by_voters: false,
  addresses_restored: 0,
  paused_until: null,
  pause_remaining_ms: null,
  pause_text: null,
} as const;

export function sampleStatus(changes: Partial<Status> = {}): Status {
  const ok = { name: "lan", state: "ok", loss_percent: 0 } as const;
  const loss = { name: "hb", state: "LOSS", loss_percent: 38 } as const;
  return {
    schema: "holdfast.status/1",
    cluster: "edge",
    node: "lb1",
    health: "degraded",
    quorum: true,
    available: false,
    alone: false,
    generation: 1,
    config: "a1f3c2d4",
    config_differs: [],
    engine_age_ms: 2,
    engine: ENGINE,
    timing: { heartbeat_ms: 100, dead_ms: 300, window_ms: 48, keep_ms: 236 },
    nodes: [
      { ...NODE, name: "lb1", age_ms: 0, links: [ok, loss] },
      {
        ...NODE,
        name: "lb2",
        age_ms: 210,
        links: [ok, loss],
        state: "drained",
        drained: true,
        drain_reason: "kernel",
        failing: ["interface-down"],
        adapters: [],
      },
      { ...NODE, name: "lb3", age_ms: 110, links: [ok, { ...loss, state: "ok", loss_percent: 0 }] },
    ],
    groups: [
      {
        name: "web",
        owner: "lb1",
        term: 17,
        since_ms: (12 * 24 + 4) * 3_600_000,
        addresses: ["10.0.0.100/24", "2001:db8::100/64"],
        standbys: ["lb3"],
        adapter: 0,
        state: "owned",
        ...UNDISTURBED,
        last_move: { cause: "manual", outage_ms: 38, confirm_ms: null },
      },
      {
        name: "db",
        owner: "lb3",
        term: 4,
        since_ms: 192_000,
        addresses: ["10.0.0.101/24"],
        standbys: [],
        adapter: 0,
        state: "owned",
        ...UNDISTURBED,
        last_move: { cause: "drain", outage_ms: 41, confirm_ms: null },
      },
    ],
    alarms: [],
    warnings: [
      { text: 'db has no standby: lb2 is drained "kernel"', command: "holdfast undrain lb2" },
      { text: "link hb lb1-lb2: 38% loss", command: "holdfast links hb" },
    ],
    ...changes,
  };
}
