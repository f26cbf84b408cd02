/**
 * The traffic process of a lab: echo on every node, the client's probe, the watcher, all on one clock of a millisecond.
 * Started by the supervisor; lives in the switch's namespace with sockets in all of them.
 */
import { closeSync, openSync } from "node:fs";
import { native } from "@holdfast/linux/load.ts";
import { measureOutage, ownerChanges } from "../outage.ts";
import { describeViolation } from "../overlap.ts";
import type { Topology } from "../topology.ts";
import type { FromTraffic, Seen, Steady, ToTraffic } from "./messages.ts";
import { openEcho } from "./echo.ts";
import { Probe } from "./probe.ts";
import { Watcher } from "./watcher.ts";
import * as socket from "./socket.ts";

/** Milliseconds between reads of the captures: the kernel stamped them, so there is no hurry. */
const CAPTURE_EVERY = 4;
const WAITERS_EVERY = 10;

type Waiter = Extract<ToTraffic, { kind: "steady" }> & { readonly until: number };

class Traffic {
  readonly #probe4: Probe;
  readonly #probe6: Probe;
  readonly #watcher: Watcher;
  #waiters: Waiter[] = [];
  #number = 0;
  #timer = -1;

  constructor(topology: Topology) {
    const names = topology.nodes.map((node) => node.name);
    const { address, address6 } = topology.service;
    const home = openSync("/proc/self/ns/net", "r");
    const inside = <Made>(station: string, make: () => Made): Made => {
      const fd = openSync(`/run/netns/${station}`, "r");
      socket.must(native.setns(fd, socket.CLONE_NEWNET), `enter the namespace of ${station}`);
      closeSync(fd);
      try {
        return make();
      } finally {
        socket.must(native.setns(home, socket.CLONE_NEWNET), "return to the switch's namespace");
      }
    };
    names.forEach((name, index) =>
      inside(name, () => [address, address6].forEach((each) => openEcho(native, index, each))),
    );
    [this.#probe4, this.#probe6] = inside(
      "client",
      () => [new Probe(native, names, address), new Probe(native, names, address6)] as const,
    );
    this.#watcher = new Watcher(native, topology);
    inside("watch", () => this.#watcher.openInjector(topology));
    this.#watcher.openCaptures(topology);
    closeSync(home);
  }

  start(): void {
    const timer = socket.must(native.timerCreate(), "timerfd");
    this.#timer = timer;
    this.#run(true);
    const handle = native.poll(timer, 1, () => {
      const expirations = native.timerRead(timer);
      if (expirations > 0) this.#tick(this.#number + expirations);
    });
    if (typeof handle === "number") socket.must(handle, "watch the timer");
  }

  #run(running: boolean): void {
    socket.must(native.timerSet(this.#timer, running ? native.monotonic() + 1e6 : 0, 1e6), "set the timer");
  }

  #tick(number: number): void {
    const earlier = this.#number;
    this.#number = number;
    this.#probe4.receive();
    this.#probe6.receive();
    const now_ms = native.monotonic() / 1e6;
    this.#probe4.send(number, now_ms);
    this.#probe6.send(number, now_ms);
    this.#watcher.send(number);
    if (Math.floor(number / CAPTURE_EVERY) !== Math.floor(earlier / CAPTURE_EVERY)) this.#capture();
    if (Math.floor(number / WAITERS_EVERY) !== Math.floor(earlier / WAITERS_EVERY)) this.#wake();
  }

  #capture(): void {
    for (const violation of this.#watcher.receive()) tell({ kind: "violation", lines: describeViolation(violation) });
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      const steady =
        this.#steady(waiter) ?? (this.#number >= waiter.until ? { node: undefined, number: this.#number } : undefined);
      if (steady) tell({ kind: "reply", id: waiter.id, value: steady });
      return steady === undefined;
    });
  }

  #steady(waiter: Waiter): Steady | undefined {
    const four = this.#probe4.steadyOwner(waiter.for_ms);
    const six = this.#probe6.steadyOwner(waiter.for_ms);
    if (
      !four ||
      !six ||
      four.node !== six.node ||
      four.node === waiter.other ||
      Math.min(four.from, six.from) < waiter.after
    )
      return undefined;
    return { node: four.node, number: this.#number };
  }

  take(message: Exclude<ToTraffic, { kind: "start" }>): void {
    switch (message.kind) {
      case "run":
        this.#run(message.running);
        return tell({ kind: "reply", id: message.id, value: { number: this.#number } });
      case "position":
        return tell({ kind: "reply", id: message.id, value: { number: this.#number } });
      case "steady":
        this.#waiters.push({ ...message, until: this.#number + message.timeout_ms });
        return;
      case "report":
        return tell({
          kind: "reply",
          id: message.id,
          value: this.#report(message.from, message.to),
        });
    }
  }

  #report(from: number, to: number): Seen {
    this.#probe4.receive();
    this.#probe6.receive();
    this.#capture();
    const violations = this.#watcher.violations.filter(
      (each) => Math.max(each.first.number, each.second.number) >= from,
    );
    const changes = ownerChanges(this.#probe4.samples(from, to));
    const changes6 = ownerChanges(this.#probe6.samples(from, to));
    return {
      overlap_ms: this.#watcher.overlap_ms(from, to),
      changes: changes6.length > changes.length ? changes6 : changes,
      ipv4: measureOutage(this.#probe4.samples(from, to)),
      ipv6: measureOutage(this.#probe6.samples(from, to)),
      violations: violations.map(describeViolation),
      answers: this.#watcher.answers,
    };
  }
}

function tell(message: FromTraffic): void {
  process.send?.(message);
}

let traffic: Traffic | undefined;
process.on("message", (message: ToTraffic) => {
  if (message.kind !== "start") return traffic?.take(message);
  try {
    traffic = new Traffic(message.topology);
    traffic.start();
    tell({ kind: "started" });
  } catch (error) {
    tell({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
});
process.on("disconnect", () => process.exit(0));
