/** The plan of the network: no address, port or MAC twice, and the commands that make it. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { MOST_NODES, PROBE_SOURCES, planTopology, probeSource, probeSource6, switchCommands } from "./topology.ts";

test("topology: nobody shares an address or MAC with anybody, at any size", () => {
  const { nodes, client, watch, service } = planTopology(MOST_NODES, true);
  const sources = Array.from({ length: PROBE_SOURCES }, (_, i) => [probeSource(i), probeSource6(i)]).flat();
  const all = [
    ...nodes.flatMap((node) => [node.lan, node.lan6, node.priv, node.mac, node.privMac]),
    ...[client, watch].flatMap((station) => [station.address, station.address6, station.mac]),
    service.address,
    service.address6,
    ...sources,
  ];
  assert.equal(new Set(all).size, all.length);
  assert.equal(all.length, MOST_NODES * 5 + 6 + 2 + 2 * PROBE_SOURCES);
});

test("topology: only the last node is a witness, and only when asked for", () => {
  assert.deepEqual(
    planTopology(3, true).nodes.map((node) => node.role),
    ["member", "member", "witness"],
  );
  assert.ok(planTopology(3, false).nodes.every((node) => node.role === "member"));
});

test("topology: every node has a cable to each bridge, client and watcher to the lan only", () => {
  const cables = [...switchCommands(planTopology(2, false)).matchAll(/link set (\S+) master (\S+) up/g)];
  assert.deepEqual(
    cables.map((match) => `${match[1]}>${match[2]}`),
    ["client-lan>lan", "watch-lan>lan", "n1-lan>lan", "n1-priv>priv", "n2-lan>lan", "n2-priv>priv"],
  );
});

test("topology: a probe's source repeats after as many numbers as there are sources", () => {
  assert.equal(probeSource(5), probeSource(5 + PROBE_SOURCES));
  assert.equal(probeSource6(63), "fd99::1:bf");
});
