/** Joins the core to this machine: every adapter it performs effects with, and everything that wakes it. */
import { join } from "node:path";
import type { EngineArguments } from "./arguments.ts";
import { nodeReport } from "./about.ts";
import { monotonic } from "./clock.ts";
import { ControlChild } from "./control-child.ts";
import { helloOf } from "./hello.ts";
import { type Adapters as Performers, Engine } from "./engine.ts";
import { engineSealer } from "./engine-sealer.ts";
import { type AskedOfEngine, takeFromControl } from "./from-control.ts";
import { GroupAddresses } from "./group-addresses.ts";
import { GroupFence } from "./group-fence.ts";
import { placedOn } from "./group-places.ts";
import { followInterfaces, WatchedInterfaces } from "./interfaces.ts";
import { Links } from "./links.ts";
import { raiseLoopback } from "./loopback.ts";
import type { Marks } from "./marks.ts";
import { logEvent, logLine } from "./log.ts";
import { OwnWatch } from "./own-watch.ts";
import { type Prepared, prepareSoon } from "./prepare.ts";
import { Reload } from "./reload.ts";
import { Restart } from "./restart.ts";
import { Runtime } from "./runtime.ts";
import { Starts } from "./starts.ts";
import { notifyReloading, notifySystemd } from "./systemd.ts";
import { Wakeup } from "./wakeup.ts";
import type { EngineView } from "../channel.ts";
import type { Keys } from "../seal/keys.ts";
import type { Sealer } from "../seal/sealer.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import { newNode, viewOf } from "@holdfast/core/node.ts";
import type { BootId, GroupName, KernelId } from "@holdfast/core/units/names.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { type Result, success } from "@holdfast/core/units/result.ts";
import { earliest, type Instant } from "@holdfast/core/units/time.ts";
import type { AdapterEvents, Adapters } from "@holdfast/linux/adapters.ts";
import { kernelId } from "@holdfast/linux/kernel-id.ts";

export interface DaemonOptions extends Prepared {
  readonly args: EngineArguments;
  readonly marks: Marks;
  readonly adapters: Adapters;
  /** Filled in by the daemon: what it wants to hear from `adapters`. */
  readonly adapterEvents: { -readonly [Name in keyof AdapterEvents]: AdapterEvents[Name] };
  readonly boot: BootId;
  readonly seed: number;
}

const HOUSEKEEPING_MS = 1000;
const CONTROL_LATER_MS = 30;
const RESTART_TIMEOUT_MS = 10_000;
/** After `stop`, and whatever happens, the daemon is gone by then: what it still holds ends by itself. */
const STOP_PATIENCE_LEASES = 6;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #fence: GroupFence;
  readonly #links: Links;
  readonly #addresses: GroupAddresses;
  readonly #interfaces: WatchedInterfaces;
  readonly #engine: Engine;
  readonly #control: ControlChild;
  readonly #wakeup: Wakeup;
  readonly #runtime: Runtime;
  readonly #watch: OwnWatch;
  readonly #starts: Starts;
  readonly #restart: Restart;
  readonly #reload: Reload;
  readonly #sealer: Sealer;
  #cluster: Cluster;
  #self: NodeConfig;
  #keys: Keys;
  readonly #takesOver: boolean;

  constructor(options: DaemonOptions) {
    const { cluster, self, adapters, args, boot } = options;
    this.#options = options;
    this.#cluster = cluster;
    this.#self = self;
    this.#keys = options.keys;
    raiseLoopback(adapters);
    const kernel = kernelId();
    const now = monotonic();
    this.#fence = this.#openFence(kernel, now);
    this.#starts = new Starts(join(args.runDirectory, "starts"), kernel);
    const crashes = this.#starts.begin(now);
    this.#runtime = new Runtime(boot, crashes.length, cluster.timing.heartbeat);
    this.#runtime.schedule();
    this.#watch = this.#newWatch();
    const input = (...inputs: readonly Input[]): void => this.#heard(inputs);
    this.#interfaces = new WatchedInterfaces(cluster, self, adapters, input);
    const open = this.#fence.openGroups();
    this.#takesOver = open.size > 0;
    const placed = placedOn(cluster, self, open, adapters);
    const state = newNode(
      {
        cluster,
        node: self.name,
        boot,
        kernel,
        seed: options.seed,
        about: nodeReport(options.keys),
        records: this.#fence.records,
        open,
        placed,
        crashes,
        ...options.marks,
        interfacesDown: this.#interfaces.down(),
        wallOffset_ms: this.#watch.wallOffset,
      },
      now,
    );
    this.#sealer = engineSealer(cluster, self.name, options.keys, boot);
    this.#links = new Links(cluster, self, this.#sealer, adapters, input);
    this.#addresses = new GroupAddresses(cluster, self, adapters, input);
    this.#addresses.removeLeftovers(placed, now);
    this.#wakeup = new Wakeup({
      woken: (woken, late_ms) => this.#woken(woken, late_ms),
      late: (late_ms, at) => this.#runtime.lateness.record(late_ms, at),
    });
    this.#engine = new Engine(state, this.#performers());
    this.#control = this.#newControl();
    this.#restart = this.#newRestart();
    this.#reload = this.#newReload();
  }

  /** What each effect is done with. */
  #performers(): Performers {
    return {
      now: monotonic,
      send: (to, link, heartbeat) => this.#links.send(to, link, heartbeat),
      arm: (group, number) => this.#watch.ordered(this.#fence.arm(group, number)),
      commit: (group, number) => this.#commit(group, number),
      close: (group, armed) => this.#fence.close(group, armed),
      forward: (group, armed, macs) => this.#fence.forward(group, armed, this.#addresses.stations(group, macs)),
      relay: (group, macs, for_ms) => this.#fence.relay(group, this.#addresses.stations(group, macs), for_ms),
      passConnections: (group, macs, for_ms) => this.#passConnections(group, macs, for_ms),
      resetConnections: (group) => this.#addresses.resetConnections(group),
      saveVotes: (effect) => this.#fence.saveVotes(effect),
      placeAddresses: (group, wanted, by) => this.#addresses.place(group, wanted, by, monotonic()),
      announce: (effect) => this.#addresses.announce(effect, monotonic()),
      stopAnnouncing: (group) => this.#addresses.stopAnnouncing(group, monotonic()),
      record: (effect) => this.#record(effect),
      reply: ({ request, code, text }) => this.#control.send({ kind: "reply", id: request, code, text }),
      savePauses: (pauses) => this.#control.send({ kind: "savePauses", pauses }),
      saveDrained: (reason) => this.#control.send({ kind: "saveDrained", reason }),
      probe: (effect) => this.#addresses.probes.send(effect),
      countFrames: (interfaces) => this.#addresses.countFrames(interfaces),
      forgetGroup: () => this.#narrowFence(),
      exit: () => this.#leave(),
      wakeAt: (deadline) => this.#wakeup.at(earliest(deadline, this.#addresses.nextDeadline())),
    };
  }

  #newWatch(): OwnWatch {
    return new OwnWatch({
      runtime: this.#runtime,
      adapters: this.#options.adapters,
      fence: () => this.#fence.fence.test(),
      state: () => this.#engine.state,
      input: (...inputs) => this.#engine.input(...inputs),
    });
  }

  #newReload(): Reload {
    const { args, adapters } = this.#options;
    return new Reload({
      file: args.config,
      prepare: () => prepareSoon(args, adapters),
      state: () => this.#engine.state,
      running: () => ({ cluster: this.#cluster, self: this.#self, keys: this.#keys }),
      now: monotonic,
      apply: (prepared) => this.#reconfigure(prepared),
      tell: (code, text, level) => this.#trouble(code, text, level),
    });
  }

  /** What is new is fenced before it can be used; what is old stays fenced until it is gone. */
  #reconfigure({ cluster, self, keys }: Prepared): Result<void, string> {
    const widened = this.#fence.widen(cluster);
    if (!widened.ok) return widened;
    this.#sealer.useKeys(keys);
    this.#keys = keys;
    this.#engine.state.about = nodeReport(keys);
    this.#cluster = cluster;
    this.#self = self;
    this.#runtime.lateness.tolerate(cluster.timing.heartbeat / 2);
    this.#addresses.change(cluster, self);
    this.#links.change(cluster, self);
    this.#interfaces.change(cluster, self);
    this.#engine.input({ kind: "reconfigured", cluster, interfacesDown: this.#interfaces.down() });
    this.#interfaces.tellReasons();
    this.#narrowFence();
    return success(undefined);
  }

  #narrowFence(): void {
    const groups = [...this.#engine.state.groups.values()].map((group) => group.config);
    const narrowed = this.#fence.narrow(groups, monotonic());
    if (!narrowed.ok) this.#trouble("fence-failed", `${narrowed.error}; removed addresses stay fenced`, "warning");
  }

  #newControl(): ControlChild {
    const { name } = this.#self;
    return new ControlChild({
      hello: () => helloOf(this.#options.args, this.#cluster, this.#self.name),
      message: (message) => takeFromControl(message, this.#asked()),
      died: (detail) =>
        this.#trouble("control-restarted", `control of ${name} ended (${detail}) and is started again`, "warning"),
    });
  }

  #asked(): AskedOfEngine {
    return {
      view: () => ({
        view: viewOf(this.#engine.state, monotonic()),
        engine: this.#engineView(),
        links: this.#links.view(),
      }),
      input: (input) => this.#engine.input(input),
      reload: this.#reload,
      restart: this.#restart,
      trouble: (code, text, level) => this.#trouble(code, text, level),
      send: (message) => this.#control.send(message),
    };
  }

  #engineView(): EngineView {
    return { ...this.#runtime.view(), unconfirmed_ms: this.#reload.unconfirmed_ms };
  }

  #newRestart(): Restart {
    return new Restart({
      state: () => this.#engine.state,
      now: monotonic,
      tell: (text) => this.#trouble("daemon-replaced", text, "info"),
      endControl: (done) => this.#control.stop(done),
      leaving: () => this.#starts.end(),
    });
  }

  #openFence(kernel: KernelId, now: Instant): GroupFence {
    const { adapters, args } = this.#options;
    const isPresent = (addresses: readonly IpAddress[]): boolean => this.#addresses.isPresent(addresses);
    const group = new GroupFence({ cluster: this.#cluster, runDirectory: args.runDirectory, kernel, isPresent }, now);
    for (const { index, name, port } of adapters.all()) {
      const covered = group.fence.coverInterface(index, name, port);
      if (!covered.ok) throw new Error(covered.error);
    }
    return group;
  }

  /** A fence is open from the daemon before: until it is renewed nothing else is worth a millisecond. */
  get takesOver(): boolean {
    return this.#takesOver;
  }

  /** Start everything that brings inputs. */
  run(): void {
    const { args } = this.#options;
    const [cluster, self] = [this.#cluster, this.#self];
    this.#links.open();
    this.#fence.fence.watch((detail) => this.#engine.input({ kind: "fenceReinstalled", detail }));
    this.#watchAdapters();
    setInterval(() => this.#housekeeping(), HOUSEKEEPING_MS);
    logLine(
      "info",
      `${self.name} of cluster ${cluster.name}: ${this.#fence.beginning}; pid ${process.pid}, config ${cluster.digest}, ${args.config}`,
    );
    this.#runtime.ready();
    const { software } = this.#engine.state.about;
    this.#trouble("node-started", `${self.name} has started: version ${software}, config ${cluster.digest}`, "info");
    this.#engine.input({ kind: "tick" });
    this.#interfaces.tellReasons();
    // Its start takes a processor's time for as long as the voters need to answer.
    setTimeout(() => this.#control.start(), this.#takesOver ? CONTROL_LATER_MS : 0);
    notifySystemd("READY=1");
  }

  #watchAdapters(): void {
    followInterfaces(this.#options.adapterEvents, {
      fence: this.#fence.fence,
      interfaces: this.#interfaces,
      addresses: this.#addresses,
      links: this.#links,
      uncovered: (text) => this.#trouble("fence-failed", text, "alarm"),
    });
  }

  /** From the network. */
  #heard(inputs: readonly Input[]): void {
    this.#watch.lookBack(this.#wakeup.overdue());
    this.#engine.input(...inputs);
    this.#restart.turn();
  }

  #woken(now: Instant, late_ms: number): void {
    this.#watch.lookBack(late_ms);
    // What came meanwhile is known before anything is said.
    if (late_ms > this.#cluster.timing.heartbeat / 2) this.#links.read();
    this.#addresses.run(now);
    this.#engine.input({ kind: "tick" });
    this.#restart.turn();
  }

  #commit(group: GroupName, number: number): Result<void, string> {
    const done = this.#fence.commit(group, number);
    if (done.ok) this.#runtime.renewed();
    return done;
  }

  /** Once a second: what is counted elsewhere and told from here, and what could not be opened before. */
  #housekeeping(): void {
    this.#runtime.schedule();
    this.#narrowFence();
    // A port that another program had tells nobody when it is free.
    this.#links.open();
    for (const rejected of this.#links.takeRejected()) this.#engine.input(rejected);
    this.#watch.second();
    const dropped = this.#control.takeDropped();
    if (dropped > 0)
      this.#trouble("control-slow", `control does not read: ${dropped} messages to it were lost`, "warning");
  }

  #passConnections(group: GroupName, macs: readonly Mac[], for_ms: number): void {
    const passed = this.#fence.passConnections(group, this.#addresses.stations(group, macs), for_ms);
    if (!passed.ok) this.#trouble("fence-failed", `${passed.error}; established connections are reset`, "warning");
  }

  #record({ event }: Extract<Effect, { kind: "record" }>): void {
    this.#control.send({ kind: "event", event });
    if (event.node === this.#self.name) logEvent(event);
  }

  #trouble(code: string, text: string, level: "info" | "warning" | "alarm"): void {
    this.#engine.input({ kind: "trouble", code, text, level });
  }

  /** SIGHUP: as `holdfast reload --yes`. */
  reload(): void {
    notifyReloading();
    void this.#reload.ask({ dryRun: false, digest: undefined }, ({ code, text, errorText }) => {
      if (code === "invalid") process.stderr.write(errorText);
      if (code === "unchanged") logLine("info", text);
      notifySystemd("READY=1");
    });
  }

  /** SIGUSR2: as `holdfast restart`, for those who have a process id and no socket. */
  restart(): void {
    this.#restart.ask(RESTART_TIMEOUT_MS, (code, text) => {
      if (code !== "done") this.#trouble("restart-refused", `not restarted: ${text}`, "warning");
    });
  }

  /** SIGTERM. */
  stop(): void {
    notifySystemd("STOPPING=1");
    this.#engine.input({ kind: "stop" });
    const { timing, groups } = this.#cluster;
    const drain = Math.max(0, ...groups.map((group) => group.drain));
    setTimeout(() => this.#leave(), STOP_PATIENCE_LEASES * timing.dead + drain).unref();
  }

  #leave(): void {
    this.#addresses.leave();
    this.#starts.end();
    this.#control.stop(() => process.exit(0));
    setTimeout(() => process.exit(0), HOUSEKEEPING_MS);
  }
}
