/**
 * One daemon for each fence (F6): an abstract Unix address, which the kernel keeps once for each network namespace and
 * frees when its holder dies, and only then: a frozen daemon still holds it.
 */
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { errnoName, native } from "@holdfast/linux/load.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
/** A daemon that was killed keeps its address until the last of its threads has been run once more. */
const DYING_MS = 500;
const LOOK_MS = 2;
const SLEEP = new Int32Array(new SharedArrayBuffer(4));
const NAME = "\0holdfast-engine";

export function lockNamespace(): Result<void, string> {
  const descriptor = native.socket(AF_UNIX, SOCK_DGRAM, 0);
  if (descriptor < 0) return failure(`cannot make a Unix socket: ${errnoName(descriptor)}`);
  const address = Buffer.alloc(2 + NAME.length);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(NAME, 2, "latin1");
  let bound = native.bind(descriptor, address);
  for (let waited = 0; errnoName(bound) === "EADDRINUSE" && waited < DYING_MS; waited += LOOK_MS) {
    Atomics.wait(SLEEP, 0, 0, LOOK_MS);
    bound = native.bind(descriptor, address);
  }
  if (bound >= 0) return success(undefined);
  native.close(descriptor);
  if (errnoName(bound) === "EADDRINUSE") {
    return failure(
      "another holdfast runs (or is frozen) in this network namespace; stop it first: systemctl stop holdfast",
    );
  }
  return failure(`cannot lock this network namespace: ${errnoName(bound)}`);
}
