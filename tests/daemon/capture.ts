/** Frames as they pass a port of the lab's switch, with the kernel's time, and frames put in there. */
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { parseArpFrame } from "@holdfast/core/wire/arp.ts";
import { parseNdpFrame } from "@holdfast/core/wire/ndp.ts";
import * as socket from "@holdfast/lab/traffic/socket.ts";
import { check, native } from "@holdfast/linux/load.ts";
import type { PollHandle } from "@holdfast/linux/native.ts";
import { claimFilter } from "@holdfast/linux/packet/frames.ts";
import { ADDRESS, ADDRESS6 } from "./harness.ts";
import type { TestCluster } from "./harness.ts";

const SLOT = 2048;
const BATCH = 32;
const BUFFER_BYTES = 1 << 20;

export interface CapturedFrame {
  /** Milliseconds since 1970. */
  readonly wall_ms: number;
  readonly bytes: Uint8Array;
}

export interface Announced {
  readonly wall_ms: number;
  readonly form: "arp-request" | "arp-reply" | "advertisement";
  readonly mac: string;
}

export class Capture {
  readonly frames: CapturedFrame[] = [];
  readonly #fd: number;
  readonly #index: number;
  readonly #handle: PollHandle;
  readonly #data = new Uint8Array(SLOT * BATCH);
  readonly #lengths = new Uint32Array(BATCH);
  readonly #times = new Float64Array(BATCH);
  #open = true;

  /** Of one port of the switch; `neighbours`: only ARP and neighbour advertisements. */
  constructor(cluster: TestCluster, port: string, neighbours: boolean) {
    [this.#fd, this.#index] = cluster.inside("switch", () => [
      check("packet socket", native.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)),
      check(`port ${port}`, native.interfaceIndex(port)),
    ]);
    const option = (name: number, value: number): void =>
      void check("socket option", native.setsockopt(this.#fd, socket.SOL_SOCKET, name, socket.int32(value)));
    option(socket.SO_TIMESTAMPNS, 1);
    option(socket.SO_RCVBUF, BUFFER_BYTES);
    if (neighbours) check("filter", native.attachFilter(this.#fd, claimFilter([ADDRESS, ADDRESS6] as IpAddress[])));
    check("bind", native.bind(this.#fd, socket.packetAddress(this.#index, socket.ETH_P_ALL)));
    const handle = native.poll(this.#fd, 1, () => this.#read());
    if (typeof handle === "number") throw new Error(`poll: ${handle}`);
    this.#handle = handle;
    cluster.atEnd(() => this.close());
  }

  #read(): void {
    const count = native.receiveBatch(this.#fd, this.#data, SLOT, this.#lengths, null, this.#times);
    for (let i = 0; i < count; i++) {
      const bytes = this.#data.slice(i * SLOT, i * SLOT + (this.#lengths[i] ?? 0));
      this.frames.push({ wall_ms: (this.#times[i] ?? 0) / 1e6, bytes });
    }
  }

  /** Gratuitous ARP and unsolicited advertisements for the group's addresses, in order. */
  announcements(): readonly Announced[] {
    return this.frames.flatMap(({ wall_ms, bytes }): Announced[] => {
      const arp = parseArpFrame(bytes);
      if (arp.ok) {
        const { senderAddress, targetAddress, senderMac, operation } = arp.value;
        if (senderAddress !== ADDRESS || targetAddress !== ADDRESS) return [];
        return [{ wall_ms, form: `arp-${operation}` as const, mac: senderMac }];
      }
      const ndp = parseNdpFrame(bytes);
      if (!ndp.ok || ndp.value.kind !== "advertisement" || ndp.value.target !== ADDRESS6) return [];
      return ndp.value.solicited ? [] : [{ wall_ms, form: "advertisement" as const, mac: ndp.value.sourceMac }];
    });
  }

  /** Puts a frame on the cable of this port, towards the station. */
  inject(frame: Uint8Array): void {
    check("inject", native.send(this.#fd, frame, socket.packetAddress(this.#index, 0)));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    native.pollStop(this.#handle);
    native.close(this.#fd);
  }
}
