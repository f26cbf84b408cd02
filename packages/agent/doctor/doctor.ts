/** `holdfast doctor`: every check on this machine and its network, in the order in which a person would look. */
import { hostname, release } from "node:os";
import type { Links, Status } from "@holdfast/api/schema.ts";
import { ApiFailure, fetchJson } from "@holdfast/api/client.ts";
import type { Cluster, LinkConfig, NodeConfig } from "@holdfast/core/cluster.ts";
import { adaptersOf } from "@holdfast/core/cluster.ts";
import { Adapters } from "@holdfast/linux/adapters.ts";
import { native } from "@holdfast/linux/load.ts";
import { jiffy_ms } from "@holdfast/linux/scheduling.ts";
import { fenceFacts, type HeldAddress, judgeAddresses, judgeFence } from "./beliefs.ts";
import { clockFacts, judgeClock } from "./clock.ts";
import { judgeDaemon } from "./daemon.ts";
import { answersOrReason, judgeDuplicates } from "./duplicates.ts";
import { fail, type Finding, ok } from "./finding.ts";
import { type InterfaceFacts, judgeInterfaces } from "./interfaces.ts";
import { judgeKernel, rtRuntime } from "./kernel.ts";
import { judgeKeyFile, lookAtKeyFile } from "./key-file.ts";
import { judgeLinks } from "./links.ts";
import { judgeForeignPrograms, lookAtForeignPrograms } from "./foreign-programs.ts";
import { judgeMemory, memoryFacts } from "./memory.ts";
import { judgePacketFilter, legacyTables, readRuleset } from "./packet-filter.ts";
import { judgeNeedrestart, lookAtNeedrestart } from "./packaging.ts";
import { processesHere } from "./processes.ts";
import { realTimeRefusal } from "./real-time.ts";
import { judgeSysctls, lookAtSysctls } from "./sysctls.ts";
import { chooseNode } from "../config/choose-node.ts";
import { readConfig } from "../config/parse.ts";

export interface DoctorOptions {
  readonly config: string;
  readonly node: string | undefined;
  readonly socket: string;
  /** Of the installed software. */
  readonly version: string;
}

const PATIENCE_MS = 2000;

export async function examine(options: DoctorOptions): Promise<readonly Finding[]> {
  const { status, links, trouble } = await askDaemon(options.socket);
  const read = readConfig(options.config, { jiffy: jiffy_ms(native) });
  if (!read.ok) {
    const [first] = read.error;
    const place = first?.place === undefined ? "" : `:${first.place.line}:${first.place.column}`;
    const text = `${options.config}${place}: ${first?.message ?? "not valid"}`;
    return [
      fail("configuration", text, `holdfast check-config ${options.config}; the rest cannot be looked at without it`),
      ...judgeDaemon({ status, trouble, installed: options.version, file: undefined }),
    ];
  }
  const { cluster } = read.value;
  const file = { digest: cluster.digest, cluster: cluster.name };
  const chosen = chooseNode(cluster, hostname(), options.node ?? status?.node);
  const general: Finding[] = [
    judgeKeyFile(lookAtKeyFile(cluster.keys)),
    ...judgeDaemon({ status, trouble, installed: options.version, file }),
  ];
  const machine = await examineMachine(cluster, status);
  if (!chosen.ok)
    return [
      fail("configuration", `${options.config}: ${chosen.error.message}`, chosen.error.hint),
      ...general,
      ...machine,
    ];
  const node = chosen.value;
  const text = `${options.config}: valid, this is ${node.name}, generation ${cluster.generation}, digest ${cluster.digest}`;
  return [
    ok("configuration", text),
    ...general,
    ...judgeLinks({ links, carriers: carriersOf(cluster.links), alive: aliveOf(status) }),
    ...(await examineNetwork(cluster, node, status)),
    ...machine,
  ];
}

async function examineNetwork(cluster: Cluster, self: NodeConfig, status: Status | undefined): Promise<Finding[]> {
  const adapters = new Adapters(native, {});
  try {
    const own = new Set(cluster.groups.flatMap((group) => group.addresses.map(({ address }) => address)));
    const held = adapters
      .all()
      .flatMap(({ name, addresses }) =>
        addresses
          .filter(({ address }) => own.has(address))
          .map(({ address }): HeldAddress => ({ address, interface: name })),
      );
    const interfaces = [...new Set(cluster.groups.flatMap((group) => adaptersOf(self, group).flat()))];
    return [
      ...judgeInterfaces(interfacesOf(cluster, self, adapters)),
      ...judgeAddresses(cluster, status, held),
      judgeFence(fenceFacts(), status),
      ...judgeDuplicates(await answersOrReason(cluster, self, adapters), status),
      ...judgeForeignPrograms(lookAtForeignPrograms(processesHere(), interfaces)),
      ...judgeSysctls(lookAtSysctls(cluster, self)),
    ];
  } finally {
    adapters.close();
  }
}

function interfacesOf(cluster: Cluster, self: NodeConfig, adapters: Adapters): readonly InterfaceFacts[] {
  const found = new Map<string, boolean>();
  for (const group of cluster.groups.filter(({ prefer }) => prefer.includes(self.name)))
    for (const segment of adaptersOf(self, group))
      segment.forEach((name, place) => found.set(name, place === 0 || found.get(name) === true));
  return [...found].map(([name, service]) => {
    const adapter = adapters.byName(name);
    return { name, service, down: adapter === undefined ? "missing" : adapter.down };
  });
}

async function examineMachine(cluster: Cluster, status: Status | undefined): Promise<Finding[]> {
  const refused = status === undefined ? await realTimeRefusal() : (status.engine.not_real_time_because ?? "");
  const ports = [...new Set(cluster.links.flatMap(portsOf))];
  return [
    ...judgePacketFilter({ ruleset: await readRuleset(), legacy: legacyTables(), ports }),
    ...judgeKernel({
      release: release(),
      jiffy_ms: jiffy_ms(native),
      notRealTime: refused,
      rtRuntime_us: rtRuntime(),
      heartbeat_ms: cluster.timing.heartbeat,
    }),
    ...judgeMemory(memoryFacts(status?.engine.pid)),
    ...judgeClock(await clockFacts()),
    judgeNeedrestart(lookAtNeedrestart()),
  ];
}

async function askDaemon(
  socket: string,
): Promise<{ readonly status: Status | undefined; readonly links: Links | undefined; readonly trouble: string }> {
  try {
    const status = await fetchJson<Status>(socket, "/v1/status", PATIENCE_MS);
    return { status, links: await fetchJson<Links>(socket, "/v1/links", PATIENCE_MS), trouble: "" };
  } catch (error) {
    if (error instanceof ApiFailure) return { status: undefined, links: undefined, trouble: error.message };
    throw error;
  }
}

/** What goes over each link, for sentences. */
function carriersOf(links: readonly LinkConfig[]): ReadonlyMap<string, string> {
  return new Map(links.map((link) => [link.name, carrierOf(link)]));
}

function carrierOf(link: LinkConfig): string {
  if (link.kind === "udp") return `${link.port}/udp`;
  return link.kind === "ethernet" ? "EtherType 0x88b5" : "the serial line";
}

function portsOf(link: LinkConfig): readonly number[] {
  return link.kind === "udp" ? [link.port] : [];
}

function aliveOf(status: Status | undefined): ReadonlySet<string> {
  return new Set((status?.nodes ?? []).filter(({ alive }) => alive).map(({ name }) => name));
}
