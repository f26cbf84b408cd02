/** The key file's parser as a process: the text on standard input, the result as JSON on standard output (see compiled-keys.ts). */
import { readFileSync, writeSync } from "node:fs";
import { success } from "@holdfast/core/units/result.ts";
import type { Compiled } from "../compiled/compiled.ts";
import { type CompiledKeys, KEYS_FORMAT } from "./compiled-keys.ts";
import type { KeyFileError } from "./key-file-bytes.ts";
import { parseKeyFile } from "./key-file.ts";

const [, , path = "keys"] = process.argv;
const parsed = parseKeyFile(readFileSync(0, "utf8"), path);
const result = parsed.ok
  ? success({
      active: parsed.value.active.name,
      accepted: parsed.value.accepted.map(({ name, secret }) => ({
        name,
        secret: Buffer.from(secret).toString("base64"),
      })),
    })
  : parsed;
const output = Buffer.from(
  JSON.stringify({ format: KEYS_FORMAT, result } satisfies Compiled<CompiledKeys, KeyFileError>),
);
for (let written = 0; written < output.length;) written += writeSync(1, output, written);
process.exitCode = result.ok ? 0 : 2;
