/** What status, links and why make of a view: the rules of health, whose fault a bad link is, what caused a move. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Event } from "@holdfast/api/schema.ts";
import type { NodeView } from "@holdfast/core/view.ts";
import { exampleEngine, exampleGroup, exampleLink, exampleLinks, examplePeer, exampleView } from "./example-view.ts";
import { links } from "./link-table.ts";
import { lastMove, ownershipChange } from "./ownership-change.ts";
import { status } from "./status.ts";
import { whyGroup, whyNode } from "./why.ts";

const LINK_NAMES = ["lan", "hb"];
const WALL = Date.UTC(2026, 10, 21, 14, 2, 31);
const context = { events: [], alarms: [], trouble: undefined, version: "0.1.0", wall_ms: WALL };
const of = (view: NodeView, stale = false) =>
  status({ view, engine: exampleEngine(), links: exampleLinks(), age_ms: stale ? 4000 : 5, stale }, context);

function peers(change: Parameters<typeof examplePeer>[1], name = "lb2"): NodeView["nodes"] {
  return ["lb1", "lb2", "lb3"].map((each) => examplePeer(each, each === name ? change : {}));
}

describe("health", () => {
  const lossy = [exampleLink("lan"), exampleLink("hb", { loss_permille: 60 })];
  const slight = [exampleLink("lan"), exampleLink("hb", { loss_permille: 49 })];
  const down = [exampleLink("lan"), exampleLink("hb", { alive: false, age_ms: 5000 })];
  for (const [rule, view, health, warning] of [
    ["all well", exampleView(), "ok", undefined],
    ["no quorum", exampleView({ quorum: false }), "outage", /^no quorum: lb1 hears 2 of 2/],
    [
      "no owner",
      exampleView({
        groups: [exampleGroup("web", "lb1", [], { owner: undefined, claimed: [], cause: "nobody is eligible" })],
      }),
      "outage",
      /^web has no owner: nobody is eligible/,
    ],
    [
      "two owners",
      exampleView({ groups: [exampleGroup("web", "lb1", ["lb2"], { claimed: ["lb1", "lb2"] as never })] }),
      "outage",
      /^web is claimed by lb1 and lb2/,
    ],
    ["no standby", exampleView({ groups: [exampleGroup("web", "lb1", [])] }), "degraded", /^web has no standby/],
    [
      "dead node",
      exampleView({ nodes: peers({ alive: false, age_ms: 12_000 }) }),
      "degraded",
      /^lb2 is down, last heard 12s ago/,
    ],
    [
      "drained",
      exampleView({ nodes: peers({ drained: true, drainReason: "kernel" }) }),
      "degraded",
      /^lb2 is drained "kernel"/,
    ],
    ["abstaining", exampleView({ nodes: peers({ abstaining: true }) }), "degraded", /^lb2 abstains/],
    ["loss of 6 %", exampleView({ nodes: peers({ heard: lossy }) }), "degraded", /^link hb lb1-lb2: 6% loss/],
    ["loss of 4.9 %", exampleView({ nodes: peers({ heard: slight }) }), "ok", undefined],
    [
      "link down",
      exampleView({ nodes: peers({ heard: down }) }),
      "degraded",
      /^link hb lb1-lb2 is down: lb1 does not hear lb2/,
    ],
    [
      "another configuration",
      exampleView({ nodes: peers({ digest: "ffffffff" }) }),
      "degraded",
      /^configuration differs from lb1's on lb2/,
    ],
    [
      "the dead have no configuration",
      exampleView({ nodes: peers({ digest: "ffffffff", alive: false }) }),
      "degraded",
      /^lb2 is down/,
    ],
  ] as const) {
    test(`${rule}: ${health}`, () => {
      const answer = of(view);
      assert.equal(answer.health, health);
      if (warning) assert.match(answer.warnings[0]?.text ?? "none", warning);
      else assert.deepEqual(answer.warnings, []);
      for (const { command } of answer.warnings) assert.match(command ?? "", /^holdfast /);
    });
  }

  test("a silent engine is an outage, whatever it said last, and names what was known", () => {
    const answer = of(exampleView(), true);
    assert.equal(answer.health, "outage");
    assert.equal(
      answer.warnings[0]?.text,
      "the engine on lb1 has not answered for 4.0s; what was known then: web on lb1 and db on lb3",
    );
    assert.deepEqual(
      answer.nodes.map((node) => node.age_ms),
      [4000, 4040, 4040],
    );
  });

  test("an alarm that nobody has acknowledged degrades the cluster and names the command", () => {
    const [code, text] = ["heartbeat-rejected", "31 heartbeats from 10.0.0.99 on hb dropped by lb2: auth"];
    const alarm = { time: new Date(WALL).toISOString(), node: "lb2", code, text, count: 1 };
    const seen = { view: exampleView(), engine: exampleEngine(), links: exampleLinks(), age_ms: 0, stale: false };
    const alarms = [alarm, alarm, alarm, alarm, alarm];
    const { health, warnings } = status(seen, { ...context, alarms });
    assert.equal(health, "degraded");
    assert.deepEqual(
      warnings.map(({ command }) => command),
      Array.from({ length: 4 }, () => "holdfast acknowledge"),
    );
    assert.match(warnings[0]?.text ?? "", /^lb2: 31 heartbeats/);
    assert.match(warnings[3]?.text ?? "", /^2 more alarms/);
    assert.deepEqual(status(seen, context).warnings, []);
  });
});

describe("links", () => {
  /** lb2's hb cable is out: nobody hears it there, it hears nobody. */
  const cut = exampleView({
    nodes: ["lb1", "lb2", "lb3"].map((name) => {
      const peer = examplePeer(name);
      const reports = peer.reports.map((report) =>
        report.link === "hb" && (name === "lb2" || report.peer === "lb2") ? { ...report, age_ms: 65535 } : report,
      );
      return {
        ...peer,
        reports,
        heard: name === "lb2" ? [exampleLink("lan"), exampleLink("hb", { alive: false })] : peer.heard,
      };
    }),
  });

  test("one row for each link and direction, from this node's ears and its peers' reports", () => {
    const { rows } = links({
      view: exampleView(),
      engine: exampleEngine(),
      links: exampleLinks(),
      age_ms: 0,
      stale: false,
    });
    assert.equal(rows.length, 12);
    assert.ok(rows.every((row) => row.state === "ok"));
    const row = rows.find((each) => each.listener === "lb3" && each.speaker === "lb2");
    assert.deepEqual([row?.age_ms, row?.round_trip_ms, row?.jitter_ms], [70, 0.21, null]);
  });

  test("a cable that is out is the fault of its node, not of those who no longer hear it", () => {
    const hb = of(cut).nodes.map((node) => node.links.find((link) => link.name === "hb")?.state);
    assert.deepEqual(hb, ["ok", "DOWN", "ok"]);
  });

  test("what a dead node reported last is unknown", () => {
    const { rows } = links({
      view: exampleView({ nodes: peers({ alive: false }) }),
      engine: exampleEngine(),
      links: exampleLinks(),
      age_ms: 0,
      stale: false,
    });
    assert.ok(rows.filter((row) => row.listener === "lb2").every((row) => row.state === "UNKNOWN"));
  });

  test("a silent engine: every row unknown and older", () => {
    const { rows } = links({
      view: exampleView(),
      engine: exampleEngine(),
      links: exampleLinks(),
      age_ms: 4000,
      stale: true,
    });
    assert.ok(rows.every((row) => row.state === "UNKNOWN" && (row.age_ms ?? 0) >= 4000));
  });
});

describe("why a direction is down", () => {
  const [lan, hb] = exampleLinks();
  const silent = [exampleLink("lan", { alive: false, age_ms: 3200 }), exampleLink("hb")];
  /** How lb2 says that it hears lb1 on lan. */
  const hears = (age_ms: number) => examplePeer("lb2").reports.map((each) => ({ ...each, age_ms }));
  const reasons = (nodes: NodeView["nodes"], ends = exampleLinks()) =>
    Object.fromEntries(
      links({ view: exampleView({ nodes }), engine: exampleEngine(), links: ends, age_ms: 0, stale: false })
        .rows.filter(({ state }) => state === "DOWN")
        .map(({ link, listener, speaker, adapter, reason }) => [`${link} ${listener}<-${speaker} ${adapter}`, reason]),
    );

  test("its own end has no carrier, and nobody else is asked", () => {
    const noCarrier = exampleLinks().map((each) => ({ ...each, trouble: "no carrier on eth0" }));
    assert.deepEqual(reasons(peers({ heard: silent }), noCarrier), {
      "lan lb1<-lb2 eth0": "no carrier on eth0",
    });
  });

  test("one hears and the other does not: both are named", () => {
    assert.deepEqual(reasons(peers({ heard: silent, reports: hears(30) })), {
      "lan lb1<-lb2 eth0": "not heard for 3.2 s: lb1 does not hear lb2 but lb2 hears lb1",
    });
  });

  test("neither hears the other: for how long, by each one's own clock", () => {
    const found = reasons(peers({ heard: silent, reports: hears(12_300) }));
    assert.equal(found["lan lb1<-lb2 eth0"], "not heard for 3.2 s");
    assert.equal(found["lan lb2<-lb1 null"], "not heard for 12 s");
  });

  test("a node that is down on every link is down; one that was never heard was not heard", () => {
    const dead = LINK_NAMES.map((link) => exampleLink(link, { alive: false, age_ms: 5000 }));
    assert.equal(reasons(peers({ alive: false, heard: dead }))["hb lb1<-lb2 eth1"], "lb2 is down");
    const never = LINK_NAMES.map((link) => exampleLink(link, { alive: false, age_ms: undefined }));
    assert.equal(reasons(peers({ alive: false, heard: never }))["lan lb1<-lb2 eth0"], "lb2 was never heard");
  });

  test("pairs without the link are no rows, and it is not among the links of a node that has no end of it", () => {
    assert.ok(lan !== undefined && hb !== undefined);
    const cable = {
      ...hb,
      kind: "serial",
      ends: { lb1: "/dev/ttyS0", lb2: "/dev/ttyS1" },
      device: "/dev/ttyS0",
    } as const;
    const seen = { view: exampleView(), engine: exampleEngine(), links: [lan, cable], age_ms: 0, stale: false };
    const rows = links(seen).rows.filter(({ link }) => link === "hb");
    assert.deepEqual(
      rows.map(({ listener, speaker, kind, adapter }) => [listener, speaker, kind, adapter]),
      [
        ["lb1", "lb2", "serial", "/dev/ttyS0"],
        ["lb2", "lb1", "serial", "/dev/ttyS1"],
      ],
    );
    const names = status(seen, context).nodes.map((node) => node.links.map(({ name }) => name).join(" "));
    assert.deepEqual(names, ["lan hb", "lan hb", "lan"]);
  });
});

describe("the last change of owner", () => {
  const failover = [
    event({ code: "group-owned", group: "web", node: "lb1" }, WALL - 900_000),
    event({ code: "node-dead", node: "lb2", text: "lb1 is dead" }, WALL - 40),
    event({ code: "node-dead", node: "lb3", text: "lb1 is dead" }, WALL - 35),
    event(
      { code: "group-owned", group: "web", node: "lb2", phases: { detect: 249, elect: 5, claim: 2, announce: 1 } },
      WALL,
    ),
    event({ code: "group-owned", group: "db", node: "lb3" }, WALL + 2),
    event({ code: "address-restored", group: "web", node: "lb2" }, WALL + 60_000),
  ];

  test("its evidence is what led there and nothing of other groups or of the change before", () => {
    assert.deepEqual(
      ownershipChange(failover, "web", true).map(({ code, node }) => [code, node]),
      [
        ["node-dead", "lb2"],
        ["node-dead", "lb3"],
        ["group-owned", "lb2"],
      ],
    );
    assert.deepEqual(lastMove(failover, "web"), { cause: "failover", outage_ms: 257, confirm_ms: null });
  });

  test("the check of the take-over goes with it: the new owner's, and of that group alone", () => {
    const checked = (change: Partial<Event>, at: number): Event =>
      event({ code: "takeover-confirmed", group: "web", node: "lb2", ...change }, WALL + at);
    const others = [checked({ group: "db", phases: { confirm: 1 } }, 5), checked({ node: "lb1" }, 6)];
    assert.equal(lastMove([...failover, ...others], "web")?.confirm_ms, null);
    const own = checked({ phases: { confirm: 7.3 } }, 8);
    assert.equal(lastMove([...failover, ...others, own], "web")?.confirm_ms, 7.3);
    const not = checked({ code: "takeover-unconfirmed", level: "warning" }, 4001);
    assert.equal(lastMove([...failover, not], "web")?.confirm_ms, null);
    assert.ok(ownershipChange([...failover, not], "web", true).includes(not), "and it is evidence");
  });

  for (const [code, cause] of [
    ["drained", "drain"],
    ["group-moved", "manual"],
    ["node-stopping", "stop"],
    ["interface-down", "interface"],
    ["node-started", "start"],
  ] as const) {
    test(`${code} before it: ${cause}`, () => {
      const group = code === "group-moved" ? "web" : null;
      const events = [event({ code, group }, WALL - 10), event({ code: "group-owned", group: "web" }, WALL)];
      assert.deepEqual(lastMove(events, "web"), { cause, outage_ms: null, confirm_ms: null });
    });
  }

  test("without any record there is none", () => {
    assert.equal(lastMove([], "web"), null);
    assert.deepEqual(ownershipChange([], "web", true), []);
  });
});

describe("strangers", () => {
  const claimed = (change: Partial<Event>, at: number): Event =>
    event({ code: "address-conflict", group: "web", node: "lb1", level: "alarm", ...change }, WALL + at);
  const warned = (events: readonly Event[], wall_ms = WALL): readonly string[] =>
    status(
      { view: exampleView(), engine: exampleEngine(), links: exampleLinks(), age_ms: 5, stale: false },
      { ...context, events, wall_ms },
    ).warnings.map(({ text, command }) => `${text} ${command}`);

  test("the last word of each node that hears one is a warning while it lasts, and evidence of why", () => {
    const first = claimed({ text: "m claims 10.0.0.100" }, -70_000);
    const second = claimed({ text: "m keeps 10.0.0.100" }, -1000);
    assert.deepEqual(warned([first, second]), ["m keeps 10.0.0.100 holdfast why web"]);
    assert.deepEqual(warned([first, second], WALL + 150_000), [], "not told any more");
    const over = event({ code: "address-conflict-over", group: "web", node: "lb1" }, WALL);
    assert.deepEqual(warned([first, second, over]), []);
    const restarted = event({ code: "node-started", node: "lb1" }, WALL);
    assert.deepEqual(warned([second, restarted]), []);
    const byOther = event({ code: "address-conflict-over", group: "web", node: "lb2" }, WALL);
    assert.equal(warned([second, byOther]).length, 1, "lb1 hears it still");
    const seen = { view: exampleView(), engine: exampleEngine(), links: exampleLinks(), age_ms: 5, stale: false };
    assert.deepEqual(whyGroup(seen, [second], "web", WALL)?.evidence, [second]);
    assert.deepEqual(whyGroup(seen, [second], "db", WALL)?.evidence, []);
  });
});

describe("why", () => {
  test("each other node is told with its reason", () => {
    const words = [
      "",
      "witness",
      "not-preferred",
      "drained",
      "stopping",
      "interface-down",
      "address-failed",
      "generation",
      "yielded",
      "down",
    ] as const;
    for (const ineligible of words) {
      const group = exampleGroup("web", "lb1", ["lb2"], { candidates: [{ node: "lb2", ineligible }] as never });
      const answer = whyGroup(
        {
          view: exampleView({ groups: [group] }),
          engine: exampleEngine(),
          links: exampleLinks(),
          age_ms: 0,
          stale: false,
        },
        [],
        "web",
        WALL,
      );
      const text = answer?.others.find((other) => other.node === "lb2")?.text ?? "";
      assert.match(
        text,
        /^(after lb1|is |gives way|its interface|could not put|works from|down since 2026-11-21T14:02:3)/,
        ineligible,
      );
    }
  });

  test("a node: what it owns, what keeps it from the rest, its links", () => {
    const seen = {
      view: exampleView({ nodes: peers({ drained: true, drainReason: "kernel" }) }),
      engine: exampleEngine(),
      links: exampleLinks(),
      age_ms: 0,
      stale: false,
    };
    const answer = whyNode(
      seen,
      [
        event({ code: "node-dead", text: "lb2 is dead" }, WALL),
        event({ code: "node-dead", text: "lb22 is dead" }, WALL),
      ],
      "lb2",
      WALL,
    );
    assert.equal(answer?.answer, 'lb2 is drained "kernel" and owns nothing');
    assert.deepEqual(
      answer?.evidence.map(({ text }) => text),
      ["lb2 is dead"],
    );
    assert.ok(answer?.others.some(({ text }) => text === "links with lb2: lan ok, hb ok"));
  });
});

function event(changes: Partial<Event>, at: number): Event {
  return {
    schema: "holdfast.event/1",
    time: new Date(at).toISOString(),
    node: "lb1",
    number: 1,
    level: "info",
    code: "",
    group: null,
    text: "",
    phases: null,
    ...changes,
  };
}
