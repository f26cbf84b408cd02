/** For kernel tests of planned moves: a client and two nodes on one LAN, both with the same fenced addresses. */
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { openFence } from "./fence.ts";
import type { Fence, FencePlan, Station } from "./fence.ts";
import { announcement } from "./kernel-frames.ts";
import { Lan, Namespace } from "./kernel-testing.ts";
import { native } from "./load.ts";
import { FrameSender } from "./packet/frames.ts";

export const GROUP = 7;
/** As long as a busy machine may keep a test from renewing, and a move from its next step. */
export const KEEP_MS = 1500;
export const RELAY_MS = 2000;
const WINDOW_MS = 500;
const DEVICE = "lan";

export interface RoomOptions {
  readonly drain: boolean;
  readonly keep_ms?: number;
}

export class RoomNode {
  readonly name: string;
  readonly namespace = new Namespace();
  readonly mac: Mac;
  readonly index: number;
  readonly addresses: readonly IpAddress[];
  readonly plan: FencePlan;
  fence: Fence;
  readonly #frames: FrameSender;
  #number = 0;

  constructor(lan: Lan, net: number, host: number, name: string, { drain, keep_ms = KEEP_MS }: RoomOptions) {
    this.name = name;
    this.mac = lan.attach(this.namespace, DEVICE, host);
    const [v4, v6] = fencedAddresses(net);
    this.addresses = [v4, v6];
    this.namespace.run("ip", "address", "add", `${v4}/24`, "dev", DEVICE);
    this.namespace.run("ip", "address", "add", `${v6}/64`, "dev", DEVICE, "nodad", "preferred_lft", "0");
    this.index = this.namespace.inside(() => native.interfaceIndex(DEVICE));
    const networks = [
      { address: v4, prefixLength: 24 },
      { address: v6, prefixLength: 64 },
    ];
    const groups = [{ number: GROUP, addresses: this.addresses, networks, drain }];
    this.plan = { groups, window_ms: WINDOW_MS, keep_ms, uid: process.geteuid?.() ?? 0 };
    this.fence = this.#open();
    this.#frames = this.namespace.inside(() => new FrameSender(native));
  }

  /** As another node knows this one. */
  seenFrom(other: RoomNode): readonly Station[] {
    return [{ interface: other.index, mac: this.mac }];
  }

  /** The last armed number. */
  get number(): number {
    return this.#number;
  }

  renew(): void {
    this.#number++;
    done(this.fence.arm(GROUP, this.#number));
    done(this.fence.commit(GROUP, this.#number));
  }

  announce(): void {
    for (const address of this.addresses) this.#frames.sendFrame(this.index, announcement(this.mac, address));
  }

  /** As a daemon that is killed and started again. */
  restart(): void {
    this.fence.dispose();
    this.fence = this.#open();
  }

  close(): void {
    this.fence.dispose();
    this.#frames.close();
    this.namespace.remove();
  }

  #open(): Fence {
    return this.namespace.inside(() => {
      const fence = done(openFence(native, this.plan));
      done(fence.coverInterface(this.index, DEVICE));
      return fence;
    });
  }
}

export class Room {
  readonly lan: Lan;
  readonly client = new Namespace();
  readonly a: RoomNode;
  readonly b: RoomNode;
  readonly v4: IpAddress;
  readonly v6: IpAddress;
  readonly client4: IpAddress;
  readonly client6: IpAddress;
  readonly clientMac: Mac;

  constructor(net: number, options: RoomOptions) {
    this.lan = new Lan(net);
    [this.v4, this.v6] = fencedAddresses(net);
    this.client4 = address(`10.${net}.0.9`);
    this.client6 = address(`fd${net}::9`);
    this.clientMac = this.lan.attach(this.client, DEVICE, 9);
    this.a = new RoomNode(this.lan, net, 1, "A", options);
    this.b = new RoomNode(this.lan, net, 2, "B", options);
  }

  close(): void {
    this.a.close();
    this.b.close();
    this.client.remove();
    this.lan.remove();
  }
}

/** The value of an operation that has to succeed. */
export function done<Value>(
  result: { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: string },
): Value {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

function fencedAddresses(net: number): [v4: IpAddress, v6: IpAddress] {
  return [address(`10.${net}.0.50`), address(`fd${net}::50`)];
}

function address(text: string): IpAddress {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}
