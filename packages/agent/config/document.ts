/**
 * YAML text to plain values, keeping where every key and value stands. Stricter than YAML 1.2: no anchors, aliases,
 * merge keys, tags or second documents, so that a value has one place and cannot grow beyond the file.
 */
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node, type Pair } from "yaml";
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import { printable, quoted, type ConfigError, type Place } from "./config-error.ts";
import type { SourceText } from "./source-text.ts";

export type Path = readonly (string | number)[];

interface Ranges {
  readonly key: readonly [number, number] | undefined;
  /** Scalars only: a map or list is pointed at by its key. */
  readonly value: readonly [number, number] | undefined;
  /** Where the value starts, for a map or list without a key. */
  readonly start: number;
}

/** Deeper than any configuration, shallower than any stack. */
const DEEPEST = 16;

/** A parsed file: its value made of null-prototype objects, arrays, strings, numbers, booleans and null. */
export interface ConfigDocument {
  readonly value: unknown;
  readonly file: string;
  readonly places: Places;
}

/** Where everything stands. */
export class Places {
  readonly #source: SourceText;
  readonly #ranges = new Map<string, Ranges>();

  constructor(source: SourceText) {
    this.#source = source;
  }

  record(path: Path, ranges: Ranges): void {
    this.#ranges.set(JSON.stringify(path), ranges);
  }

  at(start: number, end: number): Place {
    return this.#source.place(start, end);
  }

  /** The value at `path`; the key of a map, list or empty value; the nearest enclosing place when the path is absent. */
  value(path: Path): Place {
    const ranges = this.#nearest(path);
    const range = ranges?.value ?? ranges?.key;
    return range ? this.at(...range) : this.at(ranges?.start ?? 0, (ranges?.start ?? 0) + 1);
  }

  /** The key at `path`, or the value of a list's item. */
  key(path: Path): Place {
    const ranges = this.#nearest(path);
    return ranges?.key ? this.at(...ranges.key) : this.value(path);
  }

  /** The keys of the map at `path` as they stand in the file (JavaScript moves keys that look like numbers). */
  inFileOrder(path: Path, keys: readonly string[]): string[] {
    const start = (key: string): number => this.#ranges.get(JSON.stringify([...path, key]))?.key?.[0] ?? 0;
    return keys.toSorted((a, b) => start(a) - start(b));
  }

  #nearest(path: Path): Ranges | undefined {
    for (let length = path.length; length >= 0; length--) {
      const found = this.#ranges.get(JSON.stringify(path.slice(0, length)));
      if (found) return found;
    }
    return undefined;
  }
}

/** Never throws. Reports the first error of YAML's grammar alone, since what follows it is guesswork. */
export function readDocument(text: string, file: string, source: SourceText): Result<ConfigDocument, ConfigError[]> {
  const places = new Places(source);
  const problem = (code: string, range: readonly [number, number], message: string, hint: string): ConfigError => ({
    code,
    file,
    place: places.at(...range),
    message,
    hint,
  });
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { uniqueKeys: false, prettyErrors: false, version: "1.2", logLevel: "error" });
  } catch {
    return failure([problem("yaml-depth", [0, 1], "not readable as YAML: nested too deeply", "see holdfast.yaml(5)")]);
  }
  const [first] = document.errors;
  if (first) return failure([problem("yaml-syntax", first.pos, ...syntaxWords(first.code, first.message))]);
  if (document.directives.yaml.explicit === true && document.directives.yaml.version !== "1.2") {
    return failure([problem("yaml-version", [0, 5], "only YAML 1.2 is read", "remove the %YAML line")]);
  }
  const errors: ConfigError[] = [];
  const complain: Complain = (...what) => void errors.push(problem(...what));
  const value = new Converter(places, complain).convert(document.contents, [], undefined);
  return errors.length > 0 ? failure(errors) : success({ value, file, places });
}

type Complain = (code: string, range: readonly [number, number], message: string, hint: string) => void;

class Converter {
  readonly #places: Places;
  readonly #report: Complain;

  constructor(places: Places, report: Complain) {
    this.#places = places;
    this.#report = report;
  }

  convert(node: Node | null, path: Path, key: readonly [number, number] | undefined): unknown {
    const start = node?.range?.[0] ?? key?.[0] ?? 0;
    const end = node?.range?.[1] ?? start;
    const scalar = isScalar(node) && end > start;
    this.#places.record(path, { key, value: scalar ? [start, end] : undefined, start });
    if (node === null) return null;
    if (this.#refuse(node, path, [start, end])) return null;
    if (isMap<Node, Node | null>(node)) return this.#map(node.items, path);
    if (isSeq<Node | null>(node)) return node.items.map((item, i) => this.convert(item, [...path, i], undefined));
    if (isScalar(node)) return typeof node.value === "bigint" ? Number(node.value) : node.value;
    return null;
  }

  /** Reports what this dialect does not take; true when the value is of no use. */
  #refuse(node: Node, path: Path, range: readonly [number, number]): boolean {
    if (isAlias(node)) {
      this.#report("yaml-alias", range, "aliases (*name) are not read", "write the value out here");
      return true;
    }
    if (path.length > DEEPEST) {
      this.#report("yaml-depth", range, "nested too deeply", "no setting is nested that deep");
      return true;
    }
    const { anchor, tag } = node as { anchor?: string; tag?: string };
    if (anchor !== undefined)
      this.#report("yaml-anchor", range, "anchors (&name) are not read", `remove ${quoted(`&${anchor}`)}`);
    if (tag !== undefined) this.#report("yaml-tag", range, "tags (!name) are not read", "remove the tag");
    return false;
  }

  #map(items: readonly Pair<Node, Node | null>[], path: Path): Record<string, unknown> {
    const value = Object.create(null) as Record<string, unknown>;
    const seen = new Map<string, readonly [number, number]>();
    for (const pair of items) {
      const range = [pair.key?.range?.[0] ?? 0, pair.key?.range?.[1] ?? 0] as const;
      const key = this.#key(pair.key, range, path);
      if (key === undefined) continue;
      const first = seen.get(key);
      if (first) {
        const { line, column } = this.#places.at(...first);
        const message = `duplicate key ${quoted(key)}${path.length > 0 ? ` in ${pathText(path)}` : ""}`;
        this.#report("duplicate-key", range, message, `first at line ${line}, column ${column}; remove one`);
        continue;
      }
      seen.set(key, range);
      value[key] = this.convert(pair.value, [...path, key], range);
    }
    return value;
  }

  #key(node: Node | null, range: readonly [number, number], path: Path): string | undefined {
    if (!isScalar(node)) {
      this.#report("yaml-key", range, "a key must be plain text", "write key: value");
      return undefined;
    }
    this.#refuse(node, path, range);
    // The text as written: a node may be called 1 or null.
    const key = node.source ?? String(node.value);
    if (key === "<<") {
      this.#report("yaml-merge", range, "merge keys (<<) are not read", "write the keys out here");
      return undefined;
    }
    if (key === "__proto__") {
      this.#report("unknown-key", range, 'unknown key "__proto__"', "remove it");
      return undefined;
    }
    return key;
  }
}

/** groups.web.addresses[0] */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += (text === "" ? "" : ".") + quoted(step).slice(1, -1);
  }
  return text;
}

/** What is wrong and what to do, for the errors of YAML's grammar that operators make. */
function syntaxWords(code: string, message: string): [string, string] {
  if (/closing .quote/.test(message)) return ["a quote is not closed", "look above for the line where it opens"];
  if (/^Flow (map|sequence) in block/.test(message))
    return ["a bracket is not closed, or closed too far left", "close it before this"];
  if (message.startsWith("Implicit map key")) return ["a key without a colon", "write key: value"];
  switch (code) {
    case "TAB_AS_INDENT":
      return ["a tab indents this line", "YAML is indented with spaces"];
    case "BAD_INDENT":
      return ["wrong indentation", "indent with as many spaces as the lines beside it"];
    case "MULTIPLE_DOCS":
      return ["a second document starts here", "remove the line with ---"];
    case "TAG_RESOLVE_FAILED":
      return ["tags (!name) are not read", "remove the tag"];
    case "RESOURCE_EXHAUSTION":
      return ["nested too deeply", "no setting is nested that deep"];
    case "BLOCK_AS_IMPLICIT_KEY":
    case "MULTILINE_IMPLICIT_KEY":
      return ["a key, or its colon, is missing on a line near here", "write key: value, each on its own line"];
    default: {
      const sentence = printable(message.split("\n")[0] ?? "").slice(0, 100);
      return [`not readable as YAML: ${sentence}`, "look for a missing quote, bracket, comma or colon"];
    }
  }
}
