/** What a source table contains, by examples; and which routes of the main table are remembered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { type MainRoute, networkOf, RouteMemory, sourceTable, type TableOrder } from "./source-tables.ts";

const STANDBY: TableOrder = {
  table: 7,
  interface: "eth2",
  index: 4,
  siblings: new Set(["eth0", "eth2"]),
  networks: ["10.0.0.0/24"],
};

/** "10.0.0.0/24 eth0", "0.0.0.0/0 eth0 10.0.0.1 100", "192.0.2.0/24 -" (nothing is sent). */
function route(text: string): MainRoute {
  const [destination = "", name = "-", ...rest] = text.split(" ");
  const gateway = rest.find((word) => word.includes("."));
  const metric = Number(rest.find((word) => !word.includes(".")) ?? 0);
  const hops = name === "-" ? [] : [{ interface: name, gateway: gateway === undefined ? undefined : parseIp(gateway) }];
  return { destination, metric, hops, metrics: undefined };
}

/** "10.0.0.0/24", "0.0.0.0/0 10.0.0.1", "172.17.0.0/16 throw", each by the table's own interface. */
function table(...main: string[]): string[] {
  return sourceTable(STANDBY, main.map(route)).map(({ table: number, destination, hop }) => {
    assert.equal(number, STANDBY.table);
    if (hop === undefined) return `${destination} throw`;
    assert.equal(hop.index, STANDBY.index);
    return hop.gateway === undefined ? destination : `${destination} ${hop.gateway}`;
  });
}

const ROWS: readonly [title: string, main: readonly string[], wanted: readonly string[]][] = [
  ["the network of an address is on its adapter, whatever the main table says", [], ["10.0.0.0/24"]],
  [
    "another adapter's network and gateway are this one's",
    ["0.0.0.0/0 eth0 10.0.0.1", "10.0.0.0/24 eth0"],
    ["10.0.0.0/24", "0.0.0.0/0 10.0.0.1"],
  ],
  [
    "its own gateway counts before another adapter's",
    ["0.0.0.0/0 eth0 10.0.0.1 100", "0.0.0.0/0 eth2 10.0.0.2 200"],
    ["10.0.0.0/24", "0.0.0.0/0 10.0.0.2"],
  ],
  [
    "of two gateways of one adapter the better",
    ["0.0.0.0/0 eth0 10.0.0.3 300", "0.0.0.0/0 eth0 10.0.0.1 100"],
    ["10.0.0.0/24", "0.0.0.0/0 10.0.0.1"],
  ],
  [
    "what goes elsewhere goes on to the main table",
    ["172.17.0.0/16 docker0", "192.0.2.0/24 -"],
    ["10.0.0.0/24", "172.17.0.0/16 throw", "192.0.2.0/24 throw"],
  ],
  [
    "a better way elsewhere is the main table's affair",
    ["0.0.0.0/0 eth0 10.0.0.1 100", "0.0.0.0/0 eth1 10.9.0.1 50"],
    ["10.0.0.0/24", "0.0.0.0/0 throw"],
  ],
  [
    "a worse way elsewhere does not count",
    ["0.0.0.0/0 eth1 10.9.0.1 500", "0.0.0.0/0 eth0 10.0.0.1 100"],
    ["10.0.0.0/24", "0.0.0.0/0 10.0.0.1"],
  ],
];

for (const [title, main, wanted] of ROWS) {
  test(`source table: ${title}`, () => assert.deepEqual(table(...main), wanted));
}

test("a network is the address with its host's bits cleared", () => {
  for (const [address, length, expected] of [
    ["10.1.2.3", 24, "10.1.2.0/24"],
    ["10.1.2.255", 25, "10.1.2.128/25"],
    ["10.1.2.3", 32, "10.1.2.3/32"],
    ["10.1.2.3", 0, "0.0.0.0/0"],
    ["fd00::1234", 120, "fd00::1200/120"],
    ["fd00:0:0:1::1", 64, "fd00:0:0:1::/64"],
  ] as const)
    assert.equal(networkOf(parseIp(address) as IpAddress, length), expected);
});

const WATCHED = new Set(["eth0", "eth2"]);
const DEFAULT = "0.0.0.0/0 eth0 10.0.0.1";

/** Destinations of the main table with what it lost. */
function whole(memory: RouteMemory, works: boolean, ...main: string[]): string[] {
  return memory
    .complete(main.map(route), WATCHED, () => works)
    .map(({ destination, hops }) => `${destination} ${hops[0]?.interface}`);
}

test("a route that went with its adapter is remembered, also when the adapter is back, until the main table has it again", () => {
  const memory = new RouteMemory();
  whole(memory, true, DEFAULT, "10.0.0.0/24 eth0");
  memory.wentDown("eth0");
  assert.deepEqual(whole(memory, false), ["0.0.0.0/0 eth0", "10.0.0.0/24 eth0"]);
  assert.deepEqual(whole(memory, true, "10.0.0.0/24 eth0"), ["10.0.0.0/24 eth0", "0.0.0.0/0 eth0"]);
  assert.deepEqual(whole(memory, true, "0.0.0.0/0 eth2 10.0.0.9"), ["0.0.0.0/0 eth2"]);
  assert.deepEqual(whole(memory, true, "10.0.0.0/24 eth0"), ["10.0.0.0/24 eth0"]);
});

test("a route that somebody removed while its adapter worked is forgotten, and what is elsewhere was never kept", () => {
  const memory = new RouteMemory();
  whole(memory, true, DEFAULT, "172.17.0.0/16 docker0");
  assert.deepEqual(whole(memory, true), []);
  memory.wentDown("eth0");
  assert.deepEqual(whole(memory, false), []);
});
