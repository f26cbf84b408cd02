/** Doctor: the adapters that carry addresses of groups, or may, are there and up. */
import { fail, type Finding, ok, skip, warn } from "./finding.ts";

const CHECK = "interfaces";

export interface InterfaceFacts {
  readonly name: string;
  /** It is the first of a segment: addresses are on it when nothing has failed. */
  readonly service: boolean;
  /** Undefined: up. */
  readonly down: string | undefined;
}

export function judgeInterfaces(interfaces: readonly InterfaceFacts[]): readonly Finding[] {
  if (interfaces.length === 0) return [skip(CHECK, "no group may be on this node: it needs none")];
  const bad = interfaces.flatMap(({ name, service, down }) => {
    if (down === undefined) return [];
    const remedy =
      down === "missing"
        ? "ip link shows the names; correct interfaces: of this node"
        : `ip link set ${name} up, then its cable`;
    const text = `${name} is ${down === "missing" ? "not there" : `down (${down})`}`;
    return [service ? fail(CHECK, text, remedy) : warn(CHECK, `standby adapter ${text}`, remedy)];
  });
  return bad.length > 0 ? bad : [ok(CHECK, `${interfaces.map(({ name }) => name).join(", ")}: up`)];
}
