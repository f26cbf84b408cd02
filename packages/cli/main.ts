/** The command `holdfast`: declares what can be typed, runs one command, and turns how it ended into an exit code. */
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { bundleState } from "@holdfast/agent/bundle.ts";
import { BUNDLED, ROOT } from "@holdfast/agent/processes.ts";
import { ApiFailure } from "@holdfast/api/client.ts";
import { type ApiError, EXIT } from "@holdfast/api/schema.ts";
import { CommanderError } from "commander";
import { CommandFailure, type Context } from "./command.ts";
import { lab } from "./lab.ts";
import { type GlobalOptions, program } from "./program.ts";
import { printable, terminal } from "./terminal.ts";

function contextOf(options: GlobalOptions): Context {
  const { stdout, stdin, env } = process;
  return {
    socket: options.socket,
    json: options.json ?? false,
    terminal: terminal({ tty: stdout.isTTY, columns: stdout.columns, env }, options.color),
    print: (line) => stdout.write(`${line}\n`),
    write: (text) => stdout.write(text),
    now: Date.now,
    interactive: stdin.isTTY && stdout.isTTY,
    async question(text) {
      const prompt = createInterface({ input: stdin, output: stdout });
      try {
        return await prompt.question(text);
      } finally {
        prompt.close();
      }
    },
  };
}

async function main(words: readonly string[]): Promise<number> {
  // The lab has its own words; none of them is for us.
  if (words[0] === "lab") return lab(words.slice(1));
  let code: number = EXIT.done;
  const commands = program(contextOf, (exit) => (code = exit), words.includes("--json"));
  await commands.parseAsync(words, { from: "user" });
  return code;
}

function exitOf(error: ApiError, words: readonly string[]): number {
  if (error.code === "unreachable" || error.code === "no-answer") return EXIT.unreachable;
  // The daemon answers, but nothing is known of the cluster.
  if (error.code === "engine-silent") return words.includes("status") ? EXIT.outage : EXIT.unreachable;
  return error.code.startsWith("unknown-") || error.code.startsWith("bad-") ? EXIT.usage : EXIT.failed;
}

function usageError(error: CommanderError): ApiError {
  const message = error.message.replace(/^error: /, "");
  return { schema: "holdfast.error/1", code: "usage", message, hint: "holdfast --help" };
}

function report(error: unknown, words: readonly string[]): number {
  if (error instanceof CommanderError) {
    // Help and version end so too. Without --json commander has said it already.
    if (error.exitCode === 0) return EXIT.done;
    if (words.includes("--json")) process.stderr.write(`${JSON.stringify(usageError(error))}\n`);
    return EXIT.usage;
  }
  const known = error instanceof CommandFailure || error instanceof ApiFailure;
  if (!known) throw error;
  const { message, hint } = error.error;
  const hinted = hint === null ? "" : `\n  ${printable(hint)}`;
  const text = words.includes("--json") ? JSON.stringify(error.error) : `holdfast: ${printable(message)}${hinted}`;
  process.stderr.write(`${text}\n`);
  return error instanceof CommandFailure ? error.exit : exitOf(error.error, words);
}

/** A bundle that is older than its sources is never run: the sources are. */
function runSourceInstead(): void {
  if (!BUNDLED || bundleState() === "fresh" || process.execve === undefined) return;
  const source = join(ROOT, "packages/cli/main.ts");
  const env = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  process.execve(process.execPath, [process.execPath, source, ...process.argv.slice(2)], Object.fromEntries(env));
}

// `holdfast history | head` is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.failed),
);

const words = process.argv.slice(2);
try {
  runSourceInstead();
  process.exitCode = await main(words);
} catch (error) {
  process.exitCode = report(error, words);
}
