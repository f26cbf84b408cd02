/** The fence's tables as another daemon may have left them: found, taken over, compared with what they should be. */
import { constants } from "node:os";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import { errnoName } from "./load.ts";
import { ARP, chainId, digestOf, INET, layoutDigest, NETDEV, PLAN_SET, TABLES } from "./fence-plan.ts";
import type { FencePlan } from "./fence-plan.ts";
import { expectedRules } from "./fence-rules.ts";
import type { MessageWriter } from "./netlink/message.ts";
import { describe } from "./netlink/socket.ts";
import type { NetlinkError, RequestSocket } from "./netlink/socket.ts";
import { Batch, TABLE_OWNER, TABLE_PERSIST } from "./nftables/batch.ts";
import { countRules, listElements, listTables } from "./nftables/tables.ts";
import type { FoundTable } from "./nftables/tables.ts";

const { EPERM, EBUSY, ENOENT } = constants.errno;
export const OWNED = TABLE_OWNER | TABLE_PERSIST;

export function ourTables(socket: RequestSocket, writer: MessageWriter): Result<FoundTable[], string> {
  const tables = listTables(socket, writer);
  if (!tables.ok) return failure(`fence: reading the tables: ${describe(tables.error)}`);
  return success(
    tables.value.filter((found) => TABLES.some((ours) => ours.family === found.family && ours.name === found.name)),
  );
}

/** Becomes the owner of tables whose owner has gone (PERSIST alone is left of their flags); one that lives refuses, frozen or not. */
export function adopt(
  socket: RequestSocket,
  writer: MessageWriter,
  tables: readonly FoundTable[],
): Result<void, string> {
  const owned = tables.filter((table) => (table.flags & OWNED) !== 0 && table.owner !== socket.port);
  if (owned.length === 0) return success(undefined);
  const batch = new Batch(writer);
  for (const table of owned) batch.adoptTable(table, OWNED);
  const errors = batch.commit(socket);
  const first = errors[0];
  if (first === undefined) return success(undefined);
  if (first.errno === EPERM || first.errno === EBUSY) {
    return failure(
      `fence: another holdfast in this network namespace owns the tables (netlink port ${owned[0]?.owner}); stop it first, it may be frozen`,
    );
  }
  return outcome("taking over the fence", errors);
}

export function outcome(what: string, errors: readonly NetlinkError[], ignored?: number): Result<void, string> {
  const first = errors.find((error) => error.errno !== ignored);
  if (first === undefined) return success(undefined);
  const hint = first.errno === EPERM ? `; ${errnoName(-EPERM)}: CAP_NET_ADMIN is needed` : "";
  return failure(`fence: ${what}: ${describe(first)}${hint}`);
}

/** The tables found are all there, made by these rules, for this plan and with these flags. */
export function isInForce(
  socket: RequestSocket,
  writer: MessageWriter,
  found: readonly FoundTable[],
  plan: FencePlan,
  flags: number,
): boolean {
  const layout = layoutDigest();
  const ours = found.filter(
    (table) => Buffer.compare(table.digest, layout) === 0 && (table.flags & TABLE_PERSIST) === (flags & TABLE_PERSIST),
  );
  if (found.length !== TABLES.length || ours.length !== TABLES.length) return false;
  const elements = listElements(socket, writer, NETDEV, PLAN_SET);
  const [only, ...more] = elements.ok ? elements.value : [];
  return only !== undefined && more.length === 0 && Buffer.compare(only.key, digestOf(plan)) === 0;
}

/** In one transaction if possible; an element that just expired may make it fail, then each set is emptied by itself. */
export function emptySets(socket: RequestSocket, writer: MessageWriter, sets: readonly string[]): Result<void, string> {
  const batch = new Batch(writer);
  for (const set of sets) batch.flushSet(NETDEV, set);
  const alone = sets.length === 1;
  const done = outcome(`emptying ${sets.join(", ")}`, batch.commit(socket), alone ? ENOENT : undefined);
  if (done.ok || alone) return done;
  for (const set of sets) {
    const emptied = emptySets(socket, writer, [set]);
    if (!emptied.ok) return emptied;
  }
  return success(undefined);
}

/** Whether the kernel holds all rules and addresses of the plan on these interfaces: undefined, or what is wrong. */
export function verifyTables(
  socket: RequestSocket,
  writer: MessageWriter,
  plan: FencePlan,
  interfaces: ReadonlyMap<number, string>,
): string | undefined {
  const found = new Map<string, number>();
  for (const table of TABLES) {
    const counted = countRules(socket, writer, table);
    if (!counted.ok) return `reading rules: ${describe(counted.error)}`;
    for (const [chain, count] of counted.value) found.set(chainId(table, chain), count);
  }
  for (const [chain, count] of expectedRules(plan, interfaces)) {
    if (found.get(chain) !== count) return `chain ${chain} has ${found.get(chain) ?? 0} rules instead of ${count}`;
  }
  return undefined;
}

/** The same for the sets that only a change of the plan or of the interfaces changes. */
export function verifyElements(
  socket: RequestSocket,
  writer: MessageWriter,
  plan: FencePlan,
  covered: number,
): string | undefined {
  const addresses = plan.groups.flatMap((group) => group.addresses);
  const v6 = addresses.filter((address) => address.includes(":")).length;
  const v4 = addresses.length - v6;
  for (const [table, set, count] of [
    [NETDEV, "v4", v4],
    [NETDEV, "to4", v4],
    [NETDEV, "from4", v4],
    [NETDEV, "fromOld4", v4],
    [NETDEV, "says4", v4],
    [NETDEV, "to6", v6],
    [NETDEV, "from6", v6],
    [NETDEV, "fromOld6", v6],
    [NETDEV, "says6", v6],
    [INET, "v4", v4],
    [INET, "v6", v6],
    [ARP, "v4", v4],
    [INET, "covered", covered],
    [ARP, "covered", covered],
  ] as const) {
    const elements = listElements(socket, writer, table, set);
    if (!elements.ok) return `reading set ${set}: ${describe(elements.error)}`;
    if (elements.value.length !== count) return `set ${set} has ${elements.value.length} elements instead of ${count}`;
  }
  return undefined;
}
