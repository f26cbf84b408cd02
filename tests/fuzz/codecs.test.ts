/**
 * Properties of every codec, on random values: what is written is read back as it was; what is read can be written and is
 * then read in the same way. Each failure names its seed and run.
 */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import { Chance } from "./chance.ts";
import { mutate } from "./mutate.ts";
import { ANY_WORLD, RandomHeartbeats } from "./random-heartbeat.ts";
import { parseDuration } from "@holdfast/agent/config/duration.ts";
import { Places } from "@holdfast/agent/config/document.ts";
import { Report } from "@holdfast/agent/config/report.ts";
import { SourceText } from "@holdfast/agent/config/source-text.ts";
import { keyFileText, parseKeyFile } from "@holdfast/agent/seal/key-file.ts";
import { keyFileErrorText } from "@holdfast/agent/seal/key-file-bytes.ts";
import { keyId } from "@holdfast/agent/seal/keys.ts";
import { ReplayWindow, WINDOW } from "@holdfast/agent/seal/replay-window.ts";
import type { AeadOfKey } from "@holdfast/agent/seal/aead.ts";
import { nativeAead } from "@holdfast/linux/aead.ts";
import { native } from "@holdfast/linux/load.ts";
import { createSealer } from "@holdfast/agent/seal/sealer.ts";
import { emitArp, parseArpFrame } from "@holdfast/core/wire/arp.ts";
import { emitHeartbeat, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import { splitHeartbeat } from "@holdfast/core/wire/heartbeat-split.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import { emitNdp, type NdpFrame, parseNdpFrame } from "@holdfast/core/wire/ndp.ts";
import { emitUdp, parseUdpFrame } from "@holdfast/core/wire/udp.ts";
import { type IpAddress, ipBytes, ipFromBytes, type Ipv4, type Ipv6, parseIp } from "@holdfast/core/units/ip.ts";
import { type Mac, macBytes, macFromBytes, parseMac } from "@holdfast/core/units/mac.ts";
import type { BootId } from "@holdfast/core/units/names.ts";

const SEED = 20_261_121;

function property(name: string, runs: number, check: (chance: Chance, run: number) => void): void {
  test(`${name}: ${runs} runs`, () => {
    for (let run = 0; run < runs; run++) {
      const seed = SEED + run;
      try {
        check(new Chance(seed), run);
      } catch (error) {
        throw new Error(`seed ${seed} (run ${run}): ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
    }
  });
}

function bytesOf(chance: Chance, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => chance.below(256));
}

function macOf(chance: Chance): Mac {
  return macFromBytes(bytesOf(chance, 6));
}

/** With runs of zeros, as addresses have them. */
function ipOf(chance: Chance, length: 4 | 16): IpAddress {
  const bytes = bytesOf(chance, length);
  for (let zeros = chance.below(4); zeros > 0; zeros--) bytes.fill(0, chance.below(length), chance.below(length + 1));
  return ipFromBytes(bytes);
}

function parsed(bytes: Uint8Array): Heartbeat {
  const result = parseHeartbeat(bytes);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

property("a heartbeat is read as it was written", 6000, (chance) => {
  const h = new RandomHeartbeats(chance, ANY_WORLD).heartbeat(4);
  assert.deepEqual(parsed(emitHeartbeat(h)), h);
});

property("in version 1 a heartbeat is read as it was written, less what that version does not have", 3000, (chance) => {
  const h = { ...new RandomHeartbeats(chance, ANY_WORLD).heartbeat(4), version: 1 };
  assert.deepEqual(parsed(emitHeartbeat(h)), {
    ...h,
    about: undefined,
    adapters: [],
    heard: h.heard.map((each) => ({ ...each, jitter_us: 0 })),
    groups: h.groups.map((each) => ({
      ...each,
      ineligible: ["adapters-failed", "unfit", "yielded"].includes(each.ineligible)
        ? "interface-down"
        : each.ineligible,
      adapter: 0,
      pause: { stamp: 0, remaining_ms: 0 },
    })),
  });
});

property(
  "whatever is read as a heartbeat can be said again and is understood in the same way",
  15_000,
  (chance, run) => {
    const made = new RandomHeartbeats(chance, ANY_WORLD);
    const [one, other] = [emitHeartbeat(made.heartbeat(3)), emitHeartbeat(made.heartbeat(3))];
    const result = parseHeartbeat(run % 50 === 0 ? bytesOf(chance, 200) : mutate(chance, one, other, 65_535));
    if (!result.ok) return;
    // Invalid UTF-8 becomes longer and may be cut once; then nothing changes any more.
    const again = parsed(emitHeartbeat(result.value));
    assert.deepEqual(parsed(emitHeartbeat(again)), again);
    const withoutTexts = (h: Heartbeat): unknown =>
      JSON.parse(JSON.stringify(h), (key, value: unknown) =>
        ["text", "reason", "drainReason", "software", "name", "interface"].includes(key) ? "" : value,
      );
    assert.deepEqual(withoutTexts(again), withoutTexts(result.value));
  },
);

property("a heartbeat in parts: each fits, together they hold everything once and in order", 1500, (chance) => {
  const h = new RandomHeartbeats(chance, ANY_WORLD).heartbeat(30);
  const maximum = 1100 + chance.below(1500);
  let message = h.message;
  const parts = splitHeartbeat(h, maximum, () => ++message);
  for (const list of ["adapters", "heard", "groups", "lease", "events", "requests", "outcomes"] as const) {
    const joined = parts.flatMap<unknown>((part) => part[list]);
    assert.deepEqual(joined, h[list], list);
  }
  for (const part of parts) {
    const bytes = emitHeartbeat(part);
    assert.ok(bytes.length <= maximum, `${bytes.length} bytes in a part of ${maximum}`);
    if (part.message < 2 ** 48) assert.deepEqual(parsed(bytes), part);
    const { node, boot, kernel, generation, digest, toBoot, drained, drainReason, stopping } = part;
    assert.deepEqual(
      { node, boot, kernel, generation, digest, toBoot, drained, drainReason, stopping },
      {
        node: h.node,
        boot: h.boot,
        kernel: h.kernel,
        generation: h.generation,
        digest: h.digest,
        toBoot: h.toBoot,
        drained: h.drained,
        drainReason: h.drainReason,
        stopping: h.stopping,
      },
    );
  }
});

property("an ARP frame is read as it was written", 3000, (chance) => {
  const address = (): Ipv4 => ipOf(chance, 4) as Ipv4;
  const arp = {
    destinationMac: macOf(chance),
    sourceMac: macOf(chance),
    operation: chance.pick<"request" | "reply">(["request", "reply"]),
    senderMac: macOf(chance),
    senderAddress: address(),
    targetMac: macOf(chance),
    targetAddress: address(),
  };
  assert.deepEqual(parseArpFrame(emitArp(arp)), { ok: true, value: arp });
});

property("a neighbour discovery frame is read as it was written", 3000, (chance) => {
  const address = (): Ipv6 => ipOf(chance, 16) as Ipv6;
  const target = address();
  if (target.startsWith("ff")) return;
  const fields = {
    destinationMac: macOf(chance),
    sourceMac: macOf(chance),
    source: address(),
    destination: address(),
    target,
    linkLayer: chance.once(3) ? undefined : macOf(chance),
  };
  const flag = (): boolean => chance.once(2);
  const ndp: NdpFrame = flag()
    ? { kind: "solicitation", ...fields }
    : { kind: "advertisement", ...fields, router: flag(), solicited: flag(), override: flag() };
  assert.deepEqual(parseNdpFrame(emitNdp(ndp)), { ok: true, value: ndp });
});

property("a UDP frame is read as it was written, with the right checksum; padding changes nothing", 3000, (chance) => {
  const length = chance.pick<4 | 16>([4, 16]);
  const udp = {
    destinationMac: macOf(chance),
    sourceMac: macOf(chance),
    source: ipOf(chance, length),
    destination: ipOf(chance, length),
    sourcePort: chance.number(16),
    destinationPort: chance.number(16),
    payload: bytesOf(chance, chance.below(300)),
  };
  const frame = emitUdp(udp);
  for (const padding of [0, 1, 7]) {
    const result = parseUdpFrame(new Uint8Array([...frame, ...bytesOf(chance, padding)]));
    assert.ok(result.ok);
    assert.deepEqual(
      { ...result.value, payload: Uint8Array.from(result.value.payload) },
      { ...udp, checksum: "right" },
    );
  }
});

property("an address is one text and one row of bytes, the text that of RFC 5952", 5000, (chance) => {
  const address = ipOf(chance, chance.pick<4 | 16>([4, 16]));
  assert.equal(parseIp(address), address);
  assert.deepEqual(ipFromBytes(ipBytes(address)), address);
  // The platform's own canonical form.
  if (address.includes(":")) assert.equal(new URL(`http://[${address}]/`).hostname, `[${address}]`);
  assert.equal(parseIp(address.toUpperCase()), address);
});

property("a damaged address text is refused, or is one that the platform knows too", 5000, (chance) => {
  const text = Buffer.from(ipOf(chance, chance.pick<4 | 16>([4, 16])));
  const damaged = Buffer.from(mutate(chance, text, Buffer.from("::1.2.3.4/24%lo 0x0"), 60)).toString("latin1");
  const address = parseIp(damaged);
  if (address === undefined) return;
  assert.notEqual(isIP(damaged), 0, damaged);
  assert.equal(parseIp(address), address);
});

property("an Ethernet address is one text and six bytes", 2000, (chance) => {
  const bytes = bytesOf(chance, 6);
  const mac = macFromBytes(bytes);
  assert.deepEqual(macBytes(mac), bytes);
  assert.equal(parseMac(mac.toUpperCase()), mac);
  assert.equal(parseMac(`${mac}:${mac.slice(0, 2)}`), undefined);
});

property("a sealed datagram is opened once and as it was; with any bit changed it is not", 1500, (chance) => {
  const suite = chance.pick<"encrypt" | "authenticate-only">(["encrypt", "authenticate-only"]);
  const key = { name: `k${chance.hex(4)}`, secret: bytesOf(chance, 32) };
  const options = { cluster: chance.hex(5), keys: { active: key, accepted: [key] }, suite };
  // Node's cipher and the addon's must understand each other.
  const cipher = (): { aead?: AeadOfKey } => (chance.once(2) ? {} : { aead: (secret) => nativeAead(native, secret) });
  const from = createSealer({ ...options, ...cipher(), node: "from", boot: chance.hex(16) as BootId });
  const to = createSealer({ ...options, ...cipher(), node: "to", boot: chance.hex(16) as BootId });
  const payload = bytesOf(chance, chance.below(400));
  const version = chance.pick<1 | 2>([1, 2]);
  const link = chance.hex(4);
  const destination = { version, link, receiver: "to", stream: chance.number(16) };
  for (let before = chance.below(3); before > 0; before--) from.seal(destination, payload);
  const datagram = from.seal(destination, payload);
  const damaged = datagram.slice();
  const at = chance.below(damaged.length);
  damaged[at] = (damaged[at] ?? 0) ^ (1 << chance.below(8));
  assert.equal(to.open(damaged, link).ok, false);
  const opened = to.open(datagram, link);
  assert.ok(opened.ok);
  assert.deepEqual(Uint8Array.from(opened.value.payload), payload);
  assert.equal(opened.value.version, version);
  assert.deepEqual(to.open(datagram, link), { ok: false, error: { reason: "replay" } });
  const back = version === 2 ? "link" : "replay";
  assert.deepEqual(from.open(datagram, link), { ok: false, error: { reason: back } });
});

property("the replay window agrees with a set of all that was seen", 300, (chance) => {
  const window = new ReplayWindow();
  const seen = new Set<number>();
  let highest = -1;
  let sequence = chance.number(48);
  for (let i = 0; i < 300; i++) {
    const step = chance.pick([1, 1, 1, 2, 31, 32, 33, WINDOW - 1, WINDOW, WINDOW + 1, 2 ** 20]);
    sequence = chance.once(3)
      ? highest - chance.below(WINDOW + 40)
      : chance.once(200)
        ? chance.number(48)
        : sequence + step;
    sequence = Math.min(2 ** 48 - 1, Math.max(0, sequence));
    const expected = sequence > highest || (highest - sequence < WINDOW && !seen.has(sequence));
    assert.equal(window.accept(sequence), expected, `number ${sequence} with highest ${highest}`);
    seen.add(sequence);
    highest = Math.max(highest, sequence);
  }
});

property(
  "a key file is read as it was written; damaged it is refused or is another valid one, and no secret is told",
  1500,
  (chance) => {
    const names = new Map(chance.list(4, () => chance.hex(1 + chance.below(8))).map((name) => [keyId(name), name]));
    const accepted = ["2026-11", ...names.values()].map((name) => ({ name, secret: bytesOf(chance, 32) }));
    const active = accepted[chance.below(accepted.length)] ?? { name: "", secret: new Uint8Array(32) };
    const text = keyFileText({ active, accepted });
    assert.deepEqual(parseKeyFile(text, "keys"), { ok: true, value: { active, accepted } });
    const damaged = Buffer.from(
      mutate(chance, Buffer.from(text), Buffer.from("&a [*a, *a] {<<: *a}: |\n !!binary"), 4000),
    ).toString();
    const result = parseKeyFile(damaged, "keys");
    if (result.ok) {
      for (const { secret } of result.value.accepted) assert.equal(secret.length, 32);
      assert.ok(result.value.accepted.includes(result.value.active));
      return;
    }
    const told = keyFileErrorText(result.error);
    assert.ok(result.error.line >= 1 && result.error.column >= 1, told);
    for (const { secret } of accepted) {
      const encoded = Buffer.from(secret).toString("base64");
      for (let at = 0; at + 8 <= encoded.length; at++) assert.ok(!told.includes(encoded.slice(at, at + 8)), told);
    }
  },
);

property("a duration is its number of milliseconds, or an error", 3000, (chance) => {
  const report = new Report("holdfast.yaml", new Places(new SourceText("x")));
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
  const unit = chance.pick(["ms", "s", "m", "h"] as const);
  const decimals = chance.below(5);
  const number = (chance.number(20) / 10 ** decimals).toFixed(decimals);
  const duration = parseDuration(report, [], `${number}${unit}`);
  // In whole numbers: thousandths of the last decimal.
  const exact = BigInt(number.replace(".", "")) * BigInt(units[unit]);
  const scale = 10n ** BigInt(decimals);
  const fine = exact % scale !== 0n;
  const long = exact > BigInt(7 * 24 * 3_600_000) * scale;
  assert.equal(report.errors.length > 0, fine || long, `${number}${unit}: ${JSON.stringify(report.errors)}`);
  if (!fine && !long) assert.equal(BigInt(duration), exact / scale);
});
