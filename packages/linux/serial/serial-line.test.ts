/** Serial lines over pseudo terminals at the speed of a real one: noise, cut frames, a device that vanishes, a line too slow. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { frameOf, framedBytes } from "@holdfast/core/wire/serial-frame.ts";
import { pause, until } from "../kernel-testing.ts";
import { native } from "../load.ts";
import { EmulatedLine } from "./emulated-line.ts";
import { openSerial, type SerialLine } from "./serial-line.ts";

const INTERVAL_MS = 100;
const toClose: { close(): void }[] = [];

afterEach(() => {
  for (const each of toClose.splice(0).toReversed()) each.close();
});

interface End {
  line: SerialLine;
  readonly got: string[];
  garbled: number;
  readonly gone: string[];
  readonly open: () => boolean;
}

function end(path: string, baud: number): End {
  const found: Omit<End, "line" | "open"> = { got: [], garbled: 0, gone: [] };
  const open = (): boolean => {
    const opened = openSerial(
      native,
      { path, baud, interval_ms: INTERVAL_MS },
      {
        datagram: (bytes) => void found.got.push(Buffer.from(bytes).toString()),
        garbled: () => void found.garbled++,
        gone: (detail) => void found.gone.push(detail),
      },
    );
    if (!opened.ok) return false;
    it.line = opened.value;
    toClose.push(opened.value);
    return true;
  };
  const it = Object.assign(found, { open, line: undefined as unknown as SerialLine });
  assert.ok(open());
  return it;
}

function lineAt(baud: number): { readonly wire: EmulatedLine; readonly a: End; readonly b: End } {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-serial-"));
  toClose.push({ close: () => rmSync(directory, { recursive: true }) });
  const paths = [join(directory, "a"), join(directory, "b")] as const;
  const wire = new EmulatedLine(native, baud, paths);
  toClose.push(wire);
  return { wire, a: end(paths[0], baud), b: end(paths[1], baud) };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** Text of the length that a heartbeat has. */
const beat = (number: number, length = 150): string => `${number} `.padEnd(length, "x");

for (const baud of [9600, 115_200]) {
  test(`at ${baud} baud datagrams arrive in both directions, at the speed of the line`, async () => {
    const { a, b } = lineAt(baud);
    const length = baud === 9600 ? 60 : 150;
    const took_ms = (framedBytes(length) * 10_000) / baud;
    const start = native.monotonic();
    assert.ok(a.line.send(bytes(beat(1, length))));
    assert.ok(b.line.send(bytes(beat(2, length))));
    await until("both arrived", () => a.got.length + b.got.length === 2);
    const after_ms = (native.monotonic() - start) / 1e6;
    assert.deepEqual([a.got, b.got], [[beat(2, length)], [beat(1, length)]]);
    assert.ok(after_ms >= took_ms - 4, `${after_ms} ms, and the line takes ${took_ms}`);
  });
}

test("no more waits than the line carries in an interval: what comes then is dropped at once, and old news is never sent", async () => {
  const { a, b } = lineAt(9600);
  const fits = Math.floor((INTERVAL_MS * 0.96) / framedBytes(30));
  const sent = Array.from({ length: 10 }, (_, i) => a.line.send(bytes(beat(i, 30))));
  assert.deepEqual(
    sent,
    Array.from({ length: 10 }, (_, i) => i < fits),
  );
  await until("those arrived", () => b.got.length === fits);
  await until("the line is free again", () => a.line.send(bytes(beat(99, 30))));
  await until("the next one arrived", () => b.got.includes(beat(99, 30)));
  assert.equal(b.got.length, fits + 1);
});

test("what can wait goes when the line was idle for a quarter of an interval, however much came before it", async () => {
  const { a, b } = lineAt(115_200);
  const start = native.monotonic();
  a.line.sendLater(bytes("reports of before"));
  a.line.send(bytes(beat(1)));
  a.line.sendLater(bytes("reports"));
  a.line.send(bytes(beat(2)));
  assert.equal(b.got.length, 0);
  await until("all came", () => b.got.length === 3);
  assert.deepEqual(b.got, [beat(1), beat(2), "reports"]);
  assert.ok((native.monotonic() - start) / 1e6 >= INTERVAL_MS / 4);
});

test("noise, half frames and changed octets are counted, and the next datagram arrives", async () => {
  const { wire, a, b } = lineAt(115_200);
  wire.inject(1, Uint8Array.of(0));
  wire.inject(
    1,
    Uint8Array.from({ length: 200 }, (_, i) => (i % 255) + 1),
  );
  a.line.send(bytes(beat(1)));
  await until("the first arrived behind the noise", () => b.got.length === 1);
  assert.equal(b.garbled, 1);
  wire.inject(1, frameOf(bytes(beat(0)))?.subarray(0, 70) ?? new Uint8Array());
  a.line.send(bytes(beat(2)));
  await until("the second behind half a frame", () => b.got.length === 2);
  assert.equal(b.garbled, 2);
  wire.alter = (passing) => passing.map((octet) => (octet === 0x78 ? 0x79 : octet));
  a.line.send(bytes(beat(3)));
  await until("the third was changed on the line", () => b.garbled === 3);
  wire.alter = (passing) => passing;
  a.line.send(bytes(beat(4)));
  await until("the fourth", () => b.got.length === 3);
  assert.deepEqual(b.got, [beat(1), beat(2), beat(4)]);
});

test("a device that vanishes is told once, sending does no harm, and it can be opened when it is back", async () => {
  const { wire, a, b } = lineAt(115_200);
  wire.unplug(1);
  await until("the loop noticed", () => b.gone.length > 0);
  assert.match(b.gone[0] ?? "", /\/b is gone: (it hung up|EIO)$/);
  assert.equal(b.line.send(bytes("x")), false);
  b.line.read();
  b.line.close();
  assert.equal(b.open(), false);
  // The other end notices nothing: a serial line has no carrier.
  assert.ok(a.line.send(bytes(beat(1))));
  await pause(30);
  wire.plug(1);
  await until("opened again", () => b.open());
  a.line.send(bytes(beat(2)));
  await until("heard again", () => b.got.includes(beat(2)));
  assert.deepEqual([a.gone.length, b.gone.length], [0, 1]);
});

test("what is no serial device, or not there, is an error in words", () => {
  const events = { datagram: () => {}, garbled: () => {}, gone: () => {} };
  const why = (path: string): string => {
    const opened = openSerial(native, { path, baud: 9600, interval_ms: 100 }, events);
    return opened.ok ? assert.fail("opened") : opened.error;
  };
  assert.equal(why("/dev/null"), "/dev/null: not a serial device");
  assert.equal(why("/dev/holdfast-none"), "/dev/holdfast-none: there is no such device");
});

test("noise without end does not hold the loop", async () => {
  const { wire, a, b } = lineAt(921_600);
  const noise = Uint8Array.from({ length: 4000 }, (_, i) => (i * 7919) % 256);
  const feeding = setInterval(() => wire.inject(1, noise), 1);
  let turns = 0;
  const counting = setInterval(() => void turns++, 1);
  await pause(300);
  clearInterval(feeding);
  clearInterval(counting);
  assert.ok(turns > 30, `${turns} turns of the loop`);
  assert.ok(b.garbled > 100);
  await until("a datagram gets through again", () => {
    a.line.send(bytes(beat(1)));
    return b.got.length > 0;
  });
});
