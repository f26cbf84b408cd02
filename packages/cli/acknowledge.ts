/** `holdfast acknowledge`: the operator has seen the alarms so far; they leave the status of every node. */
import { act, type ActOptions } from "./act.ts";
import type { Context } from "./command.ts";

export function acknowledge(context: Context, options: ActOptions): Promise<number> {
  return act(context, options, {
    path: "/v1/acknowledge",
    body: {},
    plan: ({ alarms }) =>
      alarms.length === 0 ? ["there is no alarm"] : alarms.map(({ node, text }) => `${node}: ${text}`),
    harmless: true,
  });
}
