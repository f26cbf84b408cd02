/** Doctor: kernel parameters that change who answers for an address, or whether it can be placed. */
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import { adaptersOf } from "@holdfast/core/cluster.ts";
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import { readSysctl } from "@holdfast/linux/sysctl.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

const CHECK = "sysctls";

/** Of one interface that carries addresses of groups; undefined: the kernel has no such parameter. */
export interface InterfaceSettings {
  readonly interface: string;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** It is one of several adapters in a network. */
  readonly shared: boolean;
  /** The stronger of `all` and the interface's own, as the kernel takes it (ip-sysctl). */
  readonly rpFilter: number | undefined;
  readonly arpIgnore: number | undefined;
  readonly promoteSecondaries: number | undefined;
  readonly disableIpv6: number | undefined;
  readonly acceptDad: number | undefined;
}

export interface SysctlFacts {
  readonly interfaces: readonly InterfaceSettings[];
  readonly nonlocalBind: number | undefined;
}

export function judgeSysctls({ interfaces, nonlocalBind }: SysctlFacts): readonly Finding[] {
  const findings = interfaces.flatMap(judgeInterface);
  if (findings.length > 0) return findings;
  const bind = nonlocalBind === 1 ? "services may bind an address before it is here" : "services bind when it is here";
  return [ok(CHECK, `${interfaces.map((each) => each.interface).join(", ") || "nothing"}: as they should be; ${bind}`)];
}

function judgeInterface(settings: InterfaceSettings): readonly Finding[] {
  const { interface: name, ipv4, ipv6, shared } = settings;
  const findings: Finding[] = [];
  const set = (parameter: string, value: number): string =>
    `sysctl -w net.ipv4.conf.${name}.${parameter}=${value}, and in /etc/sysctl.d`;
  if (ipv4 && settings.rpFilter === 1 && shared)
    findings.push(
      warn(
        CHECK,
        `rp_filter is strict on ${name}, one of several adapters of a network: what comes by the other is dropped`,
        set("rp_filter", 2),
      ),
    );
  if (ipv4 && shared && settings.arpIgnore === 0)
    findings.push(
      warn(
        CHECK,
        `arp_ignore is 0 on ${name}, one of several adapters of a network: it answers for addresses of the others`,
        set("arp_ignore", 1),
      ),
    );
  if (ipv4 && settings.promoteSecondaries === 0)
    findings.push(
      warn(
        CHECK,
        `promote_secondaries is 0 on ${name}: with the first address of a network all others of it vanish`,
        set("promote_secondaries", 1),
      ),
    );
  if (ipv6 && settings.disableIpv6 === 1)
    findings.push(
      fail(
        CHECK,
        `IPv6 is switched off on ${name}, which is to carry IPv6 addresses`,
        `sysctl -w net.ipv6.conf.${name}.disable_ipv6=0, and in /etc/sysctl.d`,
      ),
    );
  if (ipv6 && settings.acceptDad === 2)
    findings.push(
      warn(
        CHECK,
        `accept_dad is 2 on ${name}: one duplicate of its link-local address switches IPv6 off there`,
        `sysctl -w net.ipv6.conf.${name}.accept_dad=1`,
      ),
    );
  return findings;
}

export function lookAtSysctls(cluster: Cluster, self: NodeConfig): SysctlFacts {
  const found = new Map<string, { ipv4: boolean; ipv6: boolean; shared: boolean }>();
  for (const group of cluster.groups) {
    if (!group.prefer.includes(self.name)) continue;
    const four = group.addresses.some(({ address }) => isIpv4(address));
    const six = group.addresses.some(({ address }) => !isIpv4(address));
    for (const adapters of adaptersOf(self, group)) {
      for (const name of adapters) {
        const before = found.get(name);
        found.set(name, {
          ipv4: four || before?.ipv4 === true,
          ipv6: six || before?.ipv6 === true,
          shared: adapters.length > 1 || before?.shared === true,
        });
      }
    }
  }
  const interfaces = [...found].map(([name, uses]) => settingsOf(name, uses));
  return { interfaces, nonlocalBind: number("net/ipv4/ip_nonlocal_bind") };
}

function settingsOf(name: string, uses: Pick<InterfaceSettings, "ipv4" | "ipv6" | "shared">): InterfaceSettings {
  return {
    interface: name,
    ...uses,
    rpFilter: strongest("rp_filter", name),
    arpIgnore: strongest("arp_ignore", name),
    promoteSecondaries: strongest("promote_secondaries", name),
    disableIpv6: number(`net/ipv6/conf/${name}/disable_ipv6`),
    acceptDad: number(`net/ipv6/conf/${name}/accept_dad`),
  };
}

function strongest(parameter: string, name: string): number | undefined {
  const own = number(`net/ipv4/conf/${name}/${parameter}`);
  const all = number(`net/ipv4/conf/all/${parameter}`);
  return own === undefined ? undefined : Math.max(own, all ?? 0);
}

function number(name: string): number | undefined {
  const text = readSysctl(name);
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text);
}
