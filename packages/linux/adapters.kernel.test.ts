/** What Adapters knows follows the kernel: after lost events too, and through renaming and re-creation of an interface. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { afterEach, beforeEach, test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { Adapters } from "./adapters.ts";
import { Addresses } from "./addresses.ts";
import { openFence, removeFence } from "./fence.ts";
import { kernelTest, Namespace, until } from "./kernel-testing.ts";
import { native } from "./load.ts";
import type { Native } from "./native.ts";

const options = kernelTest();
const SO_RCVBUFFORCE = 33;
let node: Namespace;
const closers: (() => void)[] = [];

function ip(text: string): IpAddress {
  const address = parseIp(text);
  assert.ok(address !== undefined);
  return address;
}

function now(): number {
  return native.monotonic() / 1e6;
}

beforeEach(() => {
  if (options.skip !== false) return;
  node = new Namespace();
  createOne();
});

afterEach(() => {
  for (const close of closers.splice(0)) close();
  if (options.skip === false) node.remove();
});

function createOne(): void {
  node.run("ip", "link", "add", "one", "type", "veth", "peer", "name", "other");
  node.run("ip", "link", "set", "other", "up");
  node.run("ip", "link", "set", "one", "up");
}

test(
  "while netlink refuses nothing is thrown, the refusal is told, and what was missed is made up for",
  options,
  () => {
    let refuses = false;
    const { ENOBUFS } = constants.errno;
    const small: Native = {
      ...native,
      setsockopt: (fd, level, name, value) =>
        native.setsockopt(fd, level, name, name === SO_RCVBUFFORCE ? Uint8Array.of(0, 128, 0, 0) : value),
      send: (fd, data, address) => (refuses ? -ENOBUFS : native.send(fd, data, address)),
    };
    const adapters = node.inside(() => new Adapters(small, {}));
    closers.push(() => adapters.close());
    assert.ok(adapters.answers().ok);
    refuses = true;
    const script = Array.from({ length: 250 }, (_, i) => `ip address add 10.85.0.${i + 1}/32 dev one`);
    node.run("sh", "-c", script.join(";"));
    adapters.read();
    const refused = adapters.answers();
    assert.ok(!refused.ok && /netlink.*ENOBUFS/.test(refused.error), JSON.stringify(refused));
    refuses = false;
    assert.ok(adapters.answers().ok);
    assert.equal(adapters.byName("one")?.addresses.filter(({ address }) => address.startsWith("10.85.0.")).length, 250);
  },
);

test("after lost events the state is right, and the callbacks have told the difference", options, () => {
  let lost = 0;
  /** The real kernel, with a receive buffer for a few events only. */
  const small: Native = {
    ...native,
    setsockopt: (fd, level, name, value) =>
      native.setsockopt(fd, level, name, name === SO_RCVBUFFORCE ? Uint8Array.of(0, 128, 0, 0) : value),
    receive: (fd, into, address) => {
      const result = native.receive(fd, into, address);
      if (result === -constants.errno.ENOBUFS) lost++;
      return result;
    },
  };
  const told = new Set<string>();
  node.run("ip", "address", "add", "10.84.9.9/32", "dev", "one");
  const adapters = node.inside(
    () =>
      new Adapters(small, {
        changed: (adapter, before) => {
          if (before === undefined) told.add(adapter.name);
        },
        removed: (adapter) => told.delete(adapter.name),
        addressAdded: (_, address) => told.add(address.address),
        addressRemoved: (_, address) => told.delete(address.address),
      }),
  );
  closers.push(() => adapters.close());
  assert.ok(told.has("one") && told.has("10.84.9.9"));
  const script = Array.from({ length: 250 }, (_, i) => `ip address add 10.84.0.${i + 1}/32 dev one`);
  script.push("ip link add late type veth peer name later", "ip address delete 10.84.9.9/32 dev one");
  script.push("ip link set other name renamed");
  node.run("sh", "-ec", script.join("\n"));
  adapters.read();
  assert.ok(lost > 0, "events were lost");
  assert.ok(!told.has("10.84.9.9") && told.has("late") && told.has("later"));
  for (let i = 1; i <= 250; i++) assert.ok(told.has(`10.84.0.${i}`), `10.84.0.${i}`);
  const held = adapters.byName("one")?.addresses.map(({ address }) => address) ?? [];
  assert.equal(held.filter((address) => address.startsWith("10.84.0.")).length, 250);
  assert.ok(adapters.byName("other") === undefined && adapters.byName("renamed") !== undefined);
});

test("fence and addresses follow an interface that is renamed, deleted and made again", options, async () => {
  const virtual = { interface: "one", address: ip("10.84.0.50"), prefixLength: 24 };
  const plan = { groups: [{ number: 7, addresses: [virtual.address] }], window_ms: 48, keep_ms: 236, uid: 0 };
  const { fence, adapters, addresses } = node.inside(() => {
    const opened = openFence(native, plan);
    assert.ok(opened.ok, opened.ok ? "" : opened.error);
    const followed = new Adapters(native, {
      changed: (adapter) => void opened.value.coverInterface(adapter.index, adapter.name),
      removed: (adapter) => void opened.value.uncoverInterface(adapter.index),
    });
    const put = new Addresses(native, followed, { restored: () => {}, failed: () => {} });
    return { fence: opened.value, adapters: followed, addresses: put };
  });
  closers.push(() => {
    adapters.close();
    addresses.close();
    fence.dispose();
    assert.ok(node.inside(() => removeFence(native)).ok);
  });
  const covers = (name: string): boolean =>
    node.run("nft", "list", "ruleset").includes(`type filter hook egress device "${name}"`);
  const present = (): boolean => node.run("ip", "address", "show").includes("10.84.0.50/24");
  const intact = (): void =>
    assert.equal(
      node.inside(() => fence.verify()),
      undefined,
    );
  assert.deepEqual(addresses.apply([virtual], now()), []);
  assert.ok(covers("one") && present());

  node.run("sh", "-ec", "ip link set one down; ip link set one name moved; ip link set moved up");
  await until("the new name is covered", () => covers("moved"));
  assert.ok(!covers("one"));
  intact();

  node.run("ip", "link", "delete", "moved");
  await until("it is known to be gone", () => adapters.byName("moved") === undefined);
  intact();
  createOne();
  await until("it is covered again", () => covers("one"));
  intact();
  await until("its address is back", () => {
    addresses.refresh(now());
    return present();
  });
});
