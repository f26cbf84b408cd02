/** The lab's socket: one JSON object a line; a request, then progress lines, then one end. */
import { connect } from "node:net";
import { LabError } from "./directory.ts";
import { onLines } from "./lines.ts";

export interface Request {
  readonly command: string;
  readonly args: readonly string[];
}

export type Response =
  | { readonly kind: "line"; readonly text: string }
  /** `code` is the exit code (EXIT of the API's schema). */
  | { readonly kind: "end"; readonly code: number; readonly result: unknown }
  | { readonly kind: "error"; readonly code: number; readonly message: string };

export interface End {
  readonly code: number;
  readonly result: unknown;
}

/** Sends one request and reads until its end; rejects with LabError on the supervisor's error or when it goes away. */
export function ask(socket: string, request: Request, onLine: (text: string) => void): Promise<End> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    let ended = false;
    connection.on("connect", () => connection.write(`${JSON.stringify(request)}\n`));
    connection.on("error", (error) =>
      reject(new LabError(`no lab answers on ${socket} (${error.message}); start one: holdfast lab up`)),
    );
    connection.on("close", () => ended || reject(new LabError("the lab ended before it answered")));
    onLines(connection, (line) => {
      const response = JSON.parse(line) as Response;
      if (response.kind === "line") return onLine(response.text);
      ended = true;
      connection.end();
      if (response.kind === "end") resolve({ code: response.code, result: response.result });
      else reject(new LabError(response.message));
    });
  });
}
