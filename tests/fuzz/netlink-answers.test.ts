/** Whatever a kernel answers, asking it ends: with values or an error, never an exception, never a loop. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { Chance } from "./chance.ts";
import { KERNEL_MESSAGES, ROUTING_MESSAGES } from "./kernel-messages.ts";
import { mutate } from "./mutate.ts";
import type { Native } from "@holdfast/linux/native.ts";
import { listAddresses } from "@holdfast/linux/netlink/addresses.ts";
import { listLinks } from "@holdfast/linux/netlink/links.ts";
import { type Result, success } from "@holdfast/core/units/result.ts";
import { ACK, MessageWriter, REQUEST, TYPE_DONE, TYPE_ERROR } from "@holdfast/linux/netlink/message.ts";
import { listNeighbours } from "@holdfast/linux/netlink/neighbours.ts";
import { listRoutes } from "@holdfast/linux/netlink/routes.ts";
import { listSourceRules } from "@holdfast/linux/netlink/rules.ts";
import { defaultGateways } from "@holdfast/linux/netlink/gateways.ts";
import { type NetlinkError, RequestSocket } from "@holdfast/linux/netlink/socket.ts";
import { countRules, listChains, listElements, listTables } from "@holdfast/linux/nftables/tables.ts";

const SEED = 12;
const TABLE = { family: 5, name: "holdfast" };

/** A kernel that answers each request with what it is given. */
class ScriptedKernel {
  answers: Uint8Array[] = [];
  readonly native = {
    socket: () => 3,
    bind: () => 0,
    setsockopt: () => 0,
    close: () => 0,
    send: (_fd: number, data: Uint8Array) => {
      this.waiting = [...this.answers];
      return data.length;
    },
    receive: (_fd: number, into: Uint8Array) => {
      const next = this.waiting.shift();
      if (next === undefined) return -constants.errno.EAGAIN;
      into.set(next.subarray(0, into.length));
      return next.length;
    },
  } satisfies Partial<Native> as unknown as Native;
  waiting: Uint8Array[] = [];
}

function ending(type: number, payload: Uint8Array, flags: number): Uint8Array {
  const writer = new MessageWriter();
  writer.begin(type, flags);
  for (const byte of payload) writer.u8(byte);
  writer.end();
  return writer.bytes.slice();
}

test(`20000 damaged answers (seed ${SEED}): each dump and each acknowledgement ends`, () => {
  const chance = new Chance(SEED);
  const kernel = new ScriptedKernel();
  const socket = new RequestSocket(kernel.native, 0);
  const writer = new MessageWriter();
  const counts = { values: 0, errors: 0 };
  const done = ending(TYPE_DONE, new Uint8Array(4), 2);
  const seeds = [
    ...KERNEL_MESSAGES,
    ...ROUTING_MESSAGES,
    done,
    ending(TYPE_ERROR, new Uint8Array(20), 0x100),
    ending(TYPE_ERROR, Uint8Array.of(0xea, 0xff, 0xff, 0xff, ...new Uint8Array(40).fill(7)), 0x300),
  ];
  const one = (): Uint8Array => seeds[chance.below(seeds.length)] ?? new Uint8Array(0);
  for (let i = 0; i < 20_000; i++) {
    kernel.answers = chance.list(4, () => (chance.once(3) ? one() : mutate(chance, one(), one(), 2000)));
    if (chance.once(2)) kernel.answers.push(done);
    const found = chance.pick<() => Result<unknown, NetlinkError>>([
      () => listLinks(socket, writer),
      () => listAddresses(socket, writer),
      () => listTables(socket, writer),
      () => success(listNeighbours(socket, writer, 2, 4)),
      () => success(defaultGateways(socket, writer, 2, 4)),
      () => listRoutes(socket, writer, 4, 3),
      () => listSourceRules(socket, writer, 6, 104),
      () => listChains(socket, writer, TABLE),
      () => countRules(socket, writer, TABLE),
      () => listElements(socket, writer, TABLE, "alive"),
    ])();
    counts[found.ok ? "values" : "errors"] += 1;
    writer.reset();
    writer.begin(16, REQUEST | ACK);
    writer.end();
    const errors = socket.acknowledge(writer.bytes, 1 + chance.below(3));
    for (const { errno, detail } of errors) assert.ok(Number.isInteger(errno) && detail.length < 2000, `answer ${i}`);
  }
  assert.ok(counts.values > 4000 && counts.errors > 4000, JSON.stringify(counts));
});
