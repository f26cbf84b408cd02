/** Which adapters need a source table, by examples. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { adaptersInOneNetwork } from "./same-network.ts";
import type { Segment } from "./group-places.ts";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Adapter } from "@holdfast/linux/adapters.ts";

function networks(...texts: string[]): { address: IpAddress; prefixLength: number; index: number; valid_s: number }[] {
  return texts.map((text) => {
    const [address = "", length] = text.split("/");
    return { address: parseIp(address) as IpAddress, prefixLength: Number(length), index: 0, valid_s: 0 };
  });
}

function segment(adapters: string, ...addresses: string[]): Segment {
  return { adapters: adapters.split(" ") as never, addresses: networks(...addresses) };
}

function adapter(name: string, ...addresses: string[]): Adapter {
  const traits = { port: name.startsWith("port"), loopback: name === "lo" };
  return { index: 0, mac: undefined, up: true, down: undefined, name, ...traits, addresses: networks(...addresses) };
}

/** "eth0: eth2". */
function found(segments: readonly Segment[], ...present: Adapter[]): string[] {
  return adaptersInOneNetwork(segments, present).map((each) => `${each.interface}: ${each.others.join(" ")}`);
}

const WEB = segment("eth0", "10.0.0.100/24", "fd00::100/64");

test("one adapter in each network needs nothing, whatever else is there", () => {
  const others = [
    adapter("eth1", "10.0.1.1/24", "fd01::1/64"),
    adapter("lo", "10.0.0.1/8"),
    adapter("port1", "10.0.0.9/24"),
  ];
  assert.deepEqual(found([WEB], adapter("eth0", "10.0.0.11/24"), ...others, adapter("tun0", "0.0.0.0/0")), []);
  assert.deepEqual(found([]), []);
});

test("standby adapters need tables of each other, with addresses of their own or without", () => {
  assert.deepEqual(found([segment("eth0 eth2", "10.0.0.100/24")], adapter("eth0", "10.0.0.11/24")), [
    "eth0: eth2",
    "eth2: eth0",
  ]);
});

test("another interface with a network of the address counts, of either family; a virtual address on it does not", () => {
  assert.deepEqual(found([WEB], adapter("eth0"), adapter("eth3", "10.0.0.77/25")), ["eth0: eth3"]);
  assert.deepEqual(found([WEB], adapter("eth0"), adapter("eth3", "10.0.0.227/25")), []);
  assert.deepEqual(found([WEB], adapter("eth0"), adapter("eth3", "fd00::7/64")), ["eth0: eth3"]);
  assert.deepEqual(found([WEB], adapter("eth0"), adapter("eth3", "10.0.0.100/24")), []);
});
