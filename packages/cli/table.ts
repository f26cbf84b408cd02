/** Tables of aligned columns, two spaces apart. When the terminal is narrow whole columns go; a cell is never wrapped or cut. */
import { printable, type Colour, type Terminal } from "./terminal.ts";

export interface Column {
  readonly title: string;
  /** Goes first (1), second (2) ... when the table is too wide; undefined: stays. */
  readonly dropped?: number;
  readonly right?: boolean;
}

export interface Cell {
  readonly text: string;
  readonly colour?: Colour | undefined;
}

const GAP = "  ";

/** Lines without ends; no blanks at the end of a line. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, paint }: Terminal,
): string[] {
  let kept = columns.map((_, i) => i);
  const texts = [columns.map((column) => column.title), ...rows.map((row) => row.map((cell) => printable(cell.text)))];
  const widths = columns.map((_, i) => Math.max(...texts.map((line) => line[i]?.length ?? 0)));
  const total = (): number => kept.reduce((sum, i) => sum + (widths[i] ?? 0) + GAP.length, -GAP.length);
  const order = columns.flatMap((column, i) => (column.dropped === undefined ? [] : [{ i, at: column.dropped }]));
  for (const { i } of order.toSorted((a, b) => a.at - b.at)) {
    if (width === undefined || total() <= width) break;
    kept = kept.filter((other) => other !== i);
  }
  return texts.map((line, n) => {
    const cells = kept.map((i, place) => {
      const text = line[i] ?? "";
      const blanks = " ".repeat((widths[i] ?? 0) - text.length);
      const shown = paint(n === 0 ? "bold" : rows[n - 1]?.[i]?.colour, text);
      if (columns[i]?.right) return blanks + shown;
      return place === kept.length - 1 ? shown : shown + blanks;
    });
    return cells.join(GAP).trimEnd();
  });
}
