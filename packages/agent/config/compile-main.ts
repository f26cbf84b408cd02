/** The parser as a process: a configuration on standard input, the result as JSON on standard output (see compiled.ts). */
import { readFileSync, writeSync } from "node:fs";
import type { Compiled } from "../compiled/compiled.ts";
import { FORMAT_VERSION } from "./compiled.ts";
import type { ConfigError } from "./config-error.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import { parseBytes } from "./parse.ts";

const [, , path = "holdfast.yaml", jiffy = ""] = process.argv;
const result = parseBytes(readFileSync(0), path, { jiffy: Number(jiffy) });
const output = Buffer.from(
  JSON.stringify({ format: FORMAT_VERSION, result } satisfies Compiled<ParsedConfig, ConfigError[]>),
);
for (let written = 0; written < output.length;) written += writeSync(1, output, written);
process.exitCode = result.ok ? 0 : 2;
