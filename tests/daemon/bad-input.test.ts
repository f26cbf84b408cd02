/** Whatever strangers send, to the heartbeat port or to the control socket, is answered with a reason and changes nothing. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { readKeyFile } from "@holdfast/agent/seal/key-file.ts";
import type { Keys } from "@holdfast/agent/seal/keys.ts";
import { createSealer } from "@holdfast/agent/seal/sealer.ts";
import { postJson } from "@holdfast/api/client.ts";
import { nextRandom, seededRandom } from "@holdfast/core/random.ts";
import type { BootId, LinkName as CoreLink, NodeName } from "@holdfast/core/units/names.ts";
import { emitHeartbeat } from "@holdfast/core/wire/heartbeat.ts";
import { FULL } from "@holdfast/core/wire/heartbeat-samples.ts";
import { type LinkName, LINKS } from "@holdfast/lab/topology.ts";
import { Capture } from "./capture.ts";
import { Client } from "./client.ts";
import { NODES, TestCluster, pause, unable, until } from "./harness.ts";
import { Intruder, isHeartbeatTo, UDP_PAYLOAD } from "./intruder.ts";

/** Of each kind on each link. */
const COUNT = 200;
const random = seededRandom(20261121);
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => nextRandom(random) * 256);
const below = (limit: number): number => Math.floor(nextRandom(random) * limit);
const many = (make: (i: number) => Uint8Array): Uint8Array[] => Array.from({ length: COUNT }, (_, i) => make(i));
/** Whose address and port the intruder takes: what he sends under his own never gets as far as the daemon. */
const FORGED = 2;
/** Of what is no heartbeat of the cluster the kernel lets a hundred a second through. */
const JUNK_COUNT = 80;
const JUNK_PAUSE_MS = 1000;

describe("bad input", { skip: unable() }, () => {
  let cluster: TestCluster;
  let client: Client;
  let from: number;
  let began: { readonly ownership: string; readonly pids: readonly number[]; readonly wall_ms: number };

  before(async () => {
    cluster = await TestCluster.start("bad");
    await cluster.moveTo("n1");
    client = new Client(cluster);
    await client.steady();
    from = client.position;
    began = { ownership: await cluster.ownership("n1"), pids: cluster.processes("n1"), wall_ms: Date.now() };
  });
  after(async () => {
    client.close();
    await cluster.down();
  });

  /** No state changed, nobody died, nobody was late, no request was lost since the start. */
  async function unharmed(): Promise<void> {
    for (const node of NODES) {
      assert.equal(await cluster.ownership(node), began.ownership, node);
      const { events } = await cluster.history(node);
      const since = events.filter(({ time }) => Date.parse(time) >= began.wall_ms).map(({ code }) => code);
      for (const code of ["stalled", "node-dead", "group-lost", "group-owned", "control-restarted"])
        assert.ok(!since.includes(code), `${node}: ${code}`);
    }
    assert.deepEqual(cluster.processes("n1"), began.pids);
    const { lost, sent } = await client.since(from);
    assert.ok(sent > 0);
    assert.equal(lost, 0, `of ${sent}`);
    assert.deepEqual(await cluster.violations(), []);
  }

  describe("on the heartbeat port", () => {
    let intruder: Intruder;
    let keys: Keys;
    let captured: Readonly<Record<LinkName, readonly Uint8Array[]>>;
    const sealer = (cluster_: string, given: Keys, boot = "1122334455667788") =>
      createSealer({ cluster: cluster_, node: "intruder", keys: given, boot: boot as BootId, suite: "encrypt" });
    const toN1 = (link: string, version: 1 | 2 = 2, stream = 0) => ({ version, link, receiver: "n1", stream });

    before(async () => {
      intruder = await Intruder.join(cluster);
      const read = readKeyFile(`${cluster.directory}/keys`);
      assert.ok(read.ok);
      keys = read.value;
      const [lan, priv] = await Promise.all(LINKS.map((link) => heartbeats(link)));
      captured = { lan: lan ?? [], priv: priv ?? [] };
    });
    after(() => intruder.close());

    /** Recorded on their way to n1. */
    async function heartbeats(link: LinkName): Promise<readonly Uint8Array[]> {
      const capture = new Capture(cluster, `n1-${link}`, false);
      const found = await until(`heartbeats to n1 over ${link}`, () => {
        const to = capture.frames.map((frame) => frame.bytes).filter((bytes) => isHeartbeatTo(bytes, 1));
        return to.length >= 20 ? to : undefined;
      });
      capture.close();
      return found;
    }

    /** The payload of one of them. */
    const recorded = (link: LinkName, i: number): Uint8Array =>
      (captured[link][i % captured[link].length] as Uint8Array).slice(UDP_PAYLOAD);

    /** Datagrams that n1 has dropped for this reason on this link so far, and where from. */
    async function counted(link: string, reason: string): Promise<number> {
      const { rejected } = await cluster.links("n1");
      const rows = rejected.filter((row) => row.link === link && row.reason === reason);
      return rows.reduce((sum, { count }) => sum + count, 0);
    }

    async function rejects(reason: string, make: (link: LinkName) => Uint8Array[]): Promise<void> {
      const wanted = new Map<string, number>();
      if (JUNK.has(reason)) await pause(JUNK_PAUSE_MS);
      for (const link of LINKS) {
        const datagrams = make(link).slice(0, JUNK.has(reason) ? JUNK_COUNT : COUNT);
        wanted.set(link, (await counted(link, reason)) + datagrams.length);
        await intruder.send(link, 1, datagrams, FORGED);
      }
      for (const [link, count] of wanted) {
        await until(`${count} of ${reason} on ${link}`, async () => (await counted(link, reason)) >= count, 3000);
        assert.equal(await counted(link, reason), count);
      }
      await unharmed();
    }

    const JUNK: ReadonlySet<string> = new Set(["malformed", "cluster"]);
    const other = (link: LinkName): LinkName => (link === "lan" ? "priv" : "lan");
    const KINDS: readonly (readonly [title: string, reason: string, make: (link: LinkName) => Uint8Array[]])[] = [
      ["random bytes", "malformed", () => many(() => bytes(below(1400)))],
      ["empty datagrams", "malformed", () => many(() => new Uint8Array(0))],
      [
        "real datagrams cut within the header",
        "malformed",
        (link) => many((i) => recorded(link, i).subarray(0, below(44))),
      ],
      [
        "real datagrams cut later",
        "auth",
        (link) =>
          many((i) => {
            const whole = recorded(link, i);
            return whole.slice(0, 44 + below(whole.length - 44));
          }),
      ],
      [
        "real datagrams with one bit turned",
        "auth",
        (link) =>
          many((i) => {
            const whole = recorded(link, i);
            // Behind version, cluster, key, boot and stream, which have reasons of their own.
            const at = 22 + below(whole.length - 22);
            whole[at] = (whole[at] as number) ^ (1 << below(8));
            return whole;
          }),
      ],
      [
        "the right key's name with another secret, as version 1",
        "auth",
        (link) => {
          const secret = bytes(32);
          const forged = { name: keys.active.name, secret };
          const forger = sealer(`lab-${cluster.name}`, { active: forged, accepted: [forged] });
          return many((i) => forger.seal(toN1(link, 1, i % 4), bytes(100)));
        },
      ],
      [
        "the right key's name with another secret",
        "key",
        (link) => {
          const secret = bytes(32);
          const forged = { name: keys.active.name, secret };
          const forger = sealer(`lab-${cluster.name}`, { active: forged, accepted: [forged] });
          return many(() => forger.seal(toN1(link), bytes(100)));
        },
      ],
      [
        "another key",
        "key",
        (link) => {
          const other = { name: "other", secret: bytes(32) };
          const stranger = sealer(`lab-${cluster.name}`, { active: other, accepted: [other] });
          return many(() => stranger.seal(toN1(link), bytes(100)));
        },
      ],
      [
        "another cluster with the same key",
        "cluster",
        (link) => {
          const neighbour = sealer("elsewhere", keys);
          return many(() => neighbour.seal(toN1(link), bytes(100)));
        },
      ],
      ["real datagrams of the other link", "link", (link) => many((i) => recorded(other(link), i))],
      [
        "real datagrams for another node",
        "link",
        (link) => {
          const member = sealer(`lab-${cluster.name}`, keys, Buffer.from(bytes(8)).toString("hex"));
          return many(() => member.seal({ ...toN1(link), receiver: "n3" }, bytes(100)));
        },
      ],
      [
        "another version",
        "version",
        (link) =>
          many((i) => {
            const whole = recorded(link, i);
            whole[2] = 3;
            return whole;
          }),
      ],
      [
        "authentic noise",
        "parse",
        (link) => {
          const member = sealer(`lab-${cluster.name}`, keys, Buffer.from(bytes(8)).toString("hex"));
          return many(() => member.seal(toN1(link), bytes(below(600))));
        },
      ],
      [
        "an authentic heartbeat that speaks for another boot",
        "sender",
        (link) => {
          const member = sealer(`lab-${cluster.name}`, keys, Buffer.from(bytes(8)).toString("hex"));
          return many(() => member.seal(toN1(link), emitHeartbeat(FULL)));
        },
      ],
    ];
    for (const [title, reason, make] of KINDS)
      test(`${title}: counted as ${reason}, nothing changes`, () => rejects(reason, make));

    test("whatever a stranger sends under his own address the kernel drops and counts", async () => {
      const before = await counted("priv", "filtered");
      await intruder.send("priv", 1, [...many((i) => recorded("priv", i)), ...many(() => bytes(below(1400)))]);
      await until("counted as filtered", async () => (await counted("priv", "filtered")) === before + 2 * COUNT, 3000);
      await until("every node to say so", async () => {
        const { alarms } = await cluster.status("n3");
        return alarms.some(({ text }) => text.includes(`172.31.0.66 (${intruder.mac("priv")}) on priv dropped by n1`));
      });
      await unharmed();
    });

    test("real frames sent again are counted as replay, nothing changes", async () => {
      const earlier = await counted("priv", "replay");
      const port = new Capture(cluster, "n1-priv", true);
      for (const frame of captured.priv) {
        const again = frame.slice();
        // The checksum of a captured frame was left to hardware that is not there; zero means none (RFC 768).
        again.fill(0, UDP_PAYLOAD - 2, UDP_PAYLOAD);
        port.inject(again);
      }
      const wanted = earlier + captured.priv.length;
      await until("counted as replay", async () => (await counted("priv", "replay")) >= wanted, 3000);
      port.close();
      assert.equal(await counted("priv", "replay"), wanted);
      await unharmed();
    });

    test("what one node rejected is told on every node, with its reason and source", async () => {
      for (const node of NODES) {
        await until(`${node} tells`, async () => {
          const told = await cluster.events(node, "heartbeat-rejected");
          const of = (link: CoreLink, reason: string) =>
            told.some(
              ({ node: where, text }) =>
                where === "n1" && text.includes(reason) && text.includes(link) && /0\.12 /.test(text),
            );
          return LINKS.every((link) => of(link as CoreLink, "auth") && of(link as CoreLink, "cluster"));
        });
        const status = await cluster.holdfast(node, "status");
        assert.match(status.stdout, /dropped by n1/, `${node}: ${status.stdout}`);
      }
    });

    test("an authentic heartbeat of a node that is not configured changes nothing", async () => {
      const boot = Buffer.from(bytes(8)).toString("hex") as BootId;
      const member = sealer(`lab-${cluster.name}`, keys, boot);
      const heartbeat = { ...FULL, boot, node: "n7" as NodeName, heard: [] };
      await intruder.send("priv", 1, [member.seal(toN1("priv"), emitHeartbeat(heartbeat))], FORGED);
      await until("n1 tells", async () =>
        (await cluster.events("n1", "heartbeat-rejected")).some(({ text }) => text.includes("n7")),
      );
      await unharmed();
    });
  });

  describe("on the control socket", () => {
    const open = async (): Promise<Socket> => {
      const socket = connect(cluster.files("n1").socket);
      socket.on("error", () => undefined);
      await Promise.race([once(socket, "connect"), once(socket, "close")]);
      return socket;
    };
    /** What the daemon answers before it hangs up. */
    async function answerTo(request: string | Uint8Array): Promise<string> {
      const socket = await open();
      let text = "";
      socket.setEncoding("utf8").on("data", (part: string) => (text += part));
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.write(request);
      await closed;
      return text;
    }

    test("garbage is answered with 400 and a closed connection", async () => {
      for (let i = 0; i < 20; i++) assert.match(await answerTo(bytes(1 + below(5000))), /^HTTP\/1\.1 4\d\d /);
      await unharmed();
    });

    test("oversize requests are refused: 413 for the body, 431 for the head", async () => {
      const head = (length: number): string => `POST /v1/move HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;
      assert.match(await answerTo(head(1 << 24) + "x".repeat((1 << 16) + 1)), /^HTTP\/1\.1 413 /);
      // Who goes on writing after the refusal may find the connection gone before having read it.
      assert.match(await answerTo(head(1 << 24) + "x".repeat(1 << 20)), /^(HTTP\/1\.1 413 |$)/);
      assert.match(await answerTo(`GET /${"x".repeat(1 << 16)} HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 431 /);
      assert.match(await answerTo(`GET /v1/status HTTP/1.1\r\nx: ${"x".repeat(1 << 16)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
      await unharmed();
    });

    test("bad fields are refused with 400 and never done", async () => {
      for (const body of [
        "[]",
        "{",
        '{"node":5}',
        '{"node":"n3","reason":"a\\u0000b"}',
        '{"node":"n3","timeout_ms":1}',
      ]) {
        const head = `POST /v1/drain HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`;
        assert.match(await answerTo(head + body), /^HTTP\/1\.1 400 /, body);
      }
      await unharmed();
    });

    test("a hundred connections that say nothing keep nobody out for long", async () => {
      const sockets = await Promise.all(Array.from({ length: 100 }, open));
      await until("status answers while they are there", () => cluster.status("n1").catch(() => undefined));
      for (const socket of sockets) socket.destroy();
      await unharmed();
    });

    test("followers that never read cost neither control nor the heartbeat", async () => {
      const followers = await Promise.all(Array.from({ length: 30 }, open));
      for (const socket of followers) {
        socket.pause();
        socket.write("GET /v1/events?follow=1&since=0 HTTP/1.1\r\nhost: x\r\n\r\n");
      }
      const { socket } = cluster.files("n1");
      for (let i = 0; i < 150; i++) {
        await postJson(socket, "/v1/drain", { node: "n3", reason: "x".repeat(90) }, 5000);
        await postJson(socket, "/v1/undrain", { node: "n3" }, 5000);
      }
      assert.equal(await cluster.status("n1").then(({ node }) => node), "n1");
      const memory = readFileSync(`/proc/${cluster.process("n1", "control")}/status`, "utf8");
      const resident_mb = Number(/VmRSS:\s+(\d+)/.exec(memory)?.[1]) / 1024;
      assert.ok(resident_mb < 200, `control has ${resident_mb} MB`);
      for (const follower of followers) follower.destroy();
      await pause(50);
      await unharmed();
    });
  });
});
