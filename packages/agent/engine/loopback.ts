/** The fence is moved by datagrams over lo, which is down in a new network namespace. */
import type { Adapters } from "@holdfast/linux/adapters.ts";

export function raiseLoopback(adapters: Adapters): void {
  const loopback = adapters.all().find((adapter) => adapter.loopback);
  if (loopback !== undefined && !loopback.up) adapters.setUp(loopback.index);
}
