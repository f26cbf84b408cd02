/** Doctor: programs of the distribution that would restart the daemon at a bad time. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Finding, ok, warn } from "./finding.ts";

const CHECK = "needrestart";

export interface NeedrestartFacts {
  readonly installed: boolean;
  /** One of its files keeps it from our service. */
  readonly exempt: boolean;
}

export function judgeNeedrestart({ installed, exempt }: NeedrestartFacts): Finding {
  if (!installed) return ok(CHECK, "not installed");
  if (exempt) return ok(CHECK, "leaves holdfast alone");
  return warn(
    CHECK,
    "needrestart restarts holdfast after upgrades of libraries: stopped and started, its groups move",
    "echo '$nrconf{override_rc}{qr(^holdfast)} = 0;' > /etc/needrestart/conf.d/holdfast.conf",
  );
}

export function lookAtNeedrestart(root = "/"): NeedrestartFacts {
  const directory = join(root, "etc/needrestart");
  if (!existsSync(directory)) return { installed: false, exempt: false };
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const exempt = files.some((name) => {
    try {
      return /override_rc\}\s*\{[^}]*holdfast[^}]*\}\s*=\s*0/.test(readFileSync(join(directory, name), "utf8"));
    } catch {
      return false;
    }
  });
  return { installed: true, exempt };
}
