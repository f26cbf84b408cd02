/** The first thing that control hears of its engine. */
import type { EngineArguments } from "./arguments.ts";
import { unprivilegedUser } from "./user.ts";
import type { ToControl } from "../channel.ts";
import type { Cluster } from "@holdfast/core/cluster.ts";

export function helloOf(args: EngineArguments, cluster: Cluster, node: string): ToControl {
  return {
    kind: "hello",
    socket: args.socket,
    stateDirectory: args.stateDirectory,
    cluster: cluster.name,
    node,
    user: unprivilegedUser(),
    dead_ms: cluster.timing.dead,
  };
}
