/** HTTP/1.1 over the Unix socket with strict limits: a bad client is told so or cut off, and costs nobody else anything. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ApiError } from "@holdfast/api/schema.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

// An import of node:http touches all its exports and so loads a whole web client: 14 MB of resident memory.
const { createServer } = process.getBuiltinModule("node:http");

const HEADER_BYTES_MAX = 8 * 1024;
const BODY_BYTES_MAX = 64 * 1024;
const CONNECTIONS_MAX = 64;

/** How long a client may take, in milliseconds; shorter in tests. */
export interface Patience {
  readonly request_ms: number;
  readonly unread_ms: number;
}

const PATIENCE: Patience = { request_ms: 5000, unread_ms: 10_000 };

export interface Request {
  readonly method: string;
  readonly url: URL;
  /** Parsed JSON of a POST. */
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: object;
}

/** Answers, or takes the response over (a stream). */
export type Handler = (request: Request, response: ServerResponse) => Promise<Answer | "taken"> | Answer | "taken";

/** An answer that is an error: status, stable code, what is wrong, what to do. */
export class HttpFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    hint: string | null = null,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.headers = headers;
  }
}

export function httpServer(handle: Handler, patience = PATIENCE): Server {
  const options = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: patience.request_ms,
    requestTimeout: patience.request_ms,
    keepAliveTimeout: patience.request_ms,
    connectionsCheckingInterval: Math.min(1000, patience.request_ms),
  };
  const server = createServer(options, (request, response) => void serve(handle, request, response, patience));
  server.maxConnections = CONNECTIONS_MAX;
  server.on("clientError", refuseGarbage);
  return server;
}

async function serve(
  handle: Handler,
  message: IncomingMessage,
  response: ServerResponse,
  patience: Patience,
): Promise<void> {
  message.on("error", () => undefined);
  response.on("error", () => undefined);
  try {
    const body = await readBody(message);
    const url = new URL(message.url ?? "/", "http://holdfast");
    const answer = await handle({ method: message.method ?? "", url, body }, response);
    if (answer !== "taken") send(response, answer.status, answer.body, {}, patience);
  } catch (error) {
    if (response.headersSent || response.destroyed) response.destroy();
    else fail(response, error, patience);
  }
}

function fail(response: ServerResponse, error: unknown, patience: Patience): void {
  const failure = error instanceof HttpFailure ? error : unexpected(error);
  const headers =
    failure.status === 413 || failure.status === 400 ? { ...failure.headers, connection: "close" } : failure.headers;
  send(response, failure.status, apiError(failure.code, failure.message, failure.hint), headers, patience);
}

/** A defect of ours: the caller gets a plain error, the log the place. */
function unexpected(error: unknown): HttpFailure {
  if (error instanceof TypeError && "code" in error && error.code === "ERR_INVALID_URL")
    return new HttpFailure(400, "bad-request", "the path of the request is not valid");
  process.stderr.write(`control: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return new HttpFailure(500, "internal", "control could not answer; its log has the reason", "journalctl -u holdfast");
}

export function apiError(code: string, message: string, hint: string | null): ApiError {
  return { schema: "holdfast.error/1", code, message, hint };
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>>,
  patience: Patience,
): void {
  const text = `${JSON.stringify(body)}\n`;
  const fixed = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
    "holdfast-api": "1",
  };
  response.writeHead(status, { ...headers, ...fixed });
  response.end(text);
  // A client that takes neither its answer nor leaves is cut off.
  const timer = setTimeout(() => response.destroy(), patience.unread_ms);
  timer.unref();
  response.once("close", () => clearTimeout(timer));
}

function parseBody(text: string): Result<unknown, HttpFailure> {
  try {
    return success(text === "" ? undefined : JSON.parse(text));
  } catch {
    return failure(new HttpFailure(400, "bad-json", "the body of the request is not JSON"));
  }
}

function readBody(message: IncomingMessage): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    let refused = false;
    message.on("data", (part: Buffer) => {
      length += part.length;
      if (length <= BODY_BYTES_MAX) parts.push(part);
      else if (!refused) {
        refused = true;
        parts.length = 0;
        reject(new HttpFailure(413, "too-large", `a request's body has at most ${BODY_BYTES_MAX} bytes`));
      }
    });
    message.once("aborted", () => reject(new HttpFailure(400, "aborted", "the request ended early")));
    message.once("end", () => {
      if (refused) return;
      const value = parseBody(Buffer.concat(parts).toString("utf8"));
      if (value.ok) resolve(value.value);
      else reject(value.error);
    });
  });
}

/** What is not HTTP gets one line, when it can still be written, and is closed. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Socket): void {
  const status =
    error.code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "408 Request Timeout"
        : "400 Bad Request";
  // An answer may be half sent already: then there is no place for this one.
  if (socket.writable && socket.bytesWritten === 0) {
    const text = `${JSON.stringify(apiError("bad-request", status.slice(4), null))}\n`;
    socket.write(
      `HTTP/1.1 ${status}\r\nholdfast-api: 1\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`,
    );
  }
  socket.destroySoon();
  const timer = setTimeout(() => socket.destroy(), 1000);
  timer.unref();
}
