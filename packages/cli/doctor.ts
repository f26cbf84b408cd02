/** `holdfast doctor`: this machine and its network, one line a check, with a reason and a remedy for what is wrong. */
import { readFileSync } from "node:fs";
import { examine } from "@holdfast/agent/doctor/doctor.ts";
import type { Finding, Level } from "@holdfast/agent/doctor/finding.ts";
import { PACKAGE_FILE } from "@holdfast/agent/processes.ts";
import { EXIT } from "@holdfast/api/schema.ts";
import type { Context } from "./command.ts";
import { type Colour, printable, type Terminal } from "./terminal.ts";

export interface DoctorOptions {
  readonly config: string;
  readonly node?: string | undefined;
}

export async function doctor(context: Context, { config, node }: DoctorOptions): Promise<number> {
  const findings = await examine({ config, node, socket: context.socket, version: installedVersion() });
  const exit = exitOf(findings);
  if (context.json) {
    const counts = Object.fromEntries(
      LEVELS.map((level) => [level, findings.filter((one) => one.level === level).length]),
    );
    context.print(JSON.stringify({ schema: "holdfast.doctor/1", findings, counts, exit }));
    return exit;
  }
  for (const line of findingLines(findings, context.terminal)) context.print(line);
  return exit;
}

const LEVELS: readonly Level[] = ["ok", "warn", "fail", "skip"];
const WORDS: Readonly<Record<Level, readonly [word: string, colour: Colour | undefined]>> = {
  ok: ["ok  ", undefined],
  warn: ["WARN", "yellow"],
  fail: ["FAIL", "red"],
  skip: ["skip", "dim"],
};

export function findingLines(findings: readonly Finding[], { paint }: Terminal): string[] {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  return findings.flatMap(({ check, level, text, remedy }) => {
    const [word, colour] = WORDS[level];
    const line = `${paint(colour, word)}  ${check.padEnd(width)}  ${printable(text)}`;
    return remedy === "" ? [line] : [line, `${" ".repeat(4 + 2 + width + 2)}-> ${printable(remedy)}`];
  });
}

/** What was not looked at is neither good nor bad. */
export function exitOf(findings: readonly Finding[]): number {
  if (findings.some(({ level }) => level === "fail")) return EXIT.failed;
  return findings.some(({ level }) => level === "warn") ? EXIT.degraded : EXIT.done;
}

function installedVersion(): string {
  return (JSON.parse(readFileSync(PACKAGE_FILE, "utf8")) as { readonly version: string }).version;
}
