/** Forwarding and relaying where the address is on an interface above others: a bridge, a bond, a VLAN, a macvlan. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { Adapters } from "./adapters.ts";
import { openFence } from "./fence.ts";
import type { Fence, Station } from "./fence.ts";
import { done } from "./kernel-room.ts";
import { answerer, kernelTest, Lan, largeBuffers, Namespace, pause } from "./kernel-testing.ts";
import { native } from "./load.ts";
import { openUdp } from "./packet/udp.ts";

const options = kernelTest();
const ADDRESS = parseIp("10.90.0.50");
const SOURCE = parseIp("10.90.0.9");
const PORT = 5000;
const LONG_MS = 20_000;
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).toReversed()) close();
});

/** What makes the interface `top` above `wire`. */
const STACKS: Readonly<Record<string, readonly string[]>> = {
  bridge: ["link add top type bridge stp_state 0", "link set wire master top"],
  bond: ["link add top type bond mode active-backup", "link set wire down", "link set wire master top"],
  vlan: ["link add link wire name top type vlan id 10"],
  "vlan on a bridge": [
    "link add below type bridge stp_state 0",
    "link set wire master below",
    "link set below up",
    "link add link below name top type vlan id 10",
  ],
  macvlan: ["link add link wire name top type macvlan mode bridge"],
};

interface Attached {
  readonly namespace: Namespace;
  readonly index: number;
  readonly mac: Mac;
}

function attach(lan: Lan, stack: readonly string[], host: number): Attached {
  const namespace = new Namespace();
  closers.push(() => namespace.remove());
  lan.attach(namespace, "wire", host);
  namespace.run("ip", "address", "flush", "dev", "wire");
  for (const words of stack) namespace.run("ip", ...words.split(" "));
  namespace.run("ip", "link", "set", "wire", "up");
  namespace.run("ip", "link", "set", "top", "up");
  namespace.run("ip", "address", "add", `10.90.0.${host}/24`, "dev", "top");
  const links = JSON.parse(namespace.run("ip", "-json", "link", "show", "top")) as { address: string }[];
  const index = namespace.inside(() => native.interfaceIndex("top"));
  return { namespace, index, mac: links[0]?.address as Mac };
}

function node({ namespace }: Attached, name: string): Fence {
  assert.ok(ADDRESS !== undefined);
  const groups = [{ number: 7, addresses: [ADDRESS] }];
  namespace.run("ip", "address", "add", `${ADDRESS}/24`, "dev", "top");
  const socket = answerer(namespace, ADDRESS, PORT, name);
  const fence = namespace.inside(() => {
    const opened = done(openFence(native, { groups, window_ms: 1000, keep_ms: 5000, uid: process.geteuid?.() ?? 0 }));
    const adapters = new Adapters(native, {});
    for (const { index, name: device, port } of adapters.all()) done(opened.coverInterface(index, device, port));
    adapters.close();
    return opened;
  });
  closers.push(() => {
    fence.dispose();
    socket.close();
  });
  return fence;
}

/** Why the stack cannot be made here, or false. */
function missing(stack: readonly string[]): string | false {
  if (options.skip !== false) return options.skip;
  const namespace = new Namespace();
  try {
    for (const type of stack.flatMap((words) => /(?<= type )\w+/.exec(words) ?? [])) {
      const link = type === "vlan" || type === "macvlan" ? ["link", "lo"] : [];
      const id = type === "vlan" ? ["id", "10"] : [];
      try {
        namespace.run("ip", "link", "add", ...link, "name", `try-${type}`, "type", type, ...id);
      } catch (error) {
        if (/Unknown device type/.test(String(error))) return `this kernel has no interfaces of type ${type}`;
      }
    }
  } finally {
    namespace.remove();
  }
  return false;
}

for (const [kind, stack] of Object.entries(STACKS)) {
  const skip = missing(stack);
  test(`on a ${kind} packets are forwarded and relayed by the interface that has the address`, { skip }, async () => {
    assert.ok(ADDRESS !== undefined && SOURCE !== undefined);
    const lan = new Lan(90);
    closers.push(() => lan.remove());
    const [a, b, client] = [attach(lan, stack, 1), attach(lan, stack, 2), attach(lan, stack, 9)];
    const [fenceA, fenceB] = [node(a, "A"), node(b, "B")];
    for (const [here, there, address] of [
      [client, a, ADDRESS],
      [a, client, SOURCE],
      [b, client, SOURCE],
    ] as const)
      here.namespace.run("ip", "neigh", "replace", address, "lladdr", there.mac, "dev", "top", "nud", "permanent");
    let heard = "";
    const asker = client.namespace.inside(() =>
      done(
        openUdp(
          largeBuffers,
          { address: SOURCE, port: 0 },
          { datagram: (data) => void (heard += String.fromCharCode(data[1] ?? 0)) },
        ),
      ),
    );
    closers.push(() => asker.close());
    const answers = async (): Promise<string> => {
      heard = "";
      for (let i = 0; i < 5; i++) {
        asker.send(ADDRESS, PORT, Uint8Array.of(1));
        await pause(2);
      }
      await pause(30);
      return heard;
    };
    const at = (here: Attached, there: Attached): Station[] => [{ interface: here.index, mac: there.mac }];
    done(fenceA.arm(7, 1));
    done(fenceA.commit(7, 1));
    assert.equal(await answers(), "AAAAA", "open");
    done(fenceB.relay(7, at(b, a), LONG_MS));
    done(fenceA.forward(7, [1], at(a, b)));
    assert.equal(await answers(), "BBBBB", "forwarded and relayed");
    done(fenceB.close(7, []));
    assert.equal(await answers(), "", "nobody relays");
    done(fenceB.relay(7, at(b, client), LONG_MS));
    assert.equal(await answers(), "", "relays for another");
    done(fenceB.relay(7, at(b, a), LONG_MS));
    done(fenceA.forward(7, [], [{ interface: a.index + 100, mac: b.mac }]));
    assert.equal(await answers(), "", "no successor at the interface");
  });
}
