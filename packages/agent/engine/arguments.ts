/** The engine's command line, made by `holdfast run` and checked by it, or as it was typed (direct.ts). */
import { parseArgs } from "node:util";

export interface EngineArguments {
  readonly config: string;
  readonly node: string | undefined;
  readonly socket: string;
  readonly stateDirectory: string;
  readonly runDirectory: string;
  /** Find out whether a daemon could start, and leave. */
  readonly checkOnly: boolean;
}

export function engineArguments(args: readonly string[]): EngineArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: "string", default: "/etc/holdfast/holdfast.yaml" },
      node: { type: "string" },
      socket: { type: "string", default: "/run/holdfast/holdfast.sock" },
      "state-dir": { type: "string", default: "/var/lib/holdfast" },
      "run-dir": { type: "string", default: "/run/holdfast" },
      check: { type: "boolean", default: false },
    },
  });
  return {
    config: values.config,
    node: values.node,
    socket: values.socket,
    stateDirectory: values["state-dir"],
    runDirectory: values["run-dir"],
    checkOnly: values.check,
  };
}
