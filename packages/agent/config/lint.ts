/** Everything that is risky about a configuration, each with its place in the file, why, and what to do. */
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import type { ConfigError, Place } from "./config-error.ts";
import { type Places, readDocument } from "./document.ts";
import { type MachineFacts, machineRisks } from "./machine-risks.ts";
import { parseBytes } from "./parse.ts";
import type { ParsedConfig } from "./parsed-config.ts";
import { readConfigBytes } from "./read-file.ts";
import { configRisks } from "./risks.ts";
import { SourceText } from "./source-text.ts";
import { REASONS } from "./warning-reasons.ts";
import { type ConfigWarning, configWarnings } from "./warnings.ts";

export interface Finding {
  /** Stable, kebab-case. */
  readonly code: string;
  readonly file: string;
  /** Undefined: the file as a whole. */
  readonly place: Place | undefined;
  readonly text: string;
  readonly why: string;
  readonly remedy: string;
}

export interface Linted {
  readonly config: ParsedConfig;
  readonly findings: readonly Finding[];
}

/** `factsOf`: what this machine has to say about it. */
export async function lintFile(
  file: string,
  jiffy: number,
  factsOf: (config: ParsedConfig) => Promise<MachineFacts>,
): Promise<Result<Linted, ConfigError[]>> {
  const bytes = readConfigBytes(file);
  if (!bytes.ok) return bytes;
  const parsed = parseBytes(bytes.value, file, { jiffy });
  if (!parsed.ok) return parsed;
  const config = parsed.value;
  const text = new TextDecoder().decode(bytes.value);
  const document = readDocument(text, file, new SourceText(text));
  if (!document.ok) return failure(document.error);
  const { cluster } = config;
  const warnings = [
    ...configWarnings(config),
    ...configRisks(cluster),
    ...machineRisks(cluster, await factsOf(config)),
  ];
  const { places } = document.value;
  const findings = warnings.map((warning) => findingOf(file, warning, placeOf(warning, places)));
  return success({ config, findings: findings.toSorted(inFileOrder) });
}

/** Files of one cluster that mean different things: each after the first is told. */
export function differences(linted: readonly Linted[]): readonly Finding[] {
  const [first, ...others] = linted;
  if (first === undefined) return [];
  return others
    .filter(({ config }) => config.cluster.name === first.config.cluster.name)
    .filter(({ config }) => config.cluster.digest !== first.config.cluster.digest)
    .map(({ config }) => {
      const text = `digest ${config.cluster.digest}, in ${first.config.file} ${first.config.cluster.digest}: another configuration`;
      return findingOf(config.file, { code: "files-differ", text }, undefined);
    });
}

function placeOf({ path, place }: ConfigWarning, places: Places): Place | undefined {
  return place ?? (path === undefined ? undefined : places.key(path));
}

function findingOf(file: string, { code, text }: ConfigWarning, place: Place | undefined): Finding {
  const { why, remedy } = REASONS[code] ?? { why: "", remedy: "" };
  return { code, file, place, text, why, remedy };
}

function inFileOrder(a: Finding, b: Finding): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0);
}
