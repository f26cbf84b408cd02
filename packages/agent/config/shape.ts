/**
 * The shape of holdfast.yaml: the one definition that the parser checks a file against and the JSON Schema is made from.
 * What a value means (addresses, references between parts) is in meaning.ts.
 *
 * Error texts have two lines: what is wrong, then what to do.
 */
import { z } from "zod";

/** The form of units/names.ts, spelt out for the JSON Schema. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,31}$/;
export const DURATION_PATTERN = /^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/;
export const FAILBACK_PATTERN = /^(manual|immediate|after +\d{1,9}(\.\d{1,3})?(ms|s|m|h))$/;

interface Issue {
  readonly code?: string | undefined;
  readonly input?: unknown;
}

const nameWords = "use 1 to 32 of a-z, 0-9 and -, starting with a letter or digit";

/** `of`: what it names, with its article. */
function name(of: string) {
  return z.string().regex(NAME_PATTERN, { error: `not a name for ${of}\n${nameWords}` });
}

function durationWords({ input }: Issue): string | undefined {
  if (typeof input === "number") return `${input} has no unit\nwrite ${input}ms, ${input}s, ${input}m or ${input}h`;
  if (typeof input !== "string") return undefined;
  if (/^\d+(\.\d+)?$/.test(input)) return `${input} has no unit\nwrite ${input}ms, ${input}s, ${input}m or ${input}h`;
  return "not a duration\nwrite a number and ms, s, m or h: 100ms";
}

function duration(description: string) {
  return z
    .string({ error: durationWords })
    .regex(DURATION_PATTERN, { error: durationWords })
    .meta({ description, examples: ["100ms"] });
}

function failbackWords({ input }: Issue): string | undefined {
  if (input === undefined || input === null) return undefined;
  return "not a kind of failback\nwrite manual, immediate or after 5m";
}

const address = z.union(
  [
    z.string(),
    z.strictObject({
      address: z.string().meta({ description: "Address and prefix length: 10.0.0.100/24" }),
      interfaces: z.array(z.string()).min(1).optional(),
      outside_networks: z
        .literal(true)
        .optional()
        .meta({ description: "The address may lie outside all networks of its interface" }),
    }),
  ],
  { error: "neither an address nor a map with one\nwrite 10.0.0.100/24 or { address: 10.0.0.100/24 }" },
);

const cluster = z.strictObject({
  name: name("a cluster"),
  quorum: z.enum(["majority", "available"]).optional().meta({
    description: "available: of two voters one may go on alone; a cut of all links may then give two owners",
  }),
  keys: z.string().optional().meta({ description: "Path of the key file; /etc/holdfast/keys when absent" }),
  seal: z.enum(["encrypt", "authenticate-only"]).optional(),
});

const timing = z.strictObject({
  heartbeat: duration("Interval of heartbeats and renewals, 10ms to 1s; 100ms when absent").optional(),
  dead: duration("The voters' lease: silence that counts as death, at most 5s; 300ms when absent").optional(),
});

/** What serial ports have had since the 16550. */
export const BAUD_RATES = [9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600] as const;

const link = z
  .strictObject({
    port: z.int().min(1).max(65535).optional().meta({ description: "UDP port of the heartbeats" }),
    multicast: z.string().optional().meta({
      description: "With port: the group they are sent to, such as 239.192.74.0; each node's own address when absent",
    }),
    ethernet: z.string().optional().meta({
      description: "Interface of an Ethernet link, which needs no IP; a node may name another one",
    }),
    serial: z.string().optional().meta({
      description: "Path of the tty of a serial line between two nodes; a node may name another one",
    }),
    baud: z.literal(BAUD_RATES).optional().meta({ description: "Speed of a serial line; 115200 when absent" }),
  })
  .meta({ oneOf: [{ required: ["port"] }, { required: ["ethernet"] }, { required: ["serial"] }] });

const node = z
  .object({
    role: z.literal("witness").optional().meta({ description: "A witness votes and never owns" }),
    interfaces: z
      .record(name("an interface"), z.string())
      .optional()
      .meta({ description: "Logical interface names to this node's own" }),
  })
  .catchall(z.string())
  .meta({
    description: "The node's address, interface or tty on each link, by the link's name; none: it has no end of it",
  });

const group = z.strictObject({
  ownership: z.literal("lease").optional(),
  interfaces: z.array(z.string()).min(1).optional(),
  addresses: z.array(address).min(1),
  prefer: z
    .array(z.string())
    .min(1)
    .optional()
    .meta({ description: "Who may own it, most wanted first; every node but witnesses when absent" }),
  failback: z.string({ error: failbackWords }).regex(FAILBACK_PATTERN, { error: failbackWords }).optional(),
  settle: duration("Least time between two moves by the cluster's own choice; 10s when absent").optional(),
  drain: duration(
    "How long established TCP stays on the old owner of a planned move, at most 1h; reset at once when absent",
  ).optional(),
  on_quorum_loss: z.enum(["release", "hold"]).optional().meta({
    description: "hold: an owner without a majority answers on while nobody else is known to claim the group",
  }),
  on_conflict: z.enum(["defend", "yield", "alarm"]).optional().meta({
    description:
      "When a stranger uses an address: defend it (default), give the group up while he keeps it, or only tell",
  }),
  steering: z.array(z.literal("neighbours")).min(1).max(1).optional(),
});

export const shape = z.strictObject({
  version: z.literal(1),
  generation: z.int().min(1).max(4294967295).optional().meta({
    description: "Raised with every change of voters or timing; 1 when absent",
  }),
  cluster,
  timing: timing.optional(),
  voters: z.array(z.string()).min(1).optional().meta({
    description: "The nodes that vote: 3, 5 or 7; every node when absent, which more than 7 nodes may not be",
  }),
  reference: z.array(z.string()).min(1).optional().meta({
    description: "Addresses beside the nodes that tell a dead adapter from a dead peer; for quorum: available",
  }),
  links: z.record(name("a link"), link),
  nodes: z.record(name("a node"), node),
  groups: z.record(name("a group"), group).optional(),
});

export type Shape = z.infer<typeof shape>;
export type LinkShape = z.infer<typeof link>;
export type NodeShape = z.infer<typeof node>;
export type GroupShape = z.infer<typeof group>;
export type AddressShape = z.infer<typeof address>;

/** The JSON Schema (draft 2020-12) of holdfast.yaml, for editors. */
export function jsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(shape, { io: "input" }), title: "holdfast.yaml" };
}

/** The keys of the map at a place in the file, for suggestions; undefined where an operator names the keys. */
export function knownKeys(path: readonly (string | number)[]): readonly string[] | undefined {
  const [top, , inner, , deep] = path;
  if (path.length === 0) return Object.keys(shape.shape);
  if (path.length === 1 && top === "cluster") return Object.keys(cluster.shape);
  if (path.length === 1 && top === "timing") return Object.keys(timing.shape);
  if (path.length === 2 && top === "links") return Object.keys(link.shape);
  if (path.length === 2 && top === "groups") return Object.keys(group.shape);
  if (path.length === 4 && top === "groups" && inner === "addresses" && deep === undefined) {
    return ["address", "interfaces", "outside_networks"];
  }
  return undefined;
}
