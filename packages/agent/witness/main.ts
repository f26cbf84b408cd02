/**
 * `holdfast witness`: one small process that votes in many clusters and owns in none. It needs no capability, no addon and
 * one UDP port. The parsers run in a child; SIGHUP reads everything again.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { monotonic } from "./clock.ts";
import { loadEntries } from "./compiled-entries.ts";
import { listen } from "./udp.ts";
import { Witness } from "./witness.ts";
import { PACKAGE_FILE } from "../processes.ts";
import { type IpAddress, parseIp } from "@holdfast/core/units/ip.ts";
import type { Instant } from "@holdfast/core/units/time.ts";
import { kernelId } from "@holdfast/linux/kernel-id.ts";

const HOUSEKEEPING_MS = 1000;
const UNKNOWN_TOLD_EVERY_S = 60;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const PRIORITY = { info: 6, warning: 4, alarm: 2 } as const;
const underSystemd = process.env["JOURNAL_STREAM"] !== undefined;

function log(level: keyof typeof PRIORITY, text: string): void {
  for (const line of text.split("\n")) {
    const head = underSystemd ? `<${PRIORITY[level]}>` : `${new Date().toISOString()} ${level} `;
    process.stderr.write(`${head}${line}\n`);
  }
}

function fail(text: string, code: number): never {
  process.stderr.write(`holdfast: error: ${text}\n`);
  process.exit(code);
}

/** "10.0.0.3:7400", "[2001:db8::3]:7400", ":7400" or "7400". */
function listenAt(text: string): { readonly address: IpAddress | undefined; readonly port: number } | undefined {
  const [, bracketed, bare, port = ""] = /^(?:(?:\[([^\]]+)\]|([\d.]*)):)?(\d{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? (bare === "" ? undefined : bare);
  const number = Number(port);
  if (!(number >= 1 && number <= 65_535)) return undefined;
  if (address === undefined) return { address, port: number };
  const parsed = parseIp(address);
  return parsed === undefined ? undefined : { address: parsed, port: number };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      listen: { type: "string", default: "7400" },
      node: { type: "string" },
      "state-dir": { type: "string", default: "/run/holdfast-witness" },
    },
  });
  const [root = "/etc/holdfast/witness"] = positionals;
  const at = listenAt(values.listen);
  if (at === undefined) fail(`--listen ${values.listen}: write ADDRESS:PORT, [ADDRESS]:PORT or PORT`, EXIT_USAGE);
  const options = { port: at.port, node: values.node };
  // The port first: it keeps a second witness from the votes of this one.
  const later: { witness?: Witness } = {};
  const socket = await listen(at, (datagram, from, port) => later.witness?.received(datagram, from, port));
  if (!socket.ok) fail(socket.error, EXIT_FAILED);
  const entries = await loadEntries(root, options);
  if (!entries.ok) fail(entries.error, EXIT_USAGE);
  const { version } = JSON.parse(readFileSync(PACKAGE_FILE, "utf8")) as { version: string };
  let timer: NodeJS.Timeout | undefined;
  const serving = new Witness({
    stateDirectory: values["state-dir"],
    kernel: kernelId(),
    software: version,
    send: socket.value.send,
    log,
    wakeAt: (deadline: Instant) => {
      clearTimeout(timer);
      // In whole milliseconds: rounded down it would wake too early, and again.
      const wait_ms = Math.ceil(Math.max(0, deadline - monotonic()));
      timer = setTimeout(() => serving.wake(), Math.min(wait_ms, HOUSEKEEPING_MS));
    },
  });
  later.witness = serving;
  log("info", `listens on ${socket.value.name}, votes in ${values["state-dir"]}, clusters in ${root}`);
  serving.serve(entries.value);
  let told_s = -UNKNOWN_TOLD_EVERY_S;
  setInterval(() => {
    serving.housekeeping();
    if (process.uptime() < told_s + UNKNOWN_TOLD_EVERY_S) return;
    const unknown = serving.takeUnknown();
    if (unknown === 0) return;
    told_s = process.uptime();
    log("warning", `${unknown} datagrams of clusters that are not served were dropped`);
  }, HOUSEKEEPING_MS);
  let reloaded: Promise<void> = Promise.resolve();
  // One after the other: the last one asked for is the last one read.
  process.on("SIGHUP", () => {
    reloaded = reloaded.then(() => reload(serving, root, options));
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
}

async function reload(
  witness: Witness,
  root: string,
  options: { port: number; node: string | undefined },
): Promise<void> {
  const entries = await loadEntries(root, options);
  if (entries.ok) witness.serve(entries.value);
  else log("alarm", `not reloaded: ${entries.error}`);
}

// `--warm`: only fill the compile cache, for set-up.
if (!process.argv.includes("--warm")) await main();
