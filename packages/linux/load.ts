/** Loads the C addon, and turns a refused system call of set-up code into an error that a person can read. */
import { createRequire } from "node:module";
import { constants } from "node:os";
import { existsSync } from "node:fs";
import type { Native } from "./native.ts";

/** In a bundle (tools/bundle.ts) it lies beside the code. */
const ADDON = import.meta.url.endsWith(".js") ? "./holdfast.node" : "./build/holdfast.node";

function load(): Native {
  if (!existsSync(new URL(ADDON, import.meta.url))) {
    throw new Error("the addon packages/linux/build/holdfast.node is missing; run: sh tools/setup.sh start");
  }
  return createRequire(import.meta.url)(ADDON) as Native;
}

/** The one instance of the addon. */
export const native: Native = load();

const NAMES = new Map(Object.entries(constants.errno).map(([name, code]) => [code, name]));

/** The name of a negative result ("ENODEV" for -19); its number when it has none. */
export function errnoName(result: number): string {
  return NAMES.get(-result) ?? `errno ${-result}`;
}

/** A refused system call. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  readonly code: string;

  constructor(what: string, result: number) {
    super(`${what}: ${errnoName(result)}`);
    this.code = errnoName(result);
  }
}

/** Returns `value` when it is no error, else throws `what` with the name of the error. For set-up code. */
export function check(what: string, value: number): number {
  if (value < 0) throw new SystemCallError(what, value);
  return value;
}
