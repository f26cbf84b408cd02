/** Talks to control over its Unix socket: for the commands, and for anybody else who wants the typed answers. */
import type { IncomingMessage } from "node:http";
import type { ApiError, Outcome, Reload } from "./schema.ts";

// An import of node:http touches all its exports and so loads a whole web client: 14 MB and 15 ms.
const { request: httpRequest } = process.getBuiltinModule("node:http");

const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const PATIENCE_MS = 5000;

/** The daemon was reached and said no, or could not be reached (code `unreachable` or `no-answer`). */
export class ApiFailure extends Error {
  readonly error: ApiError;

  constructor(error: ApiError) {
    super(error.message);
    this.error = error;
  }
}

/** Throws ApiFailure. */
export async function fetchJson<T>(socket: string, path: string, timeout_ms = PATIENCE_MS): Promise<T> {
  const { status, text } = await exchange(socket, "GET", path, undefined, timeout_ms);
  return decode(socket, status, text, status === 200) as T;
}

/** An outcome of any code; throws ApiFailure when the request itself was wrong. */
export async function postJson(socket: string, path: string, body: object, timeout_ms: number): Promise<Outcome> {
  // The daemon ends the request by the timeout; we wait a little longer for it to say so.
  const patience = timeout_ms + PATIENCE_MS;
  const { status, text } = await exchange(socket, "POST", path, JSON.stringify({ ...body, timeout_ms }), patience);
  return decode(socket, status, text, text.includes('"holdfast.outcome/1"')) as Outcome;
}

export interface ReloadBody {
  readonly dry_run: boolean;
  readonly config?: string;
  readonly confirm_ms?: number;
}

/** Throws ApiFailure when the request itself was wrong. */
export async function postReload(socket: string, body: ReloadBody | "confirm", timeout_ms: number): Promise<Reload> {
  const [path, fields] = body === "confirm" ? ["/v1/confirm", {}] : ["/v1/reload", body];
  const text = JSON.stringify({ ...fields, timeout_ms });
  const answer = await exchange(socket, "POST", path, text, timeout_ms + PATIENCE_MS);
  return decode(socket, answer.status, answer.text, answer.text.includes('"holdfast.reload/1"')) as Reload;
}

function decode(socket: string, status: number, text: string, good: boolean): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreachable("no-answer", `what answers on ${socket} is not holdfast (HTTP status ${status})`);
  }
  if (good) return value;
  if (isApiError(value)) throw new ApiFailure(value);
  throw unreachable("no-answer", `what answers on ${socket} is not holdfast (HTTP status ${status})`);
}

function isApiError(value: unknown): value is ApiError {
  return (
    typeof value === "object" &&
    value !== null &&
    (value as Partial<ApiError>).schema === "holdfast.error/1" &&
    typeof (value as Partial<ApiError>).message === "string"
  );
}

interface Exchange {
  readonly status: number;
  readonly text: string;
}

function exchange(
  socket: string,
  method: string,
  path: string,
  body: string | undefined,
  timeout_ms: number,
): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const message = httpRequest({ socketPath: socket, method, path, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
        if (length > ANSWER_BYTES_MAX) message.destroy(new Error("the answer is too long"));
        else parts.push(part);
      });
      response.on("error", fail);
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") });
      });
    });
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(unreachableBy(socket, error));
    };
    const timer = setTimeout(() => message.destroy(new SilentError(timeout_ms)), timeout_ms);
    message.on("error", fail);
    message.end(body);
  });
}

class SilentError extends Error {
  constructor(timeout_ms: number) {
    super(`no answer within ${timeout_ms / 1000} s`);
  }
}

/**
 * Calls `take` with each line of an NDJSON stream; resolves when the server ends it or `signal` aborts; throws ApiFailure.
 */
export async function streamLines(
  socket: string,
  path: string,
  take: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const message = httpRequest({ socketPath: socket, path, agent: false }, resolve);
    message.on("error", (error) => reject(unreachableBy(socket, error)));
    signal?.addEventListener("abort", () => message.destroy(), { once: true });
    message.end();
  });
  response.setEncoding("utf8");
  let rest = "";
  try {
    for await (const chunk of response) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      if (response.statusCode === 200) lines.forEach(take);
      else rest = lines.join("\n") + rest;
    }
  } catch {
    // Cut off: by us, or because control ended; the caller decides whether to ask again.
    return;
  }
  if (response.statusCode !== 200) decode(socket, response.statusCode ?? 0, rest, false);
}

function unreachableBy(socket: string, error: Error): ApiFailure {
  if (error instanceof ApiFailure) return error;
  if (error instanceof SilentError) return unreachable("no-answer", `the daemon at ${socket}: ${error.message}`);
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return unreachable("unreachable", `no daemon: there is no socket ${socket}`);
    case "ECONNREFUSED":
      return unreachable("unreachable", `no daemon: nobody answers on ${socket}`);
    case "EACCES":
    case "EPERM":
      return new ApiFailure({
        schema: "holdfast.error/1",
        code: "unreachable",
        message: `no permission to use ${socket}`,
        hint: "become root or a member of the socket's group (ls -l shows it)",
      });
    default:
      return unreachable("unreachable", `the daemon at ${socket} cannot be asked: ${error.message}`);
  }
}

function unreachable(code: string, message: string): ApiFailure {
  const hint = "is it running? (systemctl status holdfast) another socket is given by --socket or HOLDFAST_SOCKET";
  return new ApiFailure({ schema: "holdfast.error/1", code, message, hint });
}
