/** What many messages could fill or use up, each bound by itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GROUPS, LINKS, SealedCluster, type SealedNode } from "./sealed-cluster.ts";
import { emitHeartbeat, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { Heartbeat, OperatorRequest } from "@holdfast/core/wire/messages.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";

const [LAN] = LINKS;

function settled(): SealedCluster {
  const cluster = new SealedCluster(5);
  assert.notEqual(
    cluster.until(() => cluster.settled, 2000),
    undefined,
  );
  return cluster;
}

/** `from` says to n1 what it said last, changed. */
function say(cluster: SealedCluster, from: SealedNode, change: Partial<Heartbeat>): void {
  const n1 = cluster.node("n1");
  const last = from.said.findLast(({ to }) => to === n1.name);
  const result = parseHeartbeat(last?.plaintext ?? new Uint8Array(0));
  const peer = from.engine.state.peers.get(n1.name);
  assert.ok(result.ok && peer !== undefined);
  peer.messagesSent += 1;
  const heartbeat = { ...result.value, message: peer.messagesSent, ...change };
  cluster.deliver(n1, LAN, cluster.seal(from, n1, LAN, emitHeartbeat(heartbeat)));
}

test("of senders that are not in the configuration the first are told of, then one in five seconds; 256 are counted", () => {
  const cluster = settled();
  const { events, engine } = cluster.node("n1");
  const told = (): number => events.filter(({ code }) => code === "heartbeat-rejected").length;
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < 700; i++) say(cluster, cluster.node("n2"), { node: `x${i}` as NodeName });
  assert.equal(told(), 16);
  const counts = [...engine.state.rejected.values()];
  assert.equal(counts.length, 257);
  assert.equal(
    counts.reduce((sum, { count }) => sum + count, 0),
    1400,
  );
  cluster.run(31_000);
  assert.equal(told(), 22);
});

test("requests that come in parts of a heartbeat whose head never comes are not kept without bound", () => {
  const cluster = settled();
  const n2 = cluster.node("n2");
  for (let i = 0; i < 200; i++) {
    const requests = Array.from({ length: 3 }, (_, k): OperatorRequest => {
      const action = { kind: "move", group: GROUPS[0], target: undefined } as const;
      return { origin: n2.name, boot: n2.boot, number: 3 * i + k, target: "n3" as NodeName, action };
    });
    const groups =
      n2.engine.state.peers
        .get("n3" as NodeName)
        ?.groups.values()
        .take(1)
        .toArray() ?? [];
    assert.equal(groups.length, 1);
    say(cluster, n2, { heard: [], groups, requests });
  }
  assert.equal(cluster.node("n1").engine.state.peers.get(n2.name)?.requests.length, 64);
});

test("a node that starts at round 0 comes to where the others have come in a long time", () => {
  const cluster = new SealedCluster(5);
  for (const name of ["n2", "n3"]) cluster.node(name).engine.state.counters.round = 100_000_000;
  assert.notEqual(
    cluster.until(() => cluster.settled, 3000),
    undefined,
  );
  cluster.run(3000);
  assert.ok(cluster.node("n1").engine.state.counters.round >= 100_000_000);
  cluster.kill("n3");
  const taken = (): boolean => GROUPS.every((group) => cluster.ownersOf(group).some((owner) => owner !== "n3"));
  assert.notEqual(cluster.until(taken, 1000), undefined);
});

test("at the last round nothing wraps: what a node says is never lower than before", () => {
  const cluster = settled();
  for (const { engine } of cluster.nodes.values()) engine.state.counters.round = 2 ** 32 - 3;
  cluster.kill("n3");
  cluster.run(5000);
  for (const { engine } of cluster.nodes.values()) assert.ok(engine.state.counters.round <= 2 ** 32 - 1);
  for (const { plaintext } of cluster.node("n1").said) {
    const result = parseHeartbeat(plaintext);
    assert.ok(result.ok);
    for (const entry of result.value.lease)
      if (entry.kind === "prepare") assert.ok(entry.ballot.round > 2 ** 31, `${entry.ballot.round}`);
  }
});
