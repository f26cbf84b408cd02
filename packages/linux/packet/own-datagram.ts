/** A datagram to this machine's own address: goes through the IP stack and its rules, and comes back, or the stack is dead. */
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { AF_INET, AF_INET6, internetAddress } from "./socket-address.ts";
import { check, errnoName } from "../load.ts";
import type { Native } from "../native.ts";

const SOCK_DGRAM = 2;
const QUESTION_BYTES = 4;

export class OwnDatagram {
  readonly #native: Native;
  readonly #fd: number;
  readonly #question = new Uint8Array(QUESTION_BYTES);
  readonly #answer = new Uint8Array(QUESTION_BYTES);
  #asked = 0;
  #refused = 0;

  /** Throws when the address is not this machine's. */
  constructor(native: Native, address: IpAddress) {
    this.#native = native;
    this.#fd = check("socket", native.socket(isIpv4(address) ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
    try {
      check("bind", native.bind(this.#fd, internetAddress(address, 0)));
      const name = new Uint8Array(28);
      check("getsockname", native.getsockname(this.#fd, name));
      // To itself alone: nobody else's datagrams can fill it.
      check("connect", native.connect(this.#fd, internetAddress(address, ((name[2] ?? 0) << 8) | (name[3] ?? 0))));
    } catch (error) {
      native.close(this.#fd);
      throw error;
    }
  }

  /** Sends the next one, which arrives within a moment or never. */
  ask(): void {
    this.#asked = (this.#asked + 1) >>> 0;
    new DataView(this.#question.buffer).setUint32(0, this.#asked);
    this.#refused = Math.min(0, this.#native.send(this.#fd, this.#question, null));
  }

  /** Whether the last one came back. */
  answered(): Result<void, string> {
    if (this.#refused < 0) return failure(`the kernel does not send to its own address (${errnoName(this.#refused)})`);
    for (;;) {
      const length = this.#native.receive(this.#fd, this.#answer, null);
      if (length < 0) return failure("what is sent to its own address does not arrive");
      if (new DataView(this.#answer.buffer).getUint32(0) === this.#asked) return success(undefined);
    }
  }

  close(): void {
    this.#native.close(this.#fd);
  }
}
