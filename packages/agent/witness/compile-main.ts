/** The witness's configuration as a process: a directory as argument, its entries as JSON on standard output (see compiled-entries.ts). */
import { writeSync } from "node:fs";
import { toJson } from "./compiled-entries.ts";
import { readEntries } from "./entries.ts";

const [, , root = "", port = "", node = ""] = process.argv;
const result = readEntries(root, { port: Number(port), node: node === "" ? undefined : node });
const output = Buffer.from(toJson(result));
for (let written = 0; written < output.length;) written += writeSync(1, output, written);
