/** Sends the datagrams of fence-orders.ts: they never leave the machine, and their fate at `lo`'s egress is the answer. */
import { constants } from "node:os";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { macBytes } from "@holdfast/core/units/mac.ts";
import { DISARM, STATION_BYTES, STATION_INTERFACE_AT, STATION_MAC_AT } from "./fence-orders.ts";
import type { Station } from "./fence-plan.ts";
import { check, errnoName } from "./load.ts";
import type { Native } from "./native.ts";

const { ENOBUFS } = constants.errno;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const IPPROTO_IP = 0;
const IP_RECVERR = 11;
/** Groups are numbered from 1, the lowest that is free (agent/engine/group-numbers.ts). */
const UNUSED_GROUP = 65_535;
const DONE: Result<void, string> = success(undefined);
const REFUSED: Result<void, string> = failure("refused by the fence");

export class RenewalSocket {
  readonly #native: Native;
  #fd: number;
  /** `struct sockaddr_in` of 127.9.x.y: group as port, number as x and y. */
  readonly #address = Uint8Array.of(0, 0, 0, 0, 127, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  readonly #payload = new Uint8Array(1);
  readonly #station = new Uint8Array(STATION_BYTES);

  /** Throws when the socket cannot be had. */
  constructor(native: Native) {
    this.#native = native;
    new Uint16Array(this.#address.buffer, 0, 1)[0] = AF_INET;
    this.#fd = check("renewal socket", native.socket(AF_INET, SOCK_DGRAM, 0));
    // Only with this option does udp_sendmsg() tell that a packet was dropped on its way out (ENOBUFS).
    check("IP_RECVERR", native.setsockopt(this.#fd, IPPROTO_IP, IP_RECVERR, Uint8Array.of(1, 0, 0, 0)));
  }

  /** `number` counts modulo 65536. */
  send(code: number, group: number, number: number): Result<void, string> {
    this.#address[2] = group >> 8;
    this.#address[3] = group & 0xff;
    this.#address[6] = (number >>> 8) & 0xff;
    this.#address[7] = number & 0xff;
    this.#payload[0] = code;
    return this.#fate(this.#payload);
  }

  /** An order that changes nothing, about a group that there is not: whether orders get through. */
  test(): Result<void, string> {
    return this.send(DISARM, UNUSED_GROUP, 0);
  }

  /** An order about a station. */
  sendStation(code: number, group: number, { interface: index, mac }: Station): Result<void, string> {
    this.#address[2] = group >> 8;
    this.#address[3] = group & 0xff;
    this.#address[6] = 0;
    this.#address[7] = 0;
    this.#station[0] = code;
    this.#station.set(macBytes(mac), STATION_MAC_AT);
    new Uint32Array(this.#station.buffer, STATION_INTERFACE_AT, 1)[0] = index;
    return this.#fate(this.#station);
  }

  close(): void {
    this.#native.close(this.#fd);
    // The number may soon be another file.
    this.#fd = -1;
  }

  #fate(payload: Uint8Array): Result<void, string> {
    const sent = this.#native.send(this.#fd, payload, this.#address);
    if (sent === payload.length) return DONE;
    if (sent === -ENOBUFS) return REFUSED;
    return failure(
      `renewal not sent: ${errnoName(sent)} (does another rule set or a missing lo keep 127.9.0.0/16 from lo?)`,
    );
  }
}
