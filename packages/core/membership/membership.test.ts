/** How a peer is heard: loss over all links, jitter, copies, who is believed, excused stalls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { advance, ageOf, excuse, forgetMessages, heard, isHeard, lossPermille, newHearing } from "./hearing.ts";
import { adoptBoot, firstCopy, isAlive, isFormerBoot, newPeer, nextMessage, peerAge, whenSent } from "./peer.ts";
import type { NodeConfig } from "../cluster.ts";
import { nextRandom, seededRandom } from "../random.ts";
import type { BootId, KernelId, LinkName, NodeName } from "../units/names.ts";
import { instant, milliseconds } from "../units/time.ts";

const HEARTBEAT = milliseconds(100);
const DEAD = milliseconds(300);
const lan = "lan" as LinkName;
const priv = "priv" as LinkName;
const config: NodeConfig = { name: "n2" as NodeName, role: "member", links: {}, interfaces: {} };

test("loss is what did not come of the last 100 messages, in 1/1000", () => {
  for (const every of [2, 4, 10]) {
    const hearing = newHearing();
    for (let message = 1; message <= 1000; message++)
      if (message % every !== 0) heard(hearing, message, true, HEARTBEAT, instant(message * 100));
    advance(hearing, 1000);
    assert.equal(lossPermille(hearing), 1000 / every);
  }
});

test("a message that comes late or twice is counted once, and one older than the window not at all", () => {
  const hearing = newHearing();
  for (const message of [1, 2, 4, 4, 3, 3]) heard(hearing, message, true, HEARTBEAT, instant(message));
  assert.equal(lossPermille(hearing), 0);
  heard(hearing, 104, true, HEARTBEAT, instant(200));
  assert.equal(lossPermille(hearing), 990);
  heard(hearing, 4, true, HEARTBEAT, instant(201));
  assert.equal(lossPermille(hearing), 990);
});

test("messages heard on another link are lost on this one", () => {
  const hearing = newHearing();
  for (let message = 1; message <= 100; message++) heard(hearing, message, true, HEARTBEAT, instant(message));
  advance(hearing, 150);
  assert.equal(lossPermille(hearing), 500);
  advance(hearing, 1000);
  assert.equal(lossPermille(hearing), 1000);
});

test("20000 random sequences (seed 3): loss stays between 0 and 1000", () => {
  const random = seededRandom(3);
  const hearing = newHearing();
  let message = 1;
  for (let i = 0; i < 20_000; i++) {
    const dice = nextRandom(random);
    message = Math.max(1, message + Math.floor(nextRandom(random) * 40) - 15);
    if (dice < 0.01) forgetMessages(hearing);
    if (dice < 0.5) heard(hearing, message, dice < 0.3, HEARTBEAT, instant(i));
    else advance(hearing, message);
    const loss = lossPermille(hearing);
    assert.ok(loss >= 0 && loss <= 1000, `${loss}`);
  }
});

test("jitter follows how far regular messages are from the interval; extra ones do not count", () => {
  const hearing = newHearing();
  let now = 0;
  for (let message = 1; message <= 400; message++) {
    now += message % 2 === 0 ? 105 : 95;
    heard(hearing, 2 * message, true, HEARTBEAT, instant(now));
    heard(hearing, 2 * message + 1, false, HEARTBEAT, instant(now + 30));
  }
  assert.ok(Math.abs(hearing.jitter_ms - 5) < 0.1, `${hearing.jitter_ms}`);
});

test("alive = heard on any link within dead, and only after a boot was believed", () => {
  const peer = newPeer(config, [lan, priv]);
  const hearing = peer.links.get(priv);
  assert.ok(hearing);
  heard(hearing, 1, true, HEARTBEAT, instant(1000));
  assert.ok(!isAlive(peer, DEAD, instant(1001)));
  adoptBoot(peer, "a" as BootId, "k" as KernelId);
  assert.ok(isAlive(peer, DEAD, instant(1299.9)));
  assert.ok(!isAlive(peer, DEAD, instant(1300)));
  assert.equal(peerAge(peer, instant(1250)), 250);
});

test("each message is processed once, whatever link and however late its copies come", () => {
  const peer = newPeer(config, [lan, priv]);
  for (let message = 1; message <= 1000; message++) {
    assert.ok(firstCopy(peer, message));
    assert.ok(!firstCopy(peer, message));
  }
  for (let message = 1; message <= 1000; message++) assert.ok(!firstCopy(peer, message));
  // Overtaken by others, but new.
  assert.ok(firstCopy(peer, 1002));
  assert.ok(firstCopy(peer, 1001));
});

test("another boot counts its messages from 1 again, and the one before stays replaced while it is heard", () => {
  const peer = newPeer(config, [lan]);
  adoptBoot(peer, "a" as BootId, "k" as KernelId);
  assert.ok(firstCopy(peer, 500));
  adoptBoot(peer, "b" as BootId, "k" as KernelId);
  assert.ok(firstCopy(peer, 1));
  const hearing = peer.links.get(lan);
  assert.ok(hearing);
  heard(hearing, 1, true, HEARTBEAT, instant(1000));
  assert.ok(isFormerBoot(peer, "a" as BootId, DEAD, instant(1100)));
  assert.ok(!isFormerBoot(peer, "b" as BootId, DEAD, instant(1100)));
  assert.ok(!isFormerBoot(peer, "c" as BootId, DEAD, instant(1100)));
  assert.ok(!isFormerBoot(peer, "a" as BootId, DEAD, instant(1400)));
});

test("a gap of this node's own is added to what was last heard, but never moves it into the future", () => {
  const hearing = newHearing();
  heard(hearing, 1, true, HEARTBEAT, instant(1000));
  excuse(hearing, milliseconds(5000), instant(6050));
  assert.equal(ageOf(hearing, instant(6050)), 50);
  heard(hearing, 2, true, HEARTBEAT, instant(6060));
  excuse(hearing, milliseconds(5000), instant(6060));
  assert.ok(isHeard(hearing, DEAD, instant(6359)));
  assert.ok(!isHeard(hearing, DEAD, instant(6360)));
});

test("a message of ours that is too long ago, or was never sent, has no time of sending", () => {
  const peer = newPeer(config, [lan]);
  for (let i = 1; i <= 100; i++) assert.equal(nextMessage(peer, instant(i * 10)), i);
  assert.equal(whenSent(peer, 100), 1000);
  assert.equal(whenSent(peer, 37), 370);
  for (const message of [36, 0, -1, 101]) assert.equal(whenSent(peer, message), undefined, `${message}`);
});
