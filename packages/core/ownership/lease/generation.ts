/**
 * When a node may go over to another set of voters or another timing (ownership.md section 7, G1 to G5). Pure: what it
 * needs to know of the others is given to it. V3 keeps the generations apart; G1 and G3 make their majorities meet.
 */
import { durationText, LONGEST_LEASE } from "./timing.ts";
import { type Cluster, votersOf } from "../../cluster.ts";
import type { NodeName } from "../../units/names.ts";
import { between, type Instant } from "../../units/time.ts";

/** What a daemon knows of the generation before its own: it was in it, or it has heard nothing of it. */
export interface FormerGeneration {
  readonly voters: readonly NodeName[];
  /** T in milliseconds. */
  readonly dead: number;
}

/** Who is known to be in this node's generation, or a later one, and since when on this node's clock. */
export interface GenerationKnowledge {
  readonly now: Instant;
  /** Undefined: this daemon started in its generation. */
  readonly former: FormerGeneration | undefined;
  /** This node itself included; undefined: in an earlier one, or not heard. */
  readonly since: (node: NodeName) => Instant | undefined;
}

export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** What of a configuration belongs to its generation: the voters and what they count by. */
export function sameGeneration(before: Cluster, next: Cluster): boolean {
  const { added, removed } = voterChange(before, next);
  return (
    added.length === 0 &&
    removed.length === 0 &&
    before.timing.heartbeat === next.timing.heartbeat &&
    before.timing.dead === next.timing.dead &&
    (before.quorum ?? "majority") === (next.quorum ?? "majority")
  );
}

export function voterChange(
  before: Cluster,
  next: Cluster,
): { readonly added: readonly NodeName[]; readonly removed: readonly NodeName[] } {
  const [old, now] = [votersOf(before), votersOf(next)];
  return { added: now.filter((name) => !old.includes(name)), removed: old.filter((name) => !now.includes(name)) };
}

/** Why a running node may not go over from `before` to `next`; undefined: it may. One sentence, with what to do. */
export function generationObstacle(before: Cluster, next: Cluster, known: GenerationKnowledge): string | undefined {
  if (next.generation === before.generation) {
    if (sameGeneration(before, next)) return undefined;
    return `voters, quorum or timing change, and generation does not: write generation: ${before.generation + 1}`;
  }
  if (next.generation < before.generation)
    return `generation ${next.generation} is over, ${before.generation} runs: write generation: ${before.generation + 1}`;
  if (next.generation > before.generation + 1)
    return `generation ${before.generation} runs and ${next.generation} is not the next: one step at a time`;
  const { added, removed } = voterChange(before, next);
  if (added.length + removed.length > 1)
    return `${[...added, ...removed].join(", ")}: one voter may be added or removed with a generation, not ${added.length + removed.length}`;
  return behind(before, known);
}

/** G3: a majority of the voters of the generation before this one must have left it, for as long as a lease lasts. */
function behind(before: Cluster, { now, former, since }: GenerationKnowledge): string | undefined {
  if (before.generation === 1) return undefined;
  const here = votersOf(before);
  const wait = 1.02 * (former === undefined ? LONGEST_LEASE : Math.max(former.dead, before.timing.dead));
  const voters = former?.voters ?? here;
  const arrived = voters.filter((node) => {
    const at = since(node);
    return at !== undefined && between(at, now) >= wait;
  });
  const needed = former === undefined ? neededUnseen(here.length) : majorityOf(former.voters.length);
  if (arrived.length >= needed) return undefined;
  const missing = voters.filter((node) => !arrived.includes(node));
  return (
    `generation ${before.generation} must be in force first: ${needed} of ${voters.length} voters have to be in it for ` +
    `${durationText(Math.ceil(wait))}, ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not yet`
  );
}

/**
 * By G1 the generation before had the same voters, one more or one less. Enough for every one of these: of one more, who
 * is unknown here; of one less, the one among those counted who had no vote.
 */
function neededUnseen(voters: number): number {
  return Math.max(majorityOf(voters), majorityOf(voters + 1), majorityOf(voters - 1) + 1);
}
