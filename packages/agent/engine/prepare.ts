/** Everything that can be wrong before the daemon starts, found before anything is changed: exit 2, nothing started. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { EngineArguments } from "./arguments.ts";
import { checkAddressesAgainstInterfaces } from "../config/check-interfaces.ts";
import { chooseNode } from "../config/choose-node.ts";
import { loadCluster } from "../config/compiled.ts";
import { formatErrors } from "../config/config-error.ts";
import { loadKeys } from "../seal/compiled-keys.ts";
import { keyFileErrorText } from "../seal/key-file-bytes.ts";
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
  /** The reason of a drain that outlived the daemon; undefined: not drained. */
  readonly drained: string | undefined;
}

/** The error is the whole text for the operator. */
export function prepare(args: EngineArguments, adapters: Adapters): Result<Prepared, string> {
  const cacheDirectory = join(args.runDirectory, "config");
  const loaded = loadCluster(args.config, {
    cacheDirectory,
    jiffy: jiffy_ms(native),
  });
  const colour = process.stderr.isTTY && !process.env["NO_COLOR"];
  if (!loaded.ok) return failure(formatErrors(loaded.error, { colour }));
  const { cluster } = loaded.value;
  const chosen = chooseNode(cluster, hostname(), args.node);
  if (!chosen.ok) return failure(`holdfast: error: ${chosen.error.message}\n  ${chosen.error.hint}\n`);
  const present = adapters.all().map(({ name, addresses }) => ({ name, addresses }));
  const errors = checkAddressesAgainstInterfaces(loaded.value, chosen.value.name, present);
  if (errors.length > 0) return failure(formatErrors(errors, { colour }));
  const keys = loadKeys(cluster.keys, cacheDirectory);
  if (!keys.ok) return failure(`${keyFileErrorText(keys.error)}\n`);
  return success({ cluster, self: chosen.value, keys: keys.value, drained: readDrained(args.stateDirectory) });
}

/** Written by control; what cannot be read does not keep the node from serving. */
function readDrained(stateDirectory: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(join(stateDirectory, "drained"), "utf8");
  } catch {
    return undefined;
  }
  try {
    const mark = JSON.parse(text) as { readonly reason?: unknown };
    return typeof mark.reason === "string" ? mark.reason : "no reason given";
  } catch {
    return "the drain mark is damaged";
  }
}
