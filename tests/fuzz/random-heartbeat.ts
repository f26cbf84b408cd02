/** Random valid heartbeats of every kind of entry: what a node could say, about names, ballots and boots from a given world. */
import type { Chance } from "./chance.ts";
import type { Ballot, Holder } from "@holdfast/core/ownership/lease/ballot.ts";
import type {
  AdapterReport,
  ClusterEvent,
  GroupReport,
  HeardReport,
  Heartbeat,
  Ineligibility,
  LeaseEntry,
  NodeReport,
  OperatorAction,
  OperatorOutcome,
  OperatorRequest,
} from "@holdfast/core/wire/messages.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "@holdfast/core/units/names.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";

/** The names to draw from; a few strangers are always among what is drawn. */
export interface World {
  readonly nodes: readonly [NodeName, ...NodeName[]];
  readonly groups: readonly [GroupName, ...GroupName[]];
  readonly links: readonly [LinkName, ...LinkName[]];
  readonly boots: readonly [BootId, ...BootId[]];
  readonly kernels: readonly [KernelId, ...KernelId[]];
  /** About the highest round in use. */
  readonly round: number;
}

export const ANY_WORLD: World = {
  nodes: ["a" as NodeName, "lb2" as NodeName, "n".repeat(32) as NodeName],
  groups: ["web" as GroupName, "0" as GroupName, "g-".repeat(16) as GroupName],
  links: ["lan" as LinkName, "p" as LinkName],
  boots: ["a0a1a2a3a4a5a6a7" as BootId, "0000000000000000" as BootId, "ffffffffffffffff" as BootId],
  kernels: ["0102030405060708" as KernelId],
  round: 7,
};

const INELIGIBILITIES: readonly [Ineligibility, ...Ineligibility[]] = [
  "",
  "",
  "",
  "witness",
  "not-preferred",
  "drained",
  "stopping",
  "interface-down",
  "adapters-failed",
  "unfit",
  "yielded",
];

const TEXTS = ["", "kernel", "Zo\u00eb \u20ac", "\u{1f600}".repeat(9), "x".repeat(150), "\u0000\n\t\"'"] as const;

export class RandomHeartbeats {
  readonly #chance: Chance;
  readonly #world: World;

  constructor(chance: Chance, world: World) {
    this.#chance = chance;
    this.#world = world;
  }

  /** A node of the world, rarely another name. */
  #node(): NodeName {
    return this.#chance.once(20) ? (`x${this.#chance.hex(4)}` as NodeName) : this.#chance.pick(this.#world.nodes);
  }

  #group(): GroupName {
    return this.#chance.once(20) ? (`y${this.#chance.hex(4)}` as GroupName) : this.#chance.pick(this.#world.groups);
  }

  #boot(): BootId {
    return this.#chance.once(20) ? (this.#chance.hex(16) as BootId) : this.#chance.pick(this.#world.boots);
  }

  #maybe<Value>(make: () => Value): Value | undefined {
    return this.#chance.once(3) ? undefined : make();
  }

  #text(): string {
    return this.#chance.pick(TEXTS);
  }

  ballot(): Ballot {
    const near = this.#world.round + this.#chance.below(5) - 2;
    const round = this.#chance.once(8) ? this.#chance.number(32) : Math.max(0, near);
    return { round, node: this.#node(), boot: this.#boot() };
  }

  #holder(): Holder {
    return { node: this.#node(), kernel: this.#chance.pick(this.#world.kernels) };
  }

  #macs(): Mac[] {
    const hex = (): string => this.#chance.hex(2);
    return this.#chance.list(3, () => [hex(), hex(), hex(), hex(), hex(), hex()].join(":") as Mac);
  }

  leaseEntry(): LeaseEntry {
    const group = this.#group();
    const ballot = this.ballot();
    const holder = this.#holder();
    const number = this.#chance.number(this.#chance.once(2) ? 48 : 8);
    const kinds: readonly [LeaseEntry, ...LeaseEntry[]] = [
      { kind: "prepare", group, ballot, holder },
      { kind: "promise", group, ballot },
      {
        kind: "propose",
        group,
        ballot,
        number,
        holder,
        lease_ms: this.#chance.once(4) ? this.#chance.number(16) : 300,
      },
      { kind: "grant", group, ballot, number },
      {
        kind: "refuse",
        group,
        ballot,
        promised: this.ballot(),
        owner: this.#maybe(() => this.#node()),
        remaining_ms: this.#chance.number(16),
        reason: this.#chance.pick(["held", "promised", "closed", "abstaining", "generation"]),
      },
      { kind: "release", group, ballot, holder },
      { kind: "released", group, ballot },
      { kind: "offer", group, ballot, macs: this.#macs() },
      { kind: "ready", group, ballot, holder, boot: this.#boot(), macs: this.#macs() },
      { kind: "nominate", group, fromBallot: this.ballot(), ballot, holder, holderBoot: this.#boot() },
    ];
    return this.#chance.pick(kinds);
  }

  #heard(): HeardReport {
    return {
      peer: this.#node(),
      link: this.#chance.pick(this.#world.links),
      age_ms: this.#chance.number(16),
      loss_permille: this.#chance.below(1001),
      roundTrip_us: this.#chance.number(32),
      jitter_us: this.#chance.number(32),
    };
  }

  #report(): GroupReport {
    return {
      group: this.#group(),
      fence: this.#chance.pick(["closed", "relay", "open", "forward"]),
      ineligible: this.#chance.pick(INELIGIBILITIES),
      owner: this.#maybe(() => this.#node()),
      ballot: this.#maybe(() => this.ballot()),
      remaining_ms: this.#chance.number(16),
      adapter: this.#chance.number(8),
      pause: { stamp: this.#chance.number(32), remaining_ms: this.#chance.number(32) },
    };
  }

  #adapter(): AdapterReport {
    return {
      name: this.#chance.pick(["service", "standby", "ens3"]),
      interface: this.#chance.pick(["ens3", "eth0.100", "a".repeat(15)]) as InterfaceName,
      state: this.#chance.pick(["ok", "down", "no-carrier", "silent", "network-down", "undecided"]),
      used: this.#chance.once(2),
      heardAge_ms: this.#chance.number(16),
      referenceAge_ms: this.#chance.number(16),
    };
  }

  #about(): NodeReport {
    return { software: this.#text().slice(0, 8), keys: this.#chance.list(16, () => this.#chance.number(32)) };
  }

  #event(): ClusterEvent {
    return {
      node: this.#node(),
      boot: this.#boot(),
      number: this.#chance.number(32),
      wall_ms: this.#chance.number(48),
      level: this.#chance.pick(["info", "warning", "alarm"]),
      code: this.#chance.pick(["group-owned", "x", "c".repeat(32)]),
      group: this.#maybe(() => this.#group()),
      text: this.#text(),
    };
  }

  #action(): OperatorAction {
    const node = this.#node();
    return this.#chance.pick<OperatorAction>([
      { kind: "move", group: this.#group(), target: this.#maybe(() => node) },
      { kind: "drain", node, reason: this.#text() },
      { kind: "undrain", node },
      {
        kind: "pause",
        group: this.#maybe(() => this.#group()),
        for_ms: Math.max(1, this.#chance.number(32)),
        reason: this.#text(),
      },
      { kind: "resume", group: this.#maybe(() => this.#group()) },
      { kind: "acknowledge" },
    ]);
  }

  #request(): OperatorRequest {
    const number = this.#chance.number(32);
    return { origin: this.#node(), boot: this.#boot(), number, target: this.#node(), action: this.#action() };
  }

  #outcome(): OperatorOutcome {
    const code = this.#chance.pick<OperatorOutcome["code"]>(["done", "failed", "refused", "timeout"]);
    return { origin: this.#node(), boot: this.#boot(), number: this.#chance.number(32), code, text: this.#text() };
  }

  /** Every field within its range; `longest` entries of each list at most. */
  heartbeat(longest: number): Heartbeat {
    const chance = this.#chance;
    const flag = (): boolean => chance.once(4);
    return {
      version: 2,
      speaks: 2,
      node: this.#node(),
      boot: this.#boot(),
      kernel: chance.pick(this.#world.kernels),
      generation: chance.once(4) ? chance.number(32) : 1,
      digest: chance.hex(8),
      toBoot: this.#maybe(() => this.#boot()),
      message: Math.max(1, chance.number(48)),
      extra: flag(),
      drained: flag(),
      drainReason: flag() ? this.#text() : "",
      stopping: flag(),
      stalled: flag(),
      abstaining: flag(),
      reluctant: flag(),
      eventsSeen: chance.number(32),
      echo: this.#maybe(() => ({ message: chance.number(48), held_us: chance.number(32) })),
      about: this.#maybe(() => this.#about()),
      adapters: chance.list(longest, () => this.#adapter()),
      heard: chance.list(longest, () => this.#heard()),
      groups: chance.list(longest, () => this.#report()),
      lease: chance.list(longest, () => this.leaseEntry()),
      events: chance.list(longest, () => this.#event()),
      requests: chance.list(longest, () => this.#request()),
      outcomes: chance.list(longest, () => this.#outcome()),
    };
  }
}
