/**
 * Who has our key and is not who he says: a machine that is in no configuration here, a second machine under the name of a
 * node (a clone), a member whose values cannot be. None of them changes anything; every node hears of them by name.
 */
import { happened } from "./events.ts";
import { countOf, mayTell, tellRejected } from "./rejecting.ts";
import type { NodeState } from "./state.ts";
import type { Hearing } from "../membership/hearing.ts";
import { isAlive, type Peer } from "../membership/peer.ts";
import type { Input } from "../effects.ts";
import type { Heartbeat } from "../wire/messages.ts";
import { between, type Instant } from "../units/time.ts";

/** Both were heard for so many leases: no restart takes that long to be over. */
const TWIN_LEASES = 3;
const NONSENSE_EVERY_MS = 60_000;
/** A group that was removed from both configurations is gone by then, but for connections that drain. */
const AGREED_MS = 60_000;
/** At 10 ms it takes two days to get so far ahead without being heard. */
const MESSAGE_LEAP = 2 ** 24;

/** Somebody with our key who is not in our configuration, or has our own name. */
export function stranger(state: NodeState, input: Extract<Input, { kind: "heartbeat" }>, now: Instant): void {
  const { link, heartbeat, source } = input;
  const from = source === undefined ? "" : ` from ${source}`;
  const entry = countOf(
    state,
    link,
    "sender",
    source === undefined ? heartbeat.node : `${heartbeat.node} at ${source}`,
  );
  entry.count += 1;
  if (heartbeat.node === state.self.name)
    entry.cloned ??= `another machine calls itself ${heartbeat.node} (boot ${heartbeat.boot}, heard on ${link}${from})`;
  tellRejected(state, entry, now);
}

/**
 * True for a daemon on another machine under the name of a peer that lives. A machine that was rebooted comes when the one
 * before is silent; a restarted daemon has the same kernel. So the newcomer is not answered: nobody grants it anything, and
 * the one that was there first goes on undisturbed.
 */
export function isTwin(
  state: NodeState,
  peer: Peer,
  input: Extract<Input, { kind: "heartbeat" }>,
  now: Instant,
): boolean {
  const { heartbeat, link, source } = input;
  const { dead } = state.cluster.timing;
  if (heartbeat.boot === peer.boot || heartbeat.kernel === peer.kernel || !isAlive(peer, dead, now)) return false;
  if (peer.twin?.boot !== heartbeat.boot) {
    peer.twin = { boot: heartbeat.boot, since: now, told: false };
    return true;
  }
  const { since, told } = peer.twin;
  if (told || between(since, now) < TWIN_LEASES * dead || !mayTell(state.telling, now)) return true;
  peer.twin = { boot: heartbeat.boot, since, told: true };
  const { name } = peer.config;
  const first = peer.source === undefined ? "" : ` from ${peer.source}`;
  const second = source === undefined ? "" : ` from ${source}`;
  happened(state, now, {
    code: "node-cloned",
    level: "alarm",
    text: `two machines call themselves ${name}: boot ${peer.boot}${first} counts; boot ${heartbeat.boot} on ${link}${second} is not answered`,
  });
  return true;
}

/** Says, once a minute for each kind, what of an authentic message cannot be. What is believed of it is not decided here. */
export function noticeNonsense(
  state: NodeState,
  peer: Peer,
  hearing: Hearing,
  heartbeat: Heartbeat,
  now: Instant,
): void {
  const what = nonsense(state, peer, hearing, heartbeat, now);
  if (what !== undefined) tellNonsense(state, peer, what, now);
}

export function tellNonsense(state: NodeState, peer: Peer, what: string, now: Instant): void {
  const { name } = peer.config;
  const toldAt = peer.nonsenseToldAt.get(what);
  if (toldAt !== undefined && between(toldAt, now) < NONSENSE_EVERY_MS) return;
  if (!mayTell(state.telling, now)) return;
  peer.nonsenseToldAt.set(what, now);
  happened(state, now, {
    code: "peer-nonsense",
    level: "alarm",
    text: `${name} (boot ${peer.boot}) says what cannot be: ${what}; it is not believed, look at its memory and its software`,
  });
}

/** A fixed set of words: they are what is remembered as told. */
function nonsense(
  state: NodeState,
  peer: Peer,
  hearing: Hearing,
  heartbeat: Heartbeat,
  now: Instant,
): string | undefined {
  if (heartbeat.eventsSeen > state.eventNumber) return "it has events that have not happened";
  if (heartbeat.echo !== undefined && heartbeat.echo.message > peer.messagesSent)
    return "it heard a message that was not sent";
  if (hearing.highest > 0 && heartbeat.message > hearing.highest + MESSAGE_LEAP)
    return "the number of its message is far ahead";
  if (heartbeat.groups.every(({ group }) => state.groups.has(group))) return undefined;
  // With another configuration it may have others, and what left its own stays until it is released and drained.
  if (peer.agreesSince === undefined || heartbeat.digest !== state.cluster.digest) return undefined;
  const drain = Math.max(0, ...[...state.groups.values()].map(({ config }) => config.drain));
  if (between(peer.agreesSince, now) < AGREED_MS + drain) return undefined;
  return "a group that its configuration does not have";
}
