/** Socket filters (classic BPF) that let in only what ends with this node's tag: the rest never wakes the daemon. */
import { assemble, type Instruction } from "./frames.ts";

const LOAD_BYTE = 0x30;
const LOAD_LENGTH = 0x80;
const SUBTRACT = 0x14;
const MOVE_TO_INDEX = 0x07;
const LOAD_INDEXED_WORD = 0x40;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;
const TAKE = 0x40000;
/** SKF_AD_OFF + SKF_AD_PKTTYPE: how the frame was addressed (packet(7)). */
const PACKET_TYPE = 0xfffff004;
const PACKET_HOST = 0;
const PACKET_OTHERHOST = 3;

/** Takes what has the tag in its last four octets; a load from before the beginning drops. */
function takeTagged(tag: number): readonly Instruction[] {
  return [
    [LOAD_LENGTH, 0, 0, 0],
    [SUBTRACT, 0, 0, 4],
    [MOVE_TO_INDEX, 0, 0, 0],
    [LOAD_INDEXED_WORD, 0, 0, 0],
    [JUMP_EQUAL, 0, 1, tag],
    [RETURN, 0, 0, TAKE],
    [RETURN, 0, 0, 0],
  ];
}

export function udpTagFilter(tag: number): Uint8Array {
  return assemble(takeTagged(tag));
}

/**
 * For SOCK_DGRAM packet sockets: what was sent to this station, whatever it is, so that a stranger's is counted; what was
 * sent to all only with the tag; never what is for other stations or from this one.
 */
export function frameTagFilter(tag: number): Uint8Array {
  return assemble([
    [LOAD_BYTE, 0, 0, PACKET_TYPE],
    [JUMP_EQUAL, 0, 1, PACKET_HOST],
    [RETURN, 0, 0, TAKE],
    [JUMP_GREATER_OR_EQUAL, 0, 1, PACKET_OTHERHOST],
    [RETURN, 0, 0, 0],
    ...takeTagged(tag),
  ]);
}
