/** What a node finds out at its start: interfaces that are not there, addresses outside their networks; and which node it is. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import { checkAddressesAgainstInterfaces, type PresentInterface } from "./check-interfaces.ts";
import { chooseNode } from "./choose-node.ts";
import { formatErrors } from "./config-error.ts";
import { parseConfig } from "./parse.ts";
import type { ParsedConfig } from "./parsed-config.ts";

const SAMPLE = readFileSync(join(import.meta.dirname, "../../../packaging/holdfast.yaml"), "utf8");

function parsed(text: string): ParsedConfig {
  const result = parseConfig(text, "holdfast.yaml", { jiffy: 4 });
  assert.ok(result.ok, result.ok ? "" : formatErrors(result.error, { colour: false }));
  return result.value;
}

function present(name: string, ...networks: string[]): PresentInterface {
  const addresses = networks.map((network) => {
    const [address = "", length] = network.split("/");
    return { address: address as IpAddress, prefixLength: Number(length) };
  });
  return { name, addresses };
}

function found(text: string, node: string, ...interfaces: PresentInterface[]): string {
  const errors = checkAddressesAgainstInterfaces(parsed(text), node as NodeName, interfaces);
  return formatErrors(errors, { colour: false });
}

const LO = present("lo", "127.0.0.1/8", "::1/128");
const GOOD = present("ens3", "10.0.0.11/24", "2001:db8::11/64");

test("addresses inside a network of their interface, or marked as outside, are right", () => {
  assert.equal(found(SAMPLE, "lb1", LO, GOOD), "");
});

test("an address outside all networks of its interface is an error with its line", () => {
  assert.equal(
    found(SAMPLE.replace("10.0.0.101/24", "10.0.1.101/24"), "lb1", LO, GOOD),
    [
      "holdfast.yaml:42:9: error: 10.0.1.101 is in no network of ens3 on lb1 (10.0.0.11/24)",
      "   42 |       - 10.0.1.101/24",
      "      |         ^^^^^^^^^^^^^",
      "      |     correct it, or write { address: 10.0.1.101/24, outside_networks:",
      "      |     true }",
      "",
    ].join("\n"),
  );
});

test("one adapter of several is enough: a missing one is the daemon's alarm, and any may have the network", () => {
  const text = SAMPLE.replaceAll("interfaces: [service]", "interfaces: [service, standby]")
    .replace("{ service: ens3 }", "{ service: ens3, standby: ens4 }")
    .replace("{ service: eth0 }", "{ service: eth0, standby: eth0 }");
  const standby = present("ens4", "10.0.0.21/24", "2001:db8::21/64");
  assert.equal(found(text, "lb1", LO, standby), "");
  assert.equal(found(text, "lb1", LO, present("ens3"), standby), "");
  assert.match(found(text, "lb1", LO, present("ens3"), present("ens4")), /is in no network of ens3 or ens4 on lb1/);
  assert.match(found(text, "lb1", LO), /node lb1 has no interface "ens3"/);
});

test("an interface without an address of the family is said so", () => {
  assert.match(
    found(SAMPLE, "lb1", LO, present("ens3", "10.0.0.11/24")),
    /2001:db8::100 is in no network of ens3 on lb1 \(it has no IPv6 address\)/,
  );
});

test("an address left by a crashed daemon does not vouch for itself", () => {
  const leftover = present("ens3", "10.0.0.11/24", "2001:db8::11/64", "10.0.1.101/24");
  assert.match(
    found(SAMPLE.replace("10.0.0.101/24", "10.0.1.101/24"), "lb1", LO, leftover),
    /10\.0\.1\.101 is in no network/,
  );
});

test("a missing interface is one error, at the name the node gives it, with what there is", () => {
  assert.equal(
    found(SAMPLE, "lb2", LO, present("eth1", "10.0.0.12/24"), present("wlan0")),
    [
      'holdfast.yaml:28:28: error: node lb2 has no interface "eth0"',
      "   28 |     interfaces: { service: eth0 }",
      '      |                            ^^^^ did you mean "eth1"?',
      "",
    ].join("\n"),
  );
  assert.match(found(SAMPLE, "lb2", LO, present("br-lan")), /known interfaces: br-lan\n/);
});

test("a kernel name that a group uses itself is looked for on every node", () => {
  const text = SAMPLE.replace("interfaces: [service]", "interfaces: [enp7s0]");
  assert.match(found(text, "lb1", LO, GOOD), /^holdfast\.yaml:33:18: error: node lb1 has no interface "enp7s0"\n/);
});

test("a witness, and a node that prefers no group, have nothing to carry", () => {
  assert.equal(found(SAMPLE, "lb3", LO), "");
  assert.equal(found(SAMPLE.replaceAll(/prefer: \[.*\]/g, "prefer: [lb1]"), "lb2", LO), "");
});

test("a node is chosen by --node, else by the host's name with or without its domain", () => {
  const { cluster } = parsed(SAMPLE);
  const chosen = (hostname: string, explicit?: string): string => {
    const result = chooseNode(cluster, hostname, explicit);
    return result.ok ? result.value.name : `${result.error.message}: ${result.error.hint}`;
  };
  assert.equal(chosen("lb1"), "lb1");
  assert.equal(chosen("LB2.example.org"), "lb2");
  assert.equal(chosen("lb1", "lb3"), "lb3");
  assert.equal(chosen("lb1", "lb33"), 'no node is called "lb33" in cluster edge: did you mean "lb3"?');
  assert.equal(chosen("lb1", ""), 'no node is called "" in cluster edge: known nodes: lb1, lb2, lb3');
  assert.equal(
    chosen("debian"),
    'no node is called like this host, "debian", in cluster edge: say which with --node: lb1, lb2, lb3',
  );
});
