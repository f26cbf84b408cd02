/** What a heartbeat says of the sending node itself and of its adapters, as bytes (docs/protocol.md). Version 2. */
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { AdapterReport, AdapterState, NodeReport } from "./messages.ts";
import { type InterfaceName, isInterfaceName } from "../units/names.ts";

/** Bytes of UTF-8; longer ones are cut. */
export const SOFTWARE_BYTES = 32;
/** The kernel's names have 15 at most (IFNAMSIZ). */
const INTERFACE_BYTES = 15;
export const MAXIMUM_KEYS = 16;

// A word's place in its list is its code on the wire: append, never reorder.
const STATES: readonly [AdapterState, ...AdapterState[]] = [
  "ok",
  "down",
  "no-carrier",
  "silent",
  "network-down",
  "undecided",
];

export function writeAbout(out: ByteWriter, about: NodeReport): void {
  out.text(about.software, SOFTWARE_BYTES);
  const keys = about.keys.slice(0, MAXIMUM_KEYS);
  out.u8(keys.length);
  for (const key of keys) out.u32(key);
}

export function readAbout(from: ByteReader): NodeReport {
  const software = from.text(SOFTWARE_BYTES, "about.software");
  const count = from.u8("about.keys");
  if (count > MAXIMUM_KEYS) from.fail("long", "about.keys");
  const keys: number[] = [];
  for (let i = 0; i < count && from.error === undefined; i++) keys.push(from.u32("about.key"));
  return { software, keys };
}

export function writeAdapter(out: ByteWriter, report: AdapterReport): void {
  out.text(report.name, SOFTWARE_BYTES);
  out.text(report.interface, INTERFACE_BYTES);
  out.u8(STATES.indexOf(report.state));
  out.u8(report.used ? 1 : 0);
  out.saturated16(report.heardAge_ms);
  out.saturated16(report.referenceAge_ms);
}

export function readAdapter(from: ByteReader): AdapterReport {
  const name = from.text(SOFTWARE_BYTES, "adapter.name");
  const text = from.text(INTERFACE_BYTES, "adapter.interface");
  if (!isInterfaceName(text)) from.fail("value", "adapter.interface");
  const state = from.word(STATES, "adapter.state");
  const used = from.flag("adapter.used");
  const heardAge_ms = from.u16("adapter.heard");
  const referenceAge_ms = from.u16("adapter.reference");
  return { name, interface: text as InterfaceName, state, used, heardAge_ms, referenceAge_ms };
}
