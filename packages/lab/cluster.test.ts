/** When a cluster is at rest: everybody answers, is seen by everybody, and names the same owner. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import type { Status } from "@holdfast/api/schema.ts";
import { restlessness } from "./cluster.ts";

interface Seen {
  readonly owner?: string | null;
  readonly standbys?: readonly string[];
  readonly down?: string;
}

/** The few fields that count. */
function status(seen: Seen = {}): Status {
  const { owner = "n1", standbys = ["n2"], down } = seen;
  const nodes = ["n1", "n2"].map((name) => ({ name, alive: name !== down, state: name === down ? "down" : "up" }));
  const groups = [{ name: "web", owner, standbys, state: owner === null ? "unowned" : "owned" }];
  return { nodes, groups } as unknown as Status;
}

const table: readonly { title: string; statuses: readonly (Status | undefined)[]; says: string | undefined }[] = [
  { title: "all well", statuses: [status(), status()], says: undefined },
  { title: "a silent daemon", statuses: [status(), undefined], says: "the daemon of n2 does not answer" },
  { title: "a node seen down", statuses: [status(), status({ down: "n1" })], says: "n2 sees n1 down" },
  { title: "no owner", statuses: [status({ owner: null }), status()], says: "n1 says web is unowned" },
  {
    title: "a standby not ready",
    statuses: [status(), status({ standbys: [] })],
    says: "n2 sees 0 of 1 standbys of web",
  },
  {
    title: "different owners",
    statuses: [status(), status({ owner: "n2" })],
    says: "the nodes name different owners of web: n1, n2",
  },
];

for (const row of table) {
  test(`at rest: ${row.title}`, () => {
    const statuses = new Map(row.statuses.map((each, i) => [`n${i + 1}`, each]));
    assert.equal(restlessness(statuses, "web", 2), row.says);
  });
}
