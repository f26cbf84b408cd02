/** The log may lose lines; it must never wait for whoever reads it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";

test("a reader of standard error that stops reading holds nothing up", async () => {
  const program = `
    const { logLine } = await import(${JSON.stringify(import.meta.resolve("./log.ts"))});
    for (let i = 0; i < 20000; i++) logLine("info", "a line of some length, again and again: " + i);
    process.stdout.write("done");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.pause();
  const said = await new Promise<string>((resolve, reject) => {
    const patience = setTimeout(() => reject(new Error("still writing after 30 s")), 30_000);
    child.stdout.once("data", (data: Buffer) => {
      clearTimeout(patience);
      resolve(data.toString());
    });
  });
  child.stderr.destroy();
  assert.equal(said, "done");
});
