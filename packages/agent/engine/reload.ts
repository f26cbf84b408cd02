/**
 * A reload: the file is parsed beside the running daemon, compared with what runs, and taken over in one turn of the loop,
 * or not at all.
 */
import { createHash } from "node:crypto";
import type { ReloadAnswer } from "../channel.ts";
import type { Keys } from "../seal/keys.ts";
import type { Prepared, Unprepared } from "./prepare.ts";
import type { NodeState } from "@holdfast/core/node.ts";
import { reloadPlan } from "@holdfast/core/node/reload-plan.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import type { Instant } from "@holdfast/core/units/time.ts";

export interface ReloadSteps {
  /** As the operator named it. */
  readonly file: string;
  readonly prepare: () => Promise<Result<Prepared, Unprepared>>;
  readonly state: () => NodeState;
  readonly keys: () => Keys;
  readonly now: () => Instant;
  /** All of it, or a reason and nothing. */
  readonly apply: (prepared: Prepared) => Result<void, string>;
  /** A reload that was asked for and not done: everybody shall know. */
  readonly tell: (text: string) => void;
}

export interface ReloadRequest {
  readonly dryRun: boolean;
  /** Of the configuration whose plan was agreed to; undefined: whatever the file has. */
  readonly digest: string | undefined;
}

export class Reload {
  readonly #steps: ReloadSteps;
  #underWay = false;

  constructor(steps: ReloadSteps) {
    this.#steps = steps;
  }

  /** `reply` comes once, after the file was parsed. */
  async ask(request: ReloadRequest, reply: (answer: ReloadAnswer) => void): Promise<void> {
    if (this.#underWay) return reply(this.#answer("refused", "a reload is under way already"));
    this.#underWay = true;
    const prepared = await this.#steps.prepare();
    this.#underWay = false;
    const answer = prepared.ok ? this.#judge(request, prepared.value) : this.#invalid(prepared.error);
    if (!request.dryRun && ["invalid", "refused", "failed"].includes(answer.code))
      this.#steps.tell(`not reloaded, the configuration before goes on: ${answer.text}`);
    reply(answer);
  }

  #judge(request: ReloadRequest, prepared: Prepared): ReloadAnswer {
    const { state, keys, now, apply } = this.#steps;
    const running = state();
    const plan = reloadPlan(running, prepared.cluster, now());
    const changes = [...plan.changes, ...keyChanges(keys(), prepared.keys)];
    const { warnings } = plan;
    const details = { digest: prepared.cluster.digest, changes, warnings };
    const { name } = running.self;
    if (plan.obstacles.length > 0) return this.#answer("refused", plan.obstacles.join("; "), details);
    if (request.digest !== undefined && request.digest !== prepared.cluster.digest)
      return this.#answer("refused", "the file has changed since its plan was shown", details);
    if (changes.length === 0)
      return this.#answer("unchanged", `${name} works from this configuration already`, details);
    if (request.dryRun) return this.#answer("planned", `${changes.length} changes on ${name}`, details);
    const applied = apply(prepared);
    if (!applied.ok) return this.#answer("failed", `nothing was changed: ${applied.error}`, details);
    return this.#answer("done", `${name} works from configuration ${prepared.cluster.digest}`, details);
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
