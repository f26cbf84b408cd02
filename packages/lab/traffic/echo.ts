/** The application behind the address, one on every node: answers a numbered datagram with the node's index. */
import type { Native } from "@holdfast/linux/native.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { isIpv4 } from "@holdfast/core/units/ip.ts";
import { ECHO_PORT, PAYLOAD_ANSWERER, readNumber } from "./frames.ts";
import * as socket from "./socket.ts";

const BATCH = 64;
const SLOT = 64;
const ADDRESS_SLOT = 128;

/**
 * Opens the echo in the network namespace this thread is in. The address need not be there yet: the socket is bound
 * freely, and the kernel hands it packets only while the node has the address and its fence lets them in.
 */
export function openEcho(native: Native, index: number, address: IpAddress): void {
  const four = isIpv4(address);
  const fd = socket.must(native.socket(four ? socket.AF_INET : socket.AF_INET6, socket.SOCK_DGRAM, 0), "echo socket");
  const freebind = four
    ? native.setsockopt(fd, socket.IPPROTO_IP, socket.IP_FREEBIND, socket.int32(1))
    : native.setsockopt(fd, socket.IPPROTO_IPV6, socket.IPV6_FREEBIND, socket.int32(1));
  socket.must(freebind, "IP_FREEBIND");
  socket.must(native.bind(fd, socket.socketAddress(address, ECHO_PORT)), `bind the echo to ${address}`);

  const data = new Uint8Array(BATCH * SLOT);
  const view = new DataView(data.buffer);
  const addresses = new Uint8Array(BATCH * ADDRESS_SLOT);
  const lengths = new Uint32Array(BATCH);
  const handle = native.poll(fd, 1, () => {
    for (;;) {
      const count = native.receiveBatch(fd, data, SLOT, lengths, addresses, null);
      if (count <= 0) return;
      const kept = keepProbes(view, data, addresses, lengths, count, index);
      sendAll(native, fd, data, addresses, lengths, kept);
      if (count < BATCH) return;
    }
  });
  if (typeof handle === "number") socket.must(handle, "watch the echo");
}

/** Marks each probe with the answerer and closes the gaps left by strangers; returns how many there are. */
function keepProbes(
  view: DataView,
  data: Uint8Array,
  addresses: Uint8Array,
  lengths: Uint32Array,
  count: number,
  index: number,
): number {
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number;
    if (length > SLOT || readNumber(view, i * SLOT, length) === undefined) continue;
    if (kept !== i) {
      data.copyWithin(kept * SLOT, i * SLOT, (i + 1) * SLOT);
      addresses.copyWithin(kept * ADDRESS_SLOT, i * ADDRESS_SLOT, (i + 1) * ADDRESS_SLOT);
      lengths[kept] = length;
    }
    data[kept * SLOT + PAYLOAD_ANSWERER] = index;
    kept++;
  }
  return kept;
}

/** Sends every answer it can: one the kernel refuses (no route while a cable is out) must not hold back the rest. */
function sendAll(
  native: Native,
  fd: number,
  data: Uint8Array,
  addresses: Uint8Array,
  lengths: Uint32Array,
  count: number,
): void {
  let from = 0;
  while (from < count) {
    const sent = native.sendBatch(
      fd,
      data.subarray(from * SLOT),
      SLOT,
      lengths.subarray(from, count),
      addresses.subarray(from * ADDRESS_SLOT),
      ADDRESS_SLOT,
    );
    from += sent > 0 ? sent : 1;
  }
}
