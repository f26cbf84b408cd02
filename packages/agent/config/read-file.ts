/** The bytes of a configuration file, or why there are none. Loads no parser: the engine uses it too. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { failure, success, type Result } from "@holdfast/core/units/result.ts";
import type { ConfigError } from "./config-error.ts";

/** Bytes. */
export const LARGEST_FILE = 1024 * 1024;

/** Never blocks on a pipe or device and never reads more than the limit. */
export function readConfigBytes(path: string): Result<Uint8Array, ConfigError[]> {
  const refuse = (code: string, message: string, hint: string): Result<never, ConfigError[]> =>
    failure([{ code, file: path, place: undefined, message, hint }]);
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return refuse("file-directory", "this is a directory", "name the file inside it");
    if (!stat.isFile()) return refuse("file-kind", "this is not a regular file", "name a file");
    const buffer = Buffer.allocUnsafe(LARGEST_FILE + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(fd, buffer, length, buffer.length - length, null);
    }
    if (length > LARGEST_FILE) return refuse("file-size", "the file is larger than 1 MiB", "is this the right file?");
    return success(buffer.subarray(0, length));
  } catch (error) {
    return refuse("file-unreadable", ...unreadableWords(error));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function unreadableWords(error: unknown): [string, string] {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT") return ["there is no such file", "name another, or create it"];
  if (code === "EACCES" || code === "EPERM") return ["not readable: permission denied", "run as root, or as its owner"];
  if (code === "ENOTDIR") return ["there is no such file: part of the path is not a directory", "check the path"];
  return [`not readable: ${code === "" ? String(error) : code}`, "check the path and the disk"];
}
