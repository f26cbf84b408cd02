/** One field of a heartbeat set to what it never is: each with a name to find it by. */
import type { Heartbeat, LeaseEntry } from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, KernelId, NodeName } from "@holdfast/core/units/names.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import type { Ballot, Holder } from "@holdfast/core/ownership/lease/ballot.ts";

export interface Alteration {
  readonly name: string;
  readonly alter: (h: Heartbeat) => Heartbeat;
}

/** What the altered message says it is about: a group, the ballot of its lease, who says so. */
export interface Subject {
  readonly group: GroupName;
  readonly ballot: Ballot;
  readonly holder: Holder;
  readonly boot: BootId;
}

const U16 = [0, 1, 0x7fff, 0xffff];
const U32 = [0, 1, 1000, 2 ** 24 - 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1];
const U48 = [1, 100_000, 2 ** 24, 2 ** 32 - 1, 2 ** 32, 2 ** 47, 2 ** 48 - 1];
const NOBODY = "nobody" as NodeName;
const OTHER_BOOT = "1122334455667788" as BootId;
const OTHER_KERNEL = "8877665544332211" as KernelId;

function field<Key extends keyof Heartbeat>(key: Key, values: readonly Heartbeat[Key][]): Alteration[] {
  return values.map((value) => ({ name: `${key} ${JSON.stringify(value)}`, alter: (h) => ({ ...h, [key]: value }) }));
}

function headAlterations(): Alteration[] {
  return [
    ...field("message", U48),
    ...field("generation", U32),
    ...field("digest", ["ffffffff"]),
    ...field("kernel", [OTHER_KERNEL]),
    ...field("toBoot", [undefined, OTHER_BOOT]),
    ...field("node", ["n1" as NodeName, "n3" as NodeName, NOBODY]),
    ...field("eventsSeen", U32),
    ...field("extra", [true, false]),
    ...field("drained", [true]),
    ...field("stopping", [true]),
    ...field("stalled", [true]),
    ...field("abstaining", [true]),
    ...field("echo", [undefined, { message: 2 ** 48 - 1, held_us: 0 }, { message: 3, held_us: 2 ** 32 - 1 }]),
    ...field("heard", [[]]),
    ...field("groups", [[]]),
  ];
}

function reportAlterations(): Alteration[] {
  const all = (name: string, change: Partial<Heartbeat["groups"][number]>): Alteration => ({
    name: `groups ${name}`,
    alter: (h) => ({ ...h, groups: h.groups.map((report) => ({ ...report, ...change })) }),
  });
  return [
    all("open", { fence: "open" }),
    all("closed", { fence: "closed" }),
    all("forward", { fence: "forward" }),
    all("relay", { fence: "relay" }),
    all("witness", { ineligible: "witness" }),
    all("owner nobody", { owner: NOBODY }),
    all("owner n1", { owner: "n1" as NodeName }),
    all("remaining 65535", { remaining_ms: 65_535 }),
    ...U32.map((round) =>
      all(`round ${round}`, { owner: "n1" as NodeName, ballot: { round, node: NOBODY, boot: OTHER_BOOT } }),
    ),
  ];
}

function leaseAlterations({ group, ballot, holder, boot }: Subject): Alteration[] {
  const macs = ["02:00:00:00:00:09" as Mac];
  const say = (entry: LeaseEntry, name: string): Alteration => ({
    name: `${entry.kind} ${entry.group} ${name}`,
    alter: (h) => ({ ...h, lease: [entry] }),
  });
  const ballots = [
    ...U32.map((round) => ({ ...ballot, round })),
    { ...ballot, node: NOBODY },
    { ...ballot, boot: OTHER_BOOT },
    { ...ballot, round: ballot.round + 1 },
  ];
  const text = (b: Ballot): string => `${b.round} ${b.node} ${b.boot}`;
  return [
    ...ballots.flatMap((altered) =>
      [
        { kind: "prepare", group, ballot: altered, holder } as const,
        { kind: "promise", group, ballot: altered } as const,
        { kind: "propose", group, ballot: altered, number: 1, holder, lease_ms: 300 } as const,
        { kind: "grant", group, ballot: altered, number: 1 } as const,
        { kind: "release", group, ballot: altered, holder } as const,
        { kind: "released", group, ballot: altered } as const,
        { kind: "offer", group, ballot: altered, macs } as const,
        { kind: "ready", group, ballot: altered, holder, boot, macs } as const,
        { kind: "nominate", group, fromBallot: ballot, ballot: altered, holder, holderBoot: boot } as const,
        { kind: "nominate", group, fromBallot: altered, ballot, holder, holderBoot: boot } as const,
        refuse(group, ballot, altered, "promised", 0),
        refuse(group, altered, ballot, "closed", 0),
      ].map((entry) => say(entry, text(altered))),
    ),
    ...U48.map((number) => say({ kind: "propose", group, ballot, number, holder, lease_ms: 300 }, `number ${number}`)),
    ...U48.map((number) => say({ kind: "grant", group, ballot, number }, `number ${number}`)),
    ...U16.map((lease_ms) =>
      say({ kind: "propose", group, ballot, number: 2 ** 20, holder, lease_ms }, `${lease_ms} ms`),
    ),
    ...(["held", "promised", "closed", "abstaining", "generation"] as const).map((reason) =>
      say(refuse(group, ballot, ballot, reason, 65_535), `${reason} 65535 ms`),
    ),
  ];
}

function refuse(
  group: GroupName,
  ballot: Ballot,
  promised: Ballot,
  reason: Extract<LeaseEntry, { kind: "refuse" }>["reason"],
  remaining_ms: number,
): LeaseEntry {
  return { kind: "refuse", group, ballot, promised, owner: NOBODY, remaining_ms, reason };
}

function listAlterations({ group, boot }: Subject): Alteration[] {
  const n2 = "n2" as NodeName;
  const event = { node: n2, boot, wall_ms: 0, level: "info", code: "x", group: undefined, text: "" } as const;
  const request = { origin: n2, boot, target: "n1" as NodeName } as const;
  return [
    ...U32.map((number): Alteration => ({
      name: `event number ${number}`,
      alter: (h) => ({ ...h, events: [{ ...event, number }] }),
    })),
    ...U32.slice(0, 2).flatMap((number): Alteration[] => [
      {
        name: `request move ${number}`,
        alter: (h) => ({
          ...h,
          requests: [{ ...request, number, action: { kind: "move", group, target: NOBODY } }],
        }),
      },
      {
        name: `outcome ${number}`,
        alter: (h) => ({ ...h, outcomes: [{ origin: "n1" as NodeName, boot, number, code: "done", text: "" }] }),
      },
    ]),
  ];
}

export function alterations(subjects: readonly Subject[]): Alteration[] {
  return [
    ...headAlterations(),
    ...reportAlterations(),
    ...subjects.flatMap(leaseAlterations),
    ...subjects.slice(0, 1).flatMap(listAlterations),
  ];
}
