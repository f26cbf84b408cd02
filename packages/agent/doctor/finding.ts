/** What a check of `holdfast doctor` found: a line for a person, with what to do about it. */

/** `skip`: it could not be looked at, and the text says why. */
export type Level = "ok" | "warn" | "fail" | "skip";

export interface Finding {
  /** What was looked at: a stable word for machines. */
  readonly check: string;
  readonly level: Level;
  readonly text: string;
  /** Empty when there is nothing to do. */
  readonly remedy: string;
}

export function ok(check: string, text: string): Finding {
  return { check, level: "ok", text, remedy: "" };
}

export function warn(check: string, text: string, remedy: string): Finding {
  return { check, level: "warn", text, remedy };
}

export function fail(check: string, text: string, remedy: string): Finding {
  return { check, level: "fail", text, remedy };
}

export function skip(check: string, text: string): Finding {
  return { check, level: "skip", text, remedy: "" };
}

/** Why something could not be looked at, in one line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
