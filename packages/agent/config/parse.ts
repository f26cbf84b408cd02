/** holdfast.yaml to a typed value: reading, grammar, shape, meaning. Every error carries its place; nothing throws. */
import { isUtf8 } from "node:buffer";
import type { Cluster, Timing } from "@holdfast/core/cluster.ts";
import { timing } from "@holdfast/core/ownership/lease/timing.ts";
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import { printable, sortErrors, type ConfigError } from "./config-error.ts";
import { digest } from "./digest.ts";
import { readDocument } from "./document.ts";
import { parseDuration } from "./duration.ts";
import { readGroups } from "./meaning-groups.ts";
import { checkMeeting, checkSpeeds, readLinks } from "./meaning-links.ts";
import { readNodes, readVoters } from "./meaning-nodes.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import { readQuorum } from "./meaning-quorum.ts";
import { Report } from "./report.ts";
import { reportIssues } from "./shape-errors.ts";
import { shape, type Shape } from "./shape.ts";
import { LARGEST_FILE, readConfigBytes } from "./read-file.ts";
import { SourceText } from "./source-text.ts";

const MOST_ERRORS = 20;
const DEFAULT_KEYS = "/etc/holdfast/keys";

export interface ParseOptions {
  /** The running kernel's tick in milliseconds. */
  readonly jiffy: number;
}

/** The configuration in `text`; `file` is its name in errors, of which there are at most 20. */
export function parseConfig(text: string, file: string, options: ParseOptions): Result<ParsedConfig, ConfigError[]> {
  const parsed = parseWhole(text, file, options);
  return parsed.ok ? parsed : failure(firstErrors(parsed.error));
}

function firstErrors(errors: readonly ConfigError[]): ConfigError[] {
  const sorted = sortErrors(errors);
  const shown = sorted.slice(0, MOST_ERRORS);
  const more = sorted[MOST_ERRORS];
  if (!more) return shown;
  const message = `and ${sorted.length - MOST_ERRORS + 1} more from here on`;
  return [...shown.slice(0, -1), { ...more, code: "more-errors", message, hint: "correct the ones above first" }];
}

function parseWhole(text: string, file: string, options: ParseOptions): Result<ParsedConfig, ConfigError[]> {
  const whole = (code: string, message: string, hint: string): Result<never, ConfigError[]> =>
    failure([{ code, file, place: undefined, message, hint }]);
  if (text.length > LARGEST_FILE) return whole("file-size", "the file is larger than 1 MiB", "is this the right file?");
  const document = readDocument(text, file, new SourceText(text));
  if (!document.ok) return document;
  const { value, places } = document.value;
  if (value === null)
    return whole("file-empty", "the file is empty", "start from /usr/share/doc/holdfast/holdfast.yaml");
  const report = new Report(file, places);
  const checked = shape.safeParse(value);
  if (!checked.success) {
    reportIssues(report, checked.error.issues, value);
    return failure(report.errors);
  }
  const config = readMeaning(report, checked.data, options.jiffy);
  return config ? success(config) : failure(report.errors);
}

/** Undefined when anything was reported. */
function readMeaning(report: Report, shaped: Shape, jiffy: number): ParsedConfig | undefined {
  const times = readTiming(report, shaped, jiffy);
  const drafts = readLinks(report, shaped);
  const links = drafts.map((draft) => draft.config);
  const nodes = readNodes(report, shaped, drafts);
  const voters = readVoters(report, shaped, nodes);
  const { groups, addresses, interfaces } = readGroups(report, shaped, nodes);
  const keys = readKeys(report, shaped);
  const quorum = readQuorum(report, shaped, nodes, groups);
  if (!times || report.errors.length > 0) return undefined;
  const meaning: Omit<Cluster, "digest"> = {
    name: shaped.cluster.name,
    generation: shaped.generation ?? 1,
    timing: times,
    links,
    nodes,
    groups,
    keys,
    seal: shaped.cluster.seal ?? "encrypt",
    ...voters,
    ...quorum,
  };
  const cluster = { ...meaning, digest: digest(meaning) };
  checkMeeting(report, cluster);
  checkSpeeds(report, cluster);
  return report.errors.length > 0 ? undefined : { file: report.file, cluster, addresses, interfaces };
}

function readTiming(report: Report, shaped: Shape, jiffy: number): Timing | undefined {
  const { heartbeat, dead } = shaped.timing ?? {};
  const before = report.errors.length;
  const h = heartbeat === undefined ? 100 : parseDuration(report, ["timing", "heartbeat"], heartbeat);
  const T = dead === undefined ? 300 : parseDuration(report, ["timing", "dead"], dead);
  if (report.errors.length > before) return undefined;
  const made = timing(h, T, jiffy);
  if (made.ok) return made.value;
  report.error(made.error.code, ["timing", made.error.field], "value", made.error.message, made.error.hint);
  return undefined;
}

function readKeys(report: Report, shaped: Shape): string {
  const keys = shaped.cluster.keys ?? DEFAULT_KEYS;
  if (!keys.startsWith("/") || printable(keys) !== keys) {
    const message = "cluster.keys is not an absolute path in ASCII";
    report.error("keys-path", ["cluster", "keys"], "value", message, `write ${DEFAULT_KEYS}`);
  }
  return keys;
}

/** The configuration in the file at `path`. */
export function readConfig(path: string, options: ParseOptions): Result<ParsedConfig, ConfigError[]> {
  const bytes = readConfigBytes(path);
  return bytes.ok ? parseBytes(bytes.value, path, options) : bytes;
}

/** The same for a file's bytes, which must be UTF-8. */
export function parseBytes(
  bytes: Uint8Array,
  file: string,
  options: ParseOptions,
): Result<ParsedConfig, ConfigError[]> {
  if (isUtf8(bytes)) return parseConfig(new TextDecoder().decode(bytes), file, options);
  const text = new TextDecoder().decode(bytes);
  const at = Math.max(0, text.indexOf("\ufffd"));
  const place = new SourceText(text).place(at, at + 1);
  return failure([{ code: "utf8", file, place, message: "not UTF-8 text", hint: "save the file as UTF-8" }]);
}
