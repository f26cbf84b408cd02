/** Everything that can be wrong with a configuration on this machine, found before anything is changed. */
import { hostname } from "node:os";
import { join } from "node:path";
import type { EngineArguments } from "./arguments.ts";
import { checkAddressesAgainstInterfaces } from "../config/check-interfaces.ts";
import { chooseNode } from "../config/choose-node.ts";
import { loadCluster, loadClusterSoon } from "../config/compiled.ts";
import { type ConfigErrorJson, errorToJson, formatErrors } from "../config/config-error.ts";
import type { ConfigError } from "../config/config-error.ts";
import type { ParsedConfig } from "../config/parsed-config.ts";
import { loadKeys, loadKeysSoon } from "../seal/compiled-keys.ts";
import { type KeyFileError, keyFileErrorText } from "../seal/key-file-bytes.ts";
import type { Keys } from "../seal/keys.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import type { Adapters } from "@holdfast/linux/adapters.ts";
import { native } from "@holdfast/linux/load.ts";
import { jiffy_ms } from "@holdfast/linux/scheduling.ts";

export interface Prepared {
  readonly cluster: Cluster;
  readonly self: NodeConfig;
  readonly keys: Keys;
}

export interface Unprepared {
  /** The whole text for the operator. */
  readonly text: string;
  readonly errors: readonly ConfigErrorJson[];
}

/** For the start, which waits for the parsers. */
export function prepare(args: EngineArguments, adapters: Adapters): Result<Prepared, Unprepared> {
  const parsed = loadCluster(args.config, { cacheDirectory: cacheOf(args), jiffy: jiffy_ms(native) });
  const chosen = choose(args, adapters, parsed);
  return chosen.ok ? withKeys(chosen.value, loadKeys(chosen.value.cluster.keys, cacheOf(args))) : chosen;
}

/** For a daemon that runs: its loop turns on meanwhile. */
export async function prepareSoon(args: EngineArguments, adapters: Adapters): Promise<Result<Prepared, Unprepared>> {
  const parsed = await loadClusterSoon(args.config, { cacheDirectory: cacheOf(args), jiffy: jiffy_ms(native) });
  const chosen = choose(args, adapters, parsed);
  return chosen.ok ? withKeys(chosen.value, await loadKeysSoon(chosen.value.cluster.keys, cacheOf(args))) : chosen;
}

function cacheOf(args: EngineArguments): string {
  return join(args.runDirectory, "config");
}

function choose(
  args: EngineArguments,
  adapters: Adapters,
  parsed: Result<ParsedConfig, ConfigError[]>,
): Result<Omit<Prepared, "keys">, Unprepared> {
  if (!parsed.ok) return failure(wrong(parsed.error));
  const { cluster } = parsed.value;
  const chosen = chooseNode(cluster, hostname(), args.node);
  if (!chosen.ok) {
    const { code, message, hint } = chosen.error;
    const error: ConfigErrorJson = { code, file: args.config, line: null, column: null, message, hint };
    return failure({ text: `holdfast: error: ${message}\n  ${hint}\n`, errors: [error] });
  }
  const present = adapters.all().map(({ name, addresses }) => ({ name, addresses }));
  const errors = checkAddressesAgainstInterfaces(parsed.value, chosen.value.name, present);
  return errors.length > 0 ? failure(wrong(errors)) : success({ cluster, self: chosen.value });
}

function wrong(errors: readonly ConfigError[]): Unprepared {
  const colour = process.stderr.isTTY && !process.env["NO_COLOR"];
  return { text: formatErrors(errors, { colour }), errors: errors.map(errorToJson) };
}

function withKeys(chosen: Omit<Prepared, "keys">, keys: Result<Keys, KeyFileError>): Result<Prepared, Unprepared> {
  if (keys.ok) return success({ ...chosen, keys: keys.value });
  const { path, line, column, message } = keys.error;
  const error = { code: "keys", file: path, line: line || null, column: column || null, message, hint: "" };
  return failure({ text: `${keyFileErrorText(keys.error)}\n`, errors: [error] });
}
