/** The text of a configuration file, and places in it: from offsets to lines, columns and excerpts. */
import { printable, type Excerpt, type Place } from "./config-error.ts";

const EXCERPT_WIDTH = 72;
/** How much of a long line is kept before what is underlined. */
const BEFORE = 24;

export class SourceText {
  readonly #text: string;
  readonly #lineStarts: number[] = [0];
  /** Where characters were counted to last: a file may be one long line full of places. */
  #counted = { lineStart: 0, offset: 0, characters: 0 };

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#lineStarts.push(at + 1);
  }

  /** The place of `start` to `end` (offsets in the text); only the first line of it is underlined. */
  place(start: number, end: number): Place {
    const offset = Math.max(0, Math.min(start, this.#text.length));
    const line = this.#lineAt(offset);
    const lineStart = this.#lineStarts[line] ?? 0;
    const lineEnd = (this.#lineStarts[line + 1] ?? this.#text.length + 1) - 1;
    // Slices far from what is underlined are never looked at: a file may be one long line.
    const near = this.#text.slice(Math.max(lineStart, offset - 4 * EXCERPT_WIDTH), offset);
    const marked = this.#text.slice(offset, Math.min(Math.max(end, offset), lineEnd, offset + 4 * EXCERPT_WIDTH));
    const rest = this.#text.slice(
      offset + marked.length,
      Math.min(lineEnd, offset + marked.length + 4 * EXCERPT_WIDTH),
    );
    return {
      line: line + 1,
      column: this.#characters(lineStart, offset) + 1,
      excerpt: cut(printable(near), printable(trimLineEnd(marked)), printable(trimLineEnd(rest))),
    };
  }

  #characters(lineStart: number, offset: number): number {
    const { lineStart: lastLine, offset: last, characters } = this.#counted;
    const goOn = lastLine === lineStart && last <= offset;
    const more = countCharacters(this.#text, goOn ? last : lineStart, offset);
    this.#counted = { lineStart, offset, characters: goOn ? characters + more : more };
    return this.#counted.characters;
  }

  #lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function trimLineEnd(text: string): string {
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

function countCharacters(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) {
    const unit = text.charCodeAt(at);
    // The second half of a surrogate pair belongs to the character before it.
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}

function cut(before: string, marked: string, rest: string): Excerpt {
  const whole = before + marked + rest;
  const length = Math.max(1, marked.length);
  if (whole.length <= EXCERPT_WIDTH) return { text: whole, start: before.length, length };
  const head = before.length + length <= EXCERPT_WIDTH - 4 ? before : `...${before.slice(-BEFORE)}`;
  const text = head + marked + rest;
  const shown = text.length > EXCERPT_WIDTH ? `${text.slice(0, EXCERPT_WIDTH - 3)}...` : text;
  const start = Math.min(head.length, EXCERPT_WIDTH - 1);
  return { text: shown, start, length: Math.min(length, EXCERPT_WIDTH - start) };
}
