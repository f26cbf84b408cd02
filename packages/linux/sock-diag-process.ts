/**
 * For the kernel tests of sock-diag.ts. `serve PORT` listens on all addresses of both families and on IPv4 alone at PORT + 1;
 * it prints `accepted N` for each line of its input. `connect COUNT ADDRESS PORT...` opens idle connections, prints
 * `connected`, and for each line of its input one of JSON: by address and port, how many are open, how many were reset, and
 * the monotonic time in milliseconds of the last reset.
 */
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";

const [mode = "", count = "", ...targets] = process.argv.slice(2);

export interface Told {
  open: number;
  reset: number;
  last_ms: number;
}

if (mode === "serve") {
  const accepted = new Set<Socket>();
  const server = (port: number, host: string): Promise<void> =>
    new Promise((ready) => {
      const take = (socket: Socket): void => {
        accepted.add(socket);
        socket.on("error", () => accepted.delete(socket));
        socket.on("close", () => accepted.delete(socket));
      };
      createServer(take).listen({ port, host, backlog: 4096 }, ready);
    });
  await server(Number(count), "::");
  await server(Number(count) + 1, "0.0.0.0");
  console.log("listening");
  for await (const _line of createInterface({ input: process.stdin })) console.log(`accepted ${accepted.size}`);
} else {
  const told: Record<string, Told> = {};
  const waiting: Promise<void>[] = [];
  for (let i = 0; i + 1 < targets.length; i += 2) {
    const [host = "", port = ""] = targets.slice(i);
    const of: Told = { open: 0, reset: 0, last_ms: 0 };
    told[`${host} ${port}`] = of;
    for (let k = 0; k < Number(count); k++) {
      const socket = connect({ host, port: Number(port) });
      const failed = (error: NodeJS.ErrnoException): void => {
        if (error.code !== "ECONNRESET") return;
        of.reset += 1;
        of.last_ms = Number(process.hrtime.bigint()) / 1e6;
      };
      socket.on("error", failed);
      socket.on("close", () => (of.open -= 1));
      waiting.push(
        new Promise((ready) => {
          socket.on("connect", () => {
            of.open += 1;
            ready();
          });
        }),
      );
    }
  }
  await Promise.all(waiting);
  console.log("connected");
  for await (const _line of createInterface({ input: process.stdin })) console.log(JSON.stringify(told));
  process.exit(0);
}
