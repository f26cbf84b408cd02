/**
 * A flood of datagrams to a heartbeat port, as a process in the namespace of whoever floods: at a rate, for a time, from any
 * Ethernet and IP address. Prints what it did as JSON.
 *
 *   node flood.ts DEVICE FROM_MAC FROM_IP TO_MAC TO_IP PORT RATE SECONDS [HEX]
 *
 * RATE is a second. HEX: each datagram begins with it (a recorded header, say); the rest is random.
 */
import { randomFillSync } from "node:crypto";
import { parseIp } from "@holdfast/core/units/ip.ts";
import { parseMac } from "@holdfast/core/units/mac.ts";
import { emitUdp } from "@holdfast/core/wire/udp.ts";
import { check, native } from "@holdfast/linux/load.ts";
import * as socket from "./socket.ts";

/** One send call. */
const BATCH = 64;
/** Different datagrams, over and over. */
const KINDS = 512;
const SLOT = 256;
const PAYLOAD_BYTES = 120;
const TURN_MS = 2;

interface Flood {
  readonly device: string;
  readonly rate: number;
  readonly seconds: number;
  readonly frames: readonly Uint8Array[];
}

function read(words: readonly string[]): Flood {
  const [device = "", fromMac = "", from = "", toMac = "", to = "", port = "", rate = "", seconds = "", hex = ""] =
    words;
  const [source, destination] = [parseMac(fromMac), parseMac(toMac)];
  const [sourceIp, destinationIp] = [parseIp(from), parseIp(to)];
  if (source === undefined || destination === undefined || sourceIp === undefined || destinationIp === undefined)
    throw new Error(`flood: not an address among ${words.slice(1, 5).join(" ")}`);
  const head = Buffer.from(hex, "hex");
  const frames = Array.from({ length: KINDS }, (_, i) => {
    const payload = randomFillSync(new Uint8Array(PAYLOAD_BYTES));
    payload.set(head);
    const addresses = { sourceMac: source, destinationMac: destination };
    const ends = { source: sourceIp, destination: destinationIp };
    return emitUdp({ ...addresses, ...ends, sourcePort: 1024 + i, destinationPort: Number(port), payload });
  });
  return { device, rate: Number(rate), seconds: Number(seconds), frames };
}

function main(): void {
  const { device, rate, seconds, frames } = read(process.argv.slice(2));
  const fd = check("packet socket", native.socket(socket.AF_PACKET, socket.SOCK_RAW, 0));
  const index = check(`interface ${device}`, native.interfaceIndex(device));
  check("bind", native.bind(fd, socket.packetAddress(index, 0)));
  const batches = Array.from({ length: KINDS / BATCH }, (_, batch) => {
    const data = new Uint8Array(BATCH * SLOT);
    const lengths = new Uint32Array(BATCH);
    frames.slice(batch * BATCH, (batch + 1) * BATCH).forEach((frame, i) => {
      data.set(frame, i * SLOT);
      lengths[i] = frame.length;
    });
    return { data, lengths };
  });
  const begun = performance.now();
  let sent = 0;
  let turn = 0;
  const timer = setInterval(() => {
    const elapsed = performance.now() - begun;
    const due = Math.min(elapsed / 1000, seconds) * rate;
    while (sent < due) {
      const batch = batches[turn++ % batches.length];
      if (batch === undefined) break;
      const done = native.sendBatch(fd, batch.data, SLOT, batch.lengths, null, 0);
      if (done <= 0) break;
      sent += done;
    }
    if (elapsed < seconds * 1000) return;
    clearInterval(timer);
    process.stdout.write(`${JSON.stringify({ sent, seconds: elapsed / 1000 })}\n`);
  }, TURN_MS);
}

main();
