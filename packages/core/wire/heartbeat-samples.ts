/** Heartbeats for tests and measurements: one with every kind of entry, one as small clusters send ten times a second. */
import type { Ballot, Holder } from "../ownership/lease/ballot.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "../units/names.ts";
import type { Mac } from "../units/mac.ts";
import type { Heartbeat, HeardReport, LeaseEntry } from "./messages.ts";

const a = "a" as NodeName;
const lb2 = "lb2" as NodeName;
const web = "web" as GroupName;
const bootA = "a0a1a2a3a4a5a6a7" as BootId;
const bootB = "b0b1b2b3b4b5b6b7" as BootId;
const kernelA = "0102030405060708" as KernelId;
const ballot: Ballot = { round: 7, node: a, boot: bootA };
const next: Ballot = { round: 4_294_967_295, node: lb2, boot: bootB };
const holder: Holder = { node: a, kernel: kernelA };
const NOT_PAUSED = { stamp: 0, remaining_ms: 0 };

/** One of every kind, in the order of their type numbers. */
export const EVERY_LEASE_ENTRY: readonly LeaseEntry[] = [
  { kind: "prepare", group: web, ballot, holder },
  { kind: "promise", group: web, ballot },
  { kind: "propose", group: web, ballot, number: 17, holder, lease_ms: 300 },
  { kind: "grant", group: web, ballot, number: 17 },
  { kind: "refuse", group: web, ballot, promised: next, owner: lb2, remaining_ms: 251, reason: "held" },
  { kind: "release", group: web, ballot, holder },
  { kind: "released", group: web, ballot },
  { kind: "offer", group: web, ballot, macs: ["02:00:00:00:00:02" as Mac] },
  {
    kind: "ready",
    group: web,
    ballot,
    holder,
    boot: bootB,
    macs: ["02:00:00:00:00:01" as Mac, "02:00:00:00:01:01" as Mac],
  },
  { kind: "nominate", group: web, fromBallot: ballot, ballot: next, holder, holderBoot: bootB },
];

/** Holds every kind of entry once. */
export const FULL: Heartbeat = {
  version: 2,
  speaks: 2,
  node: a,
  boot: bootA,
  kernel: kernelA,
  generation: 3,
  digest: "00c0ffee",
  toBoot: bootB,
  message: 4711,
  extra: true,
  drained: false,
  drainReason: "kernel",
  stopping: true,
  stalled: false,
  abstaining: true,
  reluctant: false,
  eventsSeen: 12,
  echo: { message: 4710, held_us: 1500 },
  about: { software: "0.4.0", keys: [0x01020304, 0xfffefdfc] },
  adapters: [
    {
      name: "service",
      interface: "ens3" as InterfaceName,
      state: "no-carrier",
      used: false,
      heardAge_ms: 65_535,
      referenceAge_ms: 12,
    },
  ],
  heard: [{ peer: lb2, link: "lan" as LinkName, age_ms: 40, loss_permille: 380, roundTrip_us: 210, jitter_us: 90 }],
  groups: [
    {
      group: web,
      fence: "open",
      ineligible: "",
      owner: a,
      ballot,
      remaining_ms: 280,
      adapter: 1,
      pause: { stamp: 3, remaining_ms: 3_600_000 },
    },
    {
      group: "db" as GroupName,
      fence: "closed",
      ineligible: "generation",
      owner: undefined,
      ballot: undefined,
      remaining_ms: 0,
      adapter: 0,
      pause: NOT_PAUSED,
    },
  ],
  lease: EVERY_LEASE_ENTRY,
  events: [
    {
      node: a,
      boot: bootA,
      number: 5,
      wall_ms: 1_795_252_800_123,
      level: "alarm",
      code: "group-owned",
      group: web,
      text: "Zoë €",
    },
  ],
  requests: [
    { origin: a, boot: bootA, number: 1, target: lb2, action: { kind: "move", group: web, target: undefined } },
    { origin: a, boot: bootA, number: 2, target: lb2, action: { kind: "drain", node: lb2, reason: "kernel" } },
    { origin: a, boot: bootA, number: 3, target: lb2, action: { kind: "undrain", node: lb2 } },
    {
      origin: a,
      boot: bootA,
      number: 4,
      target: lb2,
      action: { kind: "pause", group: web, for_ms: 3_600_000, reason: "switch" },
    },
    { origin: a, boot: bootA, number: 5, target: lb2, action: { kind: "resume", group: undefined } },
    { origin: a, boot: bootA, number: 6, target: lb2, action: { kind: "acknowledge" } },
  ],
  outcomes: [{ origin: a, boot: bootA, number: 9, code: "refused", text: "no" }],
};

/** The regular beat of a holder: `heard` reports, and one renewal for each of `groups` groups. */
export function typicalHeartbeat(heard: number, groups: number): Heartbeat {
  const names = Array.from({ length: groups }, (_, i) => `service-${i}` as GroupName);
  return {
    ...FULL,
    extra: false,
    stopping: false,
    abstaining: false,
    heard: Array.from({ length: heard }, (_, i): HeardReport => {
      return {
        peer: `lb${i >> 1}` as NodeName,
        link: (i % 2 === 0 ? "lan" : "private") as LinkName,
        age_ms: i,
        loss_permille: 0,
        roundTrip_us: 180,
        jitter_us: 40,
      };
    }),
    adapters: [],
    groups: names.map((group) => ({
      group,
      fence: "open",
      ineligible: "",
      owner: a,
      ballot,
      remaining_ms: 280,
      adapter: 0,
      pause: NOT_PAUSED,
    })),
    lease: names.map((group, i) => ({ kind: "propose", group, ballot, number: i, holder, lease_ms: 300 })),
    events: [],
    requests: [],
    outcomes: [],
  };
}
