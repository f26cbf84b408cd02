/**
 * The clusters that one witness serves: a directory with a sub-directory for each, in which the cluster's own holdfast.yaml
 * and its key file lie, the same files as on its nodes. Read by a process of its own (compile-main.ts).
 */
import type { Dirent } from "node:fs";
import { readdirSync } from "node:fs";
import { networkInterfaces, hostname } from "node:os";
import { join } from "node:path";
import { formatErrors } from "../config/config-error.ts";
import { readConfig } from "../config/parse.ts";
import { readKeyFile } from "../seal/key-file.ts";
import { keyFileErrorText } from "../seal/key-file-bytes.ts";
import type { Keys } from "../seal/keys.ts";
import type { Cluster, NodeConfig } from "@holdfast/core/cluster.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";

export const CONFIG_NAME = "holdfast.yaml";
export const KEYS_NAME = "keys";
/** A voter has no fence, so the kernel's tick is nothing to it: whatever any kernel allows. */
const ANY_TICK_MS = 1;
const CLUSTERS_MAX = 1000;

/** One cluster, ready to be served. */
export interface Entry {
  /** The sub-directory. */
  readonly directory: string;
  readonly cluster: Cluster;
  /** The witness's own node in it. */
  readonly node: NodeName;
  readonly keys: Keys;
}

/** Why a sub-directory is not served: the whole text for the operator, `file:line` in it, ending with a newline. */
export interface BadEntry {
  readonly directory: string;
  readonly text: string;
}

export interface Entries {
  readonly good: readonly Entry[];
  readonly bad: readonly BadEntry[];
}

export interface EntryOptions {
  /** The UDP port that is listened on. */
  readonly port: number;
  /** The name of the witness in each cluster; undefined: found. */
  readonly node: string | undefined;
}

/** Everything below `root`; a failure when the directory itself cannot be read. */
export function readEntries(root: string, options: EntryOptions): Result<Entries, string> {
  let names: readonly string[];
  try {
    names = readdirSync(root, { withFileTypes: true })
      .filter(isCluster)
      .map((entry) => entry.name);
  } catch (error) {
    return failure(`${root}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const good: Entry[] = [];
  const bad: BadEntry[] = [];
  for (const directory of names.toSorted()) {
    const read =
      good.length < CLUSTERS_MAX
        ? readEntry(root, directory, options)
        : failure(`more than ${CLUSTERS_MAX} clusters: not served\n`);
    if (read.ok) good.push(read.value);
    else bad.push({ directory, text: read.error });
  }
  return success({ good, bad });
}

/** Editors and package managers leave others behind. */
function isCluster(entry: Dirent): boolean {
  return (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith(".");
}

function readEntry(root: string, directory: string, options: EntryOptions): Result<Entry, string> {
  const file = join(root, directory, CONFIG_NAME);
  const parsed = readConfig(file, { jiffy: ANY_TICK_MS });
  if (!parsed.ok) return failure(formatErrors(parsed.error, { colour: false }));
  const { cluster } = parsed.value;
  const found = ownNode(cluster, options.node);
  if (!found.ok) return failure(`${file}: error: ${found.error}\n`);
  const unreachable = portTrouble(cluster, found.value, options.port);
  if (unreachable !== undefined) return failure(`${file}: error: ${unreachable}\n`);
  const keys = readKeyFile(join(root, directory, KEYS_NAME));
  if (!keys.ok) return failure(`${keyFileErrorText(keys.error)}\n`);
  return success({ directory, cluster, node: found.value.name, keys: keys.value });
}

/** The only witness of the cluster, or of several the one that this machine is, by its name or by an address. */
function ownNode(cluster: Cluster, wanted: string | undefined): Result<NodeConfig, string> {
  const witnesses = cluster.nodes.filter((node) => node.role === "witness");
  const names = witnesses.map((node) => node.name).join(", ");
  if (wanted !== undefined) {
    const named = witnesses.find((node) => node.name === wanted);
    return named === undefined
      ? failure(`no witness is called ${wanted}; there is ${names || "none"}`)
      : success(named);
  }
  const [only] = witnesses;
  if (only === undefined) return failure("no node has role: witness; add one with this machine's address");
  if (witnesses.length === 1) return success(only);
  const host = hostname().toLowerCase().split(".")[0];
  const addresses = new Set(
    Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
  );
  const here = witnesses.filter(
    (node) => node.name === host || Object.values(node.links).some((address) => addresses.has(address)),
  );
  const [mine] = here;
  if (mine !== undefined && here.length === 1) return success(mine);
  return failure(`which of the witnesses ${names} is this machine? say so with --node`);
}

function portTrouble(cluster: Cluster, node: NodeConfig, port: number): string | undefined {
  const links = cluster.links.filter((link) => node.links[link.name] !== undefined);
  const [other] = links.filter((link) => link.kind !== "udp" || link.port !== port || link.multicast !== undefined);
  if (links.length === 0) return `witness ${node.name} has no address on any UDP link`;
  if (other === undefined) return undefined;
  if (other.kind === "udp" && other.multicast === undefined)
    return `link ${other.name} has port ${other.port}, and this witness listens on ${port}: one port for all clusters`;
  return `link ${other.name} is not unicast UDP: leave witness ${node.name} out of it`;
}
