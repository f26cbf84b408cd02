/** The heartbeat filter in the kernel: put there, changed in one transaction, put back when somebody took it away, read once a second. */
import { constants } from "node:os";
import { ipFromBytes } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { type Mac, macFromBytes } from "@holdfast/core/units/mac.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { FAMILIES, type Family, familyOf, type FilterPlan, planText } from "./plan.ts";
import { FILTER, setName, writeFilter } from "./rules.ts";
import type { Native } from "../native.ts";
import { MessageWriter } from "../netlink/message.ts";
import { describe, RequestSocket } from "../netlink/socket.ts";
import type { NetlinkError } from "../netlink/socket.ts";
import { Batch, NETLINK_NETFILTER, TABLE_OWNER } from "../nftables/batch.ts";
import { type FoundElement, listElements, listTables } from "../nftables/tables.ts";

const { ENOENT, EPERM, EBUSY, EOPNOTSUPP, EINVAL } = constants.errno;

/** As nft(8) reads the data of a table: type, length, text. It crashes at what is shorter than a header (1.0.6). */
const WORDS = "holdfast: only nodes of a link reach its heartbeat port\0";
const COMMENT = Uint8Array.of(0, WORDS.length, ...Buffer.from(WORDS));

/** Where something came from, as the kernel saw it. */
export interface Station {
  readonly index: number;
  /** Undefined where the interface has none. */
  readonly mac: Mac | undefined;
  readonly address: IpAddress;
  readonly port: number;
}

/** What was dropped since the last look: of one source, or of those that there was no room for. */
export interface Dropped {
  readonly reason: "filtered" | "flood";
  /** Of the link: its interface and port. */
  readonly index: number;
  readonly port: number;
  readonly station: Station | undefined;
  readonly packets: number;
}

const REASONS = [
  { reason: "filtered", kept: "strangers", total: "dropped" },
  { reason: "flood", kept: "floods", total: "flooded" },
] as const;

export class HeartbeatFilter {
  readonly #socket: RequestSocket;
  readonly #writer = new MessageWriter();
  #flags: number;
  #plan: FilterPlan | undefined;
  #installed = false;
  /** What each counter said last, by set and key. */
  #counted = new Map<string, number>();

  /** Throws when the socket cannot be had. `none`: a table without an owner, as before Linux 5.12. */
  constructor(native: Native, owner?: "none") {
    this.#flags = owner === "none" ? 0 : TABLE_OWNER;
    this.#socket = new RequestSocket(native, NETLINK_NETFILTER);
  }

  /** In one transaction: no heartbeat meets neither the old nor the new. The same plan again does nothing. */
  apply(plan: FilterPlan): Result<void, string> {
    if (this.#installed && this.#plan !== undefined && planText(plan) === planText(this.#plan))
      return success(undefined);
    this.#plan = plan;
    return this.#install();
  }

  /**
   * What was dropped since the last call. Whoever took the table away is found out by it: `vanished` hears of it, and it is
   * put back.
   */
  take(vanished: (detail: string) => void): readonly Dropped[] {
    if (!this.#installed) return [];
    const dropped: Dropped[] = [];
    const counted = new Map<string, number>();
    for (const family of this.#families()) {
      for (const kind of REASONS) {
        const [totals, sources] = [this.#read(setName(kind.total, family)), this.#read(setName(kind.kept, family))];
        if (!totals.ok || !sources.ok) {
          const error = totals.ok ? sources : totals;
          if (!error.ok && error.error.errno === ENOENT) this.#putBack(vanished);
          return dropped;
        }
        dropped.push(...this.#news(kind.reason, family, totals.value, sources.value, counted));
      }
    }
    this.#counted = counted;
    return dropped;
  }

  /** Stations that sent in the name of a node's address within the last minute: two MAC addresses are one too many. */
  stations(address: IpAddress): readonly Station[] {
    const family: Family = address.includes(":") ? 6 : 4;
    const found = this.#installed ? this.#read(setName("stations", family)) : undefined;
    if (found?.ok !== true) return [];
    return found.value.map(({ key }) => stationOf(key, family)).filter((station) => station.address === address);
  }

  /** Takes the table away. */
  remove(): void {
    this.#delete();
    this.#installed = false;
  }

  /** An owned table goes with its socket. */
  dispose(): void {
    this.#socket.close();
  }

  #putBack(vanished: (detail: string) => void): void {
    const done = this.#install();
    vanished(done.ok ? "somebody removed it; it was put back" : `somebody removed it; NOT put back: ${done.error}`);
  }

  #install(): Result<void, string> {
    const plan = this.#plan;
    if (plan === undefined) return success(undefined);
    this.#counted = new Map();
    const done = this.#replace(plan);
    const [first] = done;
    this.#installed = first === undefined;
    if (first === undefined) return success(undefined);
    if (first.errno === EPERM || first.errno === EBUSY)
      return failure(
        `the packet filter refuses the table ${FILTER.name}: ${describe(first)}; CAP_NET_ADMIN is needed, and nobody else's table of that name`,
      );
    return failure(`the packet filter refuses the table ${FILTER.name}: ${describe(first)}`);
  }

  #replace(plan: FilterPlan): NetlinkError[] {
    const errors = this.#write(plan);
    const [first] = errors;
    if (this.#flags === 0 || first === undefined || (first.errno !== EOPNOTSUPP && first.errno !== EINVAL))
      return errors;
    // Before Linux 5.12 tables have no owner.
    this.#flags = 0;
    return this.#write(plan);
  }

  /** What an earlier daemon left, or this one's own, is replaced. */
  #write(plan: FilterPlan): NetlinkError[] {
    const tables = listTables(this.#socket, this.#writer);
    if (!tables.ok) return [tables.error];
    const batch = new Batch(this.#writer);
    if (tables.value.some(({ family, name }) => family === FILTER.family && name === FILTER.name))
      batch.deleteTable(FILTER);
    batch.table(FILTER, this.#flags, COMMENT);
    writeFilter(batch, plan);
    return batch.commit(this.#socket);
  }

  #delete(): void {
    new Batch(this.#writer).deleteTable(FILTER).commit(this.#socket);
  }

  /** Those that the links speak: each costs the kernel some questions. */
  #families(): readonly Family[] {
    const links = this.#plan?.links ?? [];
    const used = FAMILIES.filter((family) => links.some(({ to }) => to.some((each) => familyOf(each) === family)));
    return used.length > 0 ? used : FAMILIES;
  }

  #read(set: string): Result<FoundElement[], NetlinkError> {
    return listElements(this.#socket, this.#writer, FILTER, set);
  }

  #news(
    reason: Dropped["reason"],
    family: Family,
    totals: readonly FoundElement[],
    sources: readonly FoundElement[],
    counted: Map<string, number>,
  ): Dropped[] {
    const left = new Map<string, { readonly index: number; readonly port: number; packets: number }>();
    for (const element of totals) {
      const { index, port } = placeOf(element.key);
      const packets = this.#since(`${reason}${family} total`, element, counted);
      const known = left.get(`${index} ${port}`);
      if (known === undefined) left.set(`${index} ${port}`, { index, port, packets });
      else known.packets += packets;
    }
    const dropped: Dropped[] = [];
    for (const element of sources) {
      const packets = this.#since(`${reason}${family}`, element, counted);
      if (packets === 0) continue;
      const station = stationOf(element.key, family);
      const { index, port } = station;
      dropped.push({ reason, index, port, station, packets });
      const total = left.get(`${index} ${port}`);
      if (total !== undefined) total.packets -= packets;
    }
    // What was counted between the two readings is told with the next.
    for (const { index, port, packets } of left.values())
      if (packets > 0) dropped.push({ reason, index, port, station: undefined, packets });
    return dropped;
  }

  /** An element that was forgotten and made anew begins at 0. */
  #since(kind: string, { key, packets }: FoundElement, counted: Map<string, number>): number {
    const name = `${kind} ${Buffer.from(key).toString("hex")}`;
    counted.set(name, packets);
    const before = this.#counted.get(name) ?? 0;
    return packets >= before ? packets - before : packets;
  }
}

function placeOf(key: Uint8Array): { readonly index: number; readonly port: number } {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return { index: new Uint32Array(key.slice(0, 4).buffer)[0] ?? 0, port: view.getUint16(key.length - 4) };
}

/** As `writeStations` makes it: interface, MAC in two words, address, port. */
function stationOf(key: Uint8Array, family: Family): Station {
  const mac = macFromBytes(key.slice(4, 10));
  const address = ipFromBytes(key.slice(12, 12 + (family === 4 ? 4 : 16)));
  return { ...placeOf(key), mac: mac === "00:00:00:00:00:00" ? undefined : mac, address };
}
