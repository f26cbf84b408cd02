/** What this node says of itself in its heartbeats: its software, and which keys it opens. */
import { readFileSync } from "node:fs";
import { PACKAGE_FILE } from "../processes.ts";
import { keyId, type Keys } from "../seal/keys.ts";
import type { NodeReport } from "@holdfast/core/wire/messages.ts";

export function nodeReport(keys: Keys): NodeReport {
  const others = keys.accepted.filter(({ name }) => name !== keys.active.name);
  return { software: SOFTWARE, keys: [keys.active, ...others].map(({ name }) => keyId(name)) };
}

/** Read when this process began: what lies there now may be its successor's. */
export const SOFTWARE = (JSON.parse(readFileSync(PACKAGE_FILE, "utf8")) as { readonly version: string }).version;
