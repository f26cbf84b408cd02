/** Whether the kernel gives this user real-time scheduling, found out by asking for it and giving it back. */

/** "" when it does; the kernel's refusal ("EPERM"); undefined where the addon was not built. */
export async function realTimeRefusal(): Promise<string | undefined> {
  try {
    const [{ native }, { scheduleAll }] = await Promise.all([
      import("@holdfast/linux/load.ts"),
      import("@holdfast/linux/scheduling.ts"),
    ]);
    const { refused } = scheduleAll(native, "fifo", 1);
    scheduleAll(native, "other");
    return refused ?? "";
  } catch {
    return undefined;
  }
}
