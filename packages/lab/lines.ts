/** Splits a byte stream into lines. Unlike node:readline it leaves the stream's errors to the stream's owner. */
import type { Readable } from "node:stream";

/** Calls back with each line without its end; a last line without one is given when the stream ends. */
export function onLines(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
  stream.on("end", () => {
    if (rest !== "") take(rest);
  });
}
