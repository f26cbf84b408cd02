/** Which rules and words each fault becomes. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import {
  NO_FAULTS,
  describeFaults,
  faultRules,
  isolate,
  mute,
  oneWay,
  partition,
  powerOff,
  unplug,
  type Faults,
} from "./faults.ts";

const NODES = ["n1", "n2", "n3"];

const table: readonly { title: string; faults: Faults; drops: readonly string[]; says: readonly string[] }[] = [
  { title: "nothing", faults: NO_FAULTS, drops: [], says: [] },
  {
    title: "one way on both links",
    faults: oneWay(NO_FAULTS, "n1", "n2"),
    drops: ['iifname { "n1-lan", "n1-priv", "n1-standby" } oifname { "n2-lan", "n2-priv", "n2-standby" } drop'],
    says: ["frames from n1 to n2 dropped"],
  },
  {
    title: "a partition is both ways",
    faults: partition(NO_FAULTS, "n2", "n1"),
    drops: [
      'iifname { "n2-lan", "n2-priv", "n2-standby" } oifname { "n1-lan", "n1-priv", "n1-standby" } drop',
      'iifname { "n1-lan", "n1-priv", "n1-standby" } oifname { "n2-lan", "n2-priv", "n2-standby" } drop',
    ],
    says: ["n1 and n2 cut from each other"],
  },
  {
    title: "no power: nothing in, nothing out",
    faults: powerOff(NO_FAULTS, "n3"),
    drops: ['iifname { "n3-lan", "n3-priv", "n3-standby" } drop', 'oifname { "n3-lan", "n3-priv", "n3-standby" } drop'],
    says: ["n3 without power"],
  },
  {
    title: "a muted adapter keeps its carrier",
    faults: mute(NO_FAULTS, "n1", ["lan"]),
    drops: ['iifname "n1-lan" drop', 'oifname "n1-lan" drop'],
    says: ["nothing passes port n1-lan"],
  },
  { title: "a cable out is no rule", faults: unplug(NO_FAULTS, "n1", ["lan"]), drops: [], says: ["cable n1-lan out"] },
  {
    title: "loss between the nodes only",
    faults: { ...NO_FAULTS, loss: 30 },
    drops: [
      'iifname { "n1-lan", "n1-priv", "n1-standby", "n2-lan", "n2-priv", "n2-standby", "n3-lan", "n3-priv", "n3-standby" } oifname { "n1-lan", "n1-priv", "n1-standby", "n2-lan", "n2-priv", "n2-standby", "n3-lan", "n3-priv", "n3-standby" } numgen random mod 100 < 30 drop',
    ],
    says: ["30% loss between the nodes"],
  },
];

for (const row of table) {
  test(`faults: ${row.title}`, () => {
    const rules = faultRules(row.faults, NODES).split("\n");
    assert.deepEqual(
      rules.filter((line) => line.endsWith(" drop")).map((line) => line.trim()),
      row.drops,
    );
    assert.deepEqual(rules.slice(0, 2), ["table bridge faults", "delete table bridge faults"]);
    assert.deepEqual(describeFaults(row.faults), row.says);
  });
}

test("faults: isolation cuts from every other node, and adds to what is broken already", () => {
  const faults = isolate(oneWay(NO_FAULTS, "n3", "n1"), "n2", NODES);
  assert.deepEqual([...faults.cut].toSorted(), ["n1>n2", "n2>n1", "n2>n3", "n3>n1", "n3>n2"]);
});
