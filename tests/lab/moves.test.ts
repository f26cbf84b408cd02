/** Planned moves in a lab: the 1 kHz client loses nothing over IPv4 and IPv6, and the watcher never sees two nodes answer. */
import { strict as assert } from "node:assert";
import { after, before, describe, test } from "node:test";
import { TestLab, missingDaemon } from "./lab-command.ts";

interface Seen {
  readonly after: string;
  readonly captured: number;
  readonly outage: { readonly sent: number; readonly lost: number };
  readonly violations: readonly (readonly string[])[];
}

const MOVES = 10;

function lostNothing(seen: Seen, owner: string): void {
  assert.notEqual(seen.after, owner);
  assert.ok(seen.captured > 0, "the watcher saw answers");
  assert.deepEqual(seen.violations, []);
  assert.ok(seen.outage.sent > 0);
  assert.equal(seen.outage.lost, 0);
}

for (const timing of [
  ["--heartbeat", "100ms", "--dead", "300ms"],
  ["--heartbeat", "10ms", "--dead", "50ms"],
]) {
  describe(`planned moves at ${timing[1]} and ${timing[3]}`, { skip: missingDaemon() }, () => {
    const lab = new TestLab(`moves${timing[1]}`);

    before(() => lab.run("up", ...timing));
    after(() => lab.run("down"));

    test(`${MOVES} moves by the operator lose nothing`, () => {
      for (let move = 1; move <= MOVES; move++) {
        const owner = lab.json("status")["owner"] as string;
        lostNothing(lab.json("move", "web") as unknown as Seen, owner);
      }
    });

    test("SIGTERM of the owner loses nothing, and the node has left", () => {
      const owner = lab.json("status")["owner"] as string;
      lostNothing(lab.json("stop", owner) as unknown as Seen, owner);
      lab.run("heal");
    });
  });
}
