/** What the clients' network hears when an address moves: the forms, the schedule, and nothing before the fence is open. */
import { strict as assert } from "node:assert";
import { after, before, beforeEach, describe, test } from "node:test";
import { ANNOUNCE_AFTER_MS } from "@holdfast/steering/neighbours/schedule.ts";
import { Capture } from "./capture.ts";
import type { Announced } from "./capture.ts";
import { TestCluster, pause, unable, until } from "./harness.ts";

const MACS: Readonly<Record<string, string>> = { n1: "02:68:66:00:00:01", n2: "02:68:66:00:00:02" };
const FORMS = ["arp-request", "arp-reply", "advertisement"] as const;
/** On a busy machine; before the time there is no excuse but the clock's rounding. */
const LATE_MS = 150;
const EARLY_MS = 10;

describe("announcements", { skip: unable() }, () => {
  let cluster: TestCluster;
  before(async () => void (cluster = await TestCluster.start("announce")));
  after(() => cluster.down());
  beforeEach(() => cluster.moveTo("n1"));

  const of = (capture: Capture, node: string): readonly Announced[] =>
    capture.announcements().filter(({ mac }) => mac === MACS[node]);

  test("after a takeover: both ARP forms and the advertisement, at 0, 50, 200 ms, 1, 2 and 5 s, none before the fence", async () => {
    const capture = new Capture(cluster, "client-lan", true);
    cluster.signal("n1", "SIGKILL");
    const heard = await until("all rounds", () => {
      const all = of(capture, "n2");
      return all.length >= FORMS.length * ANNOUNCE_AFTER_MS.length ? all : undefined;
    });
    const owned = (await cluster.events("n2", "group-owned")).findLast(({ node }) => node === "n2");
    assert.ok(owned);
    for (const form of FORMS) {
      const times = heard.filter((each) => each.form === form).map(({ wall_ms }) => wall_ms);
      assert.equal(times.length, ANNOUNCE_AFTER_MS.length, `${form}: ${times.join(" ")}`);
      const first = times[0] as number;
      // The event's time is rounded to a millisecond.
      assert.ok(first >= Date.parse(owned.time) - 1, `${form} ${first} before the fence opened at ${owned.time}`);
      assert.ok(first <= Date.parse(owned.time) + LATE_MS);
      ANNOUNCE_AFTER_MS.forEach((planned, i) => {
        const at = (times[i] as number) - first;
        assert.ok(at >= planned - EARLY_MS && at <= planned + LATE_MS, `${form} ${i}: ${at} ms instead of ${planned}`);
      });
    }
    capture.close();
    await cluster.heal();
  });

  test("a standby announces nothing", async () => {
    const capture = new Capture(cluster, "client-lan", true);
    await pause(500);
    assert.deepEqual(of(capture, "n2"), []);
    capture.close();
  });

  test("after a healed partition the owner announces again", async () => {
    await cluster.lab("isolate", "n3");
    const owner = await cluster.owner("n1");
    assert.equal(owner, "n1");
    await until("n3 is dead for n1", async () => (await cluster.status("n1")).nodes[2]?.alive === false);
    // The schedule of the last takeover is over.
    const capture = new Capture(cluster, "client-lan", true);
    await until("quiet", async () => {
      const count = capture.announcements().length;
      await pause(3200);
      return capture.announcements().length === count;
    });
    const before = of(capture, "n1").length;
    await cluster.lab("heal");
    await until("announced again", () => of(capture, "n1").length >= before + FORMS.length);
    const forms = of(capture, "n1").slice(before, before + FORMS.length);
    assert.deepEqual(forms.map(({ form }) => form).toSorted(), [...FORMS].toSorted());
    capture.close();
  });
});
