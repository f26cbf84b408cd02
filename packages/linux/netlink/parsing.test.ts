/** What the kernel's messages mean, on bytes it really sent; and that no bytes make a parser throw, loop or read beyond them. */
import assert from "node:assert/strict";
import { endianness } from "node:os";
import { test } from "node:test";
import { eventAuthor, eventTable, parseElements, parseTable } from "../nftables/tables.ts";
import { parseAddress } from "./addresses.ts";
import { parseLink } from "./links.ts";
import { attributeList, messages } from "./message.ts";
import type { Message } from "./message.ts";
import { parseNeighbour } from "./neighbours.ts";
import { parseRoute } from "./routes.ts";

/**
 * From dumps (RTM_GETLINK, RTM_GETADDR, NFT_MSG_GETTABLE, NFT_MSG_GETSETELEM) in a network namespace of Linux 6.18 on
 * x86_64: a veth "one", addresses given by `ip address add`, the fence of fence.ts with group 7 just committed. Of the
 * link the attributes IFLA_STATS, IFLA_STATS64 and IFLA_AF_SPEC are left out, and its length is set accordingly.
 */
const LINK =
  "7c01000010000200010000003b41000000000100020000004310010000000000080003006f6e650008000d00e803000005001000060000000500110000000000050043000000000008000400dc050000080032004400000008003300ffff000008001b000000000008001e000000000008003d000000000008001f000200000008002800ffff0000080029000000010008003a000000010008003f0000000100080040000000010008003b00f8ff070008003c00ffff0000080042000000000008002000020000000500210001000000080023000200000008002f000100000008003000010000000600440000000000060045000000000005002700000000000a00010062cec14738da00000a000200ffffffffffff00000c002b00050002000000000010001200090001007665746800000000080025000000000008000500020000000c0006006e6f71756575650024000e00000000000000000000000000000000000000000000000000000000000000000004003e8004004180";
const IPV4 =
  "4c00000014000200010000003b4100000218810002000000080001000a4d0032080002000a4d0032080003006f6e6500080008008100000014000600ffffffffffffffffaf010c00af010c00";
const IPV6 =
  "4800000014000200010000003b4100000a4022000200000014000100fd770000000000000000000000000050140006000000000064000000af010c00af010c000800080022000000";
const TABLE =
  "5c000000000a0200010000001dd2fabe050000020d000100686f6c64666173740000000008000300000000080c00040000000000000000010800020000000006080007000000413b140006000417f5514b1cba870720142bd044e76b";
const ELEMENTS =
  "5c0000000c0a020001000000c30b2cb9050000020d000100686f6c6466617374000000000a000200616c6976650000002c000300280001000c00010006000100000700000c00040000000000000000ec0c00050000000000000000ec";

/** From RTM_GETNEIGH and RTM_GETROUTE: a neighbour that was heard 2.78 s ago, default routes by one gateway and by two, a network. */
const NEIGHBOUR =
  "4c0000001c000200010000003b410000020000000200000002000001080001000a4d00020a00020002000000000b000008000400040000001400030016010000160100001601000001000000";
const ROUTE =
  "3400000018000200010000003b41000002000000fe0300010000000008000f00fe000000080005000a4d00020800040002000000";
const TWO_GATEWAYS =
  "4800000018000200010000003b41000002000000fe0300010000000008000f00fe000000240009001000000002000000080005000a4d00021000000002000000080005000a4d0003";
const NETWORK =
  "3c00000018000200010000003b41000002180000fe02fd010000000008000f00fe000000080001000a4d0000080007000a4d00010800040002000000";

const options = { skip: endianness() === "LE" ? false : "the golden bytes are of a little-endian machine" };

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function only(hex: string): Message {
  const [first, ...rest] = messages(bytes(hex));
  assert.ok(first !== undefined && rest.length === 0);
  return first;
}

test(
  "a neighbour has its interface, address, MAC and the age of its last sign; one that nobody is is none",
  options,
  () => {
    const mac = "02:00:00:00:00:0b";
    assert.deepEqual(parseNeighbour(only(NEIGHBOUR)), { index: 2, address: "10.77.0.2", mac, confirmedAge_ms: 2780 });
    for (const state of [0, 0x01, 0x20, 0x40]) {
      const message = only(NEIGHBOUR);
      message.payload[8] = state;
      assert.equal(parseNeighbour(message), undefined);
    }
  },
);

test("a default route names its gateways, each by its interface; a network has none", options, () => {
  const [first, second] = ["10.77.0.2", "10.77.0.3"].map((gateway) => ({ index: 2, gateway }));
  for (const [hex, destination, hops] of [
    [ROUTE, "0.0.0.0/0", [first]],
    [TWO_GATEWAYS, "0.0.0.0/0", [first, second]],
    [NETWORK, "10.77.0.0/24", [{ index: 2, gateway: undefined }]],
  ] as const) {
    const route = parseRoute(only(hex));
    assert.deepEqual([route?.destination, route?.hops], [destination, hops]);
  }
});

test("a link has its index, name, Ethernet address and state", options, () => {
  assert.deepEqual(parseLink(only(LINK)), {
    index: 2,
    name: "one",
    mac: "62:ce:c1:47:38:da",
    up: true,
    down: undefined,
    loopback: false,
    port: false,
    flags: 0x11043,
  });
});

test("an address has its interface, prefix length and lifetime", options, () => {
  assert.deepEqual(parseAddress(only(IPV4)), {
    index: 2,
    address: "10.77.0.50",
    prefixLength: 24,
    valid_s: Number.POSITIVE_INFINITY,
  });
  assert.deepEqual(parseAddress(only(IPV6)), { index: 2, address: "fd77::50", prefixLength: 64, valid_s: 100 });
});

test("a table has its family, flags, digest and owner; an element its key and what is left of it", options, () => {
  const table = only(TABLE);
  assert.deepEqual(parseTable(table), {
    family: 5,
    name: "holdfast",
    flags: 6,
    digest: bytes("0417f5514b1cba870720142bd044e76b"),
    owner: 0x413b,
  });
  assert.deepEqual(eventTable(table), { family: 5, name: "holdfast" });
  const [element] = parseElements(only(ELEMENTS));
  assert.deepEqual(element, { key: bytes("0007"), expires_ms: 236, value: bytes(""), packets: 0 });
});

test("messages and attributes with impossible lengths end the list", () => {
  for (const length of [0, 15, 17, 0xffff_ffff]) {
    const datagram = new Uint8Array(16);
    new Uint32Array(datagram.buffer)[0] = length;
    assert.deepEqual([...messages(datagram)], [], String(length));
  }
  for (const length of [0, 3, 9, 0xffff]) {
    const list = new Uint8Array(8);
    new Uint16Array(list.buffer)[0] = length;
    assert.deepEqual(attributeList(list, 0), [], String(length));
    // What an error echoes says how far behind it the kernel's words are.
    for (const offset of [-4, -(2 ** 31), 5, 2 ** 32])
      assert.deepEqual(attributeList(list, offset), [], String(offset));
  }
});

test("a message cut at any byte is read as far as it goes or not at all", () => {
  for (const hex of [LINK, IPV4, IPV6, TABLE, ELEMENTS]) {
    const whole = bytes(hex);
    for (let length = 0; length < whole.length; length++) {
      assert.deepEqual([...messages(whole.subarray(0, length))], []);
      parseAll({ ...only(hex), payload: whole.subarray(16, Math.max(16, length)) });
    }
  }
});

function parseAll(message: Message): number {
  parseLink(message);
  parseAddress(message);
  parseRoute(message);
  parseTable(message);
  eventTable(message);
  eventAuthor(message);
  return parseElements(message).length;
}

/** Marsaglia's xorshift32: the same inputs in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test("no mutation of 100000 makes a parser throw, loop, or find more than the bytes can hold", () => {
  const next = generator(0x686f6c64);
  const originals = [LINK, IPV4, IPV6, TABLE, ELEMENTS].map(bytes);
  const odd = [0, 1, 3, 4, 15, 16, 17, 0x7f, 0x80, 0xff];
  let messagesSeen = 0;
  for (let i = 0; i < 100_000; i++) {
    const datagram = (originals[next(originals.length)] ?? new Uint8Array()).slice();
    for (let change = next(6); change >= 0; change--) {
      datagram[next(datagram.length)] = next(2) === 0 ? next(256) : (odd[next(odd.length)] ?? 0);
    }
    // The length of the message is kept true half the time: else few mutations would get behind the header.
    if (next(2) === 0) new DataView(datagram.buffer).setUint32(0, datagram.length, endianness() === "LE");
    const input = datagram.subarray(0, next(4) === 0 ? next(datagram.length + 1) : datagram.length);
    let found = 0;
    for (const message of messages(input)) {
      found++;
      messagesSeen++;
      assert.ok(parseAll(message) <= message.payload.length / 12, `input ${i}`);
      for (const [, value] of attributeList(message.payload, 0)) {
        assert.ok(value.byteOffset + value.length <= input.byteOffset + input.length, `input ${i}`);
      }
    }
    assert.ok(found <= input.length / 16, `input ${i}`);
  }
  assert.ok(messagesSeen > 30_000, `the mutations reach the parsers: ${messagesSeen}`);
});
