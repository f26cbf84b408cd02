/** Settings of the design that this version does not have yet: told apart from typing errors, with what to do. */

interface Later {
  /** The place: `*` stands for a name. */
  readonly path: string;
  /** Undefined: the key itself; else a value of it. */
  readonly value?: string;
  readonly hint: string;
}

const REMOVE = "remove it";

const LATER: readonly Later[] = [
  { path: "checks", hint: "remove it, and checks from the groups" },
  { path: "groups.*.routes", hint: REMOVE },
  { path: "groups.*.services", hint: "remove it; systemd starts the services" },
  { path: "groups.*.isolation", hint: "remove it; isolation is of the address" },
  { path: "groups.*.checks", hint: REMOVE },
  { path: "groups.*.notify", hint: "remove it; see holdfast events -f" },
  ...["vrrp", "carp", "etcd", "manual"].map((value) => ({
    path: "groups.*.ownership",
    value,
    hint: "write lease, or remove the line",
  })),
  ...["virtual-mac", "farm", "tickle", "health", "bgp", "dns", "clients", "load-balancer", "cloud"].map((value) => ({
    path: "groups.*.steering.*",
    value,
    hint: "write [neighbours], or remove the line",
  })),
];

/** What to do about a known key of a later version; undefined for a key nobody knows. */
export function laterKey(path: readonly (string | number)[]): string | undefined {
  return LATER.find((later) => later.value === undefined && matches(later.path, path))?.hint;
}

/** The same for a value; of `vrrp: {...}` the key names the value. */
export function laterValue(
  path: readonly (string | number)[],
  value: unknown,
): { name: string; hint: string } | undefined {
  const names = typeof value === "object" && value !== null ? Object.keys(value) : [value];
  const found = LATER.find(
    (later) => later.value !== undefined && names.includes(later.value) && matches(later.path, path),
  );
  return found?.value === undefined ? undefined : { name: found.value, hint: found.hint };
}

function matches(pattern: string, path: readonly (string | number)[]): boolean {
  const steps = pattern.split(".");
  return steps.length === path.length && steps.every((step, i) => step === "*" || step === path[i]);
}
