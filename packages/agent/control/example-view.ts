/** For tests: what the engine of lb1 sees in a healthy cluster of three nodes, two links and two groups. */
import type { EngineView, LinkView as LinkEnds } from "../channel.ts";
import type { GroupView, LinkView, NodeView, PeerView } from "@holdfast/core/view.ts";

const NAMES = ["lb1", "lb2", "lb3"];
const LINKS = ["lan", "hb"];

export function exampleView(changes: Partial<NodeView> = {}): NodeView {
  const view = {
    cluster: "edge",
    node: "lb1",
    generation: 1,
    digest: "a1f3c2d4",
    quorum: true,
    available: false,
    alone: false,
    timing: { heartbeat: 100, dead: 300, window: 48, keep: 236 },
    nodes: NAMES.map((name) => examplePeer(name)),
    groups: [exampleGroup("web", "lb1", ["lb2", "lb3"]), exampleGroup("db", "lb3", ["lb2"])],
    rejected: [],
  };
  return { ...(view as unknown as NodeView), ...changes };
}

export function examplePeer(name: string, changes: Partial<PeerView> = {}): PeerView {
  const self = name === "lb1";
  const peer = {
    name,
    role: "member",
    self,
    alive: true,
    age_ms: self ? 0 : 40,
    drained: false,
    stopping: false,
    stalled: false,
    abstaining: false,
    reluctant: false,
    digest: "a1f3c2d4",
    generation: 1,
    heard: self ? [] : LINKS.map((link) => exampleLink(link)),
    reports: self
      ? []
      : NAMES.filter((peer_name) => peer_name !== name).flatMap((peer_name) =>
          LINKS.map((link) => ({
            peer: peer_name,
            link,
            age_ms: 30,
            loss_permille: 0,
            roundTrip_us: 210,
          })),
        ),
    reportsAge_ms: self ? 0 : 40,
    groups: [],
    adapters: [],
  };
  return { ...(peer as unknown as PeerView), ...changes };
}

export function exampleLink(link: string, changes: Partial<LinkView> = {}): LinkView {
  return {
    ...({
      link,
      alive: true,
      age_ms: 40,
      loss_permille: 0,
      roundTrip_us: 200,
      jitter_us: 15,
    } as unknown as LinkView),
    ...changes,
  };
}

export function exampleLinks(): readonly LinkEnds[] {
  return LINKS.map((name, i) => ({
    name,
    kind: "udp",
    ends: Object.fromEntries(NAMES.map((node, j) => [node, `10.0.${i}.1${j + 1}`])),
    device: `eth${i}`,
    trouble: undefined,
  }));
}

export function exampleGroup(
  name: string,
  owner: string,
  standbys: readonly string[],
  changes: Partial<GroupView> = {},
): GroupView {
  const group = {
    name,
    owner,
    claimed: [owner],
    term: 17,
    since_ms: 192_000,
    addresses: [name === "web" ? "10.0.0.100/24" : "10.0.0.101/24"],
    prefer: [owner, ...standbys],
    standbys,
    fence: owner === "lb1" ? "open" : "closed",
    moving: false,
    adapter: 0,
    pause: undefined,
    addressesRestored: 0,
    candidates: NAMES.map((node) => ({
      node,
      ineligible: node === owner || standbys.includes(node) ? "" : "not-preferred",
    })),
    cause: "first in prefer when the cluster started",
  };
  return { ...(group as unknown as GroupView), ...changes };
}

export function exampleEngine(changes: Partial<EngineView> = {}): EngineView {
  return {
    boot: "00000000000000b1",
    pid: 4711,
    bundled: true,
    notRealTime: undefined,
    ready_ms: 60,
    firstRenewal_ms: 80,
    crashes: 0,
    lateness: {
      tolerated_ms: 50,
      wakeups: 5000,
      late: 0,
      max_ms: 7.1,
      minute: { wakeups: 600, p99_ms: 0.2, max_ms: 1.4 },
    },
    ...changes,
  };
}
