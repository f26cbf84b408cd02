/** What became of the checks of a take-over (requirement A4): one event for a group, when all its addresses are through. */
import { happened } from "./events.ts";
import type { Group, NodeState } from "./state.ts";
import type { Input } from "../effects.ts";
import type { IpAddress } from "../units/ip.ts";
import type { Instant } from "../units/time.ts";

type Checked = Omit<Extract<Input, { kind: "takeoverChecked" }>, "kind" | "group">;

/** Mutable: of the term that is announced. */
export interface TakeoverCheck {
  readonly term: number;
  readonly checked: Map<IpAddress, Checked>;
}

const NAMED_MAX = 2;

export function takeoverChecked(state: NodeState, group: Group, input: Checked, now: Instant): void {
  if (group.announcedTerm !== input.term) return;
  if (group.takeover?.term !== input.term) group.takeover = { term: input.term, checked: new Map() };
  const { checked } = group.takeover;
  checked.set(input.address, input);
  if (input.pending > 0) return;
  group.takeover = undefined;
  const { name } = group.config;
  const all = [...checked.values()];
  const missing = all.filter(({ by }) => by === undefined);
  const confirmed = all.filter(({ by }) => by !== undefined);
  const latest = Math.max(0, ...all.map(({ after_ms }) => after_ms));
  if (missing.length === 0)
    return happened(state, now, {
      code: "takeover-confirmed",
      group: name,
      text: `${name} on ${state.self.name}: ${some(confirmed, confirmedText)}`,
      phases: { confirm: latest },
    });
  const rest = confirmed.length === 0 ? "" : `; confirmed: ${confirmed.length} of ${all.length}`;
  happened(state, now, {
    code: "takeover-unconfirmed",
    level: "warning",
    group: name,
    text: `${name} on ${state.self.name}: within ${Math.round(latest)} ms nobody answered to ${some(missing, missingText)}${rest}`,
  });
}

function confirmedText({ address, detail, after_ms }: Checked): string {
  return `${detail} answered to ${address} after ${after_ms} ms`;
}

function missingText({ address, detail }: Checked): string {
  return `${address} (${detail})`;
}

/** Enough of them for one sentence. */
function some(list: readonly Checked[], text: (checked: Checked) => string): string {
  const named = list.slice(0, NAMED_MAX).map(text).join(", ");
  return list.length > NAMED_MAX ? `${named} and ${list.length - NAMED_MAX} more` : named;
}
