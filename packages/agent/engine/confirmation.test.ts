/** A reload that nobody confirms undoes itself, tries again when it cannot, and never after it was confirmed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Confirmation, irreversible } from "./confirmation.ts";
import { eventually } from "../control/scripted-engine.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

function confirmation(): { readonly told: string[]; readonly made: Confirmation } {
  const told: string[] = [];
  const made = new Confirmation({ now: () => performance.now(), tell: (code) => void told.push(code) });
  return { told, made };
}

test("not confirmed in time: rolled back once, and then there is nothing to confirm", async () => {
  const { told, made } = confirmation();
  let rolled = 0;
  made.begin("0000abcd", 20, () => (rolled++, success(undefined)));
  assert.equal(made.digest, "0000abcd");
  assert.ok((made.remaining_ms ?? 99) <= 20);
  await eventually(() => assert.equal(made.digest, undefined));
  assert.equal(rolled, 1);
  assert.equal(made.confirm().ok, false);
  assert.deepEqual(told, []);
});

test("confirmed in time: it is never rolled back", async () => {
  const { made } = confirmation();
  let rolled = 0;
  made.begin("0000abcd", 20, () => (rolled++, success(undefined)));
  assert.deepEqual(made.confirm(), success("0000abcd"));
  assert.equal(made.remaining_ms, undefined);
  let passed = false;
  setTimeout(() => (passed = true), 60);
  await eventually(() => assert.ok(passed));
  assert.equal(rolled, 0);
});

test("what cannot be rolled back now is tried again, told once for each reason, and may still be confirmed", async () => {
  const { told, made } = confirmation();
  let rolled = 0;
  const answers: Result<void, string>[] = [failure("web is being moved"), success(undefined)];
  made.begin("0000abcd", 5, () => answers[rolled++] ?? success(undefined));
  await eventually(() => assert.deepEqual(told, ["config-not-rolled-back"]));
  assert.equal(made.digest, "0000abcd");
  await eventually(() => assert.equal(made.digest, undefined));
  assert.equal(rolled, 2);
});

test("only a change of generation is irreversible", () => {
  const of = (generation: number): Cluster => ({ generation }) as Cluster;
  assert.equal(irreversible(of(3), of(3)), undefined);
  assert.match(irreversible(of(3), of(4)) ?? "", /generation 5 with the settings of 3/);
});
