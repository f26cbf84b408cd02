/** The C addon, from where the set-up builds it. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Native } from "@holdfast/linux/native.ts";

const ADDON = fileURLToPath(new URL("../linux/build/holdfast.node", import.meta.url));

/** Throws, naming the file and the command that builds it, when the addon is missing or does not load. */
export function loadNative(): Native {
  try {
    return createRequire(import.meta.url)(ADDON) as Native;
  } catch (error) {
    throw new Error(
      `cannot load the addon ${ADDON}: ${error instanceof Error ? error.message : String(error)}; build it with: npm start`,
      { cause: error },
    );
  }
}
