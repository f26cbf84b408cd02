/** Collects what is wrong with a file, each at its place. */
import { type ConfigError, type Place } from "./config-error.ts";
import type { Path, Places } from "./document.ts";

/** What to underline: the key at a path or its value. */
export type Part = "key" | "value";

export class Report {
  readonly errors: ConfigError[] = [];
  readonly file: string;
  readonly places: Places;

  constructor(file: string, places: Places) {
    this.file = file;
    this.places = places;
  }

  error(code: string, path: Path, part: Part, message: string, hint: string): void {
    this.errors.push({ code, file: this.file, place: this.place(path, part), message, hint });
  }

  place(path: Path, part: Part): Place {
    return part === "key" ? this.places.key(path) : this.places.value(path);
  }
}
