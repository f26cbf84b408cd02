/** Where a command writes to: width and colour, decided once. Words carry the meaning; colour only repeats it. */
export type ColourChoice = "always" | "auto" | "never";
export type Colour = "red" | "yellow" | "green" | "dim" | "bold";

export interface Terminal {
  /** Columns; undefined when piped: nothing is dropped or cut then. */
  readonly width: number | undefined;
  readonly paint: (colour: Colour | undefined, text: string) => string;
}

const CODES: Readonly<Record<Colour, string>> = { red: "31", yellow: "33", green: "32", dim: "2", bold: "1" };

export interface Surroundings {
  readonly tty: boolean;
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function terminal({ tty, columns, env }: Surroundings, choice: ColourChoice): Terminal {
  // https://no-color.org: any value that is not empty.
  const wanted = tty && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  const coloured = choice === "always" || (choice === "auto" && wanted);
  return {
    // A terminal that does not know its size says 0.
    width: tty ? columns || 80 : undefined,
    paint: (colour, text) => (coloured && colour ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text),
  };
}

/** Texts of other nodes and operators: whatever could steer the terminal becomes `?`. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
