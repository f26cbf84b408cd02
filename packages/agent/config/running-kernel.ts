/** What of the running kernel the timing depends on. */
/** The kernel's tick in milliseconds; undefined where the addon was not built. */
export async function runningJiffy(): Promise<number | undefined> {
  try {
    const [{ native }, { jiffy_ms }] = await Promise.all([
      import("@holdfast/linux/load.ts"),
      import("@holdfast/linux/scheduling.ts"),
    ]);
    return jiffy_ms(native);
  } catch {
    return undefined;
  }
}
