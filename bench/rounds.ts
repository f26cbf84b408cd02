/** One fault and its healing, as the client and the watcher see them. */
import { worse } from "@holdfast/lab/outage.ts";
import type { OwnerChange } from "@holdfast/lab/outage.ts";
import type { Lab } from "@holdfast/lab/lab.ts";
import type { Watched } from "./results.ts";
import type { Bench, Scenario } from "./scenarios.ts";

/** One node answers everything for so long: steady. */
const STEADY_MS = 300;
/** The longest a service is waited for. */
const TAKEOVER_MS = 15_000;
/** A client that was left with a stale neighbour may take so long to ask anew. */
const REST_MS = 60_000;
/** Healing is watched at least so long, and one heartbeat. */
const HEALING_MS = 1000;
/** Answers may be on their way for so long: younger requests are not counted. */
const IN_FLIGHT_MS = 20;
/** Who serves before each round: the first in the order of preference. */
export const PREFERRED = "n1";

export interface Round {
  readonly during: Watched;
  readonly healing: Watched | undefined;
  readonly changes: readonly OwnerChange[];
}

/** Prepares, does it and watches, heals and watches; a text is the reason why the product cannot do it. */
export async function runRound(bench: Bench, scenario: Scenario): Promise<Round | string> {
  const { lab, product, timing } = bench;
  await product.rest(PREFERRED);
  const steady = await lab.traffic.steady(await lab.traffic.position(), STEADY_MS, undefined, REST_MS);
  if (steady.node !== PREFERRED) throw new Error(`${steady.node ?? "nobody"} answers at rest, not ${PREFERRED}`);
  await scenario.before?.(bench, PREFERRED);
  const hold_ms = scenario.hold_ms(timing);
  let absent: string | void = undefined;
  const fault = await watch(lab, hold_ms, scenario.moves ? PREFERRED : undefined, async () => {
    absent = await scenario.perform(bench, PREFERRED);
  });
  if (typeof absent === "string") return absent;
  if (fault.captured === 0) throw new Error("the watcher captured no answer: it would not see two owners either");
  const { heal } = scenario;
  // A master that was away is heard at its next advert; what that does to clients comes after.
  const healing = heal && (await watch(lab, HEALING_MS + timing.heartbeat_ms, undefined, () => heal(bench, PREFERRED)));
  return { during: fault.watched, healing: healing?.watched, changes: fault.changes };
}

interface Seen {
  readonly watched: Watched;
  readonly changes: readonly OwnerChange[];
  readonly captured: number;
}

/** Watches for `hold_ms` after `perform`, and on until one node, not `notThis`, answers steadily. */
export async function watch(
  lab: Lab,
  hold_ms: number,
  notThis: string | undefined,
  perform: () => Promise<void>,
): Promise<Seen> {
  const from = await lab.traffic.position();
  await perform();
  const done = await lab.traffic.position();
  const steady = await lab.traffic.steady(done + hold_ms - STEADY_MS, STEADY_MS, notThis, hold_ms + TAKEOVER_MS);
  const seen = await lab.traffic.report(from, steady.number - IN_FLIGHT_MS);
  const outage = worse(seen.ipv4, seen.ipv6);
  const captured = Object.values(seen.answers).reduce((sum, kinds) => sum + kinds.udp4 + kinds.udp6, 0);
  const watched = {
    outage_ms: outage.outage_ms,
    lost: Math.max(seen.ipv4.lost, seen.ipv6.lost),
    overlap_ms: seen.overlap_ms,
    changes: seen.changes.length,
    steady: steady.node !== undefined,
  };
  return { watched, changes: seen.changes, captured };
}
