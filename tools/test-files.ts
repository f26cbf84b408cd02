/** Runs test files, each in a Node of its own, and counts what their tests came to. Nothing that went wrong may count as passed. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { END, type Outcome } from "./test-events.ts";

export interface FileResult {
  readonly file: string;
  readonly outcomes: readonly Outcome[];
  /** What the file's process wrote. */
  readonly output: string;
  readonly duration_ms: number;
}

/** Runs the files, `lanes` at once, and hands each result to `done` as it comes. */
export async function runFiles(
  files: readonly string[],
  lanes: number,
  timeout_ms: number,
  done: (result: FileResult) => void,
): Promise<void> {
  const waiting = [...files];
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) done(await runFile(file, timeout_ms));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function runFile(file: string, timeout_ms: number): Promise<FileResult> {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const events = join(directory, "events");
  const started = performance.now();
  try {
    const { output, ending } = await runNode(
      [`--test-reporter=${join(import.meta.dirname, "test-events.ts")}`, `--test-reporter-destination=${events}`, file],
      timeout_ms,
    );
    const { outcomes, ended } = readOutcomes(events);
    return {
      file,
      outcomes: [...outcomes, ...troubleOf(outcomes, ended, ending)],
      output,
      duration_ms: performance.now() - started,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** How the process ended: its exit code, or in words what else happened. */
type Ending = number | string;

const running = new Set<number | undefined>();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    for (const pid of running) killGroup(pid, signal);
    process.exit(1);
  });
}

function runNode(args: readonly string[], timeout_ms: number): Promise<{ output: string; ending: Ending }> {
  // A test that runs the runner must not be taken for a file of the outer run.
  const { NODE_TEST_CONTEXT: _outer, ...environment } = process.env;
  return new Promise((settle) => {
    // A group of its own, so that a test that hangs goes together with what it started.
    const child = spawn(process.execPath, args, {
      detached: true,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child.pid);
    let output = "";
    let late = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    const timer = setTimeout(() => {
      late = true;
      killGroup(child.pid, "SIGKILL");
    }, timeout_ms);
    child.on("error", (error) => {
      clearTimeout(timer);
      settle({ output, ending: `did not start: ${error.message}` });
    });
    // Not "close": a daemon the test left behind may hold the pipes open for ever.
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      running.delete(child.pid);
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        settle({
          output,
          ending: late ? `not done after ${timeout_ms / 1000} s, killed` : (code ?? `killed by ${signal}`),
        });
      }, 10);
    });
  });
}

/** The test process and what it started in its process group. */
function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone meanwhile.
  }
}

function readOutcomes(path: string): { outcomes: Outcome[]; ended: boolean } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return { outcomes: [], ended: false };
  }
  const whole = text.split("\n").slice(0, -1);
  const outcomes = whole.filter((line) => line !== END).map((line) => JSON.parse(line) as Outcome);
  return { outcomes, ended: whole.at(-1) === END };
}

/** What the tests themselves did not report: a file without tests, a crash, a process that went on after its tests. */
function troubleOf(outcomes: readonly Outcome[], ended: boolean, ending: Ending): Outcome[] {
  const name = "the file as a whole";
  const failed = (reason: string): Outcome[] => [{ name, outcome: "failed", reason }];
  if (typeof ending === "string") return failed(ending);
  if (ending !== 0 && !outcomes.some((one) => one.outcome === "failed")) return failed(`exited with code ${ending}`);
  if (outcomes.length === 0) return failed(ended ? "ran no test" : "ran no test, or left before the first was done");
  if (!ended) return failed("left before its tests were done");
  return [];
}
