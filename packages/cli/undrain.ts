/** `holdfast undrain NODE`: the node may own groups again; what moves back is for `failback` to say. */
import { act, type ActOptions, nodeOf } from "./act.ts";
import type { Context } from "./command.ts";

export function undrain(context: Context, node: string, options: ActOptions): Promise<number> {
  const plan = (status: Parameters<typeof nodeOf>[0]): readonly string[] => {
    const { drained } = nodeOf(status, node);
    return [drained ? `undrain ${node}: it may own groups again` : `${node} is not drained`];
  };
  return act(context, options, { path: "/v1/undrain", body: { node }, plan, harmless: true });
}
