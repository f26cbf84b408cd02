/** `holdfast lint [FILE...]`: what is valid and yet risky, with its place, why, and what to do. */
import { statSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { chooseNode } from "@holdfast/agent/config/choose-node.ts";
import { type ConfigError, errorToJson, formatErrors, formatProblem } from "@holdfast/agent/config/config-error.ts";
import { differences, type Finding, type Linted, lintFile } from "@holdfast/agent/config/lint.ts";
import type { DaemonFacts, MachineFacts } from "@holdfast/agent/config/machine-risks.ts";
import type { ParsedConfig } from "@holdfast/agent/config/parsed-config.ts";
import { runningJiffy } from "@holdfast/agent/config/running-kernel.ts";
import { realTimeRefusal } from "@holdfast/agent/doctor/real-time.ts";
import { ApiFailure, fetchJson } from "@holdfast/api/client.ts";
import { EXIT, type Links, type Status } from "@holdfast/api/schema.ts";
import type { Context } from "./command.ts";
import { printable } from "./terminal.ts";

/** HZ 250, the tick of Debian's kernels. */
const USUAL_JIFFY = 4;
const SAMPLES = 10;
const SAMPLING_MS = 1000;

export interface LintOptions {
  /** Which node this machine is; the one named like the host when absent. */
  readonly node?: string | undefined;
}

export async function lint(context: Context, files: readonly string[], options: LintOptions): Promise<number> {
  const jiffy = (await runningJiffy()) ?? USUAL_JIFFY;
  const daemon = await askDaemon(context.socket);
  const linted: Linted[] = [];
  const errors: ConfigError[] = [];
  for (const file of files) {
    const result = await lintFile(file, jiffy, (config) => factsOf(config, daemon, options));
    if (result.ok) linted.push(result.value);
    else errors.push(...result.error);
  }
  const findings = [...linted.flatMap((each) => each.findings), ...differences(linted)];
  if (context.json) context.print(JSON.stringify(report(files, findings, errors, daemon)));
  else tell(context, linted, findings, errors, daemon);
  if (errors.length > 0) return EXIT.usage;
  return findings.length > 0 ? EXIT.degraded : EXIT.done;
}

interface Daemon extends DaemonFacts {
  /** "" when it is scheduled in real time. */
  readonly notRealTime: string;
}

/** Undefined: no daemon answers, and what only it knows is not looked at. */
async function askDaemon(socket: string): Promise<Daemon | undefined> {
  try {
    const status = await fetchJson<Status>(socket, "/v1/status", SAMPLING_MS);
    const roundTrips_ms: number[] = [];
    const pause_ms = Math.min(status.timing.heartbeat_ms, SAMPLING_MS / SAMPLES);
    for (let sample = 0; sample < SAMPLES; sample++) {
      const { rows } = await fetchJson<Links>(socket, "/v1/links", SAMPLING_MS);
      roundTrips_ms.push(...rows.map((row) => row.round_trip_ms).filter((value) => value !== null));
      await new Promise((resolve) => setTimeout(resolve, pause_ms));
    }
    const { cluster, generation, engine } = status;
    const notRealTime = engine.real_time ? "" : (engine.not_real_time_because ?? "refused");
    return { cluster, generation, roundTrips_ms, notRealTime };
  } catch (error) {
    if (error instanceof ApiFailure) return undefined;
    throw error;
  }
}

async function factsOf(
  { cluster }: ParsedConfig,
  daemon: Daemon | undefined,
  options: LintOptions,
): Promise<MachineFacts> {
  const chosen = chooseNode(cluster, hostname(), options.node);
  const own = daemon?.cluster === cluster.name ? daemon : undefined;
  const interfaces = Object.entries(networkInterfaces()).map(
    ([name, addresses]) => [name, (addresses ?? []).map(({ address }) => address)] as const,
  );
  return {
    node: chosen.ok ? chosen.value.name : undefined,
    interfaces: new Map(interfaces),
    keyMode: modeOf(cluster.keys),
    notRealTime: chosen.ok ? (own?.notRealTime ?? (await realTimeRefusal())) : undefined,
    daemon: own,
  };
}

function modeOf(path: string): number | undefined {
  try {
    return statSync(path).mode & 0o7777;
  } catch {
    // Not on this machine, or not for this user to see: nothing can be said of it.
    return undefined;
  }
}

function report(
  files: readonly string[],
  findings: readonly Finding[],
  errors: readonly ConfigError[],
  daemon: Daemon | undefined,
): object {
  return {
    schema: "holdfast.lint/1",
    files,
    ok: errors.length === 0 && findings.length === 0,
    errors: errors.map(errorToJson),
    warnings: findings.map(({ place, ...finding }) => ({
      ...finding,
      line: place?.line ?? null,
      column: place?.column ?? null,
    })),
    daemon: daemon === undefined ? null : { cluster: daemon.cluster, round_trips: daemon.roundTrips_ms.length },
  };
}

function tell(
  context: Context,
  linted: readonly Linted[],
  findings: readonly Finding[],
  errors: readonly ConfigError[],
  daemon: Daemon | undefined,
): void {
  const colour = context.terminal.paint("red", "") !== "";
  if (errors.length > 0) process.stderr.write(formatErrors(errors, { colour }));
  for (const { text, code, why, remedy, ...where } of findings) {
    const message = `${printable(text)} [${code}]`;
    context.write(formatProblem({ ...where, code, message, hint: remedy }, "warning", colour));
    if (why !== "") context.print(`      why: ${why}`);
  }
  for (const { config } of linted) {
    const count = findings.filter(({ file }) => file === config.file).length;
    if (count === 0) context.print(`${printable(config.file)}: nothing risky found`);
  }
  if (daemon === undefined)
    context.print(`(no daemon answers on ${context.socket}: nothing was held against measured round trips)`);
}
