/** How the daemon's processes are started: their entries, the flags that keep them small, the cache that spares the compiler. */
import { fileURLToPath } from "node:url";

export const ENGINE_ENTRY = fileURLToPath(new URL("./engine/main.ts", import.meta.url));
export const CONTROL_ENTRY = fileURLToPath(new URL("./control/main.ts", import.meta.url));

/** A small heap, and no helper threads beside the one that matters: little garbage is made. */
export const ENGINE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=64", "--v8-pool-size=0"] as const;

/** Control answers a person now and then: optimizing compilers would cost it 9 MB of resident memory for nothing. */
export const CONTROL_FLAGS = [...ENGINE_FLAGS, "--no-opt", "--no-maglev"] as const;

/** Compiled once, every later start is spared the TypeScript compiler (17 MB a process). Kept for each set of flags. */
export const COMPILE_CACHE = fileURLToPath(new URL("../../build/compile-cache", import.meta.url));
