/**
 * One daemon for each fence (F6): an abstract Unix address, which the kernel keeps once for each network namespace and
 * frees when its holder dies, and only then: a frozen daemon still holds it.
 */
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { errnoName, native } from "@holdfast/linux/load.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const NAME = "\0holdfast-engine";

export function lockNamespace(): Result<void, string> {
  const descriptor = native.socket(AF_UNIX, SOCK_DGRAM, 0);
  if (descriptor < 0) return failure(`cannot make a Unix socket: ${errnoName(descriptor)}`);
  const address = Buffer.alloc(2 + NAME.length);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(NAME, 2, "latin1");
  const bound = native.bind(descriptor, address);
  if (bound >= 0) return success(undefined);
  native.close(descriptor);
  if (errnoName(bound) === "EADDRINUSE") {
    return failure(
      "another holdfast runs (or is frozen) in this network namespace; stop it first: systemctl stop holdfast",
    );
  }
  return failure(`cannot lock this network namespace: ${errnoName(bound)}`);
}
