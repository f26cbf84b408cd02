/**
 * The lab's supervisor: builds the lab inside the namespaces it was started in, then serves commands on the lab's socket.
 * Started by isolation.ts: supervisor.ts DIRECTORY NAME OPTIONS. Its end is the end of the lab.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { EXIT } from "@holdfast/api/schema.ts";
import { LabError, directoryAt } from "./directory.ts";
import type { LabOptions } from "./isolation.ts";
import { onLines } from "./lines.ts";
import { Lab } from "./lab.ts";
import type { Say } from "./lab.ts";
import type { End, Request, Response } from "./protocol.ts";
import { perform } from "./requests.ts";

const [path = "", name = "", options = "{}"] = process.argv.slice(2);
const directory = directoryAt(path, name);
const log: Say = (text) => console.log(`${new Date().toISOString()} ${text}`);
const lab = new Lab(path, name, JSON.parse(options) as LabOptions, log);

let started: Promise<void> | undefined;
let failed = false;
/** Commands that change the lab run one after the other; looking is always possible. */
let last: Promise<unknown> = Promise.resolve();
const AT_ONCE = new Set(["status", "down", "ready"]);

const server = createServer((connection) => {
  connection.on("error", () => undefined);
  onLines(connection, (line) => void serve(connection, line));
});

async function serve(connection: Socket, line: string): Promise<void> {
  const write = (response: Response, then?: () => void) => connection.write(`${JSON.stringify(response)}\n`, then);
  const say: Say = (text) => void write({ kind: "line", text });
  try {
    const request = JSON.parse(line) as Request;
    await started;
    const end = await inTurn(request, say);
    // The lab ends only after the answer has left.
    write({ kind: "end", ...end }, request.command === "down" ? () => process.exit(0) : undefined);
  } catch (error) {
    if (!(error instanceof LabError)) log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    write(
      {
        kind: "error",
        code: EXIT.failed,
        message: error instanceof Error ? error.message : String(error),
      },
      failed ? () => process.exit(1) : undefined,
    );
  }
}

function inTurn(request: Request, say: Say): Promise<End> {
  if (AT_ONCE.has(request.command)) return perform(lab, request, say);
  const turn = last.then(() => perform(lab, request, say));
  last = turn.catch(() => undefined);
  return turn;
}

process.on("exit", () => rmSync(directory.socket, { force: true }));
process.on("SIGTERM", () => process.exit(0));
server.listen(directory.socket, () => {
  started = lab.start(log);
  started.catch((error: unknown) => {
    failed = true;
    log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    // Whoever started the lab is told over the socket; nobody there: end all the same.
    setTimeout(() => process.exit(1), 5000);
  });
});
