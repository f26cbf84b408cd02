/** What of the running kernel the timing depends on. */
import { existsSync } from "node:fs";

const ADDON = new URL("../../linux/build/holdfast.node", import.meta.url);

/** The kernel's tick in milliseconds; undefined where the addon was not built. */
export async function runningJiffy(): Promise<number | undefined> {
  if (!existsSync(ADDON)) return undefined;
  const [{ native }, { jiffy_ms }] = await Promise.all([
    import("@holdfast/linux/load.ts"),
    import("@holdfast/linux/scheduling.ts"),
  ]);
  return jiffy_ms(native);
}
