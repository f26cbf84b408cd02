/** The plan of the network: no address, port or MAC twice, and the commands that make it. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import {
  MOST_NODES,
  PROBE_SOURCES,
  planTopology,
  portsOf,
  probeSource,
  probeSource6,
  switchCommands,
} from "./topology.ts";

test("topology: nobody shares an address or MAC with anybody, at any size", () => {
  const { nodes, client, watch, service } = planTopology(MOST_NODES, true, true);
  const sources = Array.from({ length: PROBE_SOURCES }, (_, i) => [probeSource(i), probeSource6(i)]).flat();
  const all = [
    ...nodes.flatMap((node) => [node.lan, node.lan6, node.priv, node.mac, node.privMac]),
    ...nodes.flatMap(({ standby }) => (standby ? [standby.address, standby.address6, standby.mac] : [])),
    ...[client, watch].flatMap((station) => [station.address, station.address6, station.mac]),
    service.address,
    service.address6,
    ...sources,
  ];
  assert.equal(new Set(all).size, all.length);
  assert.equal(all.length, MOST_NODES * 5 + (MOST_NODES - 1) * 3 + 6 + 2 + 2 * PROBE_SOURCES);
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

test("topology: a second adapter is of every node but the witness, and on the lan too", () => {
  const topology = planTopology(3, true, true);
  const cables = [...switchCommands(topology).matchAll(/link set (\S+-standby) master (\S+) up/g)];
  assert.deepEqual(
    cables.map((match) => `${match[1]}>${match[2]}`),
    ["n1-standby>lan", "n2-standby>lan"],
  );
  assert.deepEqual(topology.nodes.flatMap(portsOf), [
    "n1-lan",
    "n1-priv",
    "n1-standby",
    "n2-lan",
    "n2-priv",
    "n2-standby",
    "n3-lan",
    "n3-priv",
  ]);
});

test("topology: a probe's source repeats after as many numbers as there are sources", () => {
  assert.equal(probeSource(5), probeSource(5 + PROBE_SOURCES));
  assert.equal(probeSource6(63), "fd99::1:bf");
});
