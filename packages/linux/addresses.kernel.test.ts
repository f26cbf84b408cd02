/** Interfaces and virtual addresses in a real kernel: what is wanted is there, what is dead or unwanted goes. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { Adapters } from "./adapters.ts";
import type { Adapter } from "./adapters.ts";
import { Addresses } from "./addresses.ts";
import type { AddressFailure, VirtualAddress } from "./addresses.ts";
import { join, kernelTest, Namespace, Prober, answerer, until } from "./kernel-testing.ts";
import { native } from "./load.ts";

const options = kernelTest();
let node: Namespace;
let client: Namespace;

function ip(text: string): IpAddress {
  const address = parseIp(text);
  assert.ok(address !== undefined);
  return address;
}

const V4: VirtualAddress = { interface: "one", address: ip("10.91.0.50"), prefixLength: 24 };
const V6: VirtualAddress = { interface: "one", address: ip("fd91::50"), prefixLength: 64 };

before(() => {
  if (options.skip !== false) return;
  node = new Namespace();
  client = new Namespace();
  join(node, client, "one", 91);
});

after(() => {
  if (options.skip !== false) return;
  node.remove();
  client.remove();
});

/** Of the running test: a failed one must not put addresses back in the next. */
const rooms = new Set<Room>();

afterEach(() => {
  for (const each of rooms) each.close();
});

interface Room {
  readonly adapters: Adapters;
  readonly addresses: Addresses;
  readonly restored: VirtualAddress[];
  readonly failed: AddressFailure[];
  close(): void;
}

function room(lifetime_s = 4): Room {
  return node.inside(() => {
    const restored: VirtualAddress[] = [];
    const failed: AddressFailure[] = [];
    const adapters = new Adapters(native, {
      addressRemoved: (adapter, address) => addresses.removed(adapter.name, address, now()),
    });
    const addresses = new Addresses(
      native,
      adapters,
      { restored: (address) => void restored.push(address), failed: (failure) => void failed.push(failure) },
      { lifetime_s },
    );
    const made: Room = {
      adapters,
      addresses,
      restored,
      failed,
      close: () => {
        rooms.delete(made);
        adapters.close();
        addresses.apply([], now());
        addresses.close();
      },
    };
    rooms.add(made);
    return made;
  });
}

function now(): number {
  return native.monotonic() / 1e6;
}

function present(address: VirtualAddress): boolean {
  return node.run("ip", "address", "show", "dev", "one").includes(` ${address.address}/${address.prefixLength} `);
}

test(
  "wanted addresses are there with a lifetime, unwanted ones go, IPv6 is usable at once and never a source",
  options,
  async () => {
    const { addresses, close } = room();
    assert.deepEqual(addresses.apply([V4, V6], now()), []);
    const listed = node.run("ip", "-6", "address", "show", "dev", "one");
    assert.match(
      listed,
      /fd91::50\/64 scope global (nodad deprecated|deprecated nodad) dynamic[\s\S]*valid_lft [34]sec preferred_lft 0sec/,
    );
    assert.match(node.run("ip", "-4", "address", "show", "dev", "one"), /10\.91\.0\.50\/24 [\s\S]*valid_lft [34]sec/);
    const socket = answerer(node, V6.address, 5001);
    const prober = new Prober(client, "one", V6.address, 5001, ip("fd91::2"));
    const counted = await prober.count();
    assert.ok(counted.udp === 10 && counted.neighbour >= 10, JSON.stringify(counted));
    prober.close();
    socket.close();
    assert.ok(node.run("ip", "-6", "route", "get", "fd91::2").includes("src fd91::1"));
    assert.deepEqual(addresses.apply([V4], now()), []);
    assert.ok(present(V4) && !present(V6));
    close();
    assert.ok(!present(V4));
  },
);

test("an address that somebody removed is put back and told", options, async () => {
  const { addresses, restored, close } = room();
  addresses.apply([V4, V6], now());
  for (const each of [V4, V6]) {
    node.run("ip", "address", "delete", `${each.address}/${each.prefixLength}`, "dev", "one");
    await until("restored", () => restored.includes(each));
    assert.ok(present(each));
  }
  close();
});

test("refreshed addresses stay beyond their lifetime, those of a dead daemon vanish", options, async () => {
  const { adapters, addresses, restored, failed, close } = room(2);
  addresses.apply([V4, V6], now());
  const end = now() + 3500;
  while (now() < end) {
    const wait = Math.max(1, addresses.nextDeadline() - now());
    await new Promise((resolve) => setTimeout(resolve, wait));
    addresses.refresh(now());
    assert.ok(present(V4) && present(V6));
  }
  assert.deepEqual([restored, failed], [[], []]);
  adapters.close();
  addresses.close();
  await until("the addresses vanished", () => !present(V4) && !present(V6), 4000);
  close();
});

test("addresses of the configuration that an earlier daemon left are removed, others are not", options, () => {
  node.run("ip", "address", "add", "10.91.0.50/24", "dev", "one");
  node.run("ip", "address", "add", "10.91.0.77/24", "dev", "one");
  const { addresses, close } = room();
  assert.deepEqual(addresses.removeLeftovers([V4, V6, { ...V4, interface: "gone" }], now()), []);
  assert.ok(!present(V4));
  assert.ok(present({ ...V4, address: ip("10.91.0.77") }));
  close();
});

test(
  "an address on a missing interface is a failure with its reason, and comes when the interface does",
  options,
  async () => {
    const { addresses, adapters, failed, close } = room();
    const late: VirtualAddress = { interface: "late", address: ip("10.92.0.50"), prefixLength: 24 };
    assert.equal(addresses.apply([late], now())[0]?.detail, "no interface late");
    join(node, client, "late", 92);
    adapters.read();
    await until("refresh is due", () => now() >= addresses.nextDeadline());
    addresses.refresh(now());
    assert.deepEqual(failed, []);
    assert.ok(node.run("ip", "address", "show", "dev", "late").includes("10.92.0.50/24"));
    close();
    node.run("ip", "link", "delete", "late");
  },
);

test("two hundred addresses of both families come and go in one call each", options, () => {
  const { addresses, close } = room();
  const many = Array.from({ length: 200 }, (_, i): VirtualAddress =>
    i < 100
      ? { ...V4, address: ip(`10.91.1.${i + 1}`), prefixLength: 32 }
      : { ...V6, address: ip(`fd91::1:${i.toString(16)}`), prefixLength: 128 },
  );
  const listed = () => many.filter(present).length;
  assert.deepEqual(addresses.apply(many, now()), []);
  assert.equal(listed(), 200);
  assert.deepEqual(addresses.apply([], now()), []);
  assert.equal(listed(), 0);
  close();
});

test("an interface that lost IPv6 has nothing to remove, and says so when asked to add", options, () => {
  const { addresses, close } = room();
  addresses.apply([V6], now());
  // RFC 8200 section 5: no IPv6 below 1280; the kernel takes it off the interface.
  node.run("ip", "link", "set", "one", "mtu", "1000");
  assert.deepEqual(addresses.apply([], now()), []);
  const failures = addresses.apply([V6], now());
  assert.match(failures[0]?.detail ?? "", /^adding fd91::50\/64 on one: /);
  addresses.apply([], now());
  node.run("ip", "link", "set", "one", "mtu", "1500");
  node.run("ip", "address", "add", "fd91::1/64", "dev", "one", "nodad");
  close();
});

test("adapters tell carrier, rename, removal and addresses", options, async () => {
  const told: string[] = [];
  const say = (what: string) => (adapter: Adapter) =>
    void told.push(`${what} ${adapter.name} ${adapter.up ? "up" : "down"}`);
  const adapters = node.inside(
    () => new Adapters(native, { changed: say("changed"), removed: say("removed"), addressAdded: say("address") }),
  );
  assert.ok(adapters.byName("one")?.up && adapters.byName("one")?.mac !== undefined);
  assert.ok(adapters.byName("lo")?.loopback);
  assert.ok(adapters.byName("one")?.addresses.some((each) => each.address === "10.91.0.1"));
  client.run("ip", "link", "set", "one", "down");
  await until("carrier lost", () => told.includes("changed one down"));
  client.run("ip", "link", "set", "one", "up");
  await until("carrier back", () => told.includes("changed one up"));
  join(node, client, "two", 93);
  await until("new", () => told.includes("changed two up") && told.some((line) => line.startsWith("address two")));
  node.run("ip", "link", "set", "two", "down");
  node.run("ip", "link", "set", "two", "name", "three");
  node.run("ip", "link", "delete", "three");
  await until("removed", () => told.includes("removed three down"));
  assert.equal(adapters.byName("three"), undefined);
  adapters.close();
});
