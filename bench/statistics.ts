/** Median, least and most of a few measured values. */
import { median } from "@holdfast/lab/outage.ts";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Rounded to a tenth; undefined when nothing was measured. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  return { median: tenth(median(values)), min: tenth(Math.min(...values)), max: tenth(Math.max(...values)) };
}

export function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}
