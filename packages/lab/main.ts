/** `holdfast lab ...`: a real cluster in network namespaces on this machine. Starts labs and talks to their supervisors. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { EXIT } from "@holdfast/api/schema.ts";
import { ACTION_NAMES } from "./actions.ts";
import { DEFAULT_TIMING } from "./configuration.ts";
import { DEFAULT_NAME, LabError, directoryMode, isRunning, labDirectory, livingPid, removeStale } from "./directory.ts";
import type { LabDirectory } from "./directory.ts";
import { explainRefusal, readPermissions, startSupervisor } from "./isolation.ts";
import type { LabOptions } from "./isolation.ts";
import { isHoldfastCommand, runHoldfast } from "./node-command.ts";
import { ask } from "./protocol.ts";
import type { End } from "./protocol.ts";
import { MOST_NODES } from "./topology.ts";

const USAGE = `holdfast lab COMMAND [--name NAME] [--json]
  demo                         a cluster that loses its owner twice; stays running
  up [--nodes N] [--witness] [--standby] [--heartbeat 100ms] [--dead 300ms] [--no-daemons]
  status                       who answers, what is broken, what each daemon says
  move GROUP [NODE]            a planned move
  unplug NODE [service|standby|all]  carrier gone
  mute NODE [service|standby]  nothing enters or leaves by the adapter, its carrier stays
  network                      nothing passes on the lan, all carriers stay
  freeze NODE | kill NODE      SIGSTOP or SIGKILL to the whole daemon
  stop NODE | poweroff NODE    SIGTERM; or all links cut and everything killed
  partition A B | one-way A B  cut two nodes; or drop frames from A to B only
  isolate NODE                 cut from the other nodes, clients still reach it
  loss PERCENT                 at random between the nodes
  heal                         undo all faults, start what died
  measure [FAULT|all] [--runs N]  the client's outage against the limits
  why, links, events, history, drain, undrain ...   holdfast's own, asked of a node
  exec NODE COMMAND...         run a program in a node, client, watch or switch
  down                         end it; nothing is left
`;

const OPTIONS = {
  name: { type: "string", default: DEFAULT_NAME },
  nodes: { type: "string", default: "3" },
  witness: { type: "boolean", default: false },
  standby: { type: "boolean", default: false },
  heartbeat: { type: "string", default: DEFAULT_TIMING.heartbeat },
  dead: { type: "string", default: DEFAULT_TIMING.dead },
  "no-daemons": { type: "boolean", default: false },
  runs: { type: "string", default: "5" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

interface Invocation {
  readonly command: string;
  readonly args: readonly string[];
  readonly directory: LabDirectory;
  readonly options: LabOptions;
  readonly runs: string;
  readonly json: boolean;
}

/** Runs one lab command; returns its exit code (EXIT of the API's schema). Never throws on what a user can get wrong. */
export async function runLab(args: string[]): Promise<number> {
  let invocation: Invocation | undefined;
  try {
    invocation = parse(args);
    if (!invocation) {
      process.stdout.write(USAGE);
      return args.length === 0 ? EXIT.usage : EXIT.done;
    }
  } catch (error) {
    console.error(`lab: ${error instanceof Error ? error.message : String(error)}; see: holdfast lab help`);
    return EXIT.usage;
  }
  try {
    const end = await dispatch(invocation);
    if (invocation.json && end.result !== undefined) console.log(JSON.stringify(end.result));
    return end.code;
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const failure = { schema: "holdfast.error/1", code: "lab", message: error.message, hint: null };
    console.error(invocation.json ? JSON.stringify(failure) : `lab: ${error.message}`);
    return EXIT.failed;
  }
}

function parse(args: string[]): Invocation | undefined {
  // What follows these belongs to another program: its own options are not the lab's.
  const at = args.findIndex((word) => word === "exec" || isHoldfastCommand(word));
  const own = at < 0 ? args : args.slice(0, at + 1);
  const { values, positionals } = parseArgs({
    args: own,
    options: OPTIONS,
    allowPositionals: true,
  });
  const [command, ...rest] = positionals;
  if (values.help || command === undefined || command === "help") return undefined;
  if (!/^[1-9]\d?$/.test(values.nodes) || Number(values.nodes) < 2 || Number(values.nodes) > MOST_NODES)
    throw new LabError(`--nodes takes 2 to ${MOST_NODES}, not "${values.nodes}"`);
  for (const word of [values.heartbeat, values.dead])
    if (!/^\d+(ms|s)$/.test(word)) throw new LabError(`"${word}" is no duration: write 100ms or 1s`);
  return {
    command,
    args: at < 0 ? rest : args.slice(at + 1),
    directory: labDirectory(values.name),
    options: {
      nodes: Number(values.nodes),
      witness: values.witness,
      standby: values.standby,
      heartbeat: values.heartbeat,
      dead: values.dead,
      daemons: !values["no-daemons"],
    },
    runs: values.runs,
    json: values.json,
  };
}

async function dispatch(invocation: Invocation): Promise<End> {
  const { command, args, directory, json } = invocation;
  const say = (text: string) =>
    void (json || console.log(text === "" || command === "exec" || command === "status" ? text : `lab: ${text}`));
  const request = (words: readonly string[] = args) => ask(directory.socket, { command, args: words }, say);
  switch (command) {
    case "up":
      return up(invocation, say);
    case "demo":
      return demo(invocation, say);
    case "down":
      return down(directory, say);
    case "measure":
      return request([args[0] ?? "all", invocation.runs]);
    default:
      if (isHoldfastCommand(command)) return runHoldfast(directory, command, args, json);
      if (
        command !== "status" &&
        command !== "heal" &&
        command !== "exec" &&
        !(ACTION_NAMES as readonly string[]).includes(command)
      ) {
        console.error(`lab: unknown command "${command}"; see: holdfast lab help`);
        return { code: EXIT.usage, result: null };
      }
      return request();
  }
}

async function up(invocation: Invocation, say: (text: string) => void): Promise<End> {
  const { directory, options } = invocation;
  const began = performance.now();
  removeStale(dirname(directory.path));
  if (await isRunning(directory))
    throw new LabError(
      `lab ${directory.name} is running already; end it with: holdfast lab down --name ${directory.name}`,
    );
  try {
    // The traffic process needs it: said here, where somebody reads it.
    await import("@holdfast/linux/load.ts");
  } catch (error) {
    throw new LabError(error instanceof Error ? error.message : String(error));
  }
  if (existsSync(directory.path))
    throw new LabError(`${directory.path} belongs to a lab that is just starting; try again in a moment`);
  mkdirSync(directory.path, { mode: directoryMode(process.getuid?.() ?? 0) });
  await awaitSupervisor(directory, options);
  let end: End;
  try {
    end = await ask(directory.socket, { command: "ready", args: [] }, say);
  } catch (error) {
    throw new LabError(
      `${error instanceof Error ? error.message : String(error)}; it stays up for a look (lab status, lab down); log: ${directory.log}`,
    );
  }
  const { owner, nodes } = end.result as { owner: string | null; nodes: readonly string[] };
  const root = readPermissions().uid === 0 ? "as root" : "no root";
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  say(`${nodes.length} nodes ${nodes.join(" ")} in network namespaces, 1 client   (${root}, ${seconds} s)`);
  if (owner !== null && invocation.command === "up") say(`web is on ${owner}`);
  return {
    code: EXIT.done,
    result: {
      schema: "holdfast.lab-up/1",
      name: directory.name,
      directory: directory.path,
      owner,
      nodes,
    },
  };
}

/** Returns once the supervisor listens; throws LabError with the reason when it ended instead. */
async function awaitSupervisor(directory: LabDirectory, options: LabOptions): Promise<void> {
  const child = startSupervisor(directory, options);
  let ended: string | undefined;
  child.on("error", (error) => (ended = `${error.message}: is util-linux installed?`));
  child.on("exit", (code, signal) => (ended = signal ?? `status ${code}`));
  while (!(await isRunning(directory))) {
    if (ended !== undefined) {
      const log = readFileSync(directory.log, "utf8");
      rmSync(directory.path, { recursive: true, force: true });
      if (/^(unshare|mount|sh|holdfast-lab):/m.test(log) || log === "")
        throw new LabError(explainRefusal(readPermissions(), log));
      throw new LabError(`the lab did not start (${ended}): ${log.trim().split("\n").slice(-5).join("\n")}`);
    }
    await delay(10);
  }
}

async function demo(invocation: Invocation, say: (text: string) => void): Promise<End> {
  const { directory } = invocation;
  if (await isRunning(directory)) say(`lab ${directory.name} is running already: using it`);
  else await up(invocation, say);
  const end = await ask(directory.socket, { command: "demo", args: [] }, say);
  const name = directory.name === DEFAULT_NAME ? "" : ` --name ${directory.name}`;
  say("still running. Try:");
  for (const command of [
    "status",
    "move web n2",
    "freeze n1",
    "partition n1 n2",
    "why web",
    "heal",
    "measure all --runs 1",
    "down",
  ])
    say(`  ./holdfast lab ${command}${name}`);
  return end;
}

/** Ends the lab, however badly it is: asks its supervisor, or kills the process on which all others depend. */
async function down(directory: LabDirectory, say: (text: string) => void): Promise<End> {
  const pid = livingPid(directory);
  const asked = ask(directory.socket, { command: "down", args: [] }, say).then(
    () => true,
    () => false,
  );
  const answered = await Promise.race([asked, delay(3000, false, { ref: false })]);
  if (!answered && pid !== undefined) process.kill(pid, "SIGKILL");
  if (!answered && pid === undefined && !existsSync(directory.path))
    throw new LabError(`there is no lab ${directory.name}`);
  if (pid !== undefined) await ended(directory, pid);
  rmSync(directory.path, { recursive: true, force: true });
  say(`${directory.name} is down; nothing is left`);
  return { code: EXIT.done, result: { schema: "holdfast.lab-down/1", name: directory.name } };
}

async function ended(directory: LabDirectory, pid: number): Promise<void> {
  while (livingPid(directory) === pid) await delay(10);
}
