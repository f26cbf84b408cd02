/** A reporter for node:test: one JSON line for each test that ended, for tools/test-files.ts to count. */
import type { TestEvent } from "node:test/reporters";

/** What one test came to. */
export interface Outcome {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped; empty when nobody said. */
  readonly reason: string;
}

/** The last line: without it the process left before its tests were done. */
export const END = "end";

type Failure = Error & { readonly failureType?: string; readonly cause?: unknown };

async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  // Names of the tests around the running one, by depth, so that a failure can be found.
  const path: string[] = [];
  for await (const event of source) {
    if (event.type === "test:start") {
      path.length = event.data.nesting;
      path.push(event.data.name);
    }
    if (event.type === "test:diagnostic" && event.data.level !== "info")
      process.stderr.write(`${event.data.message}\n`);
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { data } = event;
    const error: Failure | undefined = event.type === "test:fail" ? event.data.details.error : undefined;
    // A suite counts only when it failed by itself, in a hook say; its tests count one by one.
    if (data.details.type === "suite" && (error === undefined || error.failureType === "subtestsFailed")) continue;
    path.length = data.nesting;
    yield `${JSON.stringify(outcome([...path, data.name].join(" > "), data, error))}\n`;
  }
  yield `${END}\n`;
}

function outcome(
  name: string,
  data: { skip?: string | boolean; todo?: string | boolean },
  error: Failure | undefined,
): Outcome {
  if (data.todo !== undefined && data.todo !== false) {
    return { name, outcome: "failed", reason: "marked as todo: finish it or take it out" };
  }
  if (data.skip !== undefined && data.skip !== false) {
    if (typeof data.skip === "string" && data.skip !== "") return { name, outcome: "skipped", reason: data.skip };
    return { name, outcome: "failed", reason: 'skipped without a reason: say why, as in t.skip("needs root")' };
  }
  if (error === undefined) return { name, outcome: "passed", reason: "" };
  const cause = error.cause instanceof Error ? error.cause : error;
  return { name, outcome: "failed", reason: cause.stack ?? cause.message };
}

// The one default export of the repository: node:test loads reporters by it.
export { report as default };
