/**
 * One product at one timing: builds the lab in the namespaces it was started in, measures what it is told to, and reports
 * on standard output, one JSON object a line. Started by run.ts; ends when its descriptor 3 is closed.
 */
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Lab } from "@holdfast/lab/lab.ts";
import { NO_FAULTS } from "@holdfast/lab/faults.ts";
import { Holdfast } from "./holdfast.ts";
import { Keepalived } from "./keepalived.ts";
import { runLoad } from "./load.ts";
import { TIMINGS } from "./plan.ts";
import type { BenchTiming, FaultName, ProductName, TimingName } from "./plan.ts";
import type { Product } from "./product.ts";
import type { IdleUsage, Report } from "./results.ts";
import { PREFERRED, runRound } from "./rounds.ts";
import { SCENARIOS } from "./scenarios.ts";
import type { Bench } from "./scenarios.ts";
import { idleUsage, schedulingOf } from "./usage.ts";

export interface SessionOrder {
  readonly product: ProductName;
  readonly timing: TimingName;
  readonly faults: readonly FaultName[];
  readonly rounds: number;
  readonly idle: boolean;
  readonly nodes: number;
  /** Of the busy loops. */
  readonly load_ms: number;
  /** Each node has a standby adapter. */
  readonly standby: boolean;
  /** An empty directory of the session's own. */
  readonly directory: string;
  /** The compiled control of load.ts. */
  readonly sleeper: string;
}

/** A daemon runs for months: what its first seconds take for compiling is not what it takes idle. */
const WARM_UP_MS = 20_000;

function tell(report: Report): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function say(text: string): void {
  tell({ kind: "progress", text });
}

async function main(order: SessionOrder): Promise<void> {
  const timing = TIMINGS.find((each) => each.name === order.timing) as BenchTiming;
  const options = {
    nodes: order.nodes,
    witness: false,
    standby: order.standby,
    heartbeat: timing.heartbeat,
    dead: timing.dead,
  };
  const lab = new Lab(order.directory, "bench", { ...options, daemons: order.product === "holdfast" }, say);
  // Of keepalived two answering nodes are no news.
  await lab.start(order.product === "holdfast" ? say : () => undefined);
  const product: Product = order.product === "holdfast" ? new Holdfast(lab) : new Keepalived(lab, timing);
  if (order.product === "keepalived") await product.configure(false);
  const bench = { lab, product, timing };
  await product.rest(PREFERRED);
  if (order.idle) await idle(bench);
  for (let round = 1; round <= order.rounds; round++) {
    for (const fault of order.faults) await measure(bench, order, fault, round);
  }
  tell({ kind: "done" });
}

async function idle({ lab, product }: Bench): Promise<void> {
  say("idle");
  await delay(WARM_UP_MS);
  await lab.traffic.run(false);
  const used = await idleUsage(lab.nodeNames);
  const { policy, priority } = schedulingOf(PREFERRED);
  await lab.traffic.run(true);
  await product.rest(PREFERRED);
  const of = (node: string) => used.get(node) as IdleUsage;
  const others = lab.nodeNames.filter((node) => node !== PREFERRED);
  const [standby = ""] = others.toSorted((a, b) => of(b).cpu_percent - of(a).cpu_percent);
  say(lab.nodeNames.map((node) => `${node} ${of(node).cpu_percent} %`).join(", "));
  const scheduling = policy === "fifo" ? `SCHED_FIFO ${priority}` : "SCHED_OTHER";
  tell({ kind: "idle", nodes: lab.nodeNames.length, owner: of(PREFERRED), standby: of(standby), scheduling });
}

/** Long enough to be one round of its own. */
const ONCE: ReadonlySet<FaultName> = new Set(["flood", "forged", "load"]);
const absent = new Set<FaultName>();

/** A round that fails is reported, and the cluster set right for the next one. */
async function measure(bench: Bench, order: SessionOrder, fault: FaultName, round: number): Promise<void> {
  if (absent.has(fault) || (ONCE.has(fault) && round > 1)) return;
  try {
    if (fault === "load") {
      const { round: seen, load } = await runLoad(bench, order.sleeper, order.load_ms);
      tell({ kind: "round", fault, round, during: seen.during, healing: undefined, load });
      return;
    }
    const scenario = SCENARIOS[fault];
    const failback = scenario.failback.includes(order.product);
    if (failback !== bench.product.failbackOn) await bench.product.configure(failback);
    const seen = await runRound(bench, scenario);
    if (typeof seen === "string") {
      absent.add(fault);
      tell({ kind: "absent", fault, reason: seen });
    } else tell({ kind: "round", fault, round, during: seen.during, healing: seen.healing });
  } catch (error) {
    tell({ kind: "failed", fault, round, reason: error instanceof Error ? error.message : String(error) });
    await recover(bench);
  }
}

async function recover({ lab, product }: Bench): Promise<void> {
  await lab.setFaults(NO_FAULTS);
  for (const node of lab.nodeNames) {
    product.thaw(node);
    product.kill(node);
  }
  await product.configure(product.failbackOn);
}

// Whoever started this holds the other end: no session outlives the bench.
new Socket({ fd: 3 }).on("close", () => process.exit(1)).resume();

await main(JSON.parse(process.argv[2] ?? "{}") as SessionOrder);
process.exit(0);
