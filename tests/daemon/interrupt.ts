/**
 * Loaded into an engine before its own code (node --import): stops or kills it just before or just after one move of its
 * fence, as the file named by HOLDFAST_INTERRUPT orders. The order is taken once and the file removed, so that the test
 * knows that the place was reached.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import type { Native } from "@holdfast/linux/native.ts";

export interface Interrupt {
  /** First byte of the renewal datagram: see linux/fence-orders.ts. */
  readonly code: number;
  /** Only after a renewal of this code was seen since the order was given. */
  readonly following: number | undefined;
  readonly when: "before" | "after";
  readonly signal: "SIGSTOP" | "SIGKILL";
}

const RENEWAL_NETWORK = [127, 9];

const file = process.env["HOLDFAST_INTERRUPT"];
if (file !== undefined) {
  // The addon is patched as it is loaded, be it from the sources or from the bundle.
  const load = process.dlopen.bind(process);
  process.dlopen = (module, ...rest: [filename: string, flags?: number]) => {
    load(module, ...rest);
    const { exports } = module as { exports?: Partial<Native> };
    if (exports?.send !== undefined) obey(file, exports as Native);
  };
}

function obey(path: string, native: Native): void {
  const send = native.send.bind(native);
  let following = false;
  const moved = (payload: Uint8Array, address: Uint8Array | null, act: () => number): number => {
    if (address === null || address[4] !== RENEWAL_NETWORK[0] || address[5] !== RENEWAL_NETWORK[1]) return act();
    if (!existsSync(path)) return act();
    const order = JSON.parse(readFileSync(path, "utf8")) as Interrupt;
    const due = payload[0] === order.code && (order.following === undefined || following);
    following ||= payload[0] === order.following;
    if (!due) return act();
    if (order.when === "before") halt(path, order);
    const result = act();
    if (order.when === "after") halt(path, order);
    return result;
  };
  Object.assign(native, {
    send: (fd: number, payload: Uint8Array, address: Uint8Array | null) =>
      moved(payload, address, () => send(fd, payload, address)),
  });
}

function halt(path: string, { signal }: Interrupt): void {
  rmSync(path);
  process.kill(process.pid, signal);
}
