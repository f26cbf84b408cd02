/** Asks the engine for its view: one question at a time, its answer shared by all who ask within 20 ms, silence told as such. */
import type { NodeView } from "@holdfast/core/view.ts";
import type { EngineView, LinkView, ToControl, ToEngine } from "../channel.ts";

const SHARED_MS = 20;
const PATIENCE_MS = 300;
/** After an unanswered question the next is put no sooner, so that a frozen engine does not wake to a pile of them. */
const ASK_AGAIN_MS = 1000;

type Answer = Extract<ToControl, { kind: "view" }>;

/** What the engine said last, and how old that is. */
export interface Seen {
  readonly view: NodeView;
  readonly engine: EngineView;
  readonly links: readonly LinkView[];
  readonly age_ms: number;
  /** The engine did not answer in time: nothing of this may be shown as if it were so now. */
  readonly stale: boolean;
}

export interface ViewSource {
  /** Undefined when the engine is silent and never said anything. Takes 300 ms at most. */
  readonly ask: () => Promise<Seen | undefined>;
  /** The engine's answer arrived. */
  readonly answered: (answer: Answer) => void;
}

/** `now` in milliseconds of a monotonic clock. */
export function viewSource(send: (message: ToEngine) => boolean, now: () => number): ViewSource {
  let last: (Answer & { readonly at: number }) | undefined;
  let askedAt: number | undefined;
  let id = 0;
  let waiting: (() => void)[] = [];

  const seen = (stale: boolean): Seen | undefined =>
    last && {
      view: last.view,
      engine: last.engine,
      links: last.links,
      age_ms: Math.max(0, Math.round(now() - last.at)),
      stale,
    };

  return {
    ask() {
      if (last && now() - last.at <= SHARED_MS) return Promise.resolve(seen(false));
      if (askedAt === undefined || now() - askedAt >= ASK_AGAIN_MS) {
        askedAt = now();
        send({ kind: "view", id: ++id });
      }
      return new Promise((resolve) => {
        const answer = (): void => {
          clearTimeout(timer);
          resolve(seen(false));
        };
        const timer = setTimeout(() => {
          waiting = waiting.filter((other) => other !== answer);
          resolve(seen(true));
        }, PATIENCE_MS);
        waiting.push(answer);
      });
    },
    answered(answer) {
      // Whatever question it answers, it is what the engine says now.
      last = { ...answer, at: now() };
      askedAt = undefined;
      const all = waiting;
      waiting = [];
      for (const answer of all) answer();
    },
  };
}
