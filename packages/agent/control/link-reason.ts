/** Why one node does not hear another on a link, in words for an operator. */
import type { LinkView as LinkEnds } from "../channel.ts";
import type { PeerView } from "@holdfast/core/view.ts";

export interface Silence {
  readonly ends: LinkEnds;
  readonly listener: PeerView;
  readonly speaker: PeerView;
  /** Milliseconds since the listener last heard the speaker here; null: never. */
  readonly age_ms: number | null;
  /** The speaker hears the listener here; undefined: nobody knows. */
  readonly heardBack: boolean | undefined;
}

export function reasonOf({ ends, listener, speaker, age_ms, heardBack }: Silence): string {
  // What this node knows of its own end explains both directions.
  if ((listener.self || speaker.self) && ends.trouble !== undefined) return ends.trouble;
  if (!speaker.alive) return age_ms === null ? `${speaker.name} was never heard` : `${speaker.name} is down`;
  const since = age_ms === null ? "never heard" : `not heard for ${seconds(age_ms)}`;
  if (heardBack === true) {
    return `${since}: ${listener.name} does not hear ${speaker.name} but ${speaker.name} hears ${listener.name}`;
  }
  return since;
}

function seconds(duration_ms: number): string {
  return duration_ms < 10_000 ? `${(duration_ms / 1000).toFixed(1)} s` : `${Math.round(duration_ms / 1000)} s`;
}
