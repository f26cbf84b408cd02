/** Fills the compile cache of the daemon's processes, so that their first start is as small and quick as every other. For set-up. */
import { spawnSync } from "node:child_process";
import { COMPILE_CACHE, CONTROL_ENTRY, CONTROL_FLAGS, ENGINE_ENTRY, ENGINE_FLAGS } from "./processes.ts";

for (const command of [
  [...ENGINE_FLAGS, ENGINE_ENTRY],
  [...CONTROL_FLAGS, CONTROL_ENTRY],
]) {
  const { status, error } = spawnSync(process.execPath, [...command, "--warm"], {
    stdio: "inherit",
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
