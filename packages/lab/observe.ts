/** One fault and what the client and the watcher saw of it. */
import type { Lab } from "./lab.ts";
import { LabError } from "./directory.ts";
import { worse } from "./outage.ts";
import type { Outage } from "./outage.ts";

/** A steady state is one node answering everything for this long. */
const STEADY_MS = 300;
/** The longest a takeover is waited for: a voter that forgot its record abstains for five seconds. */
const TAKEOVER_MS = 15_000;
/** How long a fault that should change nothing is watched: several times the dead time. */
const NO_CHANGE_MS = 1000;
/** Answers may be on their way for so long: younger requests are not counted. */
const IN_FLIGHT_MS = 20;

export interface Observation {
  /** The worse of IPv4 and IPv6. */
  readonly outage: Outage;
  readonly ipv4_ms: number;
  readonly ipv6_ms: number;
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly violations: readonly (readonly string[])[];
  /** Answers the watcher captured at the nodes' ports from the start of the lab: 0 means it is blind. */
  readonly captured: number;
}

/**
 * Does something and watches until the service is steady again. `moves` tells whether another node than `owner` must
 * answer at the end; without it a second must pass in which nothing need change.
 */
export async function observe(
  lab: Lab,
  owner: string | undefined,
  moves: boolean,
  perform: () => Promise<void>,
): Promise<Observation> {
  const from = await lab.traffic.position();
  await perform();
  const done = await lab.traffic.position();
  const after = moves ? from : done + NO_CHANGE_MS - STEADY_MS;
  const steady = await lab.traffic.steady(after, STEADY_MS, moves ? owner : undefined, TAKEOVER_MS);
  const seen = await lab.traffic.report(from, steady.number - IN_FLIGHT_MS);
  const outage = worse(seen.ipv4, seen.ipv6);
  const captured = Object.values(seen.answers).reduce(
    (sum, kinds) => sum + kinds.udp4 + kinds.udp6 + kinds.arp + kinds.ndp,
    0,
  );
  return {
    outage,
    ipv4_ms: seen.ipv4.outage_ms,
    ipv6_ms: seen.ipv6.outage_ms,
    before: owner,
    after: steady.node,
    violations: seen.violations,
    captured,
  };
}

/** The node that answers now; throws LabError when none does for a while. */
export async function steadyOwner(lab: Lab): Promise<string> {
  const owner = await lab.owner(STEADY_MS, TAKEOVER_MS);
  if (owner === undefined) throw new LabError("no node answers the client steadily; see: holdfast lab status");
  return owner;
}

/** What the client and the watcher saw, in sentences. */
export function describeObservation(seen: Observation): readonly string[] {
  const { outage } = seen;
  const lost =
    outage.lost === 0
      ? `client lost nothing of ${outage.sent} requests`
      : `client lost ${outage.lost} of ${outage.sent} requests: outage ${outage.outage_ms} ms`;
  const moved =
    seen.before === seen.after
      ? `${seen.after ?? "nobody"} answers as before`
      : `${seen.before ?? "nobody"} answered before, ${seen.after ?? "nobody"} does now`;
  const state = seen.after === undefined ? "the client is still without steady answers" : moved;
  const verdict =
    seen.captured === 0
      ? "the watcher saw no answer at all"
      : seen.violations.length === 0
        ? "never two nodes"
        : `TWO NODES ANSWERED (${seen.violations.length} times)`;
  return [`${lost}; ${state}; ${verdict}`, ...seen.violations.flat()];
}
