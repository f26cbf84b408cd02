/** The part of a configuration that only the machine itself can check: its interfaces and their networks. */
import { inNetwork, isIpv4, type IpAddress } from "@holdfast/core/units/ip.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import type { ConfigError } from "./config-error.ts";
import { quoted, sortErrors } from "./config-error.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import { suggestion } from "./suggest.ts";

/** An interface as the kernel has it. */
export interface PresentInterface {
  readonly name: string;
  readonly addresses: readonly { readonly address: IpAddress; readonly prefixLength: number }[];
}

/**
 * What keeps `node` from carrying its groups' addresses: no interface of an address is there, or the address is outside every
 * network of its interfaces and not marked `outside_networks: true`. Empty for a witness and when all is well.
 */
export function checkAddressesAgainstInterfaces(
  config: ParsedConfig,
  node: NodeName,
  interfaces: readonly PresentInterface[],
): ConfigError[] {
  const self = config.cluster.nodes.find((each) => each.name === node);
  if (!self) return [];
  const present = new Map(interfaces.map((each) => [each.name, each]));
  const virtual = new Set(config.addresses.map((each) => each.address));
  const sources = new Map(config.addresses.map((each) => [each.address, each]));
  const errors: ConfigError[] = [];
  const missing = new Set<string>();
  for (const group of config.cluster.groups) {
    if (!group.prefer.includes(node)) continue;
    for (const address of group.addresses) {
      const [wanted = ""] = address.interfaces;
      const names = [...new Set(address.interfaces.map((name) => self.interfaces[name] ?? name))];
      // A standby adapter that is not there is an alarm of the daemon, not a reason to have none.
      const found = names.flatMap((name) => present.get(name) ?? []);
      const [service = ""] = names;
      if (found.length === 0) {
        if (!missing.has(wanted)) errors.push(missingInterface(config, node, wanted, service, [...present.keys()]));
        missing.add(wanted);
        continue;
      }
      const source = sources.get(address.address);
      // What a crashed daemon left on the interface is no evidence for itself.
      const networks = found.flatMap((each) => each.addresses).filter((each) => !virtual.has(each.address));
      if (!source || source.outsideNetworks || holds(networks, address.address)) continue;
      errors.push({
        code: "outside-networks",
        file: config.file,
        place: source.place,
        message: `${address.address} is in no network of ${found.map(({ name }) => name).join(" or ")} on ${node} (${networkList(networks, address.address)})`,
        hint: `correct it, or write { address: ${address.address}/${address.prefixLength}, outside_networks: true }`,
      });
    }
  }
  return sortErrors(errors);
}

function missingInterface(
  config: ParsedConfig,
  node: NodeName,
  wanted: string,
  kernel: string,
  present: readonly string[],
): ConfigError {
  const named = config.interfaces.filter((each) => each.name === wanted);
  const source = named.find((each) => each.node === node) ?? named[0];
  return {
    code: "missing-interface",
    file: config.file,
    place: source?.place,
    message: `node ${node} has no interface ${quoted(kernel)}`,
    hint: suggestion(
      kernel,
      present.filter((name) => name !== "lo"),
      "interfaces",
    ),
  };
}

function holds(networks: PresentInterface["addresses"], address: IpAddress): boolean {
  return networks.some((network) => inNetwork(address, network.address, network.prefixLength));
}

function networkList(networks: PresentInterface["addresses"], address: IpAddress): string {
  const family = networks.filter((each) => isIpv4(each.address) === isIpv4(address));
  if (family.length === 0) return `it has no ${isIpv4(address) ? "IPv4" : "IPv6"} address`;
  const shown = family.slice(0, 3).map((each) => `${each.address}/${each.prefixLength}`);
  return shown.join(", ") + (family.length > 3 ? ", ..." : "");
}
