/** The watcher against the kernel: it reports two owners that were planted by hand, and is silent about one. */
import { strict as assert } from "node:assert";
import { after, before, describe, test } from "node:test";
import { TestLab, missing, until } from "./lab-command.ts";

interface Status {
  readonly owner: string | null;
  readonly violations: readonly (readonly string[])[];
}

describe("the watcher", { skip: missing() }, () => {
  const lab = new TestLab("watcher");
  const status = () => lab.json("status") as unknown as Status;

  before(() => lab.run("up", "--no-daemons"));
  after(() => lab.run("down"));

  test("one owner: the client is answered and nothing is reported", async () => {
    lab.place("n1");
    await until("n1 answers", () => status().owner === "n1");
    assert.deepEqual(status().violations, []);
  });

  test("the answers of the one owner are captured, of every kind", () => {
    const seen = lab.json("loss", "0") as unknown as {
      captured: number;
      violations: readonly unknown[];
      after: string;
    };
    assert.equal(seen.after, "n1");
    assert.ok(seen.captured > 1000, `captured ${seen.captured}`);
    assert.deepEqual(seen.violations, []);
  });

  test("an address moved by hand from one node to another is an outage, no violation", async () => {
    lab.remove("n1");
    lab.place("n3");
    await until("n3 answers", () => status().owner === "n3" || flush());
    assert.deepEqual(status().violations, []);
  });

  test("two owners: reported with both packets and their ports", async () => {
    lab.place("n2");
    await until("a violation", () => status().violations.length > 0);
    const [title, first, second] = status().violations[0] ?? [];
    assert.match(title ?? "", /two nodes answered: n[23] and n[23]/);
    const packet = /^ {2}\d\d:\d\d:\d\d\.\d{6} {2}(n\d)-lan {2}(arp|ndp|udp4|udp6) {2}#\d+ {2}[0-9a-f]{84,128}$/;
    const ports = [first, second]
      .map((line) => packet.exec(line ?? "")?.[1])
      .toSorted((a, b) => (a ?? "").localeCompare(b ?? ""));
    assert.deepEqual(ports, ["n2", "n3"]);
    assert.equal(lab.try("status").code, 4);
  });

  test("two owners of IPv6 only are found by neighbour discovery and UDP", async () => {
    const fresh = new TestLab("watcher6");
    fresh.run("up", "--no-daemons");
    try {
      for (const node of ["n1", "n2"])
        fresh.run("exec", node, "ip", "address", "add", "fd99::100/64", "dev", "eth0", "nodad");
      await until("a violation", () => (fresh.json("status") as unknown as Status).violations.length > 0);
      const packets = (fresh.json("status") as unknown as Status).violations.flat().join("\n");
      assert.match(packets, /ndp|udp6/);
      assert.doesNotMatch(packets, /arp|udp4/);
    } finally {
      fresh.run("down");
    }
  });

  /** Nobody announces an address placed by hand: the client's old entry must go. */
  function flush(): boolean {
    lab.run("exec", "client", "ip", "neighbour", "flush", "dev", "eth0");
    return false;
  }
});
