/** Doctor: the daemon of this node answers, is what is installed, and is where it should be. */
import type { Status } from "@holdfast/api/schema.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

const CHECK = "daemon";

export interface DaemonFacts {
  /** Undefined: none answers, and `trouble` says why. */
  readonly status: Status | undefined;
  readonly trouble: string;
  readonly installed: string;
  /** Digest and name of the cluster in the file; undefined: it is not valid. */
  readonly file: { readonly digest: string; readonly cluster: string } | undefined;
}

export function judgeDaemon({ status, trouble, installed, file }: DaemonFacts): readonly Finding[] {
  if (status === undefined)
    return [
      warn(
        CHECK,
        `no daemon answers (${trouble}): links and beliefs are not looked at`,
        "systemctl start holdfast, or holdfast run",
      ),
    ];
  const findings: Finding[] = [];
  const own = status.nodes.find(({ name }) => name === status.node);
  const running = own?.version ?? "";
  if (running !== "" && running !== installed)
    findings.push(
      warn(
        CHECK,
        `${status.node} runs ${running}, installed is ${installed}`,
        "holdfast restart, which loses no packet",
      ),
    );
  if (file !== undefined && file.cluster === status.cluster && file.digest !== status.config)
    findings.push(
      warn(
        CHECK,
        `it works from configuration ${status.config}, the file has ${file.digest}`,
        "holdfast reload --dry-run shows the difference",
      ),
    );
  if (!status.quorum)
    findings.push(
      fail(CHECK, `${status.node} hears no majority of the voters`, "see the links below, and the other nodes"),
    );
  const { engine } = status;
  if (engine.crashes > 0)
    findings.push(warn(CHECK, `${engine.crashes} daemons before it crashed within a minute`, "journalctl -u holdfast"));
  if (findings.length > 0) return findings;
  return [
    ok(CHECK, `${status.node} of ${status.cluster} runs ${running || installed}, configuration ${status.config}`),
  ];
}
