/** Socket filters (classic BPF) that let in only what begins with this node's tag: the rest never wakes the daemon. */
import { assemble } from "./frames.ts";

const LOAD_WORD = 0x20;
const LOAD_BYTE = 0x30;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;
const TAKE = 0x40000;
/** SKF_AD_OFF + SKF_AD_PKTTYPE: how the frame was addressed (packet(7)). */
const PACKET_TYPE = 0xfffff004;
const PACKET_HOST = 0;
const PACKET_OTHERHOST = 3;
/** What a UDP socket's filter sees begins with the UDP header. */
const UDP_HEADER_BYTES = 8;

export function udpTagFilter(tag: number): Uint8Array {
  return assemble([
    [LOAD_WORD, 0, 0, UDP_HEADER_BYTES],
    [JUMP_EQUAL, 0, 1, tag],
    [RETURN, 0, 0, TAKE],
    [RETURN, 0, 0, 0],
  ]);
}

/**
 * For SOCK_DGRAM packet sockets: what was sent to this station, whatever it is, so that a stranger's is counted; what was
 * sent to all only with the tag; never what is for other stations or from this one.
 */
export function frameTagFilter(tag: number): Uint8Array {
  return assemble([
    [LOAD_BYTE, 0, 0, PACKET_TYPE],
    [JUMP_EQUAL, 3, 0, PACKET_HOST],
    [JUMP_GREATER_OR_EQUAL, 3, 0, PACKET_OTHERHOST],
    [LOAD_WORD, 0, 0, 0],
    [JUMP_EQUAL, 0, 1, tag],
    [RETURN, 0, 0, TAKE],
    [RETURN, 0, 0, 0],
  ]);
}
