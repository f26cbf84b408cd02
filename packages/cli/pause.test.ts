/** What pause and resume say before they act, and that nobody who looks can overlook a pause. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Status } from "@holdfast/api/schema.ts";
import { movePlan } from "./move.ts";
import { pausePlan, resumePlan } from "./pause.ts";
import { NOON, sampleStatus } from "./sample-status.ts";
import { statusLines } from "./status.ts";
import { terminal } from "./terminal.ts";
import { parseDuration } from "./words.ts";

const PLAIN = terminal({ tty: true, columns: 80, env: {} }, "never");

function pausedStatus(): Status {
  const status = sampleStatus();
  const [web, ...others] = status.groups;
  assert.ok(web);
  const paused = {
    ...web,
    paused_until: "2026-11-21T13:00:00.000Z",
    pause_remaining_ms: 3_600_000,
    pause_text: "web paused on lb2 for 1h: new switch",
  };
  return { ...status, groups: [paused, ...others] };
}

test("the plan of a pause says what it means, for one group or all, and what is odd about it", () => {
  const [what, how] = pausePlan(sampleStatus(), undefined, 3_600_000);
  assert.match(what ?? "", /^pause web db for 1h0m: no node takes over/);
  assert.match(how ?? "", /holdfast resume$/);
  const ownerless = sampleStatus({ groups: sampleStatus().groups.map((group) => ({ ...group, owner: null })) });
  assert.match(pausePlan(ownerless, "web", 60_000).join("\n"), /! web has no owner now, and will have none/);
  assert.match(pausePlan(pausedStatus(), "web", 60_000).join("\n"), /paused already, for 1h0m more: that is replaced/);
  assert.throws(() => pausePlan(sampleStatus(), "nothing", 60_000), /no group named nothing/);
});

test("the plan of resume names what was paused, and says when nothing was", () => {
  assert.deepEqual(resumePlan(sampleStatus(), undefined), ["no group is paused"]);
  assert.deepEqual(resumePlan(sampleStatus(), "web"), ["web is not paused"]);
  assert.deepEqual(resumePlan(pausedStatus(), undefined), ["resume web: 1h0m before its time"]);
});

test("status shows a banner right below its heading, with who said what; move has a word for it", () => {
  const lines = statusLines(pausedStatus(), PLAIN, NOON);
  assert.equal(lines[1], "PAUSED for web 1h0m more: nobody takes over, nothing moves by itself");
  assert.equal(lines[2], "  web paused on lb2 for 1h: new switch");
  assert.doesNotMatch(statusLines(sampleStatus(), PLAIN, NOON).join("\n"), /PAUSED/);
  assert.match(movePlan(pausedStatus(), "web", "lb3").join("\n"), /! web is paused: it moves now all the same/);
});

test("times may be given in days", () => {
  assert.equal(parseDuration("7d"), 604_800_000);
  assert.equal(parseDuration("1w"), undefined);
});
