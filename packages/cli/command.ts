/** What every command is given, and how it ends. */
import type { ApiError } from "@holdfast/api/schema.ts";
import type { Terminal } from "./terminal.ts";

export interface Context {
  readonly socket: string;
  readonly json: boolean;
  readonly terminal: Terminal;
  /** Writes one line to standard output. */
  readonly print: (line: string) => void;
  /** Writes text as it is (a redraw). */
  readonly write: (text: string) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Standard input and output are a person's. */
  readonly interactive: boolean;
  readonly question: (text: string) => Promise<string>;
}

/** Ends a command with an exit code of EXIT and an error for people or, under --json, as ApiError. */
export class CommandFailure extends Error {
  readonly exit: number;
  readonly error: ApiError;

  constructor(exit: number, code: string, message: string, hint: string | null = null) {
    super(message);
    this.exit = exit;
    this.error = { schema: "holdfast.error/1", code, message, hint };
  }
}
