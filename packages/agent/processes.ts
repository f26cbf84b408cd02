/** How the daemon's processes are started: their entries, the flags that keep them small, the cache that spares the compiler. */
import { fileURLToPath } from "node:url";

/** This code is part of a bundle (tools/bundle.ts), where all entries lie beside each other. */
export const BUNDLED = import.meta.url.endsWith(".js");

const beside = (bundled: string, source: string): string =>
  fileURLToPath(new URL(BUNDLED ? bundled : source, import.meta.url));

export const ENGINE_ENTRY = beside("./engine.js", "./engine/main.ts");
export const CONTROL_ENTRY = beside("./control.js", "./control/main.ts");
export const CONFIG_COMPILER_ENTRY = beside("./compile-config.js", "./config/compile-main.ts");
export const KEYS_COMPILER_ENTRY = beside("./compile-keys.js", "./seal/compile-keys-main.ts");
export const WITNESS_ENTRY = beside("./witness.js", "./witness/main.ts");
export const WITNESS_COMPILER_ENTRY = beside("./compile-witness.js", "./witness/compile-main.ts");
/** Says which version this is. */
export const PACKAGE_FILE = beside("./package.json", "./package.json");
/** The source tree; in an installed package there is none, and this is some other directory. */
export const ROOT = beside("../..", "../..");
export const BUNDLE = beside(".", "../../build/bundle");

/** In an engine's environment: the monotonic time of its exec in nanoseconds, so that it can say how long its start took. */
export const EXEC_TIME_VARIABLE = "HOLDFAST_EXEC_NS";

/** A small heap, and no helper threads beside the one that matters: little garbage is made. */
export const ENGINE_FLAGS = ["--max-semi-space-size=1", "--max-old-space-size=64", "--v8-pool-size=0"] as const;

/** A witness of many clusters is a small process; its young garbage is a hundred clusters' worth. */
export const WITNESS_FLAGS = ["--max-semi-space-size=16", "--max-old-space-size=128", "--v8-pool-size=1"] as const;

/** Control answers a person now and then: optimizing compilers would cost it 9 MB of resident memory for nothing. */
export const CONTROL_FLAGS = [...ENGINE_FLAGS, "--no-opt", "--no-maglev"] as const;

/** Compiled once, every later start is spared the TypeScript compiler (17 MB a process). Kept for each set of flags. */
export const COMPILE_CACHE = beside("../compile-cache", "../../build/compile-cache");
