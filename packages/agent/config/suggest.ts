/** "Did you mean": the known name nearest to a mistyped one. */
import { quoted } from "./config-error.ts";

/** The candidate at most a third of its length away from `word`, the nearest first; undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    const near = distance <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    if (near && distance < bestDistance && distance < candidate.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** The suggestion as a hint, or the list of what there is. */
export function suggestion(word: string, candidates: readonly string[], kind: string): string {
  const near = nearest(word, candidates);
  if (near !== undefined) return `did you mean ${quoted(near)}?`;
  if (candidates.length === 0) return `there are no ${kind}`;
  const shown = candidates
    .slice(0, 12)
    .map((each) => quoted(each).slice(1, -1))
    .join(", ");
  return `known ${kind}: ${shown}${candidates.length > 12 ? ", ..." : ""}`;
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, (before[j - 2] ?? 0) + 1);
      }
      current.push(value);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
