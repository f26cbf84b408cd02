/** The Internet checksum (RFC 1071), as IPv4 headers, UDP and ICMPv6 use it. */

/**
 * Adds the 16-bit words from `start` to `end` to a running sum; an odd last byte counts as the high one. The parts of one
 * sum must each start at an even distance. Exact for up to 64 KiB at a time.
 */
export function addWords(sum: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  let total = sum;
  for (let i = start; i + 1 < end; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  if ((end - start) % 2 === 1) total += (bytes[end - 1] ?? 0) << 8;
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total;
}

/** What goes into the checksum field, when the field was zero in the sum; over data that includes a right checksum it is 0. */
export function checksum(sum: number): number {
  return ~sum & 0xffff;
}

/** RFC 768 and RFC 8200 section 8.1: the sum of the pseudo-header. Addresses of 4 or 16 bytes. */
export function pseudoHeaderSum(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  const trailer = new Uint8Array([length >>> 24, length >>> 16, length >>> 8, length, 0, 0, 0, protocol]);
  return addWords(addWords(addWords(0, source), destination), trailer);
}
