/** Doctor: rules of others that drop our heartbeats, as far as their rule sets can be read without running them. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fail, type Finding, ok, skip, warn } from "./finding.ts";

const CHECK = "packet-filter";
const LONGEST = 16 * 1024 * 1024;
const PATIENCE_MS = 5000;
const OURS = /^holdfast/;

/** `nft -j list ruleset`, loosely: what is not understood is left out. */
export interface Ruleset {
  readonly chains: readonly Chain[];
  readonly rules: readonly Rule[];
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string | undefined;
  readonly policy: string | undefined;
}

interface Rule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** UDP ports that it is about; undefined: of any, or not understood. */
  readonly ports: ((port: number) => boolean) | undefined;
  /** It has conditions besides the port, or instead of it. */
  readonly conditional: boolean;
  readonly verdict: "accept" | "drop" | "other";
}

export interface FilterFacts {
  readonly ruleset: Ruleset | string;
  /** Tables of the old iptables. */
  readonly legacy: readonly string[];
  /** UDP ports of the heartbeats. */
  readonly ports: readonly number[];
}

export function judgePacketFilter({ ruleset, legacy, ports }: FilterFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (legacy.length > 0)
    findings.push(
      warn(
        CHECK,
        `iptables-legacy has tables (${legacy.join(", ")}): they are not looked into`,
        "iptables-legacy-save shows them",
      ),
    );
  if (typeof ruleset === "string") return [...findings, skip(CHECK, `not looked at: ${ruleset}`)];
  const foreign = ruleset.chains.filter(
    ({ family, table, hook }) => ["ip", "ip6", "inet"].includes(family) && !OURS.test(table) && hook === "input",
  );
  for (const chain of foreign) for (const port of ports) findings.push(...judgeChain(chain, ruleset.rules, port));
  if (findings.length > 0) return findings;
  const what = foreign.length === 0 ? "no rules of others at the input" : `${foreign.length} input chains of others`;
  return [ok(CHECK, `${what}; none drops udp/${ports.join(", udp/")} as far as can be read`)];
}

function judgeChain(chain: Chain, rules: readonly Rule[], port: number): readonly Finding[] {
  const name = `${chain.family} ${chain.table} ${chain.name}`;
  const inTable = rules.filter(({ family, table }) => family === chain.family && table === chain.table);
  const accepting = inTable.find((rule) => rule.verdict === "accept" && rule.ports?.(port) === true);
  const dropping = inTable.find((rule) => rule.verdict === "drop" && rule.ports?.(port) === true);
  const rule = `nft insert rule ${name} udp dport ${port} accept, in the file that makes this table`;
  if (dropping !== undefined && (accepting === undefined || inTable.indexOf(dropping) < inTable.indexOf(accepting))) {
    const text = `a rule in ${chain.family} ${chain.table} ${dropping.chain} drops udp/${port}`;
    const remedy = `take it out, or before it: ${rule}`;
    return [dropping.conditional ? warn(CHECK, `${text} under conditions`, remedy) : fail(CHECK, text, remedy)];
  }
  if (chain.policy !== "drop" || accepting !== undefined) return [];
  return [warn(CHECK, `${name} drops what no rule accepts, and none names udp/${port}`, rule)];
}

/** Never throws: what is not as expected is left out. */
export function parseRuleset(text: string): Ruleset | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return "nft's answer is no JSON";
  }
  const list = (parsed as { nftables?: unknown } | null)?.nftables;
  if (!Array.isArray(list)) return "nft's answer is not as expected";
  const of = (kind: string): Fields[] =>
    list.flatMap((each: unknown) => {
      const value = fieldsOf(each)?.[kind];
      const fields = fieldsOf(value);
      return fields === undefined ? [] : [fields];
    });
  return { chains: of("chain").map(chainOf), rules: of("rule").map(ruleOf) };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function word(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function chainOf({ family, table, name, hook, policy }: Fields): Chain {
  const optional = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return { family: word(family), table: word(table), name: word(name), hook: optional(hook), policy: optional(policy) };
}

function ruleOf({ family, table, chain, expr }: Fields): Rule {
  const parts = (Array.isArray(expr) ? expr : []).map((part: unknown) => fieldsOf(part) ?? {});
  const matches = parts.map((part) => fieldsOf(part["match"])).filter((match) => match !== undefined);
  const port = matches.find((match) => isUdpPort(match["left"]));
  const ports = port === undefined ? undefined : portsOf(port);
  const verdict = parts.some((part) => "accept" in part)
    ? "accept"
    : parts.some((part) => "drop" in part || "reject" in part)
      ? "drop"
      : "other";
  const place = { family: word(family), table: word(table), chain: word(chain) };
  return { ...place, ports, conditional: matches.length > 1, verdict };
}

function isUdpPort(left: unknown): boolean {
  const payload = fieldsOf(fieldsOf(left)?.["payload"]);
  return ["udp", "th"].includes(word(payload?.["protocol"])) && payload?.["field"] === "dport";
}

function portsOf({ op, right }: Fields): (port: number) => boolean {
  const has = (value: unknown, port: number): boolean => {
    if (value === port) return true;
    const fields = fieldsOf(value);
    const range = fields?.["range"];
    if (Array.isArray(range)) return Number(range[0]) <= port && port <= Number(range[1]);
    const set = fields?.["set"];
    return Array.isArray(set) && set.some((each) => has(each, port));
  };
  return (port) => has(right, port) !== (op === "!=");
}

export async function readRuleset(): Promise<Ruleset | string> {
  return new Promise((resolve) => {
    const options = { maxBuffer: LONGEST, timeout: PATIENCE_MS } as const;
    execFile("nft", ["-j", "list", "ruleset"], options, (error, stdout, stderr) => {
      if (error === null) return resolve(parseRuleset(stdout));
      resolve("code" in error && error.code === "ENOENT" ? "there is no nft" : stderr.trim() || error.message);
    });
  });
}

export function legacyTables(): readonly string[] {
  return ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"].flatMap((path) => {
    try {
      return readFileSync(path, "utf8").split("\n").filter(Boolean);
    } catch {
      return [];
    }
  });
}
