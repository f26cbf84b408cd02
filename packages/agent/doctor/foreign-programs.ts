/** Doctor: other programs that would remove, or fight for, the addresses of groups. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, type Finding, ok, warn } from "./finding.ts";

const CHECK = "foreign-programs";

export interface ForeignPrograms {
  /** Names of processes in this network namespace. */
  readonly processes: ReadonlySet<string>;
  /** systemd-networkd is told to keep addresses that it did not put there. */
  readonly networkdKeeps: boolean;
  /** Files of netplan. */
  readonly netplan: readonly string[];
  /** Interfaces that carry addresses of groups. */
  readonly interfaces: readonly string[];
}

/** The kernel cuts names at 15 characters. */
const NETWORKD = "systemd-network";
const VRRP = ["keepalived", "vrrpd", "ucarp", "pacemakerd", "corosync"];
const CLIENTS = ["dhcpcd", "connmand", "wickedd"];

export function judgeForeignPrograms({
  processes,
  networkdKeeps,
  netplan,
  interfaces,
}: ForeignPrograms): readonly Finding[] {
  const findings: Finding[] = [];
  const on = interfaces.join(", ") || "its interfaces";
  for (const name of VRRP.filter((each) => processes.has(each)))
    findings.push(
      fail(
        CHECK,
        `${name} runs here: two programs that move addresses fight if they have one in common`,
        `systemctl disable --now ${name}, or make sure that it has none of the groups' addresses`,
      ),
    );
  if (processes.has(NETWORKD) && !networkdKeeps)
    findings.push(
      warn(
        CHECK,
        `systemd-networkd removes addresses that are not its own when it is restarted or a link comes back (${on})`,
        "[Network] KeepConfiguration=yes in the .network file of each of these interfaces",
      ),
    );
  if (processes.has("NetworkManager"))
    findings.push(
      warn(
        CHECK,
        `NetworkManager may remove addresses that are not its own when a connection is activated (${on})`,
        `nmcli device set ${interfaces[0] ?? "INTERFACE"} managed no, or keep-configuration in its [device] section`,
      ),
    );
  for (const name of CLIENTS.filter((each) => processes.has(each)))
    findings.push(warn(CHECK, `${name} configures interfaces here`, `deny it ${on}`));
  if (netplan.length > 0 && !processes.has(NETWORKD) && !processes.has("NetworkManager"))
    findings.push(
      warn(
        CHECK,
        `netplan has ${netplan.join(", ")}: netplan apply sets interfaces anew`,
        "netplan try, then holdfast doctor",
      ),
    );
  return findings.length > 0 ? findings : [ok(CHECK, "no other program is known to remove or move addresses here")];
}

export function lookAtForeignPrograms(
  processes: ReadonlyMap<string, number>,
  interfaces: readonly string[],
  root = "/",
): ForeignPrograms {
  const networks = ["etc/systemd/network", "run/systemd/network"].flatMap((directory) =>
    filesIn(join(root, directory)).filter((file) => file.includes(".network")),
  );
  return {
    processes: new Set(processes.keys()),
    networkdKeeps: networks.some((file) =>
      /^\s*KeepConfiguration\s*=\s*(yes|true|1|on|static)\s*$/m.test(textOf(file)),
    ),
    netplan: filesIn(join(root, "etc/netplan")).filter((file) => file.endsWith(".yaml")),
    interfaces,
  };
}

function filesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => join(directory, name));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // A directory, or not for this user.
    return "";
  }
}
