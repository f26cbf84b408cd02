/** `npm run bench`: holdfast beside keepalived, one table. See docs/benchmarks.md for what the figures mean. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { benchmarkDocument } from "./document.ts";
import { readMachine } from "./machine.ts";
import { USAGE, UsageError, readOptions } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { FLEET_NODES, STANDBY_FAULTS } from "./plan.ts";
import type { ProductName, TimingName } from "./plan.ts";
import type { Report, SessionResult } from "./results.ts";
import { Workspace } from "./run.ts";
import { tablesOf } from "./table.ts";

const DOCUMENT = fileURLToPath(new URL("../docs/benchmarks.md", import.meta.url));

async function main(): Promise<number> {
  let options: BenchOptions | undefined;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof TypeError)) throw error;
    console.error(`bench: ${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    console.error("bench: needs root, for keepalived's sockets and real-time scheduling; run: sudo npm run bench");
    return 2;
  }
  const began_ms = performance.now();
  const sessions = await runAll(options);
  const minutes = Math.round((performance.now() - began_ms) / 60_000);
  const tables = tablesOf(sessions);
  for (const lines of [tables.faults, tables.idle, tables.load])
    if (lines.length > 0) console.log(`\n${lines.join("\n")}`);
  if (tables.failed.length > 0) console.log(`\nrounds without figures:\n  ${tables.failed.join("\n  ")}`);
  const incomplete = sessions.filter((each) => !each.reports.some((report) => report.kind === "done"));
  for (const { product, timing } of incomplete) console.log(`\n${product} at ${timing} ENDED BEFORE ITS TIME`);
  const missed = `limits missed:\n  ${tables.missed.join("\n  ")}`;
  if (tables.missed.length > 0) console.log(`\n${missed}`);
  else if (incomplete.length === 0) console.log("\nall limits met");
  const file = options.write ?? (options.whole && incomplete.length === 0 ? DOCUMENT : undefined);
  if (file !== undefined) {
    writeFileSync(file, benchmarkDocument(readMachine(), tables, { rounds: options.rounds, minutes }));
    console.log(`\nwritten: ${file}`);
  }
  if (incomplete.length > 0) return 1;
  return options.check && tables.missed.length > 0 ? 1 : 0;
}

async function runAll(options: BenchOptions): Promise<readonly SessionResult[]> {
  const workspace = new Workspace();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      workspace.close();
      process.exit(130);
    });
  console.error(`everything is below ${workspace.directory} while it runs; Ctrl-C ends it all`);
  const began_ms = performance.now();
  const sessions: SessionResult[] = [];
  try {
    for (const timing of options.timings) {
      const run = (product: ProductName) => runOne(workspace, options, product, timing, began_ms);
      // At a second neither product takes much of the machine: they are measured side by side, for half the time.
      if (timing === "1s") sessions.push(...(await Promise.all(options.products.map(run))).flat());
      else for (const product of options.products) sessions.push(...(await run(product)));
    }
  } finally {
    workspace.close();
  }
  return sessions;
}

/** One session for the faults that need no standby adapter, another for those that do, one of a large cluster. */
async function runOne(
  workspace: Workspace,
  options: BenchOptions,
  product: ProductName,
  timing: TimingName,
  began_ms: number,
): Promise<readonly SessionResult[]> {
  // Busy loops say nothing about a second's patience.
  const faults = options.faults.filter((fault) => fault !== "load" || timing !== "1s");
  const { rounds, load_ms } = options;
  const sessions: SessionResult[] = [];
  const session = (order: Parameters<Workspace["run"]>[0]): Promise<SessionResult> =>
    workspace.run(order, (report) => {
      const minute = ((performance.now() - began_ms) / 60_000).toFixed(1).padStart(5);
      const text = progressOf(report);
      if (text !== undefined) console.error(`${minute} min  ${product.padEnd(10)} ${timing.padEnd(5)} ${text}`);
    });
  for (const standby of [false, true]) {
    if (standby && product !== "holdfast") continue;
    const here = faults.filter((fault) => STANDBY_FAULTS.has(fault) === standby);
    const idle = options.idle && !standby;
    if (here.length === 0 && !idle) continue;
    sessions.push(await session({ product, timing, faults: here, rounds, idle, load_ms, standby, nodes: 3 }));
  }
  if (options.fleet && product === "holdfast" && timing === "100ms")
    sessions.push(
      await session({ product, timing, faults: [], rounds, idle: true, load_ms, standby: false, nodes: FLEET_NODES }),
    );
  return sessions;
}

function progressOf(report: Report): string | undefined {
  switch (report.kind) {
    case "progress":
      return report.text;
    case "round": {
      const { during, healing } = report;
      const healed = healing ? `; healing ${healing.outage_ms} ms, two ${healing.overlap_ms} ms` : "";
      return `${report.fault} ${report.round}: outage ${during.outage_ms} ms, lost ${during.lost}, two ${during.overlap_ms} ms, changes ${during.changes}${healed}`;
    }
    case "absent":
      return `${report.fault}: ${report.reason}`;
    case "failed":
      return `${report.fault} ${report.round} FAILED: ${report.reason}`;
    case "idle":
      return `idle: owner ${report.owner.cpu_percent} %, ${report.owner.resident_mb} MB; standby ${report.standby.cpu_percent} %`;
    case "done":
      return undefined;
  }
}

process.exitCode = await main();
