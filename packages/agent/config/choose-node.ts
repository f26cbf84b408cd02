/** Which node of the configuration this machine is. */
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import { quoted } from "./config-error.ts";
import { suggestion } from "./suggest.ts";

export interface ChooseError {
  readonly code: "unknown-node";
  readonly message: string;
  readonly hint: string;
}

/**
 * The node named `explicit` (of `--node`), else the one named like the host, with or without its domain. A name that
 * was given is never replaced by the host's.
 */
export function chooseNode(cluster: Cluster, hostname: string, explicit?: string): Result<NodeConfig, ChooseError> {
  const named = (name: string): NodeConfig | undefined => cluster.nodes.find((node) => node.name === name);
  const names = cluster.nodes.map((node) => node.name);
  if (explicit !== undefined) {
    const node = named(explicit);
    if (node) return success(node);
    const message = `no node is called ${quoted(explicit)} in cluster ${cluster.name}`;
    return failure({ code: "unknown-node", message, hint: suggestion(explicit, names, "nodes") });
  }
  const host = hostname.toLowerCase();
  const node = named(host) ?? named(host.split(".")[0] ?? "");
  if (node) return success(node);
  const message = `no node is called like this host, ${quoted(hostname)}, in cluster ${cluster.name}`;
  return failure({ code: "unknown-node", message, hint: `say which with --node: ${names.join(", ")}` });
}
