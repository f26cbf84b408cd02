/** One event on one line, and what an owner's change cost. */
import type { Event } from "@holdfast/api/schema.ts";
import { printable, type Terminal } from "./terminal.ts";
import { clock } from "./words.ts";

export function eventLine(event: Event, { paint }: Terminal, now: number): string {
  const colour = event.level === "alarm" ? "red" : event.level === "warning" ? "yellow" : undefined;
  const level = event.level === "info" ? "" : `${paint(colour, event.level.toUpperCase())}: `;
  return `${clock(event.time, new Date(now))}  ${printable(event.node)}  ${level}${printable(event.text)}`;
}

/**
 * "detect 1209 + elect 28 = outage 1237 ms (estimate), confirmed after 7 ms"; undefined without phases. `checked`: what was
 * told of the check of this take-over.
 */
export function phasesLine(event: Event, checked?: Event): string | undefined {
  if (event.code !== "group-owned" || !event.phases) return undefined;
  const phases = Object.entries(event.phases);
  if (phases.length === 0) return undefined;
  const tenths = (value: number): number => Math.round(value * 10) / 10;
  const sum = tenths(phases.reduce((total, [, value]) => total + value, 0));
  return `${phases.map(([name, value]) => `${printable(name)} ${tenths(value)}`).join(" + ")} = outage ${sum} ms (estimate)${checkText(checked)}`;
}

function checkText(checked: Event | undefined): string {
  if (checked === undefined) return "";
  if (checked.code !== "takeover-confirmed") return ", not confirmed";
  const confirm = checked.phases?.["confirm"];
  return confirm === undefined ? ", confirmed" : `, confirmed after ${confirm} ms`;
}
