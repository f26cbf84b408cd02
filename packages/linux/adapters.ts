/** The interfaces of this network namespace as they are now, with their addresses, and a call at each change. */
import type { Mac } from "@holdfast/core/units/mac.ts";
import {
  GROUP_IPV4_ADDRESS,
  GROUP_IPV6_ADDRESS,
  DELETE_ADDRESS,
  listAddresses,
  NEW_ADDRESS,
  parseAddress,
} from "./netlink/addresses.ts";
import type { FoundAddress } from "./netlink/addresses.ts";
import { DELETE_LINK, GROUP_LINK, listLinks, NETLINK_ROUTE, NEW_LINK, parseLink, setLinkUp } from "./netlink/links.ts";
import type { DownReason, Link } from "./netlink/links.ts";
import { MessageWriter } from "./netlink/message.ts";
import type { Message } from "./netlink/message.ts";
import { answers, describe, EventSocket, RequestSocket } from "./netlink/socket.ts";
import type { Native } from "./native.ts";
import { failure, type Result } from "@holdfast/core/units/result.ts";

export interface Adapter {
  readonly index: number;
  readonly name: string;
  readonly mac: Mac | undefined;
  /** Administratively up, with carrier and in operation. */
  readonly up: boolean;
  /** Why it is not up; undefined when it is. */
  readonly down: DownReason | undefined;
  readonly loopback: boolean;
  /** Of a bridge, bond or team: what it receives goes up to that interface. */
  readonly port: boolean;
  readonly addresses: readonly FoundAddress[];
}

export interface AdapterEvents {
  /** A new interface, or one whose name, state, Ethernet address or being a port changed. `before` undefined: new. */
  readonly changed?: (adapter: Adapter, before: Adapter | undefined) => void;
  readonly removed?: (adapter: Adapter) => void;
  readonly addressAdded?: (adapter: Adapter, address: FoundAddress) => void;
  readonly addressRemoved?: (adapter: Adapter, address: FoundAddress) => void;
}

interface Known {
  link: Link;
  addresses: Map<string, FoundAddress>;
}

/** Throws when the sockets cannot be had or the first dump fails. */
export class Adapters {
  readonly #events: AdapterEvents;
  readonly #socket: RequestSocket;
  readonly #writer = new MessageWriter();
  readonly #heard: EventSocket;
  readonly #known = new Map<number, Known>();
  /** Why what is known may be old; undefined: it is not. */
  #missed: string | undefined;
  #storm: NodeJS.Timeout | undefined;

  constructor(native: Native, events: AdapterEvents) {
    this.#events = events;
    this.#socket = new RequestSocket(native, NETLINK_ROUTE);
    // Listening begins before the dump, so that nothing is missed between them.
    this.#heard = new EventSocket(
      native,
      NETLINK_ROUTE,
      [GROUP_LINK, GROUP_IPV4_ADDRESS, GROUP_IPV6_ADDRESS],
      (message) => this.#take(message),
      () => this.#overrun(),
    );
    try {
      this.resync();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Those of the interfaces that are not there or not up. */
  down<Name extends string>(names: readonly Name[]): readonly Name[] {
    return names.filter((name) => this.byName(name)?.up !== true);
  }

  all(): Adapter[] {
    return [...this.#known.values()].map(adapterOf);
  }

  byName(name: string): Adapter | undefined {
    for (const known of this.#known.values()) if (known.link.name === name) return adapterOf(known);
    return undefined;
  }

  byIndex(index: number): Adapter | undefined {
    const known = this.#known.get(index);
    return known && adapterOf(known);
  }

  /** Brings an interface up (`lo` of a new namespace is down); throws when the kernel refuses. */
  setUp(index: number): void {
    const error = setLinkUp(this.#socket, this.#writer, index);
    if (error !== undefined) throw new Error(`bringing interface ${index} up: ${describe(error)}`);
  }

  /** Whether the kernel answers by netlink, and what was missed has been made up for. */
  answers(): Result<void, string> {
    const answered = answers(this.#socket, this.#writer);
    if (!answered.ok || this.#missed === undefined) return answered;
    this.#makeUp();
    return this.#missed === undefined ? answered : failure(this.#missed);
  }

  /** Events were lost. In a storm of them everything is asked for ten times a second, not once for each loss. */
  #overrun(): void {
    this.#missed = "events of interfaces and addresses were lost";
    if (this.#storm !== undefined) return;
    this.#makeUp();
    this.#storm = setTimeout(() => {
      this.#storm = undefined;
      if (this.#missed !== undefined) this.#makeUp();
    }, STORM_PAUSE_MS).unref();
  }

  #makeUp(): void {
    try {
      this.resync();
      this.#missed = undefined;
    } catch (error) {
      this.#missed = error instanceof Error ? error.message : String(error);
    }
  }

  /** Takes events that have come already, without waiting for the loop. */
  read(): void {
    this.#heard.read();
  }

  /** Asks the kernel for everything and reports the differences. */
  resync(): void {
    const links = retried(() => listLinks(this.#socket, this.#writer));
    const addresses = retried(() => listAddresses(this.#socket, this.#writer));
    const present = new Set(links.map((link) => link.index));
    for (const index of this.#known.keys()) if (!present.has(index)) this.#remove(index);
    for (const link of links) this.#update(link);
    const held = new Set(addresses.map((address) => `${address.index} ${keyOf(address)}`));
    for (const [index, known] of this.#known) {
      for (const [key, address] of known.addresses) if (!held.has(`${index} ${key}`)) this.#dropAddress(address);
    }
    for (const address of addresses) this.#putAddress(address);
  }

  close(): void {
    clearTimeout(this.#storm);
    this.#heard.close();
    this.#socket.close();
  }

  #take(message: Message): void {
    if (message.type === NEW_LINK || message.type === DELETE_LINK) {
      const link = parseLink(message);
      if (link === undefined) return;
      if (message.type === NEW_LINK) this.#update(link);
      else this.#remove(link.index);
    } else if (message.type === NEW_ADDRESS || message.type === DELETE_ADDRESS) {
      const address = parseAddress(message);
      if (address === undefined) return;
      if (message.type === NEW_ADDRESS) this.#putAddress(address);
      else this.#dropAddress(address);
    }
  }

  #update(link: Link): void {
    const known = this.#known.get(link.index);
    if (known === undefined) {
      const added = { link, addresses: new Map<string, FoundAddress>() };
      this.#known.set(link.index, added);
      this.#events.changed?.(adapterOf(added), undefined);
      return;
    }
    const before = known.link;
    known.link = link;
    const same = before.name === link.name && before.down === link.down && before.mac === link.mac;
    if (same && before.port === link.port) return;
    this.#events.changed?.(adapterOf(known), {
      ...adapterOf(known),
      name: before.name,
      up: before.up,
      down: before.down,
      mac: before.mac,
      port: before.port,
    });
  }

  #remove(index: number): void {
    const known = this.#known.get(index);
    if (known === undefined) return;
    this.#known.delete(index);
    this.#events.removed?.(adapterOf(known));
  }

  #putAddress(address: FoundAddress): void {
    const known = this.#known.get(address.index);
    if (known === undefined) return;
    const isNew = !known.addresses.has(keyOf(address));
    known.addresses.set(keyOf(address), address);
    if (isNew) this.#events.addressAdded?.(adapterOf(known), address);
  }

  #dropAddress(address: FoundAddress): void {
    const known = this.#known.get(address.index);
    if (known === undefined || !known.addresses.delete(keyOf(address))) return;
    this.#events.addressRemoved?.(adapterOf(known), address);
  }
}

/** An address with another prefix is another address to the kernel. */
function keyOf(address: FoundAddress): string {
  return `${address.address}/${address.prefixLength}`;
}

function adapterOf(known: Known): Adapter {
  const { index, name, mac, up, down, loopback, port } = known.link;
  return { index, name, mac, up, down, loopback, port, addresses: [...known.addresses.values()] };
}

const STORM_PAUSE_MS = 100;
const DUMP_TRIES = 5;

/** A dump during which the kernel's list changed has to be asked for again. */
function retried<Value>(
  ask: () => { ok: true; value: Value } | { ok: false; error: Parameters<typeof describe>[0] },
): Value {
  for (let i = 1; ; i++) {
    const result = ask();
    if (result.ok) return result.value;
    if (i === DUMP_TRIES) throw new Error(`reading the interfaces: ${describe(result.error)}`);
  }
}
