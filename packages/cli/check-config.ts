/** `holdfast check-config [FILE]`: is a configuration right, what does it promise, and what is risky about it. */
import { errorToJson, formatErrors, type ConfigError } from "@holdfast/agent/config/config-error.ts";
import { readConfig } from "@holdfast/agent/config/parse.ts";
import { summaryJson, summaryText } from "@holdfast/agent/config/summary.ts";
import { configWarnings } from "@holdfast/agent/config/warnings.ts";

export const checkConfigDescription = "check a configuration: its errors, or what it promises and risks";
export const DEFAULT_CONFIG = "/etc/holdfast/holdfast.yaml";

/** HZ 250, the tick of Debian's kernels. */
const USUAL_JIFFY = 4;

export interface CheckConfigOptions {
  readonly json: boolean;
  /** The running kernel's tick in milliseconds; when unknown the usual one is assumed, and said. */
  readonly jiffy?: number | undefined;
  /** Default: colour when standard error is a terminal that wants it. */
  readonly colour?: boolean;
}

interface Output {
  readonly code: 0 | 2;
  readonly stdout: string;
  readonly stderr: string;
}

/** Prints to standard output (errors as text: to standard error) and returns the exit code: 0, or 2 with errors. */
export function checkConfig(file: string = DEFAULT_CONFIG, options: CheckConfigOptions): Promise<number> {
  const output = checkConfigOutput(file, options);
  process.stdout.write(output.stdout);
  process.stderr.write(output.stderr);
  return Promise.resolve(output.code);
}

export function checkConfigOutput(file: string, options: CheckConfigOptions): Output {
  const config = readConfig(file, { jiffy: options.jiffy ?? USUAL_JIFFY });
  if (!config.ok) return refused(file, config.error, options);
  const warnings = configWarnings(config.value);
  if (options.json) return { code: 0, stdout: `${JSON.stringify(summaryJson(config.value, warnings))}\n`, stderr: "" };
  return { code: 0, stdout: summaryText(config.value, warnings, options.jiffy === undefined), stderr: "" };
}

function refused(file: string, errors: readonly ConfigError[], options: CheckConfigOptions): Output {
  if (options.json) {
    const report = {
      schema: "holdfast.check-config/1",
      file,
      ok: false,
      errors: errors.map(errorToJson),
      warnings: [],
    };
    return { code: 2, stdout: `${JSON.stringify(report)}\n`, stderr: "" };
  }
  return { code: 2, stdout: "", stderr: formatErrors(errors, { colour: options.colour ?? terminalWantsColour() }) };
}

function terminalWantsColour(): boolean {
  const { NO_COLOR, TERM } = process.env;
  return process.stderr.isTTY && (NO_COLOR ?? "") === "" && TERM !== "dumb";
}
