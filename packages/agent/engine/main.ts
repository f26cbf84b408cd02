/**
 * The engine: the privileged process that keeps the addresses. It checks everything first, takes over what a daemon
 * before it left in the kernel, and then does nothing but turn inputs into effects (engine.ts).
 */
import { mkdirSync } from "node:fs";
import { randomBytes, randomInt } from "node:crypto";
import { dirname } from "node:path";
import { engineArguments, type EngineArguments } from "./arguments.ts";
import { Daemon } from "./daemon.ts";
import { lockNamespace } from "./lock.ts";
import { logLine } from "./log.ts";
import { prepare } from "./prepare.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import { Adapters } from "@holdfast/linux/adapters.ts";
import { realtime } from "@holdfast/linux/scheduling.ts";

const EXIT_FAILED = 1;
const EXIT_CONFIG = 2;
/** Of 1 to 99: above ordinary real-time work, below the kernel's own threads. */
const PRIORITY = 50;

function main(args: EngineArguments): void {
  const adapters = Adapters.open();
  const prepared = prepare(args, adapters);
  if (!prepared.ok) {
    process.stderr.write(prepared.error);
    process.exit(EXIT_CONFIG);
  }
  const locked = lockNamespace();
  if (!locked.ok) {
    process.stderr.write(`holdfast: error: ${locked.error}\n`);
    process.exit(EXIT_FAILED);
  }
  makeDirectories(args);
  const scheduled = realtime(PRIORITY);
  if (!scheduled.ok) logLine("info", `runs without real-time scheduling (${scheduled.error}): fit for 100 ms, not for 10 ms`);
  const boot = randomBytes(8).toString("hex") as BootId;
  const daemon = new Daemon({ ...prepared.value, args, adapters, boot, seed: randomInt(1, 2 ** 31) });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => daemon.stop());
  process.on("SIGHUP", () => logLine("warning", "this version reads its configuration at the start only; restart to apply a change"));
  daemon.run();
}

function makeDirectories(args: EngineArguments): void {
  mkdirSync(args.runDirectory, { recursive: true, mode: 0o755 });
  mkdirSync(dirname(args.socket), { recursive: true, mode: 0o755 });
}

try {
  main(engineArguments(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`holdfast: error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_FAILED);
}
