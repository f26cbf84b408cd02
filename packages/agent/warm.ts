/** Fills the compile cache of the daemon's processes, so that their first start is as small and quick as every other. For set-up. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { bundleState } from "./bundle.ts";
import { BUNDLE, COMPILE_CACHE, CONTROL_ENTRY, CONTROL_FLAGS, ENGINE_ENTRY, ENGINE_FLAGS } from "./processes.ts";

// Node keeps a cache for each user id, and a daemon runs as root, if only of the lab's user namespace.
const asRoot = process.geteuid?.() === 0 ? [] : ["unshare", "--user", "--map-root-user"];

const bundled: readonly (readonly string[])[] =
  bundleState() === "fresh"
    ? [
        [...ENGINE_FLAGS, join(BUNDLE, "engine.js")],
        [...CONTROL_FLAGS, join(BUNDLE, "control.js")],
      ]
    : [];
for (const command of [[...ENGINE_FLAGS, ENGINE_ENTRY], [...CONTROL_FLAGS, CONTROL_ENTRY], ...bundled]) {
  const [program, ...args] = [...asRoot, process.execPath, ...command, "--warm"];
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE };
  const { status, error } = spawnSync(program, args, { stdio: "inherit", env });
  // A cold cache costs memory and a tenth of a second, never the set-up.
  if (error !== undefined || status !== 0) process.exitCode = 1;
}
