/** What becomes of a datagram that arrived: opened, parsed, told to the core as a heartbeat; or dropped and counted. */
import { Copies } from "./copies.ts";
import { Rejections } from "./rejections.ts";
import type { Sealer } from "../seal/sealer.ts";
import type { Input, RejectReason } from "@holdfast/core/effects.ts";
import { parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { LinkName } from "@holdfast/core/units/names.ts";
import type { DatagramSource } from "@holdfast/linux/packet/socket-address.ts";

export class Arrivals {
  readonly rejections = new Rejections();
  readonly #sealer: Pick<Sealer, "open">;
  readonly #input: (input: Input) => void;
  readonly #copies = new Copies();

  constructor(sealer: Pick<Sealer, "open">, input: (input: Input) => void) {
    this.#sealer = sealer;
    this.#input = input;
  }

  /** Never throws for what the bytes hold. */
  received(link: LinkName, bytes: Uint8Array, from: Readonly<DatagramSource>): void {
    const opened = this.#sealer.open(bytes, link);
    if (!opened.ok) {
      const { reason } = opened.error;
      return reason === "aside" ? undefined : this.#rejected(link, reason, from);
    }
    const parsed = parseHeartbeat(opened.value.payload, this.#copies.has);
    if (!parsed.ok) return this.#rejected(link, "parse", from);
    // The seal's boot is the sender's proof; a message may not speak for another.
    if (parsed.value.boot !== opened.value.boot) return this.#rejected(link, "sender", from);
    this.#copies.add(parsed.value.boot, parsed.value.message);
    this.#input({ kind: "heartbeat", link, heartbeat: parsed.value });
  }

  #rejected(link: LinkName, reason: RejectReason, from: Readonly<DatagramSource>): void {
    this.rejections.count(link, reason, `${from.address}:${from.port}`);
  }
}
