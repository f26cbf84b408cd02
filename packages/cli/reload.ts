/** `holdfast reload`: what changes on this node first, then all of it or nothing. Other nodes are reloaded on their own. */
import { postReload } from "@holdfast/api/client.ts";
import { EXIT, type Reload } from "@holdfast/api/schema.ts";
import { type ActOptions, confirm } from "./act.ts";
import type { Context } from "./command.ts";
import { printable } from "./terminal.ts";

const EXIT_OF: Readonly<Record<Reload["code"], number>> = {
  done: EXIT.done,
  planned: EXIT.done,
  unchanged: EXIT.done,
  refused: EXIT.refused,
  invalid: EXIT.usage,
  failed: EXIT.failed,
};

export interface ReloadOptions extends ActOptions {
  /** Rolled back after so many milliseconds, unless `confirm` comes before. */
  readonly confirm_ms?: number | undefined;
}

export async function reload(context: Context, options: ReloadOptions): Promise<number> {
  const confirmed = options.confirm_ms === undefined ? {} : { confirm_ms: options.confirm_ms };
  const plan = await postReload(context.socket, { dry_run: true, ...confirmed }, options.timeout_ms);
  if (options.dryRun || plan.code !== "planned") return tell(context, plan);
  if (!context.json) reloadLines(plan).forEach((line) => context.print(printable(line)));
  if (!options.yes) await confirm(context);
  const request = { dry_run: false, config: plan.config, ...confirmed };
  return tell(context, await postReload(context.socket, request, options.timeout_ms), true);
}

/** `holdfast confirm`: what was reloaded with --confirm stays. */
export async function confirmReload(context: Context, options: ActOptions): Promise<number> {
  return tell(context, await postReload(context.socket, "confirm", options.timeout_ms), true);
}

/** The plan as `reload --dry-run` prints it. */
export function reloadLines(plan: Reload): readonly string[] {
  const { node, file, changes, warnings } = plan;
  return [
    `reload ${file} on ${node}:`,
    ...changes.map((change) => `  ${change}`),
    ...warnings.map((warning) => `! ${warning}`),
  ];
}

function tell(context: Context, answer: Reload, shown = false): number {
  const exit = EXIT_OF[answer.code];
  if (context.json) {
    context.print(JSON.stringify(answer));
    return exit;
  }
  if (answer.code === "invalid") {
    // As check-config prints it: lines with their excerpts.
    process.stderr.write(answer.error_text);
    process.stderr.write(`holdfast: not reloaded; ${answer.node} goes on as before\n`);
    return exit;
  }
  if (!shown && answer.changes.length > 0) reloadLines(answer).forEach((line) => context.print(printable(line)));
  if (answer.code === "planned") return exit;
  const good = answer.code === "done" || answer.code === "unchanged";
  const word = context.terminal.paint(good ? "green" : "red", answer.code.toUpperCase());
  context.print(`${word}: ${printable(answer.text)}`);
  return exit;
}
