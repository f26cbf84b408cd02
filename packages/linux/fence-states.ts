/** What the kernel holds of each group: read from the sets that datagrams move (fence-orders.ts). */
import { macFromBytes } from "@holdfast/core/units/mac.ts";
import { failure, success } from "@holdfast/core/units/result.ts";
import type { Result } from "@holdfast/core/units/result.ts";
import type { FenceState } from "@holdfast/core/wire/messages.ts";
import { NETDEV } from "./fence-plan.ts";
import type { Station } from "./fence-plan.ts";
import type { MessageWriter } from "./netlink/message.ts";
import { describe } from "./netlink/socket.ts";
import type { RequestSocket } from "./netlink/socket.ts";
import { listElements } from "./nftables/tables.ts";
import type { FoundElement } from "./nftables/tables.ts";

/** Milliseconds left of each open or forwarding group. */
export function readRemaining(
  socket: RequestSocket,
  writer: MessageWriter,
): Result<ReadonlyMap<number, number>, string> {
  const elements = read(socket, writer, "alive");
  if (!elements.ok) return elements;
  const open = elements.value.filter(({ expires_ms }) => expires_ms > 0);
  return success(new Map(open.map(({ key, expires_ms }) => [groupOf(key), expires_ms])));
}

/** What each group does with packets; groups that are shut are absent. */
export function readStates(
  socket: RequestSocket,
  writer: MessageWriter,
): Result<ReadonlyMap<number, FenceState>, string> {
  const relaying = readGroups(socket, writer, "relaying");
  if (!relaying.ok) return relaying;
  const alive = readGroups(socket, writer, "alive");
  if (!alive.ok) return alive;
  const forwarding = readGroups(socket, writer, "forwarding");
  if (!forwarding.ok) return forwarding;
  const states = new Map<number, FenceState>();
  for (const group of relaying.value) states.set(group, "relay");
  for (const group of alive.value) states.set(group, forwarding.value.has(group) ? "forward" : "open");
  return success(states);
}

export function readGroups(
  socket: RequestSocket,
  writer: MessageWriter,
  set: string,
): Result<ReadonlySet<number>, string> {
  const elements = read(socket, writer, set);
  return elements.ok ? success(new Set(elements.value.map(({ key }) => groupOf(key)))) : elements;
}

/** Where the connections of groups are passed to. */
export function readPredecessors(
  socket: RequestSocket,
  writer: MessageWriter,
): Result<readonly [group: number, station: Station][], string> {
  const elements = read(socket, writer, "predecessors");
  if (!elements.ok) return elements;
  return success(
    elements.value.map(({ key, value }) => {
      const index = new Uint32Array(Uint8Array.from(key.subarray(4, 8)).buffer)[0] ?? 0;
      return [groupOf(key), { interface: index, mac: macFromBytes(value) }];
    }),
  );
}

function read(socket: RequestSocket, writer: MessageWriter, set: string): Result<FoundElement[], string> {
  const elements = listElements(socket, writer, NETDEV, set);
  return elements.ok ? elements : failure(`fence: reading ${set}: ${describe(elements.error)}`);
}

function groupOf(key: Uint8Array): number {
  return ((key[0] ?? 0) << 8) | (key[1] ?? 0);
}
