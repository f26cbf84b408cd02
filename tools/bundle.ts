/**
 * `npm run bundle`: each program of the daemon as one file in build/bundle, with the addon: a start reads a handful of files
 * instead of two hundred. The same sources make the same bytes. The manifest tells whether the sources are still the same.
 */
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ENGINE_FLAGS } from "@holdfast/agent/processes.ts";
import { build, type BuildOptions } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TARGET = join(ROOT, "build/bundle");
const ADDON = "packages/linux/build/holdfast.node";
const PACKAGE = "packages/agent/package.json";

/** One file each: what the daemon's processes are. */
const PROCESSES = {
  engine: "packages/agent/engine/main.ts",
  control: "packages/agent/control/main.ts",
  "compile-config": "packages/agent/config/compile-main.ts",
  "compile-keys": "packages/agent/seal/compile-keys-main.ts",
  witness: "packages/agent/witness/main.ts",
  "compile-witness": "packages/agent/witness/compile-main.ts",
};

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node26",
  // Stack traces are to be read by people.
  minify: false,
  legalComments: "inline",
  metafile: true,
  logLevel: "warning",
  // commander and yaml are written for require().
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
} as const satisfies BuildOptions;

async function bundle(): Promise<void> {
  const outdir = `${TARGET}.new`;
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const processes = await build({ ...COMMON, outdir, entryPoints: PROCESSES });
  const command = await build({
    ...COMMON,
    outdir,
    entryPoints: { cli: "packages/cli/main.ts" },
    // What a command loads only when it runs stays apart.
    splitting: true,
    chunkNames: "cli-[hash]",
    // The lab works from the source tree: it starts files of it.
    external: ["@holdfast/lab/*"],
  });
  copyFileSync(join(ROOT, ADDON), join(outdir, "holdfast.node"));
  const { version } = JSON.parse(readFileSync(join(ROOT, PACKAGE), "utf8")) as { version: string };
  writeFileSync(join(outdir, "package.json"), `${JSON.stringify({ name: "holdfast", version, type: "module" })}\n`);
  // For the shell script `holdfast`, which starts the engine itself.
  writeFileSync(join(outdir, "engine-flags"), `${ENGINE_FLAGS.join(" ")}\n`);
  const bundled = [processes, command].flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const inputs = new Set([...bundled, ADDON, PACKAGE, "package-lock.json", "tools/bundle.ts"]);
  const stamps = [...inputs].toSorted().map((path) => [path, stamp(path)] as const);
  // The shape is agent/bundle.ts's BundleManifest.
  const manifest = { inputs: Object.fromEntries(stamps) };
  writeFileSync(join(outdir, "manifest.json"), `${JSON.stringify(manifest)}\n`);
  rmSync(TARGET, { recursive: true, force: true });
  renameSync(outdir, TARGET);
}

function stamp(path: string): readonly [number, number] {
  const { size, mtimeMs } = statSync(join(ROOT, path));
  return [size, mtimeMs];
}

await bundle();
