/** What is wrong with a configuration, where, and what to do: as a value, as text for a terminal, and as JSON. */

/** A piece of a source line, at most 72 columns of printable ASCII, and what to underline in it. */
export interface Excerpt {
  readonly text: string;
  /** First underlined column of `text`, from 0. */
  readonly start: number;
  /** At least 1. */
  readonly length: number;
}

/** A place in the file. Lines and columns count from 1; columns count characters. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly excerpt: Excerpt;
}

export interface ConfigError {
  /** Stable, kebab-case. */
  readonly code: string;
  readonly file: string;
  /** Undefined: the file as a whole. */
  readonly place: Place | undefined;
  readonly message: string;
  /** What to do. */
  readonly hint: string;
}

/** The form of an error in `--json` outputs; line and column are null for the file as a whole. */
export interface ConfigErrorJson {
  readonly code: string;
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
  readonly hint: string;
}

export function errorToJson(error: ConfigError): ConfigErrorJson {
  return {
    code: error.code,
    file: error.file,
    line: error.place?.line ?? null,
    column: error.place?.column ?? null,
    message: error.message,
    hint: error.hint,
  };
}

/** Sorted as they stand in the file; errors of the whole file first. */
export function sortErrors(errors: readonly ConfigError[]): ConfigError[] {
  const rank = (error: ConfigError): [number, number] => [error.place?.line ?? 0, error.place?.column ?? 0];
  return errors.toSorted((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1]);
}

const WIDTH = 80;
/** Line numbers are set right in as many columns, wider ones in their own width. */
const NUMBER_WIDTH = 5;
/** A hint that is not beside the carets starts here in the excerpt. */
const HINT_INDENT = 4;

/** All errors as an operator reads them, one block each, ending with a newline. */
export function formatErrors(errors: readonly ConfigError[], options: { readonly colour: boolean }): string {
  return errors.map((error) => formatProblem(error, "error", options.colour)).join("");
}

/** One block: `file:line:column: error: message`, the line, the carets and the hint. */
export function formatProblem(problem: ConfigError, word: "error" | "warning", colour: boolean): string {
  const paint = (code: string, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const { place } = problem;
  const where = place ? `${problem.file}:${place.line}:${place.column}` : problem.file;
  const accent = word === "error" ? "31" : "33";
  const header = `${paint("1", `${printable(where)}:`)} ${paint(accent, `${word}:`)} ${problem.message}\n`;
  const number = String(place?.line ?? "").padStart(NUMBER_WIDTH);
  const blank = `${" ".repeat(number.length + 1)}| `;
  if (!place) return header + hintLines(problem.hint, blank, 0);
  const { text, start, length } = place.excerpt;
  const source = `${number} | ${text}`.trimEnd();
  const carets = " ".repeat(start) + paint(accent, "^".repeat(length));
  const beside = blank.length + start + length + 1 + problem.hint.length <= WIDTH;
  if (beside) return `${header}${source}\n${blank}${carets} ${problem.hint}\n`;
  return `${header}${source}\n${blank}${carets}\n${hintLines(problem.hint, blank, HINT_INDENT)}`;
}

function hintLines(hint: string, prefix: string, indent: number): string {
  if (hint === "") return "";
  const lines: string[] = [];
  let line = "";
  for (const word of hint.split(" ")) {
    if (line !== "" && prefix.length + indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.map((text) => `${prefix}${" ".repeat(indent)}${text}\n`).join("");
}

/** Printable ASCII: what a file says must not steer the terminal, nor shift the carets. */
export function printable(text: string): string {
  return Array.from(text, (character) => (/[\x20-\x7e]/.test(character) ? character : "?")).join("");
}

/** A value of the file inside a message: quoted, printable, at most 40 characters. */
export function quoted(value: string): string {
  const text = printable(value);
  return `"${text.length > 40 ? `${text.slice(0, 37)}...` : text}"`;
}
