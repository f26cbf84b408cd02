/**
 * Whether the bundle (tools/bundle.ts) is what the source tree says now. Every input is held against its size and time in
 * the manifest, some 2 ms in all: a bundle of other sources is never run.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BUNDLE, BUNDLED, ENGINE_ENTRY, ROOT, WITNESS_ENTRY } from "./processes.ts";

/** Written by tools/bundle.ts as manifest.json. */
export interface BundleManifest {
  /** Path from the root of the source tree to [bytes, modified at, in milliseconds]. */
  readonly inputs: Readonly<Record<string, readonly [number, number]>>;
}

export type BundleState = "fresh" | "stale" | "absent";

export function bundleState(bundle = BUNDLE, root = ROOT): BundleState {
  let manifest: BundleManifest;
  try {
    manifest = JSON.parse(readFileSync(join(bundle, "manifest.json"), "utf8")) as BundleManifest;
  } catch {
    return "absent";
  }
  // Installed without its sources: there is nothing it could differ from.
  if (!existsSync(join(root, "packages"))) return "fresh";
  for (const [path, [bytes, modified_ms]] of Object.entries(manifest.inputs)) {
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    if (stat?.size !== bytes || stat.mtimeMs !== modified_ms) return "stale";
  }
  return "fresh";
}

/** What an engine is to be started from now: the bundle when it is fresh, the source otherwise or when that is wanted. */
export function engineEntry(from?: "source"): string {
  if (from !== "source" && bundleState() === "fresh") return join(BUNDLE, "engine.js");
  return BUNDLED ? join(ROOT, "packages/agent/engine/main.ts") : ENGINE_ENTRY;
}

/** The same for a witness. */
export function witnessEntry(): string {
  if (bundleState() === "fresh") return join(BUNDLE, "witness.js");
  return BUNDLED ? join(ROOT, "packages/agent/witness/main.ts") : WITNESS_ENTRY;
}
