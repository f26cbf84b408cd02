/** The addon's promises: results not exceptions, no crash on bad arguments, watching that goes on after an error. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { check, native, SystemCallError } from "../load.ts";
import type { Native, PollHandle } from "../native.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const { EAGAIN, EBADF, EINVAL, ENODEV, ECONNREFUSED, EWOULDBLOCK } = constants.errno;

function loopback(port: number): Uint8Array {
  return Uint8Array.of(2, 0, port >> 8, port & 0xff, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
}

/** A UDP socket on a free port of 127.0.0.1. */
function udp(): { fd: number; port: number } {
  const fd = check("socket", native.socket(AF_INET, SOCK_DGRAM, 0));
  check("bind", native.bind(fd, loopback(0)));
  const name = new Uint8Array(16);
  check("getsockname", native.getsockname(fd, name));
  return { fd, port: ((name[2] ?? 0) << 8) | (name[3] ?? 0) };
}

function watch(fd: number, callback: (status: number, events: number) => void): PollHandle {
  const handle = native.poll(fd, 1, callback);
  assert.ok(typeof handle === "object");
  return handle;
}

test("no function throws or crashes whatever it is given", () => {
  const junk: unknown[] = [
    undefined,
    null,
    -1,
    2 ** 40,
    Number.NaN,
    1.5,
    999999,
    "",
    "x".repeat(5000),
    {},
    [],
    new Uint8Array(0),
    new Float64Array(1),
    () => {},
  ];
  const names = Object.keys(native).filter(
    (name) => !["setns", "schedule", "close", "lock"].includes(name),
  ) as (keyof Native)[];
  assert.ok(names.length >= 20);
  for (const name of names) {
    const call = native[name] as (...all: unknown[]) => unknown;
    assert.doesNotThrow(() => call(), name);
    for (const a of junk)
      for (const b of junk)
        assert.doesNotThrow(() => {
          const result = call(a, b, a, b, a, b);
          if (name === "socket" && typeof result === "number" && result >= 0) native.close(result);
        }, name);
  }
});

test("a closed, foreign or negative descriptor is EBADF", () => {
  for (const fd of [-1, 99999]) {
    assert.equal(native.close(fd), -EBADF);
    assert.equal(native.send(fd, new Uint8Array(1), null), -EBADF);
    assert.equal(native.receive(fd, new Uint8Array(1), null), -EBADF);
    assert.equal(native.timerRead(fd), -EBADF);
    assert.equal(
      native.poll(fd, 1, () => {}),
      -EBADF,
    );
    assert.equal(native.lock(fd), -EBADF);
  }
});

test("buffers too short for what is asked are EINVAL", () => {
  const { fd } = udp();
  assert.equal(native.sendBatch(fd, new Uint8Array(10), 10, Uint32Array.of(5, 5), null, 0), -EINVAL);
  assert.equal(native.sendBatch(fd, new Uint8Array(20), 10, Uint32Array.of(11), null, 0), -EINVAL);
  assert.equal(native.sendBatch(fd, new Uint8Array(20), 10, Uint32Array.of(5, 5), new Uint8Array(31), 16), -EINVAL);
  assert.equal(native.receiveBatch(fd, new Uint8Array(9), 10, new Uint32Array(1), null, null), -EINVAL);
  assert.equal(native.receiveBatch(fd, new Uint8Array(10), 10, new Uint32Array(1), new Uint8Array(127), null), -EINVAL);
  assert.equal(native.getsockname(fd, new Uint8Array(4)), -EINVAL);
  assert.equal(native.attachFilter(fd, new Uint8Array(7)), -EINVAL);
  assert.equal(native.setsockopt(fd, 1, 26, new Uint8Array(16)), -EINVAL);
  native.close(fd);
});

test("batches arrive whole, with lengths, senders and receive times; long ones tell their length", () => {
  const to = udp();
  const from = udp();
  check("SO_TIMESTAMPNS", native.setsockopt(to.fd, 1, 35, Uint8Array.of(1, 0, 0, 0)));
  const data = new Uint8Array(30).map((_, i) => i);
  const address = new Uint8Array(48);
  for (let i = 0; i < 3; i++) address.set(loopback(to.port), 16 * i);
  assert.equal(native.sendBatch(from.fd, data, 10, Uint32Array.of(3, 10, 7), address, 16), 3);
  const into = new Uint8Array(64 * 8);
  const lengths = new Uint32Array(64);
  const senders = new Uint8Array(64 * 128);
  const times = new Float64Array(64);
  assert.equal(native.receiveBatch(to.fd, into, 8, lengths, senders, times), 3);
  assert.deepEqual([...lengths.subarray(0, 3)], [3, 10, 7]);
  assert.deepEqual([...into.subarray(8, 16)], [10, 11, 12, 13, 14, 15, 16, 17]);
  assert.equal(((senders[130] ?? 0) << 8) | (senders[131] ?? 0), from.port);
  assert.ok(Math.abs((times[1] ?? 0) - native.realtime()) < 10e9);
  assert.equal(native.receiveBatch(to.fd, into, 8, lengths, null, null), -EAGAIN);
  native.close(to.fd);
  native.close(from.fd);
});

test("a timer wakes its watcher at the time set, and a stopped watcher stays silent", async () => {
  const fd = check("timer", native.timerCreate());
  assert.equal(native.timerRead(fd), -EAGAIN);
  const at = native.monotonic() + 20e6;
  const woken = await new Promise<number>((resolve) => {
    const handle = watch(fd, () => {
      const now = native.monotonic();
      assert.equal(native.timerRead(fd), 1);
      native.pollStop(handle);
      native.pollStop(handle);
      resolve(now);
    });
    check("timerSet", native.timerSet(fd, at, 0));
  });
  assert.ok(woken >= at);
  assert.equal(native.timerSet(fd, -1, 0), -EINVAL);
  native.close(fd);
});

test("after an error in the socket the watcher tells it and goes on", async () => {
  const a = udp();
  const b = udp();
  check("connect", native.connect(a.fd, loopback(b.port)));
  native.close(b.fd);
  const statuses: number[] = [];
  let wake = () => {};
  const handle = watch(a.fd, (status) => {
    statuses.push(status);
    native.receive(a.fd, new Uint8Array(8), null);
    wake();
  });
  for (let round = 1; round <= 2; round++) {
    const seen = new Promise<void>((resolve) => (wake = resolve));
    native.send(a.fd, Uint8Array.of(1), null);
    await seen;
  }
  assert.ok(statuses.length >= 2);
  assert.ok(
    statuses.every((status) => status === -ECONNREFUSED || status === 0),
    String(statuses),
  );
  native.pollStop(handle);
  native.close(a.fd);
});

test("closing a descriptor still watched stops the watcher", () => {
  const { fd } = udp();
  const handle = watch(fd, () => assert.fail("the watcher of a closed descriptor was called"));
  assert.equal(native.close(fd), 0);
  const again = udp();
  native.send(again.fd, Uint8Array.of(1), loopback(again.port));
  native.pollStop(handle);
  native.close(again.fd);
});

test("the clock, the tick, interfaces and locks tell what the kernel tells", () => {
  const before = native.monotonic();
  assert.ok(native.monotonic() >= before);
  assert.ok(native.tick() >= 1e6 && native.tick() <= 10e6);
  assert.equal(native.interfaceIndex("lo"), 1);
  assert.equal(native.interfaceIndex("no-such-one"), -ENODEV);
  assert.equal(native.interfaceIndex("longer-than-any-interface"), -EINVAL);
  assert.notEqual(EWOULDBLOCK, 0);
  assert.throws(
    () => check("opening", -ENODEV),
    (error) => error instanceof SystemCallError && error.message === "opening: ENODEV",
  );
});
