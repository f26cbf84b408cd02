/** What becomes of a datagram that arrived: opened, parsed, told to the core as a heartbeat; or dropped and counted. */
import type { Source } from "./link-end.ts";
import { Copies } from "./copies.ts";
import { Rejections } from "./rejections.ts";
import type { Sealer } from "../seal/sealer.ts";
import type { Input, RejectReason } from "@holdfast/core/effects.ts";
import { parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { BootId, LinkName, NodeName } from "@holdfast/core/units/names.ts";

/** Each is authentic. */
const BOOTS_MAX = 64;

export class Arrivals {
  readonly rejections = new Rejections();
  readonly #sealer: Pick<Sealer, "open">;
  readonly #input: (input: Input) => void;
  readonly #describe: (source: string) => string;
  readonly #copies = new Copies();
  readonly #sources = new Map<LinkName, Map<BootId, string>>();

  /** `describe`: a source as people shall read it. */
  constructor(
    sealer: Pick<Sealer, "open">,
    input: (input: Input) => void,
    describe: (source: string) => string = (source) => source,
  ) {
    this.#sealer = sealer;
    this.#input = input;
    this.#describe = describe;
  }

  /** The node that sent it, when it was authentic. Never throws for what the bytes hold. */
  received(link: LinkName, bytes: Uint8Array, from: Source): NodeName | undefined {
    const opened = this.#sealer.open(bytes, link);
    if (!opened.ok) return this.#rejected(link, opened.error.reason, from);
    const parsed = parseHeartbeat(opened.value.payload, this.#copies.has);
    if (!parsed.ok) return this.#rejected(link, "parse", from);
    // The seal's boot is the sender's proof; a message may not speak for another.
    if (parsed.value.boot !== opened.value.boot) return this.#rejected(link, "sender", from);
    this.#copies.add(parsed.value.boot, parsed.value.message);
    const source = this.#sourceOf(link, parsed.value.boot, from);
    this.#input({ kind: "heartbeat", link, heartbeat: parsed.value, source });
    return parsed.value.node;
  }

  /** Asked for at the first heartbeat of a daemon on a link: a text for each of them would cost more than it says. */
  #sourceOf(link: LinkName, boot: BootId, from: Source): string {
    let sources = this.#sources.get(link);
    if (sources === undefined) this.#sources.set(link, (sources = new Map()));
    let source = sources.get(boot);
    if (source === undefined) {
      if (sources.size >= BOOTS_MAX) sources.clear();
      sources.set(boot, (source = this.#describe(from())));
    }
    return source;
  }

  #rejected(link: LinkName, reason: RejectReason, from: Source): undefined {
    this.rejections.count(link, reason, from());
  }
}
