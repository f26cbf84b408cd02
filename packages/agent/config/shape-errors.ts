/** What zod finds in the shape of a file, in words for an operator, at the place in the file. */
import type { z } from "zod";
import { quoted } from "./config-error.ts";
import { pathText, type Path } from "./document.ts";
import { laterKey, laterValue } from "./later.ts";
import type { Report } from "./report.ts";
import { knownKeys } from "./shape.ts";
import { suggestion } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

/** Reports every issue; `value` is the plain value that was checked. */
export function reportIssues(report: Report, issues: readonly Issue[], value: unknown): void {
  for (const issue of issues) reportIssue(report, issue, [], value);
}

function reportIssue(report: Report, issue: Issue, before: Path, root: unknown): void {
  const path = [...before, ...(issue.path as (string | number)[])];
  const found = valueAt(root, path);
  switch (issue.code) {
    case "unrecognized_keys":
      for (const key of issue.keys) reportUnknownKey(report, [...path, key], root);
      return;
    case "invalid_key":
      report.error(
        "name",
        path,
        "key",
        `${quoted(String(path.at(-1)))} is ${firstLine(issue.issues[0]?.message)}`,
        secondLine(issue.issues[0]?.message),
      );
      return;
    case "invalid_union":
      reportUnion(report, issue, path, root);
      return;
    case "invalid_value":
      reportValue(report, issue.values, path, found);
      return;
    case "invalid_type":
      reportType(report, issue, path, found, root);
      return;
    case "too_small":
    case "too_big":
      reportSize(report, issue, path, found);
      return;
    default: {
      const what = typeof found === "string" ? quoted(found) : "this";
      const [message, hint] = [firstLine(issue.message), secondLine(issue.message)];
      report.error(
        "format",
        path,
        "value",
        message.endsWith(" has no unit") ? `${pathText(path)}: ${message}` : `${what} is ${message}`,
        hint,
      );
    }
  }
}

function reportUnknownKey(report: Report, path: Path, root: unknown): void {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const within = parent.length > 0 ? ` in ${pathText(parent)}` : "";
  const later = laterKey(path);
  if (later !== undefined) {
    report.error(
      "not-in-this-version",
      path,
      "key",
      `${quoted(key)}${within} is known, but not in this version`,
      later,
    );
    return;
  }
  report.error(
    "unknown-key",
    path,
    "key",
    `unknown key ${quoted(key)}${within}`,
    suggestion(key, keysAt(parent, root), "keys"),
  );
}

function keysAt(path: Path, root: unknown): readonly string[] {
  if (path.length === 2 && path[0] === "nodes") return [...objectKeys(valueAt(root, ["links"])), "role", "interfaces"];
  return knownKeys(path) ?? [];
}

function reportUnion(
  report: Report,
  issue: Extract<Issue, { code: "invalid_union" }>,
  path: Path,
  root: unknown,
): void {
  const found = valueAt(root, path);
  const branch = isMap(found) ? issue.errors[1] : undefined;
  if (branch) for (const inner of branch) reportIssue(report, inner, path, root);
  else
    report.error("type", path, "value", `${kindOf(found)} is ${firstLine(issue.message)}`, secondLine(issue.message));
}

function reportValue(report: Report, values: readonly unknown[], path: Path, found: unknown): void {
  if (found === undefined) return reportMissing(report, path);
  const later = laterValue(path, found);
  if (later) {
    const message = `"${later.name}" in ${pathText(path)} is known, but not in this version`;
    report.error("not-in-this-version", path, "value", message, later.hint);
    return;
  }
  if (pathText(path) === "version") {
    report.error("version", path, "value", `version ${describe(found)} is not known`, "this holdfast reads version: 1");
    return;
  }
  const allowed = values.map(String);
  const hint =
    typeof found === "string" && allowed.length > 1
      ? suggestion(found, allowed, "values")
      : `write ${allowed.join(" or ")}`;
  report.error("value", path, "value", `${describe(found)} is no value for ${pathText(path)}`, hint);
}

function reportType(
  report: Report,
  issue: Extract<Issue, { code: "invalid_type" }>,
  path: Path,
  found: unknown,
  root: unknown,
): void {
  if (found === undefined) return reportMissing(report, path);
  const later = laterValue(path, found);
  if (later) return reportValue(report, [], path, found);
  const inNode = path.length === 3 && path[0] === "nodes" && path[2] !== "role" && path[2] !== "interfaces";
  if (inNode && !objectKeys(valueAt(root, ["links"])).includes(String(path[2])))
    return reportUnknownKey(report, path, root);
  if (issue.message.includes("\n")) {
    report.error("unit", path, "value", `${pathText(path)}: ${firstLine(issue.message)}`, secondLine(issue.message));
    return;
  }
  const where = path.length === 0 ? "the file" : pathText(path);
  if (found === null) {
    report.error(
      "empty",
      path,
      "key",
      `${where} has no value`,
      `write ${EXPECTED[issue.expected] ?? "a value"}, or remove it`,
    );
    return;
  }
  const hint =
    issue.expected === "string" && typeof found === "number"
      ? `if ${found} is meant as text, write "${found}"`
      : EXPECTED_HINT[issue.expected];
  report.error(
    "type",
    path,
    "value",
    `${where} must be ${EXPECTED[issue.expected] ?? issue.expected}, not ${kindOf(found)}`,
    hint ?? "see holdfast.yaml(5)",
  );
}

function reportMissing(report: Report, path: Path): void {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const within = parent.length > 0 ? ` in ${pathText(parent)}` : "";
  report.error("missing-key", parent, "key", `missing key "${key}"${within}`, EXAMPLES[key] ?? `add ${key}:`);
}

function reportSize(
  report: Report,
  issue: Extract<Issue, { code: "too_small" | "too_big" }>,
  path: Path,
  found: unknown,
): void {
  const where = pathText(path);
  if (Array.isArray(found)) {
    const [message, hint] =
      found.length === 0
        ? [`${where} is an empty list`, "add an item, or remove the line"]
        : [`${where} has too many items`, "keep the first"];
    report.error("size", path, "key", message, hint);
    return;
  }
  const limit = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
  report.error("range", path, "value", `${where} is ${describe(found)}`, `it must be ${limit}`);
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: "text",
  int: "a whole number",
  number: "a number",
  object: "a map",
  record: "a map",
  array: "a list",
  boolean: "true or false",
};

const EXPECTED_HINT: Readonly<Record<string, string>> = {
  string: "write one value",
  int: "write a whole number, without quotes",
  number: "write a number, without quotes",
  object: "write key: value, indented below, or { key: value }",
  record: "write name: value, indented below, or { name: value }",
  array: "write [a, b], or one item a line after a dash",
};

const EXAMPLES: Readonly<Record<string, string>> = {
  version: "start the file with version: 1",
  cluster: "add cluster: { name: edge }",
  name: "add name: edge",
  links: "add links: { lan: { port: 7400 } }",
  nodes: "add nodes: { lb1: { lan: 10.0.0.11 } }",
  port: "add port: 7400",
  addresses: "add addresses: [10.0.0.100/24]",
  address: "add address: 10.0.0.100/24",
};

function firstLine(message: string | undefined): string {
  return message?.split("\n")[0] ?? "not right";
}

function secondLine(message: string | undefined): string {
  return message?.split("\n")[1] ?? "see holdfast.yaml(5)";
}

function describe(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  return typeof value === "object" && value !== null ? kindOf(value) : String(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? String(value) : "text";
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectKeys(value: unknown): string[] {
  return isMap(value) ? Object.keys(value) : [];
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
