/** The key file: reads, checks and writes /etc/holdfast/keys, which every node of a cluster has the same. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { failure, success } from "@holdfast/core/units/result.ts";
import { type KeyFileError, readKeyFileBytes } from "./key-file-bytes.ts";
import { keyId, SECRET_BYTES } from "./keys.ts";
import type { ParsedNode } from "yaml";
import type { Key, Keys } from "./keys.ts";
import type { Result } from "@holdfast/core/units/result.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
const PREFIX = "base64:";

/** Reads and parses the file, refusing one that others could read or that a group could change. */
export function readKeyFile(path: string): Result<Keys, KeyFileError> {
  const bytes = readKeyFileBytes(path);
  return bytes.ok ? parseKeyFile(Buffer.from(bytes.value).toString("utf8"), path) : bytes;
}

/** The keys in the text, or the first thing wrong with it. `path` is for the error only. */
export function parseKeyFile(text: string, path: string): Result<Keys, KeyFileError> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false });
  const wrong = (offset: number, message: string): Result<never, KeyFileError> => {
    const { line, col } = lines.linePos(offset);
    return failure({ path, line: Math.max(line, 1), column: Math.max(col, 1), message });
  };
  const [syntax] = document.errors;
  // The library's message may quote the line, which may hold a secret: only its code is shown.
  if (syntax !== undefined)
    return wrong(syntax.pos[0], `is not valid YAML (${syntax.code.toLowerCase().replaceAll("_", " ")})`);
  const root = document.contents;
  if (root === null) return wrong(0, "is empty; expected `active` and `keys`, as made by: holdfast keys new");
  if (!isMap(root)) return wrong(root.range[0], "expected a map with `active` and `keys`");

  const parts = new Map<string, ParsedNode | null>();
  for (const pair of root.items) {
    const name = isScalar(pair.key) ? String(pair.key.value) : "";
    if (name !== "active" && name !== "keys")
      return wrong(pair.key.range[0], "unknown key; a key file has only `active` and `keys`");
    if (parts.has(name)) return wrong(pair.key.range[0], `\`${name}\` is given twice`);
    parts.set(name, pair.value);
  }
  const list = parts.get("keys");
  if (!isMap(list) || list.items.length === 0) {
    return wrong(list?.range[0] ?? root.range[0], '`keys` is missing or empty; expected { NAME: "base64:..." }');
  }

  const accepted: Key[] = [];
  for (const pair of list.items) {
    const name = isScalar(pair.key) ? sourceText(pair.key, text) : "";
    if (!NAME.test(name)) {
      return wrong(
        pair.key.range[0],
        "a key's name has 1 to 32 letters, digits, `.`, `_` or `-` and starts with a letter or digit",
      );
    }
    const twin = accepted.find((key) => key.name === name || keyId(key.name) === keyId(name));
    if (twin !== undefined) {
      return wrong(
        pair.key.range[0],
        twin.name === name
          ? `key "${name}" is given twice`
          : `key "${name}" has the same id as "${twin.name}"; rename one`,
      );
    }
    const secret = secretOf(pair.value);
    if (typeof secret === "string") return wrong(pair.value?.range[0] ?? pair.key.range[0], `key "${name}" ${secret}`);
    accepted.push({ name, secret });
  }

  const activeNode = parts.get("active");
  if (!isScalar(activeNode) || activeNode.value === null) {
    return wrong(
      activeNode?.range[0] ?? root.range[0],
      "`active` is missing; it names the key that seals what this node sends",
    );
  }
  const activeName = sourceText(activeNode, text);
  const active = accepted.find((key) => key.name === activeName);
  if (active === undefined) {
    return wrong(
      activeNode.range[0],
      `active key is not among \`keys\` (${accepted.map((key) => key.name).join(", ")})`,
    );
  }
  return success({ active, accepted });
}

/** A name as it was written: unquoted 2026 would otherwise become a number, and 010 another one. */
function sourceText(node: ParsedNode, text: string): string {
  if (!isScalar(node)) return "";
  return typeof node.value === "string" ? node.value : text.slice(node.range[0], node.range[1]);
}

/** The 32 bytes, or what is wrong with them. */
function secretOf(node: ParsedNode | null): Uint8Array | string {
  const value: unknown = isScalar(node) ? node.value : undefined;
  if (typeof value !== "string" || !value.startsWith(PREFIX)) return 'must be "base64:" and 44 characters';
  const encoded = value.slice(PREFIX.length);
  const secret = Buffer.from(encoded, "base64");
  // Decoding skips what it does not understand, so the way back tells whether the text was whole.
  if (secret.toString("base64") !== encoded) return "is not valid base64, or was cut";
  if (secret.length !== SECRET_BYTES)
    return `has ${secret.length} bytes instead of ${SECRET_BYTES}; it was cut or is not a holdfast key`;
  return Uint8Array.from(secret);
}

/** The text of a key file that holds the given keys. */
export function keyFileText(keys: Keys): string {
  const lines = keys.accepted.map(
    (key) => `  "${key.name}": "${PREFIX}${Buffer.from(key.secret).toString("base64")}"\n`,
  );
  return (
    "# Keys of a holdfast cluster: the same file on every node, readable by root and group holdfast only.\n" +
    "# Every key listed is accepted, the newest last; `active` seals what is sent. To change it: holdfast keys rotate\n" +
    `active: "${keys.active.name}"\nkeys:\n${lines.join("")}`
  );
}

/** A new random key, active and alone, or behind the keys of an existing file. Its name is the month, "-2" and so on when taken. */
export function newKeys(date: Date, existing: readonly Key[] = []): Keys {
  const month = `${String(date.getUTCFullYear()).padStart(4, "0")}-${String(date.getUTCMonth() + 1).padStart(2, "0")}`;
  const taken = (name: string): boolean => existing.some((key) => key.name === name || keyId(key.name) === keyId(name));
  let name = month;
  for (let suffix = 2; taken(name); suffix++) name = `${month}-${suffix}`;
  const active = { name, secret: Uint8Array.from(randomBytes(SECRET_BYTES)) };
  return { active, accepted: [...existing, active] };
}

/** The text that `holdfast keys new` writes: one new key, named after the month of `date`. */
export function newKeyFile(date: Date): string {
  return keyFileText(newKeys(date));
}

/**
 * Puts the text in place whole or not at all, mode 0600, or owner and mode of the file it replaces. Throws what the file system says (EROFS, ENOSPC, EACCES), and
 * EEXIST when a file is there and `replace` is not asked for.
 */
export function writeKeyFile(path: string, text: string, replace: boolean): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    const descriptor = openSync(temporary, "wx", 0o600);
    try {
      if (replace) keepOwner(path, descriptor);
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (replace) {
      renameSync(temporary, path);
    } else {
      // A rename would overwrite a file that is there; a link refuses.
      linkSync(temporary, path);
      rmSync(temporary);
    }
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** A group that may read the keys may read the new ones too. */
function keepOwner(path: string, descriptor: number): void {
  const before = statSync(path, { throwIfNoEntry: false });
  if (before === undefined) return;
  const { uid, gid } = fstatSync(descriptor);
  if (before.uid !== uid || before.gid !== gid) fchownSync(descriptor, before.uid, before.gid);
  fchmodSync(descriptor, before.mode & 0o750);
}

/** Makes the rename itself survive a power cut. */
function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
