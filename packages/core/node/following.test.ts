/** A voter beats with its answer to a holder, whatever the phase it began with; alone it beats by its own timer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster } from "../cluster.ts";
import type { Effect } from "../effects.ts";
import { newNode, nextDeadline, type NodeState, step } from "../node.ts";
import type { LeaseEntry } from "../wire/messages.ts";
import type { IpAddress } from "../units/ip.ts";
import type { BootId, GroupName, InterfaceName, KernelId, LinkName, NodeName } from "../units/names.ts";
import { after, instant, type Instant, milliseconds } from "../units/time.ts";

const HEARTBEAT = 100;
const LONGEST = (HEARTBEAT * 9) / 8;
const names = ["n1", "n2", "n3"] as NodeName[];
const [holder, self, other] = names as [NodeName, NodeName, NodeName];

function cluster(groups: readonly string[]): Cluster {
  return {
    name: "test",
    generation: 1,
    digest: "0000abcd",
    timing: {
      heartbeat: milliseconds(HEARTBEAT),
      dead: milliseconds(300),
      window: milliseconds(48),
      keep: milliseconds(236),
      jiffy: milliseconds(4),
    },
    links: [{ kind: "udp", name: "lan" as LinkName, port: 7400 }],
    nodes: names.map((name, i) => ({
      name,
      role: "member",
      links: { lan: `10.0.0.${i + 1}` as IpAddress },
      interfaces: { service: "eth0" as InterfaceName },
    })),
    groups: groups.map((name, i) => ({
      name: name as GroupName,
      addresses: [{ address: `10.0.0.${100 + i}` as IpAddress, prefixLength: 24, interfaces: ["service"] }],
      prefer: names,
      failback: { kind: "manual" },
      settle: milliseconds(10_000),
      drain: milliseconds(0),
    })),
    keys: "/nowhere",
    seal: "encrypt",
  };
}

/** One voter, and the holders that ask it. */
class Voter {
  now = instant(1000);
  readonly state: NodeState;
  /** When regular heartbeats left for the node that holds nothing. */
  readonly beats: Instant[] = [];
  #message = 0;

  constructor(groups: readonly string[] = ["web"]) {
    this.state = newNode(
      {
        cluster: cluster(groups),
        node: self,
        boot: "b2" as BootId,
        kernel: "k2" as KernelId,
        seed: 1,
        records: new Map(),
        open: new Set(),
        crashes: [],
        drained: "it shall not stand itself",
        interfacesDown: [],
        wallOffset_ms: 0,
      },
      this.now,
    );
    this.#take(step(this.state, { kind: "tick" }, this.now));
  }

  #take(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === "flush") this.#take(step(this.state, { kind: "flush" }, this.now));
      if (effect.kind === "send" && effect.to === other && !effect.heartbeat.extra) this.beats.push(this.now);
    }
  }

  /** Time passes, with a tick whenever one was wanted. */
  until(end: number): void {
    for (let next = nextDeadline(this.state, this.now); next < end; next = nextDeadline(this.state, this.now)) {
      this.now = instant(Math.max(next, this.now));
      this.#take(step(this.state, { kind: "tick" }, this.now));
    }
    this.now = instant(end);
  }

  /** A request of a holder arrives now. */
  asked(from: NodeName, group: string): void {
    this.#message += 1;
    const propose: LeaseEntry = {
      kind: "propose",
      group: group as GroupName,
      ballot: { round: 1, node: from, boot: `b-${from}` as BootId },
      number: this.#message,
      holder: { node: from, kernel: `k-${from}` as KernelId },
      lease_ms: 300,
    };
    const heartbeat = {
      version: 2,
      speaks: 2,
      node: from,
      boot: `b-${from}` as BootId,
      kernel: `k-${from}` as KernelId,
      generation: 1,
      digest: "0000abcd",
      toBoot: this.state.boot,
      message: this.#message,
      extra: false,
      drained: false,
      drainReason: "",
      stopping: false,
      stalled: false,
      abstaining: false,
      reluctant: false,
      eventsSeen: 0,
      echo: undefined,
      about: undefined,
      adapters: [],
      heard: [],
      groups: [],
      lease: [propose],
      events: [],
      requests: [],
      outcomes: [],
    };
    this.#take(step(this.state, { kind: "heartbeat", link: "lan" as LinkName, heartbeat }, this.now));
  }

  get gaps(): number[] {
    return this.beats.slice(1).map((at, i) => at - (this.beats[i] ?? at));
  }
}

test("whatever the phase, within ten intervals each regular heartbeat leaves with the answer, and none is late", () => {
  for (let phase = 1; phase < HEARTBEAT; phase += 7) {
    const voter = new Voter();
    const asked: Instant[] = [];
    for (let i = 0; i < 30; i++) {
      voter.until(1000 + phase + i * HEARTBEAT);
      voter.asked(holder, "web");
      asked.push(voter.now);
    }
    assert.deepEqual(voter.beats.slice(-15), asked.slice(-15), `phase ${phase}`);
    assert.ok(Math.max(...voter.gaps) <= LONGEST, `phase ${phase}: ${Math.max(...voter.gaps)} ms`);
    assert.ok(Math.min(...voter.gaps) >= HEARTBEAT / 2, `phase ${phase}: ${Math.min(...voter.gaps)} ms`);
  }
});

test("a holder that falls silent delays one heartbeat by an eighth of the interval and no other", () => {
  const voter = new Voter();
  for (let i = 0; i < 20; i++) {
    voter.until(1030 + i * HEARTBEAT);
    voter.asked(holder, "web");
  }
  const silentFrom = voter.beats.length;
  voter.until(voter.now + 1000);
  assert.deepEqual(voter.gaps.slice(silentFrom - 1, silentFrom + 4), [LONGEST, ...Array<number>(4).fill(HEARTBEAT)]);
});

test("two holders of any phases: heartbeats neither stretch beyond an eighth nor come at twice the rate", () => {
  for (let phase = 0; phase < HEARTBEAT; phase += 9) {
    const voter = new Voter(["web", "db"]);
    const start = voter.now;
    for (let i = 0; i < 50; i++) {
      voter.until(after(start, 5 + i * HEARTBEAT));
      voter.asked(holder, "web");
      voter.until(after(start, 5 + phase + i * HEARTBEAT));
      voter.asked(other, "db");
    }
    assert.ok(Math.max(...voter.gaps) <= LONGEST, `phase ${phase}: ${Math.max(...voter.gaps)} ms`);
    assert.ok(voter.beats.length <= 55, `phase ${phase}: ${voter.beats.length} heartbeats in 50 intervals`);
  }
});
