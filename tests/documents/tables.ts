/** Tables of a Markdown document: for tests that hold a document against the code. */

export interface Table {
  /** What stands above the table: the nearest heading, or a line that begins in bold below it. */
  readonly under: string;
  /** Each row's cells by the heading of their column, without formatting at both ends. */
  readonly rows: readonly Readonly<Record<string, string>>[];
}

/** `text` between two headings of it, the first included. Throws when one is missing. */
export function between(text: string, from: string, to: string): string {
  const start = text.indexOf(`\n${from}\n`);
  const end = text.indexOf(`\n${to}\n`, start + 1);
  if (start < 0 || end < 0) throw new Error(`no ${start < 0 ? from : to}`);
  return text.slice(start, end);
}

export function tablesOf(text: string): Table[] {
  const tables: Table[] = [];
  let under = "";
  let columns: string[] | undefined;
  let rows: Record<string, string>[] = [];
  for (const line of [...text.split("\n"), ""]) {
    if (!line.startsWith("|")) {
      if (columns !== undefined) tables.push({ under, rows });
      columns = undefined;
      const heading = /^(?:#+ (.*)|\*\*(.*?)\*\*.*)$/.exec(line);
      if (heading !== null) under = (heading[1] ?? heading[2] ?? "").trim();
      continue;
    }
    const cells = line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim().replace(/^`(.*)`$/, "$1"));
    if (columns === undefined) {
      columns = cells;
      rows = [];
    } else if (!/^[-:]+$/.test(cells[0] ?? "")) {
      rows.push(Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ""])));
    }
  }
  return tables;
}
