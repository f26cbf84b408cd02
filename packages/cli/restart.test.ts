/** What `holdfast restart` says before, and what it makes of the daemon that comes back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Status } from "@holdfast/api/schema.ts";
import { judge, restartPlan } from "./restart.ts";
import { sampleStatus } from "./sample-status.ts";

const before = sampleStatus();
const owned = before.groups.filter(({ owner }) => owner === before.node).map(({ name }) => name);
const engine = { ...before.engine, boot: "00000000000000b2", pid: 4712 };

function withOwner(owner: string | null, changes: Partial<Status> = {}): Status {
  const state = owner === null ? ("unowned" as const) : ("owned" as const);
  const groups = before.groups.map((group) => (owned.includes(group.name) ? { ...group, owner, state } : group));
  return { ...before, engine, groups, ...changes };
}

test("the plan names what stays and for how long its fence is open", () => {
  assert.deepEqual(owned, ["web"]);
  const plan = restartPlan(before).join("\n");
  assert.match(plan, /restart the daemon on lb1 \(process 4711\) in place/);
  assert.match(plan, /web .*stays on lb1: its fence is open for 236 ms more/);
  assert.doesNotMatch(plan, /^!/m);
});

test("the plan warns of a start that took longer than the fence stays open, and of no quorum", () => {
  assert.match(
    restartPlan({ ...before, engine: { ...engine, ready_ms: 400 } }).join("\n"),
    /! the last start took 400 ms/,
  );
  assert.match(restartPlan({ ...before, quorum: false }).join("\n"), /! no quorum/);
  const nothing = restartPlan({ ...before, node: "lb2", quorum: false }).join("\n");
  assert.match(nothing, /owns no group: nothing moves/);
  assert.doesNotMatch(nothing, /^!/m);
});

test("done only when the new daemon has renewed what the one before had", () => {
  assert.deepEqual(judge(before, withOwner("lb1"))?.code, "done");
  assert.match(judge(before, withOwner("lb1"))?.text ?? "", /kept web, first renewal 80 ms after its start/);
  assert.equal(judge(before, withOwner("lb1", { engine: { ...engine, first_renewal_ms: null } })), undefined);
  assert.equal(judge(before, withOwner(null)), undefined);
});

test("a group that another node took meanwhile is a failure that names it", () => {
  assert.deepEqual(judge(before, withOwner("lb3")), {
    code: "failed",
    text: "lb1 runs a new daemon, which came back too late: web is on lb3",
  });
});
