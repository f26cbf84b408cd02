/** Doctor: who answers on the network for each group's address, asked as somebody who has none of them. */
import type { Status } from "@holdfast/api/schema.ts";
import { adaptersOf, type Cluster, interfaceFor, type NodeConfig } from "@holdfast/core/cluster.ts";
import { arpRequest } from "@holdfast/core/wire/arp.ts";
import { multicastSolicitation } from "@holdfast/core/wire/ndp.ts";
import type { IpAddress, Ipv4, Ipv6 } from "@holdfast/core/units/ip.ts";
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import type { Adapter, Adapters } from "@holdfast/linux/adapters.ts";
import { native } from "@holdfast/linux/load.ts";
import { FrameListener, FrameSender } from "@holdfast/linux/packet/frames.ts";
import { claimOf } from "../engine/claims.ts";
import { fail, type Finding, ok, reasonOf, skip, warn } from "./finding.ts";

const CHECK = "duplicates";
const PROBES = 3;
const APART_MS = 100;
/** RFC 5227 waits two seconds; on a LAN an answer takes milliseconds. */
const LISTEN_MS = 300;

export interface Asked {
  readonly address: string;
  readonly group: string;
  readonly through: string;
  /** This machine has it: then only others count. */
  readonly here: boolean;
  /** MAC addresses of those who answered, not this machine's own. */
  readonly answered: readonly string[];
}

/** Throws without CAP_NET_RAW. */
export async function askAround(cluster: Cluster, self: NodeConfig, adapters: Adapters): Promise<readonly Asked[]> {
  const sender = new FrameSender(native);
  const own = new Set(adapters.all().map(({ mac }) => mac));
  const answers = new Map<IpAddress, Set<string>>();
  const listeners: FrameListener[] = [];
  const asked = cluster.groups.flatMap((group) =>
    group.addresses.flatMap((place) => {
      const named = interfaceFor(self, place);
      const candidates = named === undefined ? [] : [named, ...adaptersOf(self, group).flat()];
      const adapter = candidates.map((name) => adapters.byName(name)).find((each) => each?.up === true);
      return adapter === undefined ? [] : [{ group: group.name, address: place.address, adapter }];
    }),
  );
  try {
    for (const { index } of new Set(asked.map(({ adapter }) => adapter))) {
      const addresses = asked.map(({ address }) => address);
      const frame = (bytes: Uint8Array): void => {
        const claim = claimOf(bytes);
        if (claim !== undefined && !own.has(claim.mac)) answers.get(claim.address)?.add(claim.mac);
      };
      listeners.push(new FrameListener(native, index, addresses, { frame }));
    }
    for (const { address } of asked) answers.set(address, new Set());
    for (let probe = 0; probe < PROBES; probe++) {
      for (const { address, adapter } of asked) ask(sender, adapter, address);
      await new Promise((resolve) => setTimeout(resolve, probe === PROBES - 1 ? LISTEN_MS : APART_MS));
    }
  } finally {
    for (const listener of listeners) listener.close();
    sender.close();
  }
  const local = new Set(adapters.all().flatMap(({ addresses }) => addresses.map(({ address }) => address)));
  return asked.map(({ group, address, adapter }) => ({
    address,
    group,
    through: adapter.name,
    here: local.has(address),
    answered: [...(answers.get(address) ?? [])],
  }));
}

function ask(sender: FrameSender, adapter: Adapter, address: IpAddress): void {
  if (adapter.mac === undefined) return;
  const frame = isIpv4(address)
    ? arpRequest(adapter.mac, "0.0.0.0" as Ipv4, address)
    : multicastSolicitation(adapter.mac, "::" as Ipv6, address);
  sender.sendFrame(adapter.index, frame);
}

/** The same, or why nobody was asked. */
export async function answersOrReason(
  cluster: Cluster,
  self: NodeConfig,
  adapters: Adapters,
): Promise<readonly Asked[] | string> {
  try {
    return await askAround(cluster, self, adapters);
  } catch (error) {
    return reasonOf(error);
  }
}

export function judgeDuplicates(asked: readonly Asked[] | string, status: Status | undefined): readonly Finding[] {
  if (typeof asked === "string") return [skip(CHECK, `nobody was asked: ${asked} (run it as root)`)];
  if (asked.length === 0) return [skip(CHECK, "this node has no interface of a group to ask on")];
  const findings = asked.flatMap((one) => judgeOne(one, status));
  if (findings.length > 0) return findings;
  return [ok(CHECK, `${asked.length} addresses asked for: each is answered by its owner, and by nobody else`)];
}

function judgeOne({ address, group, through, here, answered }: Asked, status: Status | undefined): readonly Finding[] {
  const macs = answered.join(" and ");
  const find = `find ${answered[0] ?? "it"} in the switch's table, and take ${address} off that station`;
  if (answered.length > 1) return [fail(CHECK, `${macs} both answer for ${address} on ${through}`, find)];
  const owner = status?.groups.find(({ name }) => name === group)?.owner ?? undefined;
  const self = here || (status !== undefined && owner === status.node);
  if (self && answered.length === 1)
    return [fail(CHECK, `${macs} answers for ${address} on ${through}, which this node has`, find)];
  if (self) return [];
  if (answered.length === 1 && status !== undefined && owner === undefined)
    return [fail(CHECK, `${macs} answers for ${address} on ${through}, and nobody owns ${group}`, find)];
  if (answered.length === 1 && status === undefined)
    return [ok(CHECK, `${macs} answers for ${address} on ${through}; without a daemon nobody says whether it should`)];
  if (answered.length === 0 && owner !== undefined)
    return [
      warn(
        CHECK,
        `nobody answers for ${address} on ${through}, although ${owner} owns ${group}`,
        `is ${through} in the same network as ${owner}'s? holdfast why ${group}`,
      ),
    ];
  return [];
}
