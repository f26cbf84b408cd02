/** All commands as data for commander: names, arguments, options, help. */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import type { ActOptions } from "./act.ts";
import type { Context } from "./command.ts";
import type { RunOptions } from "./run.ts";
import type { ColourChoice } from "./terminal.ts";
import { parseDuration } from "./words.ts";

export const DEFAULT_SOCKET = "/run/holdfast/holdfast.sock";

export interface GlobalOptions {
  readonly socket: string;
  readonly json?: boolean;
  readonly color: ColourChoice;
}

const EXIT_CODES = `
Exit codes: 0 done or healthy, 1 failed, 2 usage or configuration, 3 degraded, 4 outage or two owners,
5 refused by a safety rule, 6 timeout, 7 daemon unreachable.`;

/** Each command's module is loaded when it runs: `status` needs no YAML parser. */
export function program(
  contextOf: (options: GlobalOptions) => Context,
  ended: (exit: number) => void,
  json: boolean,
): Command {
  const root = new Command("holdfast")
    // Under --json the error is printed by main.ts, as JSON.
    .configureOutput(json ? { outputError: () => undefined } : {})
    .description("keeps an address on exactly one healthy node")
    .addOption(new Option("--socket <path>", "the daemon's socket").env("HOLDFAST_SOCKET").default(DEFAULT_SOCKET))
    .option("--json", "print JSON; errors as JSON on standard error")
    .addOption(new Option("--color <when>", "colour").choices(["always", "auto", "never"]).default("auto"))
    .addHelpText("after", EXIT_CODES)
    .showSuggestionAfterError()
    .exitOverride();
  for (const add of [addLooking, addActing, addReplacing, addDaemon, addConfiguration, addKeys]) {
    add(
      root,
      (handler) =>
        async (...words) =>
          ended(await handler(contextOf(root.opts<GlobalOptions>()), words)),
    );
  }
  return root;
}

type Handler = (context: Context, words: readonly unknown[]) => Promise<number> | number;
type Wrap = (handler: Handler) => (...words: unknown[]) => Promise<void>;

function addLooking(root: Command, wrap: Wrap): void {
  command(root, "status", "the cluster on one screen")
    .option("-w, --watch", "redraw each second")
    .action(
      wrap(async (context, [options]) => {
        const { status } = await import("./status.ts");
        return status(context, { watch: (options as { watch?: boolean }).watch ?? false });
      }),
    );
  command(root, "links", "who hears whom, on each link and in each direction")
    .argument("[link]", "only this link")
    .action(wrap(async (context, [link]) => (await import("./links.ts")).links(context, link as string | undefined)));
  command(root, "why", "why a group is where it is, or what a node does")
    .argument("<group|node>", "its name")
    .action(wrap(async (context, [subject]) => (await import("./why.ts")).why(context, subject as string)));
  command(root, "events", "the last events of all nodes")
    .option("-f, --follow", "and new ones as they come")
    .action(
      wrap(async (context, [options]) => {
        const { events } = await import("./events.ts");
        return events(context, { follow: (options as { follow?: boolean }).follow ?? false });
      }),
    );
  command(root, "history", "what happened, from this node's record")
    .argument("[group]", "only this group")
    .option("--limit <n>", "the last n events", count, 200)
    .action(
      wrap(async (context, [group, options]) => {
        const { history } = await import("./history.ts");
        return history(context, group as string | undefined, (options as { limit: number }).limit);
      }),
    );
}

function addActing(root: Command, wrap: Wrap): void {
  acting(root, "move", "hand a group over to another node")
    .argument("<group>", "what to move")
    .argument("[node]", "where to; the first standby when not given")
    .action(
      wrap(async (context, [group, node, options]) => {
        const { move } = await import("./move.ts");
        return move(context, group as string, node as string | undefined, actOptions(options));
      }),
    );
  acting(root, "drain", "move everything off a node and keep it empty")
    .argument("<node>", "which")
    .option("--reason <text>", "shown to everybody who looks", "")
    .action(
      wrap(async (context, [node, options]) => {
        const { drain } = await import("./drain.ts");
        return drain(context, node as string, (options as { reason: string }).reason, actOptions(options));
      }),
    );
  acting(root, "undrain", "let a drained node own groups again")
    .argument("<node>", "which")
    .action(
      wrap(async (context, [node, options]) => {
        const { undrain } = await import("./undrain.ts");
        return undrain(context, node as string, actOptions(options));
      }),
    );
  acting(root, "acknowledge", "say that the alarms were seen: they leave every node's status")
    .alias("ack")
    .action(
      wrap(async (context, [options]) => {
        const { acknowledge } = await import("./acknowledge.ts");
        return acknowledge(context, actOptions(options));
      }),
    );
  acting(root, "pause", "freeze automation: no takeover, no failback, until the time is over")
    .alias("maintenance")
    .argument("[group]", "which; all when not given")
    .requiredOption("--for <duration>", "how long, at most 7d: 30m, 1h", pauseTime)
    .option("--reason <text>", "shown to everybody who looks", "")
    .action(
      wrap(async (context, [group, options]) => {
        const { pause } = await import("./pause.ts");
        const { for: for_ms, reason } = options as { for: number; reason: string };
        return pause(context, group as string | undefined, { ...actOptions(options), for_ms, reason });
      }),
    );
  acting(root, "resume", "end a pause before its time")
    .argument("[group]", "which; all when not given")
    .action(
      wrap(async (context, [group, options]) => {
        const { resume } = await import("./pause.ts");
        return resume(context, group as string | undefined, actOptions(options));
      }),
    );
}

/** What concerns the daemon that answers alone. */
function addReplacing(root: Command, wrap: Wrap): void {
  acting(root, "reload", "take this node's configuration file over, keeping what is open")
    .option("--confirm <duration>", "roll it back after that time, unless: holdfast confirm", confirmTime)
    .option("--confirmed", "what was reloaded with --confirm stays, as: holdfast confirm")
    .action(
      wrap(async (context, [options]) => {
        const { confirmReload, reload } = await import("./reload.ts");
        const { confirm, confirmed } = options as { confirm?: number; confirmed?: boolean };
        if (confirmed === true) return confirmReload(context, actOptions(options));
        return reload(context, { ...actOptions(options), confirm_ms: confirm });
      }),
    );
  command(root, "confirm", "what was reloaded with --confirm stays")
    .option("--timeout <duration>", "how long to wait for it", timeout, 10_000)
    .action(
      wrap(async (context, [options]) => (await import("./reload.ts")).confirmReload(context, actOptions(options))),
    );
  acting(root, "restart", "replace this node's daemon in place, keeping what it owns").action(
    wrap(async (context, [options]) => {
      const { restart } = await import("./restart.ts");
      return restart(context, actOptions(options));
    }),
  );
}

function addDaemon(root: Command, wrap: Wrap): void {
  command(root, "run", "the daemon, in the foreground")
    .option("--config <file>", "the configuration", "/etc/holdfast/holdfast.yaml")
    .option("--node <name>", "which node this is; the host's name when not given")
    .option("--state-dir <directory>", "history and drain mark", "/var/lib/holdfast")
    .option("--run-dir <directory>", "votes and locks, on a tmpfs", "/run/holdfast")
    .addOption(
      new Option("--from <what>", "the bundle, or the source tree; the bundle when it is up to date").choices([
        "bundle",
        "source",
      ]),
    )
    .action(
      wrap(async (context, [options]) => {
        const { run } = await import("./run.ts");
        const given = options as Omit<RunOptions, "socket" | "node"> & { node?: string };
        return run({ ...given, node: given.node, socket: context.socket });
      }),
    );
  command(root, "witness", "votes in many clusters, owns in none: a small process without any privilege")
    .argument(
      "[directory]",
      "one sub-directory for each cluster, with its holdfast.yaml and keys",
      "/etc/holdfast/witness",
    )
    .option("--listen <address:port>", "one UDP port for all clusters", "7400")
    .option("--node <name>", "the witness's name in the clusters; the only witness of each when not given")
    .option("--state-dir <directory>", "votes; on a tmpfs", "/run/holdfast-witness")
    .action(
      wrap(async (_context, [directory, options]) => {
        const { witness } = await import("./witness.ts");
        const { listen, stateDir, node } = options as { listen: string; stateDir: string; node?: string };
        return witness({ directory: directory as string, listen, stateDir, node });
      }),
    );
  // Only listed here: main.ts hands its words over before anything is parsed.
  command(root, "lab", "a real cluster in network namespaces on this machine").addArgument(new Argument("[words...]"));
}

function addConfiguration(root: Command, wrap: Wrap): void {
  command(root, "check-config", "errors in a configuration, or what it promises and risks")
    .argument("[file]", "the configuration", "/etc/holdfast/holdfast.yaml")
    .action(
      wrap(async (context, [file]) => {
        const { checkConfig } = await import("./check-config.ts");
        const { runningJiffy } = await import("@holdfast/agent/config/running-kernel.ts");
        return checkConfig(file as string, { json: context.json, jiffy: await runningJiffy() });
      }),
    );
  command(root, "lint", "what is valid and yet risky in a configuration: where, why, what to do")
    .argument("[files...]", "configurations; of several the differences too", ["/etc/holdfast/holdfast.yaml"])
    .option("--node <name>", "which node this machine is; the host's name when not given")
    .action(
      wrap(async (context, [files, options]) => {
        const { lint } = await import("./lint.ts");
        return lint(context, files as string[], options as { node?: string });
      }),
    );
  command(root, "doctor", "this machine and its network: what is wrong, why, and what to do")
    .option("--config <file>", "the configuration", "/etc/holdfast/holdfast.yaml")
    .option("--node <name>", "which node this machine is; the daemon's, or the host's name, when not given")
    .addHelpText("after", "\nExit codes: 0 all is well, 3 warnings, 1 something is wrong.")
    .action(
      wrap(async (context, [options]) => {
        const { doctor } = await import("./doctor.ts");
        return doctor(context, options as { config: string; node?: string });
      }),
    );
  command(root, "schema", "the JSON Schema of holdfast.yaml, for editors").action(
    wrap(async (context) => (await import("./schema.ts")).schema(context)),
  );
}

function addKeys(root: Command, wrap: Wrap): void {
  const keys = command(root, "keys", "the cluster's secrets");
  command(keys, "new", "make a key file")
    .argument("[file]", "where", "/etc/holdfast/keys")
    .option("--add", "add a key to the file and keep the old ones")
    .action(
      wrap(async (context, [file, options]) => {
        const { keysNew } = await import("./keys.ts");
        return keysNew(context, file as string, (options as { add?: boolean }).add ?? false);
      }),
    );
  command(keys, "rotate", "change the key of a running cluster, in three steps")
    .argument("[file]", "where", "/etc/holdfast/keys")
    .addOption(new Option("--activate", "second step: seal with the new key, which every node opens by now"))
    .addOption(
      new Option("--finish", "third step: open the new key alone, which every node seals with by now").conflicts(
        "activate",
      ),
    )
    .action(
      wrap(async (context, [file, options]) => {
        const { rotate } = await import("./keys-rotate.ts");
        const { activate, finish } = options as { activate?: boolean; finish?: boolean };
        return rotate(context, file as string, activate ? "activate" : finish ? "finish" : "add");
      }),
    );
}

function command(parent: Command, name: string, description: string): Command {
  return parent.command(name).description(description).exitOverride().showSuggestionAfterError();
}

function acting(parent: Command, name: string, description: string): Command {
  return command(parent, name, description)
    .option("--yes", "do not ask")
    .option("--dry-run", "show the plan only")
    .option("--timeout <duration>", "how long to wait for it", timeout, 10_000);
}

function actOptions(options: unknown): ActOptions {
  const given = options as { yes?: boolean; dryRun?: boolean; timeout: number };
  return { yes: given.yes ?? false, dryRun: given.dryRun ?? false, timeout_ms: given.timeout };
}

function timeout(text: string): number {
  const value = parseDuration(text);
  if (value !== undefined && value >= 100 && value <= 600_000) return value;
  throw new InvalidArgumentError("a duration from 100ms to 10m, such as 10s.");
}

const LONGEST_PAUSE_MS = 7 * 24 * 3_600_000;

function pauseTime(text: string): number {
  const value = parseDuration(text);
  if (value !== undefined && value >= 1000 && value <= LONGEST_PAUSE_MS) return value;
  throw new InvalidArgumentError("a duration from 1s to 7d, such as 30m or 1h.");
}

function confirmTime(text: string): number {
  const value = parseDuration(text);
  if (value !== undefined && value >= 1000 && value <= 3_600_000) return value;
  throw new InvalidArgumentError("a duration from 1s to 1h, such as 60s.");
}

function count(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("a whole number from 1.");
}
