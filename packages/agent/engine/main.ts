/**
 * The engine: the privileged process that keeps the addresses. It checks everything first, takes over what a daemon
 * before it left in the kernel, and then does nothing but turn inputs into effects (engine.ts).
 */
import { mkdirSync } from "node:fs";
import { randomBytes, randomInt } from "node:crypto";
import { flushCompileCache } from "node:module";
import { dirname } from "node:path";
import { SOFTWARE } from "./about.ts";
import { engineArguments, type EngineArguments } from "./arguments.ts";
import { Daemon } from "./daemon.ts";
import { checkDirectStart } from "./direct.ts";
import { lockNamespace } from "./lock.ts";
import { readMarks } from "./marks.ts";
import { prepare } from "./prepare.ts";
import type { Checked } from "./restart.ts";
import type { BootId } from "@holdfast/core/units/names.ts";
import { type AdapterEvents, Adapters } from "@holdfast/linux/adapters.ts";
import { native } from "@holdfast/linux/load.ts";
import { releaseStartPages } from "@holdfast/linux/memory.ts";

const EXIT_FAILED = 1;
const EXIT_CONFIG = 2;
const RELEASE_LATER_MS = 500;

function main(args: EngineArguments): void {
  // Before anything has a deadline: with the compile cache warm no later start needs the TypeScript compiler (17 MB).
  flushCompileCache();
  // What the daemon wants to hear of interfaces it says once it is made.
  const adapterEvents: { -readonly [Name in keyof AdapterEvents]: AdapterEvents[Name] } = {};
  const adapters = new Adapters(native, adapterEvents);
  const prepared = prepare(args, adapters);
  if (!prepared.ok) {
    process.stderr.write(prepared.error.text);
    process.exit(EXIT_CONFIG);
  }
  if (args.checkOnly) {
    process.stdout.write(
      JSON.stringify({ digest: prepared.value.cluster.digest, software: SOFTWARE } satisfies Checked),
    );
    process.exit(0);
  }
  const locked = lockNamespace();
  if (!locked.ok) {
    process.stderr.write(`holdfast: error: ${locked.error}\n`);
    process.exit(EXIT_FAILED);
  }
  makeDirectories(args);
  const boot = randomBytes(8).toString("hex") as BootId;
  const daemon = new Daemon({
    ...prepared.value,
    marks: readMarks(args.stateDirectory),
    args,
    adapters,
    adapterEvents,
    boot,
    seed: randomInt(1, 2 ** 31),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => daemon.stop());
  process.on("SIGUSR2", () => daemon.restart());
  process.on("SIGHUP", () => daemon.reload());
  // It takes some milliseconds, which a fence that is open from before may not have.
  if (daemon.takesOver) setTimeout(releaseStartPages, RELEASE_LATER_MS);
  else releaseStartPages();
  daemon.run();
}

function makeDirectories(args: EngineArguments): void {
  mkdirSync(args.runDirectory, { recursive: true, mode: 0o755 });
  mkdirSync(dirname(args.socket), { recursive: true, mode: 0o755 });
}

try {
  checkDirectStart(process.argv.slice(2));
  // `--warm`: only fill the compile cache, for set-up.
  if (process.argv.includes("--warm")) flushCompileCache();
  else main(engineArguments(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`holdfast: error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_FAILED);
}
