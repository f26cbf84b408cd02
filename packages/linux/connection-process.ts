/**
 * For kernel tests: TCP connections. `serve ADDRESS PORT NAME` answers each byte with the name. `connect ADDRESS PORT SOURCE`
 * obeys lines of its input: `open N` opens connections; `ask` sends a byte on each and prints as JSON who answered.
 */
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";

const [mode, host = "", port = "", word = ""] = process.argv.slice(2);
const PATIENCE_MS = 5000;

interface Connection {
  readonly socket: Socket;
  reset: boolean;
}
const connections: Connection[] = [];

if (mode === "serve") {
  const server = createServer((socket) => {
    socket.on("data", () => socket.write(word));
    socket.on("error", () => undefined);
  });
  server.listen({ host, port: Number(port) }, () => console.log("listening"));
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, count] = line.split(" ");
    console.log(JSON.stringify(command === "open" ? await open(Number(count)) : await ask()));
  }
  process.exit(0);
}

async function open(count: number): Promise<{ opened: number }> {
  const before = connections.length;
  await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<void>((done) => {
          const socket = connect({ host, port: Number(port), localAddress: word, noDelay: true });
          const connection = { socket, reset: false };
          socket.on("connect", () => {
            connections.push(connection);
            done();
          });
          socket.on("error", () => {
            connection.reset = true;
            done();
          });
          setTimeout(done, PATIENCE_MS).unref();
        }),
    ),
  );
  return { opened: connections.length - before };
}

/** In the order in which they were opened: the server's name, "reset", or "silent". */
async function ask(): Promise<string[]> {
  return Promise.all(
    connections.map(
      (connection) =>
        new Promise<string>((done) => {
          const { socket } = connection;
          if (connection.reset || socket.destroyed) return done("reset");
          const closed = (): void => done("reset");
          socket.once("close", closed);
          socket.once("data", (data) => {
            socket.off("close", closed);
            done(data.toString());
          });
          socket.write("?");
          setTimeout(() => done("silent"), PATIENCE_MS).unref();
        }),
    ),
  );
}
