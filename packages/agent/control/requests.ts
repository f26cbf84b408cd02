/** An operator's request: put to the engine, which routes it to the node that must act; the outcome with what happened meanwhile. */
import type { Event, Outcome, Reload } from "@holdfast/api/schema.ts";
import type { OperatorAction, OutcomeCode } from "@holdfast/core/wire/messages.ts";
import type { ReloadAnswer, ToEngine } from "../channel.ts";
import type { History } from "./history.ts";

/** The engine ends a request by its timeout; only when it says nothing at all do we. */
const GRACE_MS = 500;
/** How long the report of a done move may lag behind its outcome. */
const LATE_EVENT_MS = 300;
const OUTSTANDING_MAX = 16;

export interface Requests {
  /** Undefined when too many are under way or the engine takes no more. */
  readonly put: (target: string, action: OperatorAction, timeout_ms: number) => Promise<Outcome> | undefined;
  /** Replaces this node's own engine; answered before that happens. */
  readonly restart: (timeout_ms: number) => Promise<Outcome> | undefined;
  /** This node's own engine takes its file over. */
  readonly reload: (asked: ReloadAsked, timeout_ms: number) => Promise<ReloadOutcome> | undefined;
  /** The reload that waits for it stays. */
  readonly confirm: (timeout_ms: number) => Promise<ReloadOutcome> | undefined;
  readonly reloaded: (id: number, answer: ReloadAnswer) => void;
  readonly replied: (id: number, code: OutcomeCode, text: string) => void;
}

export type ReloadAsked = Pick<Extract<ToEngine, { kind: "reload" }>, "dryRun" | "digest" | "confirm_ms">;

/** Without what the route adds. */
export type ReloadOutcome = Omit<Reload, "schema" | "node">;

export function requests(send: (message: ToEngine) => boolean, history: History): Requests {
  const outstanding = new Map<number, (code: OutcomeCode, text: string) => void>();
  let id = 0;

  const put = (message: (id: number) => ToEngine, wanted: Wanted, timeout_ms: number): Promise<Outcome> | undefined => {
    if (outstanding.size >= OUTSTANDING_MAX) return undefined;
    const mine = ++id;
    const events: Event[] = [];
    const unfollow = history.follow((event) => {
      if (wanted.concerns(event)) events.push(event);
    });
    const answer = new Promise<Outcome>((resolve) => {
      const finish = (code: OutcomeCode, text: string): void => {
        clearTimeout(timer);
        outstanding.delete(mine);
        const tell = (): void => {
          unfollow();
          resolve({ schema: "holdfast.outcome/1", code, text, events });
        };
        const complete = code !== "done" || wanted.complete(events);
        if (complete) tell();
        else setTimeout(tell, LATE_EVENT_MS);
      };
      const timer = setTimeout(
        () =>
          finish("timeout", `no outcome within ${timeout_ms} ms; the request was not cancelled, see: holdfast status`),
        timeout_ms + GRACE_MS,
      );
      outstanding.set(mine, finish);
    });
    if (send(message(mine))) return answer;
    outstanding.get(mine)?.("failed", "the engine takes no requests now");
    return undefined;
  };
  const reloads = new Map<number, (outcome: ReloadOutcome) => void>();
  const putReload = (message: (id: number) => ToEngine, timeout_ms: number): Promise<ReloadOutcome> | undefined => {
    if (reloads.size >= OUTSTANDING_MAX) return undefined;
    const mine = ++id;
    if (!send(message(mine))) return undefined;
    return new Promise((resolve) => {
      const finish = (outcome: ReloadOutcome): void => {
        clearTimeout(timer);
        reloads.delete(mine);
        resolve(outcome);
      };
      const timer = setTimeout(() => {
        const text = `the engine said nothing within ${timeout_ms} ms, see: holdfast status`;
        finish({ code: "failed", text, file: "", config: "", changes: [], warnings: [], errors: [], error_text: "" });
      }, timeout_ms);
      reloads.set(mine, finish);
    });
  };
  return {
    reload: (asked, timeout_ms) => putReload((of) => ({ kind: "reload", id: of, ...asked }), timeout_ms),
    confirm: (timeout_ms) => putReload((of) => ({ kind: "confirm", id: of }), timeout_ms),
    reloaded: (of, { digest, errorText, ...answer }) =>
      reloads.get(of)?.({ ...answer, config: digest, error_text: errorText }),
    put: (target, action, timeout_ms) =>
      put((of) => ({ kind: "request", id: of, target, action, timeout_ms }), wantedBy(action), timeout_ms),
    restart: (timeout_ms) => put((of) => ({ kind: "restart", id: of, timeout_ms }), NOTHING, timeout_ms),
    replied: (of, code, text) => outstanding.get(of)?.(code, text),
  };
}

/** What of the events is part of the answer, and whether it is all there. */
interface Wanted {
  readonly concerns: (event: Event) => boolean;
  readonly complete: (events: readonly Event[]) => boolean;
}

const NOTHING: Wanted = { concerns: () => false, complete: () => true };

function wantedBy(action: OperatorAction): Wanted {
  if (action.kind === "move") {
    return {
      concerns: (event) => event.group === action.group,
      complete: (events) => events.some((event) => event.code === "group-owned"),
    };
  }
  if (action.kind !== "drain" && action.kind !== "undrain") return NOTHING;
  return { concerns: (event) => event.group !== null || event.node === action.node, complete: () => true };
}
