/** Each judgement of the doctor by a table: what it is told, how bad that is, and a word of what it says. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LinkRow, Links, Status } from "@holdfast/api/schema.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";
import { judgeAddresses, judgeFence } from "./beliefs.ts";
import { judgeClock } from "./clock.ts";
import { judgeDaemon } from "./daemon.ts";
import { type Asked, judgeDuplicates } from "./duplicates.ts";
import type { Finding, Level } from "./finding.ts";
import { judgeInterfaces } from "./interfaces.ts";
import { judgeKernel } from "./kernel.ts";
import { judgeKeyFile } from "./key-file.ts";
import { judgeLinks } from "./links.ts";
import { judgeForeignPrograms } from "./foreign-programs.ts";
import { judgeMemory } from "./memory.ts";
import { judgePacketFilter, parseRuleset } from "./packet-filter.ts";
import { judgeNeedrestart } from "./packaging.ts";
import { judgeSysctls } from "./sysctls.ts";

type Row = readonly [what: string, found: Finding | readonly Finding[], level: Level, says: RegExp];

/** The first finding is what the row is about; whatever is not ok has a remedy, unless it was not looked at. */
function table(name: string, rows: readonly Row[]): void {
  describe(name, () => {
    for (const [what, found, level, says] of rows) {
      test(`${level}: ${what}`, () => {
        const all: readonly Finding[] = "level" in found ? [found] : found;
        assert.equal(all[0]?.level, level, JSON.stringify(all));
        assert.match(all[0]?.text ?? "", says);
        for (const { remedy, level: each } of all) assert.equal(remedy !== "", each === "warn" || each === "fail");
      });
    }
  });
}

const status = {
  cluster: "edge",
  node: "lb1",
  quorum: true,
  config: "0000abcd",
  engine: { crashes: 0 },
  nodes: [
    { name: "lb1", alive: true, version: "1.2.0" },
    { name: "lb2", alive: true, version: "1.2.0" },
  ],
  groups: [{ name: "web", owner: "lb1", state: "owned" }],
} as unknown as Status;
const elsewhere = { ...status, groups: [{ ...status.groups[0], owner: "lb2" }] } as unknown as Status;
const nobody = { ...status, groups: [{ ...status.groups[0], owner: null }] } as unknown as Status;
const file = { digest: "0000abcd", cluster: "edge" };
const daemon = { status, trouble: "", installed: "1.2.0", file };

table("daemon", [
  ["all as it should be", judgeDaemon(daemon), "ok", /lb1 of edge runs 1\.2\.0/],
  ["none answers", judgeDaemon({ ...daemon, status: undefined, trouble: "no socket" }), "warn", /no socket/],
  [
    "another is installed",
    judgeDaemon({ ...daemon, installed: "1.3.0" }),
    "warn",
    /runs 1\.2\.0, installed is 1\.3\.0/,
  ],
  [
    "the file is another",
    judgeDaemon({ ...daemon, file: { ...file, digest: "ffff0000" } }),
    "warn",
    /the file has ffff0000/,
  ],
  ["no quorum", judgeDaemon({ ...daemon, status: { ...status, quorum: false } }), "fail", /no majority/],
]);

const keyFile = (mode: number, uid = 0): Finding => judgeKeyFile({ path: "/k", found: { mode, uid, regular: true } });
table("key file", [
  ["0640 of root", keyFile(0o640), "ok", /mode 0640/],
  ["0600 of root", keyFile(0o600), "ok", /mode 0600/],
  ["read by others", keyFile(0o644), "fail", /mode 0644/],
  ["written by the group", keyFile(0o660), "fail", /mode 0660/],
  ["somebody else's", keyFile(0o600, 1000), "warn", /user 1000/],
  ["absent", judgeKeyFile({ path: "/k", found: "ENOENT" }), "fail", /ENOENT/],
]);

function row(link: string, listener: string, speaker: string, state: LinkRow["state"] = "ok"): LinkRow {
  const measured = { age_ms: 1, loss_percent: 38, round_trip_ms: 1, jitter_ms: 0 };
  return { link, kind: "udp", adapter: "eth1", listener, speaker, state, ...measured, reason: null };
}

function links(...changed: readonly LinkRow[]): Parameters<typeof judgeLinks>[0] {
  const both = (link: string): LinkRow[] => [row(link, "lb1", "lb2"), row(link, "lb2", "lb1")];
  const isChanged = (each: LinkRow): boolean =>
    changed.some((one) => one.link === each.link && one.listener === each.listener);
  const rows = [...[...both("lan"), ...both("hb")].filter((each) => !isChanged(each)), ...changed];
  const answer: Links = { schema: "holdfast.links/1", node: "lb1", rows, rejected: [] } as unknown as Links;
  return { links: answer, carriers: new Map([["hb", "7400/udp"]]), alive: new Set(["lb1", "lb2"]) };
}
table("links", [
  ["both ways on both", judgeLinks(links()), "ok", /lan, hb: heartbeats arrive from and at lb2/],
  [
    "one direction of one",
    judgeLinks(links(row("hb", "lb1", "lb2", "DOWN"))),
    "fail",
    /^7400\/udp from lb2 arrives on lan, not on hb \(eth1\)$/,
  ],
  [
    "the other direction",
    judgeLinks(links(row("hb", "lb2", "lb1", "DOWN"))),
    "fail",
    /^7400\/udp from lb1 arrives at lb2 on lan, not on hb \(eth1\)$/,
  ],
  ["loss", judgeLinks(links(row("hb", "lb1", "lb2", "LOSS"))), "warn", /38% of lb2's are lost on hb/],
  ["a dead node", judgeLinks({ ...links(), alive: new Set(["lb1"]) }), "fail", /lb2 is not heard on any link/],
  ["no daemon", judgeLinks({ ...links(), links: undefined }), "skip", /without a daemon/],
]);

const cluster = { groups: [{ name: "web", addresses: [{ address: "10.0.0.100" }] }] } as unknown as Cluster;
const here = [{ address: "10.0.0.100", interface: "eth0" }];
const moving = { ...elsewhere, groups: [{ ...elsewhere.groups[0], state: "moving" }] } as unknown as Status;
table("addresses", [
  ["owned and here", judgeAddresses(cluster, status, here), "ok", /1 of 1/],
  ["owned and not here", judgeAddresses(cluster, status, []), "fail", /owns web and 10\.0\.0\.100 is on no interface/],
  ["here and not owned", judgeAddresses(cluster, elsewhere, here), "fail", /is on eth0 although lb2 owns web/],
  ["here without a daemon", judgeAddresses(cluster, undefined, here), "fail", /although no daemon runs here/],
  ["here in a move", judgeAddresses(cluster, moving, here), "ok", /1 of 1/],
  ["neither", judgeAddresses(cluster, elsewhere, []), "ok", /0 of 1/],
]);

table("fence", [
  ["as believed", judgeFence({ tables: 3, flags: 6, open: 1 }, status), "ok", /open for 1 of 1/],
  ["not kept from others", judgeFence({ tables: 3, flags: 0, open: 1 }, status), "warn", /flushing/],
  ["open for one too many", judgeFence({ tables: 3, flags: 6, open: 1 }, elsewhere), "warn", /believes to own 0/],
  ["gone", judgeFence({ tables: 1, flags: 6, open: 0 }, status), "fail", /2 of the fence's 3 tables are gone/],
  ["open without a daemon", judgeFence({ tables: 3, flags: 6, open: 1 }, undefined), "warn", /open for 1/],
  ["left closed", judgeFence({ tables: 3, flags: 6, open: 0 }, undefined), "ok", /left behind, closed/],
  ["nothing", judgeFence({ tables: 0, flags: 6, open: 0 }, undefined), "ok", /nothing of one is left/],
  ["no right to look", judgeFence("EPERM", status), "skip", /EPERM.*root/],
]);

const asked = (answered: readonly string[], isHere = false): readonly Asked[] => [
  { address: "10.0.0.100", group: "web", through: "eth0", here: isHere, answered },
];
table("duplicates", [
  ["its owner answers", judgeDuplicates(asked(["a"]), elsewhere), "ok", /by its owner, and by nobody else/],
  ["ours, and nobody else", judgeDuplicates(asked([], true), status), "ok", /nobody else/],
  [
    "ours, and a stranger",
    judgeDuplicates(asked(["a"], true), status),
    "fail",
    /^a answers for .* which this node has/,
  ],
  ["two strangers", judgeDuplicates(asked(["a", "b"]), elsewhere), "fail", /a and b both answer/],
  ["nobody's, and somebody", judgeDuplicates(asked(["a"]), nobody), "fail", /nobody owns web/],
  ["owned, and nobody", judgeDuplicates(asked([]), elsewhere), "warn", /nobody answers .* although lb2 owns web/],
  ["somebody, without a daemon", judgeDuplicates(asked(["a"]), undefined), "ok", /without a daemon/],
  ["no right to ask", judgeDuplicates("EPERM", status), "skip", /EPERM/],
]);

table("interfaces", [
  ["up", judgeInterfaces([{ name: "eth0", service: true, down: undefined }]), "ok", /eth0: up/],
  ["not there", judgeInterfaces([{ name: "ens3", service: true, down: "missing" }]), "fail", /ens3 is not there/],
  [
    "a standby without carrier",
    judgeInterfaces([{ name: "eth1", service: false, down: "no-carrier" }]),
    "warn",
    /no-carrier/,
  ],
  ["none needed", judgeInterfaces([]), "skip", /needs none/],
]);

const managers = (...names: readonly string[]): Parameters<typeof judgeForeignPrograms>[0] => ({
  processes: new Set(names),
  networkdKeeps: false,
  netplan: [],
  interfaces: ["eth0"],
});
table("foreign programs", [
  ["nobody", judgeForeignPrograms(managers("node", "sshd")), "ok", /no other program/],
  ["keepalived", judgeForeignPrograms(managers("keepalived")), "fail", /keepalived runs here/],
  ["networkd", judgeForeignPrograms(managers("systemd-network")), "warn", /systemd-networkd removes .*eth0/],
  [
    "networkd that keeps",
    judgeForeignPrograms({ ...managers("systemd-network"), networkdKeeps: true }),
    "ok",
    /no other/,
  ],
  ["NetworkManager", judgeForeignPrograms(managers("NetworkManager")), "warn", /NetworkManager/],
  ["a DHCP client", judgeForeignPrograms(managers("dhcpcd")), "warn", /dhcpcd/],
  ["netplan alone", judgeForeignPrograms({ ...managers(), netplan: ["/etc/netplan/a.yaml"] }), "warn", /netplan/],
]);

const settings = {
  interface: "eth0",
  ipv4: true,
  ipv6: true,
  shared: true,
  rpFilter: 2,
  arpIgnore: 1,
  promoteSecondaries: 1,
  disableIpv6: 0,
  acceptDad: 1,
};
const sysctls = (changes: Partial<typeof settings>): readonly Finding[] =>
  judgeSysctls({ interfaces: [{ ...settings, ...changes }], nonlocalBind: 0 });
table("sysctls", [
  ["good", sysctls({}), "ok", /eth0: as they should be/],
  ["strict rp_filter on one of two", sysctls({ rpFilter: 1 }), "warn", /rp_filter is strict/],
  ["strict rp_filter on the only one", sysctls({ rpFilter: 1, shared: false }), "ok", /as they should be/],
  ["arp_ignore 0 on one of two", sysctls({ arpIgnore: 0 }), "warn", /arp_ignore/],
  ["no promoted secondaries", sysctls({ promoteSecondaries: 0 }), "warn", /vanish/],
  ["IPv6 off", sysctls({ disableIpv6: 1 }), "fail", /IPv6 is switched off on eth0/],
  ["IPv6 off and not needed", sysctls({ disableIpv6: 1, ipv6: false }), "ok", /as they should be/],
  ["accept_dad 2", sysctls({ acceptDad: 2 }), "warn", /accept_dad/],
]);

const kernel = { release: "6.12.0", jiffy_ms: 4, notRealTime: "", rtRuntime_us: 950_000, heartbeat_ms: 100 };
table("kernel", [
  ["new enough", judgeKernel(kernel), "ok", /Linux 6\.12\.0, tick 4 ms, real-time scheduling allowed/],
  ["Debian 12's", judgeKernel({ ...kernel, release: "6.1.0-28-amd64" }), "warn", /nft flush ruleset/],
  ["too old", judgeKernel({ ...kernel, release: "5.10.0" }), "fail", /older than 6\.1/],
  ["not real time at 100 ms", judgeKernel({ ...kernel, notRealTime: "EPERM" }), "warn", /EPERM/],
  ["not real time at 10 ms", judgeKernel({ ...kernel, notRealTime: "EPERM", heartbeat_ms: 10 }), "fail", /10 ms needs/],
  ["real time throttled to nothing", judgeKernel({ ...kernel, rtRuntime_us: 0 }), "fail", /sched_rt_runtime_us is 0/],
  ["a release that says nothing", judgeKernel({ ...kernel, release: "custom" }), "ok", /custom/],
]);

const memory = { swapTotal_kb: 0, available_kb: 1_000_000, engine: { swapped_kb: 0, oomScore: -900 } };
table("memory", [
  ["no swap", judgeMemory(memory), "ok", /no swap/],
  [
    "swapped out",
    judgeMemory({ ...memory, engine: { swapped_kb: 12, oomScore: -900 } }),
    "warn",
    /12 KiB of the engine/,
  ],
  ["a victim", judgeMemory({ ...memory, engine: { swapped_kb: 0, oomScore: 200 } }), "warn", /first to be killed/],
  ["short", judgeMemory({ ...memory, available_kb: 1000 }), "warn", /1000 KiB/],
  ["unknown", judgeMemory("ENOENT"), "skip", /ENOENT/],
]);

table("clock", [
  ["right", judgeClock({ error_us: 20_000, source: "tsc" }), "ok", /off by 20 ms at most; clock source tsc/],
  ["not synchronised", judgeClock({ error_us: Number.POSITIVE_INFINITY, source: "tsc" }), "warn", /not synchronised/],
  ["far off", judgeClock({ error_us: 3_000_000, source: "tsc" }), "warn", /3\.0 s/],
  ["a doubtful source", judgeClock({ error_us: 1, source: "jiffies" }), "warn", /clock source is jiffies/],
  ["not known", judgeClock({ error_us: undefined, source: undefined }), "ok", /not known/],
]);

const match = (right: unknown, op = "=="): object => ({
  match: { op, left: { payload: { protocol: "udp", field: "dport" } }, right },
});
const input = { family: "inet", table: "filter", name: "input", hook: "input" };
function filtered(policy: string, ...rules: readonly (readonly object[])[]): readonly Finding[] {
  const listed = rules.map((expr) => ({ rule: { family: "inet", table: "filter", chain: "input", expr } }));
  const text = JSON.stringify({ nftables: [{ metainfo: {} }, { chain: { ...input, policy } }, ...listed] });
  return judgePacketFilter({ ruleset: parseRuleset(text), legacy: [], ports: [7400] });
}
table("packet filter", [
  ["nothing", judgePacketFilter({ ruleset: { chains: [], rules: [] }, legacy: [], ports: [7400] }), "ok", /no rules/],
  ["policy accept", filtered("accept"), "ok", /1 input chains of others/],
  ["policy drop, nothing named", filtered("drop"), "warn", /none names udp\/7400/],
  ["policy drop, accepted", filtered("drop", [match(7400), { accept: null }]), "ok", /none drops/],
  ["accepted in a set", filtered("drop", [match({ set: [53, 7400] }), { accept: null }]), "ok", /none drops/],
  ["accepted in a range", filtered("drop", [match({ range: [7000, 8000] }), { accept: null }]), "ok", /none drops/],
  ["dropped by its port", filtered("accept", [match(7400), { drop: null }]), "fail", /drops udp\/7400/],
  ["dropped under conditions", filtered("accept", [match(1, "!="), match(7400), { drop: null }]), "warn", /conditions/],
  [
    "accepted before it is dropped",
    filtered("accept", [match(7400), { accept: null }], [match(7400), { drop: null }]),
    "ok",
    /none/,
  ],
  ["another port dropped", filtered("accept", [match(53), { drop: null }]), "ok", /none drops/],
  ["rejected", filtered("accept", [match(7400), { reject: {} }]), "fail", /drops/],
  ["no nft", judgePacketFilter({ ruleset: "there is no nft", legacy: [], ports: [1] }), "skip", /no nft/],
  ["legacy tables", judgePacketFilter({ ruleset: "x", legacy: ["filter"], ports: [1] }), "warn", /iptables-legacy/],
]);

test("whatever nft prints, reading it does not throw", () => {
  for (const text of [
    "",
    "{",
    "[]",
    "null",
    '{"nftables":{}}',
    '{"nftables":[null,1,{"rule":7},{"rule":{"expr":[null,{"match":3}]}}]}',
  ])
    assert.doesNotThrow(() => parseRuleset(text));
});

table("needrestart", [
  ["absent", judgeNeedrestart({ installed: false, exempt: false }), "ok", /not installed/],
  ["told", judgeNeedrestart({ installed: true, exempt: true }), "ok", /alone/],
  ["not told", judgeNeedrestart({ installed: true, exempt: false }), "warn", /restarts holdfast/],
]);
