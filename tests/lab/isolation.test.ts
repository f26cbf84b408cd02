/** A lab leaves nothing behind, in whatever way it ends; two labs do not meet; faults do what they say. */
import { strict as assert } from "node:assert";
import { existsSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { NOBODY, TestLab, descendants, missing, networkNamespaces, until } from "./lab-command.ts";

describe("a lab", { skip: missing() }, () => {
  for (const [title, victim] of [
    ["its first process", (all: readonly number[]) => all[0]],
    ["the supervisor", (all: readonly number[]) => all.find((pid) => command(pid).includes("/supervisor.ts"))],
    ["the traffic process", (all: readonly number[]) => all.find((pid) => command(pid).includes("/traffic/main.ts"))],
  ] as const) {
    test(`kill -9 of ${title} leaves no process, namespace or mount`, async () => {
      const namespaces = networkNamespaces();
      const mounts = readFileSync("/proc/self/mountinfo", "utf8");
      const lab = new TestLab("kill");
      lab.run("up", "--no-daemons");
      const all = descendants(lab.pid);
      assert.ok(all.length >= 4, `the lab's processes: ${all.join(" ")}`);
      const ours = [...networkNamespaces()].filter((each) => !namespaces.has(each));
      assert.ok(ours.length >= 6, `switch, 3 nodes, client, watch: ${ours.join(" ")}`);
      const pid = victim(all);
      assert.ok(pid !== undefined, "the process to kill is there");
      process.kill(pid, "SIGKILL");
      await until("every process of the lab to end", () =>
        all.every((each) => !existsSync(`/proc/${each}`) || command(each) === ""),
      );
      // The kernel takes a dead process's namespaces down a moment after its memory.
      await until("every namespace of the lab to end", () => {
        const left = networkNamespaces();
        return !ours.some((each) => left.has(each));
      });
      assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), mounts);
      assert.equal(lab.try("status").code, 1);
      lab.run("up", "--no-daemons");
      lab.run("down");
      assert.ok(!existsSync(lab.directory));
    });
  }

  test("without root: the same lab in a user namespace", { skip: missing(true) }, async () => {
    const lab = new TestLab("user", NOBODY);
    assert.match(lab.run("up", "--no-daemons"), /no root/);
    try {
      lab.place("n2");
      await until("n2 answers", () => lab.json("status")["owner"] === "n2");
    } finally {
      lab.run("down");
    }
    assert.ok(!existsSync(lab.directory));
  });

  test("a name that is taken, and bad arguments, are refused with a reason", () => {
    const lab = new TestLab("taken");
    lab.run("up", "--no-daemons");
    try {
      const again = lab.try("up", "--no-daemons");
      assert.equal(again.code, 1);
      assert.match(again.stderr, /running already; end it with: holdfast lab down --name taken/);
      assert.match(lab.try("unplug", "n7").stderr, /no node "n7"; nodes: n1, n2, n3/);
      assert.match(lab.try("unplug", "n1", "both").stderr, /"service", "standby" or "all", not "both"/);
      assert.match(lab.try("loss", "many").stderr, /whole number from 0 to 100, not "many"/);
      assert.match(lab.try("partition", "n1").stderr, /needs another argument/);
    } finally {
      lab.run("down");
    }
    assert.equal(lab.try("dance").code, 2);
    assert.equal(lab.try("up", "--nodes", "99").code, 2);
    assert.equal(new TestLab("../x").try("up").code, 2);
    assert.match(lab.try("status").stderr, /start one: holdfast lab up/);
  });
});

describe("faults of the network", { skip: missing() }, () => {
  const lab = new TestLab("faults");
  const other = new TestLab("beside");
  const reaches = (from: string, to: string) => lab.exec(from, `ping -q -c 2 -i 0.2 -W 0.3 ${to}`).code === 0;

  before(async () => {
    lab.run("up", "--no-daemons");
    other.run("up", "--no-daemons", "--nodes", "2");
    lab.place("n1");
    await until("n1 answers", () => lab.json("status")["owner"] === "n1");
  });
  after(() => {
    lab.run("down");
    other.run("down");
  });

  test("two labs side by side do not see each other", () => {
    assert.equal(other.json("status")["owner"], null);
    assert.match(other.run("status"), /n2 +stopped/);
    assert.doesNotMatch(other.run("status"), /n3/);
  });

  test("partition cuts two nodes on both links; the third and the clients reach both", () => {
    assert.ok(reaches("n1", "10.99.0.12"));
    const seen = lab.json("partition", "n1", "n2") as unknown as {
      outage: { lost: number };
      after: string;
    };
    assert.ok(!reaches("n1", "10.99.0.12") && !reaches("n2", "172.31.0.11"));
    assert.ok(reaches("n1", "10.99.0.13") && reaches("n3", "172.31.0.12") && reaches("client", "10.99.0.12"));
    assert.deepEqual([seen.outage.lost, seen.after], [0, "n1"]);
    assert.match(lab.run("status"), /faults: n1 and n2 cut from each other/);
  });

  test("heal undoes it", () => {
    lab.run("heal");
    assert.ok(reaches("n1", "10.99.0.12") && reaches("n2", "172.31.0.11"));
    assert.match(lab.run("status"), /faults: none/);
  });

  test("one-way drops the frames of one direction only", () => {
    lab.run("one-way", "n1", "n2");
    assert.equal(lab.exec("n2", "ip -s link show eth1").code, 0);
    const counted = (node: string) =>
      Number(lab.exec(node, "cat /proc/net/snmp | awk '/^Icmp: [0-9]/ {print $10}'").stdout);
    const before = [counted("n1"), counted("n2")] as const;
    lab.exec(
      "n2",
      "ip neigh replace 172.31.0.11 lladdr 02:68:66:00:01:01 dev eth1; ping -q -c 3 -i 0.2 -W 0.3 172.31.0.11",
    );
    lab.exec(
      "n1",
      "ip neigh replace 172.31.0.12 lladdr 02:68:66:00:01:02 dev eth1; ping -q -c 3 -i 0.2 -W 0.3 172.31.0.12",
    );
    const after = [counted("n1"), counted("n2")] as const;
    assert.equal(after[0] - before[0], 3, "n2's echo requests arrive at n1");
    assert.equal(after[1] - before[1], 0, "n1's echo requests do not arrive at n2");
    lab.run("heal");
  });

  test("unplug takes the carrier of one link, unplug all of both", () => {
    const carrier = (adapter: string) => lab.exec("n2", `cat /sys/class/net/${adapter}/carrier`).stdout.trim();
    lab.run("unplug", "n2");
    assert.deepEqual([carrier("eth0"), carrier("eth1")], ["0", "1"]);
    lab.run("unplug", "n2", "all");
    assert.deepEqual([carrier("eth0"), carrier("eth1")], ["0", "0"]);
    lab.run("heal");
    assert.deepEqual([carrier("eth0"), carrier("eth1")], ["1", "1"]);
  });

  test("loss drops about so many frames between nodes and none of the clients'", () => {
    lab.run("loss", "30");
    // A lost ARP request would cost a second: that is not what is counted.
    lab.exec("n2", "ip neigh replace 172.31.0.13 lladdr 02:68:66:00:01:03 dev eth1");
    lab.exec("n3", "ip neigh replace 172.31.0.12 lladdr 02:68:66:00:01:02 dev eth1");
    const received = (from: string, to: string) =>
      Number(/(\d+) received/.exec(lab.exec(from, `ping -q -c 200 -i 0.005 -W 0.2 ${to}`).stdout)?.[1]);
    const between = received("n2", "172.31.0.13");
    // Both ways: 0.7 x 0.7 = 49 % of 200; six standard deviations are 42.
    assert.ok(between > 55 && between < 141, `${between} of 200`);
    assert.equal(received("client", "10.99.0.12"), 200);
    lab.run("heal");
  });

  test("a node without power is gone for clients too", async () => {
    const seen = lab.try("poweroff", "n3");
    assert.equal(seen.code, 0, seen.stderr);
    assert.ok(!reaches("client", "10.99.0.13") && !reaches("n1", "172.31.0.13"));
    lab.run("heal");
    assert.ok(reaches("client", "10.99.0.13"));
  });
});

function command(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
