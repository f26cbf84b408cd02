/**
 * Starts a lab's supervisor in namespaces of its own: network, mounts, processes, and users when not root. The kernel ends
 * them all when the first process of the namespace ends, in whatever way: nothing of a lab can outlive it.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { openSync, closeSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LabDirectory } from "./directory.ts";

const SUPERVISOR = fileURLToPath(new URL("supervisor.ts", import.meta.url));

/**
 * The first process: a shell, which reaps orphans (Node would not). It gives the lab its own /run, where `ip netns` and
 * the nodes' volatile state live, and ends with the supervisor.
 */
const INIT = 'mount -t tmpfs -o mode=755 holdfast-lab /run || exit 1\nmkdir /run/netns\n"$@" &\nwait $!';

export interface LabOptions {
  readonly nodes: number;
  readonly witness: boolean;
  /** Each member has a second adapter on the lan. */
  readonly standby?: boolean;
  readonly heartbeat: string;
  readonly dead: string;
  /** False: network and traffic only, addresses are placed by hand. */
  readonly daemons: boolean;
}

/** The arguments of unshare(1). */
export function unshareArguments(uid: number): readonly string[] {
  const user = uid === 0 ? [] : ["--user", "--map-root-user"];
  return [...user, "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"];
}

/** The words that run `command` in namespaces of its own, with a /run of its own; all ends with the first process. */
export function isolatedCommand(uid: number, command: readonly string[]): readonly string[] {
  return ["unshare", ...unshareArguments(uid), "--", "sh", "-c", INIT, "holdfast-lab", ...command];
}

/** Detached: it lives on when the command ends. Its output goes to the lab's log. */
export function startSupervisor(directory: LabDirectory, options: LabOptions): ChildProcess {
  const log = openSync(directory.log, "a", 0o600);
  const uid = process.getuid?.() ?? 0;
  const supervisor = [process.execPath, SUPERVISOR, directory.path, directory.name, JSON.stringify(options)];
  const [file = "", ...words] = isolatedCommand(uid, supervisor);
  const child = spawn(file, words, { detached: true, stdio: ["ignore", log, log], cwd: "/" });
  closeSync(log);
  if (child.pid !== undefined) writeFileSync(directory.pid, `${child.pid}\n`);
  child.unref();
  return child;
}

/** What the kernel lets a user without root do, as far as it tells. */
export interface Permissions {
  readonly uid: number;
  /** kernel.unprivileged_userns_clone (Debian), undefined where the kernel has no such switch. */
  readonly unprivileged: string | undefined;
  /** kernel.apparmor_restrict_unprivileged_userns (Ubuntu). */
  readonly apparmor: string | undefined;
  /** user.max_user_namespaces. */
  readonly most: string | undefined;
}

export function readPermissions(): Permissions {
  return {
    uid: process.getuid?.() ?? 0,
    unprivileged: sysctl("kernel/unprivileged_userns_clone"),
    apparmor: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
    most: sysctl("user/max_user_namespaces"),
  };
}

function sysctl(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${path}`, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Why namespaces were refused and what to do about it. */
export function explainRefusal(permissions: Permissions, log: string): string {
  const said = log.trim().split("\n").slice(-3).join("; ") || "no message";
  if (/No space left on device/.test(said)) {
    return `the kernel's limit on namespaces is reached (${said}). Raise it: sudo sysctl user.max_net_namespaces=10000 user.max_user_namespaces=10000, or end other labs: holdfast lab down --name NAME`;
  }
  if (permissions.uid === 0) {
    return `the kernel refuses namespaces even to root (${said}). In a container: start it with --privileged, or run the lab outside`;
  }
  const asRoot = "or run it as root: sudo ./holdfast lab ...";
  if (permissions.unprivileged === "0") {
    return `user namespaces are switched off for users (kernel.unprivileged_userns_clone = 0). sudo sysctl kernel.unprivileged_userns_clone=1, ${asRoot}`;
  }
  if (permissions.most === "0") {
    return `user namespaces are switched off (user.max_user_namespaces = 0). sudo sysctl user.max_user_namespaces=10000, ${asRoot}`;
  }
  if (permissions.apparmor === "1") {
    return `AppArmor forbids user namespaces to programs without a profile (kernel.apparmor_restrict_unprivileged_userns = 1, Ubuntu's default). sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, ${asRoot}`;
  }
  return `the kernel refuses namespaces (${said}). In a container: start it with --privileged; ${asRoot}`;
}
