/**
 * One message of a member, damaged before it was sealed, does no lasting harm: whatever its field says, the cluster then
 * still has one owner for each group, moves on request, takes over from a dead owner, and hears and counts as before.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Alteration, alterations, type Subject } from "./alterations.ts";
import { GROUPS, LINKS, SealedCluster, type SealedNode } from "./sealed-cluster.ts";
import { viewOf } from "@holdfast/core/node.ts";
import { emitHeartbeat, parseHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import type { Heartbeat } from "@holdfast/core/wire/messages.ts";
import type { GroupName, NodeName } from "@holdfast/core/units/names.ts";
import { instant } from "@holdfast/core/units/time.ts";

const SEED = 20_261_121;
const [WEB] = GROUPS;
const N1 = "n1" as NodeName;

function settled(): SealedCluster {
  const cluster = new SealedCluster(SEED);
  assert.notEqual(
    cluster.until(() => cluster.settled, 2000),
    undefined,
  );
  cluster.run(500);
  return cluster;
}

/** What n2 said last to n1 in a full heartbeat, with the number of the message it would say next. */
function nextOf(from: SealedNode): Heartbeat {
  const full = from.said
    .filter(({ to }) => to === N1)
    .map(({ plaintext }) => parseHeartbeat(plaintext))
    .findLast((parsed) => parsed.ok && parsed.value.groups.length > 0);
  assert.ok(full?.ok);
  const peer = from.engine.state.peers.get(N1);
  assert.ok(peer !== undefined);
  peer.messagesSent += 1;
  return { ...full.value, message: peer.messagesSent, lease: [] };
}

function subjectsOf(cluster: SealedCluster): Subject[] {
  const n2 = cluster.node("n2");
  const { boot, kernel } = n2;
  return GROUPS.slice(0, 2).map((group): Subject => {
    const ballot = cluster.node("n1").engine.state.groups.get(group)?.record.accepted?.ballot;
    assert.ok(ballot !== undefined);
    return { group, ballot, holder: { node: n2.name, kernel }, boot };
  });
}

function owner(cluster: SealedCluster, group: GroupName): NodeName | undefined {
  return cluster.ownersOf(group)[0];
}

function lossOf(cluster: SealedCluster): number {
  const view = viewOf(cluster.node("n1").engine.state, instant(cluster.now));
  const heard = view.nodes.filter((node) => node.name === "n2").flatMap((node) => node.heard);
  return Math.max(...heard.map((link) => link.loss_permille));
}

/** Each node hears of what happens on each other one. */
function gossips(cluster: SealedCluster, code: string): boolean {
  for (const name of ["n1", "n2"])
    cluster.input(name, { kind: "trouble", code: `${code}-${name}`, text: "", level: "info" });
  const has = (on: string, from: string): boolean =>
    cluster.node(on).events.some((event) => event.code === `${code}-${from}`);
  return cluster.until(() => has("n1", "n2") && has("n2", "n1"), 1500) !== undefined;
}

function survives({ name, alter }: Alteration): void {
  const cluster = settled();
  const [n1, n2] = [cluster.node("n1"), cluster.node("n2")];
  const damaged = emitHeartbeat(alter(nextOf(n2)));
  cluster.twoOpen = 0;
  for (const link of LINKS) cluster.deliver(n1, link, cluster.seal(n2, n1, link, damaged));
  cluster.run(1500);
  assert.equal(cluster.until(() => cluster.settled, 6000) !== undefined, true, `${name}: a group has no owner`);
  assert.ok(gossips(cluster, "probe"), `${name}: events are not told any more`);
  const to = owner(cluster, WEB) === N1 ? ("n3" as NodeName) : N1;
  const from = owner(cluster, WEB) as NodeName;
  cluster.input("n3", {
    kind: "request",
    request: 1,
    target: from,
    action: { kind: "move", group: WEB, target: to },
    timeout_ms: 2000,
  });
  assert.notEqual(
    cluster.until(() => owner(cluster, WEB) === to, 2000),
    undefined,
    `${name}: ${WEB} does not move`,
  );
  // n1, which took the damaged message, is the next for what n3 holds.
  cluster.kill("n3");
  assert.notEqual(
    cluster.until(() => GROUPS.every((group) => cluster.ownersOf(group).some((one) => one !== "n3")), 2000),
    undefined,
    `${name}: nobody took over ${GROUPS.filter((group) => !cluster.ownersOf(group).some((one) => one !== "n3")).join(" ")}`,
  );
  assert.equal(cluster.twoOpen, 0, `${name}: two kernels answered`);
  if (name.startsWith("message ")) cluster.run(12_000);
  if (name.startsWith("message "))
    assert.ok(lossOf(cluster) <= 20, `${name}: ${lossOf(cluster)} permille count as lost`);
  for (const { engine } of cluster.nodes.values())
    assert.ok(engine.state.counters.round < 2 ** 31, `${name}: round ${engine.state.counters.round}`);
}

test("any field of any kind of entry, at any extreme, in one message", async (t) => {
  const all = alterations(subjectsOf(settled()));
  assert.ok(all.length > 300, `${all.length}`);
  for (const alteration of all) await t.test(alteration.name, () => survives(alteration));
});
