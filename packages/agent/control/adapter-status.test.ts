/** Adapters in `status` and `why`: which of them degrade the cluster, and in which words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exampleEngine, exampleGroup, exampleLinks, examplePeer, exampleView } from "./example-view.ts";
import { status } from "./status.ts";
import { whyGroup, whyNode } from "./why.ts";
import type { AdapterReport, AdapterState } from "@holdfast/core/wire/messages.ts";
import type { NodeView } from "@holdfast/core/view.ts";

const WALL = Date.UTC(2026, 10, 21, 14, 2, 31);
const context = { events: [], alarms: [], trouble: undefined, version: "0.1.0", wall_ms: WALL };

function seen(view: NodeView) {
  return { view, engine: exampleEngine(), links: exampleLinks(), age_ms: 5, stale: false };
}

function report(name: string, on: string, state: AdapterState, used: boolean): AdapterReport {
  return { name, interface: on as AdapterReport["interface"], state, used, heardAge_ms: 12, referenceAge_ms: 65_535 };
}

function withStandby(state: AdapterState, service: AdapterState = "ok"): NodeView {
  const adapters = [report("service", "eth0", service, true), report("standby", "eth1", state, false)];
  return exampleView({
    nodes: ["lb1", "lb2", "lb3"].map((name) => examplePeer(name, name === "lb2" ? { adapters } : {})),
  });
}

test("a standby adapter that cannot carry an address degrades the cluster and is named; one that is only quiet does not", () => {
  for (const [state, health, words] of [
    ["ok", "ok", undefined],
    ["undecided", "ok", undefined],
    ["down", "degraded", /^lb2: adapter eth1 \(standby\) is missing or administratively down$/],
    ["no-carrier", "degraded", /^lb2: adapter eth1 \(standby\) has no carrier$/],
    ["silent", "degraded", /^lb2: adapter eth1 \(standby\) receives nothing, though others hear its network/],
    ["network-down", "degraded", /^lb2: adapter eth1 \(standby\) hears nothing, nor does anybody else/],
  ] as const) {
    const answer = status(seen(withStandby(state)), context);
    assert.equal(answer.health, health, state);
    if (words === undefined) assert.deepEqual(answer.warnings, []);
    else assert.match(answer.warnings[0]?.text ?? "", words);
  }
});

test("status shows each adapter with its ages; what was never heard, or not for a minute, has none", () => {
  const node = status(seen(withStandby("silent")), context).nodes.find(({ name }) => name === "lb2");
  assert.deepEqual(node?.adapters, [
    { name: "service", interface: "eth0", state: "ok", used: true, heard_ms: 12, reference_ms: null },
    { name: "standby", interface: "eth1", state: "silent", used: false, heard_ms: 12, reference_ms: null },
  ]);
});

test("a group on a standby adapter says so in status and why", () => {
  const view = exampleView({ groups: [exampleGroup("web", "lb1", ["lb2"], { adapter: 1 })] });
  const answer = status(seen(view), context);
  assert.equal(answer.groups[0]?.adapter, 1);
  assert.deepEqual(answer.warnings[0], {
    text: "web is on a standby adapter of lb1",
    command: "holdfast why web",
  });
  assert.match(whyGroup(seen(view), [], "web", WALL)?.answer ?? "", /^web is on lb1, there on a standby adapter: /);
});

test("why NODE lists its adapters, why GROUP those that failed", () => {
  const view = withStandby("silent", "no-carrier");
  const lines = whyNode(seen(view), [], "lb2", WALL)?.others.map(({ text }) => text) ?? [];
  assert.ok(lines.includes("adapter eth0 (service): no-carrier, in use; it has no carrier"));
  const candidates = [{ node: "lb2", ineligible: "adapters-failed" }] as never;
  const groups = [exampleGroup("web", "lb1", [], { prefer: ["lb1", "lb2"] as never, candidates })];
  const why = whyGroup(seen({ ...view, groups }), [], "web", WALL);
  const text = why?.others.find(({ node }) => node === "lb2")?.text;
  assert.equal(text, "has no adapter left for web: eth0 no-carrier and eth1 silent");
});
