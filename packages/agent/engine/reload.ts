/**
 * A reload: the file is parsed beside the running daemon, compared with what runs, and taken over in one turn of the loop,
 * or not at all.
 */
import { createHash } from "node:crypto";
import type { ReloadAnswer } from "../channel.ts";
import { Confirmation, irreversible } from "./confirmation.ts";
import type { Keys } from "../seal/keys.ts";
import type { Prepared, Unprepared } from "./prepare.ts";
import type { NodeState } from "@holdfast/core/node.ts";
import { reloadPlan } from "@holdfast/core/node/reload-plan.ts";
import { failure, type Result } from "@holdfast/core/units/result.ts";
import type { Instant } from "@holdfast/core/units/time.ts";

export interface ReloadSteps {
  /** As the operator named it. */
  readonly file: string;
  readonly prepare: () => Promise<Result<Prepared, Unprepared>>;
  readonly state: () => NodeState;
  /** What runs now, to compare with and to come back to. */
  readonly running: () => Prepared;
  readonly now: () => Instant;
  /** All of it, or a reason and nothing. */
  readonly apply: (prepared: Prepared) => Result<void, string>;
  /** A reload that was asked for and not done, or undone: everybody shall know. */
  readonly tell: (code: string, text: string, level: "info" | "warning" | "alarm") => void;
}

export interface ReloadRequest {
  readonly dryRun: boolean;
  /** Of the configuration whose plan was agreed to; undefined: whatever the file has. */
  readonly digest: string | undefined;
  /** Back to the configuration before, unless confirmed within so many milliseconds. */
  readonly confirm_ms?: number | undefined;
}

export class Reload {
  readonly #steps: ReloadSteps;
  readonly #confirmation: Confirmation;
  #underWay = false;

  constructor(steps: ReloadSteps) {
    this.#steps = steps;
    this.#confirmation = new Confirmation(steps);
  }

  /** Until the configuration that runs is rolled back, unless confirmed. */
  get unconfirmed_ms(): number | undefined {
    return this.#confirmation.remaining_ms;
  }

  /** The operator can still reach what matters: the configuration stays. */
  confirm(): ReloadAnswer {
    const confirmed = this.#confirmation.confirm();
    if (!confirmed.ok) return this.#answer("refused", confirmed.error);
    const text = `configuration ${confirmed.value} is confirmed on ${this.#steps.state().self.name}`;
    this.#steps.tell("config-confirmed", text, "info");
    return this.#answer("done", text);
  }

  /** `reply` comes once, after the file was parsed. */
  async ask(request: ReloadRequest, reply: (answer: ReloadAnswer) => void): Promise<void> {
    if (this.#underWay) return reply(this.#answer("refused", "a reload is under way already"));
    this.#underWay = true;
    const prepared = await this.#steps.prepare();
    this.#underWay = false;
    const answer = prepared.ok ? this.#judge(request, prepared.value) : this.#invalid(prepared.error);
    if (!request.dryRun && ["invalid", "refused", "failed"].includes(answer.code))
      this.#steps.tell("config-refused", `not reloaded, the configuration before goes on: ${answer.text}`, "warning");
    reply(answer);
  }

  #judge(request: ReloadRequest, prepared: Prepared): ReloadAnswer {
    const { state, now, apply } = this.#steps;
    const running = state();
    const before = this.#steps.running();
    const plan = reloadPlan(running, prepared.cluster, now());
    const changes = [...plan.changes, ...keyChanges(before.keys, prepared.keys)];
    const { warnings } = plan;
    const details = { digest: prepared.cluster.digest, changes, warnings };
    const { name } = running.self;
    const obstacles = [...plan.obstacles, ...this.#unconfirmable(request, before, prepared)];
    if (obstacles.length > 0) return this.#answer("refused", obstacles.join("; "), details);
    if (request.digest !== undefined && request.digest !== prepared.cluster.digest)
      return this.#answer("refused", "the file has changed since its plan was shown", details);
    if (changes.length === 0)
      return this.#answer("unchanged", `${name} works from this configuration already`, details);
    if (request.dryRun) return this.#answer("planned", `${changes.length} changes on ${name}`, details);
    const applied = apply(prepared);
    if (!applied.ok) return this.#answer("failed", `nothing was changed: ${applied.error}`, details);
    const done = `${name} works from configuration ${prepared.cluster.digest}`;
    if (request.confirm_ms === undefined) return this.#answer("done", done, details);
    this.#confirmation.begin(prepared.cluster.digest, request.confirm_ms, () => this.#rollBack(before));
    const until = `${request.confirm_ms / 1000} s`;
    return this.#answer("done", `${done}, which is rolled back in ${until} unless: holdfast confirm`, details);
  }

  /** A second change while one waits could not be told from it when the time is over. */
  #unconfirmable({ confirm_ms }: ReloadRequest, before: Prepared, next: Prepared): readonly string[] {
    const waiting = this.#confirmation.digest;
    if (waiting !== undefined && waiting !== next.cluster.digest)
      return [`configuration ${waiting} waits to be confirmed: holdfast confirm, or wait until it is rolled back`];
    const obstacle = confirm_ms === undefined ? undefined : irreversible(before.cluster, next.cluster);
    return obstacle === undefined ? [] : [obstacle];
  }

  #rollBack(before: Prepared): Result<void, string> {
    const { state, now, apply, file } = this.#steps;
    const undone = state().cluster.digest;
    const { obstacles } = reloadPlan(state(), before.cluster, now());
    if (obstacles.length > 0) return failure(obstacles.join("; "));
    const applied = apply(before);
    if (!applied.ok) return applied;
    const text =
      `${undone} was not confirmed in time: ${state().self.name} works from ${before.cluster.digest} again; ` +
      `${file} still has the other`;
    this.#steps.tell("config-rolled-back", text, "warning");
    return applied;
  }

  #invalid({ text, errors }: Unprepared): ReloadAnswer {
    const [first] = errors;
    const place = first === undefined || first.line === null ? "" : `:${first.line}:${first.column}`;
    const what = first === undefined ? text.trim() : `${first.file}${place}: ${first.message}`;
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
    return this.#answer("invalid", `${what}${more}`, { errorText: text, errors });
  }

  #answer(code: ReloadAnswer["code"], text: string, more: Partial<ReloadAnswer> = {}): ReloadAnswer {
    const { cluster } = this.#steps.state();
    const nothing = { digest: cluster.digest, changes: [], warnings: [], errors: [], errorText: "" };
    return { ...nothing, ...more, code, text, file: this.#steps.file };
  }
}

/** Names only; a secret under the name of another is a change all the same. */
function keyChanges(before: Keys, after: Keys): string[] {
  const text = (keys: Keys): string =>
    keys.accepted.map(({ name }) => (name === keys.active.name ? `${name} (active)` : name)).join(" ");
  if (text(before) !== text(after)) return [`keys: ${text(before)} -> ${text(after)}`];
  return fingerprint(before) === fingerprint(after) ? [] : [`keys: other secrets under the same names`];
}

function fingerprint(keys: Keys): string {
  const hash = createHash("sha256");
  for (const { name, secret } of keys.accepted) hash.update(`${name} `).update(secret);
  return hash.digest("hex");
}
