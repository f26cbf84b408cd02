/**
 * The watcher: every millisecond asks each node, at that node's own MAC, for the address (UDP over IPv4 and IPv6, ARP,
 * neighbour solicitation), and captures at every switch port which node answers. What it means is overlap.ts's to say.
 *
 * A UDP answer carries its probe's number. An ARP reply or neighbour advertisement does not: the asker's address is one
 * of 64, by number modulo 64, and the number is the newest of these sent before the answer was captured.
 */
import type { Native } from "@holdfast/linux/native.ts";
import { ipBytes } from "@holdfast/core/units/ip.ts";
import { macBytes } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { OverlapDetector } from "../overlap.ts";
import type { ProbeKind, Violation } from "../overlap.ts";
import { PROBE_SOURCES, portsOf, probeSource, probeSource6 } from "../topology.ts";
import type { Topology } from "../topology.ts";
import {
  FRAME_SLOT,
  WATCH_PORT,
  arpProbe,
  ndpProbe,
  parseAnswer,
  payloadOffset,
  udp4Probe,
  udp6Probe,
  writeNumber,
} from "./frames.ts";
import * as socket from "./socket.ts";

const BATCH = 64;
const SNAP = 96;
const KEPT_HEAD = 64;

interface Capture {
  readonly node: string;
  readonly port: string;
  readonly fd: number;
}

/** All probes of one millisecond, of which only the numbers in the UDP payloads change. */
interface Volley {
  readonly data: Uint8Array;
  readonly view: DataView;
  readonly lengths: Uint32Array;
  /** Where the UDP payloads start. */
  readonly payloads: readonly number[];
}

export class Watcher {
  readonly #native: Native;
  readonly #service: Uint8Array;
  readonly #service6: Uint8Array;
  readonly #volleys: readonly Volley[];
  readonly #detector = new OverlapDetector();
  readonly #answers: Record<string, Record<ProbeKind, number>> = {};
  readonly #sent_ns = new Float64Array(4096);
  readonly #data = new Uint8Array(BATCH * SNAP);
  readonly #lengths = new Uint32Array(BATCH);
  readonly #times = new Float64Array(BATCH);
  #captures: readonly Capture[] = [];
  #injector = -1;
  #last = -1;

  constructor(native: Native, topology: Topology) {
    this.#native = native;
    this.#service = ipBytes(topology.service.address);
    this.#service6 = ipBytes(topology.service.address6);
    this.#volleys = Array.from({ length: PROBE_SOURCES }, (_, sequence) => volley(topology, sequence));
    for (const node of topology.nodes) this.#answers[node.name] = { udp4: 0, udp6: 0, arp: 0, ndp: 0 };
  }

  /** Opens the watcher's own sockets; to be called in the watcher's network namespace. */
  openInjector(topology: Topology): void {
    const native = this.#native;
    const fd = socket.must(native.socket(socket.AF_PACKET, socket.SOCK_RAW, 0), "watcher's packet socket");
    const index = socket.must(native.interfaceIndex("eth0"), "watcher's adapter");
    socket.must(native.bind(fd, socket.packetAddress(index, 0)), "bind the watcher's packet socket");
    this.#injector = fd;
    for (const [family, address] of [
      [socket.AF_INET, topology.watch.address],
      [socket.AF_INET6, topology.watch.address6],
    ] as const) {
      // Somebody must own the port, or the kernel answers each UDP answer with port unreachable. It drops what it gets.
      const sink = socket.must(native.socket(family, socket.SOCK_DGRAM, 0), "watcher's sink");
      socket.must(
        native.attachFilter(sink, socket.filterProgram([{ code: 0x06, value: 0 }])),
        "filter of the watcher's sink",
      );
      socket.must(native.bind(sink, socket.socketAddress(address, WATCH_PORT)), "bind the watcher's sink");
    }
  }

  /** Opens a capture on every switch port of a node; to be called in the switch's network namespace. */
  openCaptures(topology: Topology): void {
    const filter = towards(topology.watch.mac);
    this.#captures = topology.nodes.flatMap((node) =>
      portsOf(node).map((name): Capture => {
        const native = this.#native;
        const fd = socket.must(native.socket(socket.AF_PACKET, socket.SOCK_RAW, 0), `capture on ${name}`);
        socket.must(native.attachFilter(fd, filter), `filter on ${name}`);
        native.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVBUF, socket.int32(1 << 20));
        socket.must(
          native.setsockopt(fd, socket.SOL_SOCKET, socket.SO_TIMESTAMPNS, socket.int32(1)),
          `time stamps on ${name}`,
        );
        const index = socket.must(native.interfaceIndex(name), name);
        socket.must(native.bind(fd, socket.packetAddress(index, socket.ETH_P_ALL)), `bind capture on ${name}`);
        return { node: node.name, port: name, fd };
      }),
    );
  }

  send(number: number): void {
    const { data, view, lengths, payloads } = this.#volleys[number % PROBE_SOURCES] as Volley;
    for (const at of payloads) writeNumber(view, at, number);
    this.#sent_ns[number & 4095] = this.#native.realtime();
    this.#last = number;
    this.#native.sendBatch(this.#injector, data, FRAME_SLOT, lengths, null, 0);
  }

  /** Reads all captured answers; returns the violations they prove. */
  receive(): readonly Violation[] {
    const found: Violation[] = [];
    for (const capture of this.#captures) {
      for (;;) {
        const count = this.#native.receiveBatch(capture.fd, this.#data, SNAP, this.#lengths, null, this.#times);
        for (let i = 0; i < count; i++) {
          const violation = this.#take(capture, i);
          if (violation) found.push(violation);
        }
        if (count < BATCH) break;
      }
    }
    return found;
  }

  #take(capture: Capture, i: number): Violation | undefined {
    const frame = this.#data.subarray(i * SNAP, i * SNAP + Math.min(SNAP, this.#lengths[i] as number));
    const parsed = parseAnswer(frame, this.#service, this.#service6);
    if (!parsed) return undefined;
    const time_ns = this.#times[i] as number;
    const number = "number" in parsed ? parsed.number : this.#numberOf(parsed.source - 128, time_ns);
    const counts = this.#answers[capture.node];
    if (counts) counts[parsed.kind]++;
    return this.#detector.add({
      node: capture.node,
      port: capture.port,
      kind: parsed.kind,
      number,
      time_ns,
      head: frame.slice(0, KEPT_HEAD),
    });
  }

  #numberOf(sequence: number, time_ns: number): number {
    let number = this.#last - ((((this.#last - sequence) % PROBE_SOURCES) + PROBE_SOURCES) % PROBE_SOURCES);
    while (number > this.#last - 1024 && (this.#sent_ns[number & 4095] as number) > time_ns) number -= PROBE_SOURCES;
    return number;
  }

  get violations(): readonly Violation[] {
    return this.#detector.violations;
  }

  overlap_ms(from: number, to: number): number {
    return this.#detector.overlap_ms(from, to);
  }

  /** Answers captured since the start, by node and kind. */
  get answers(): Readonly<Record<string, Readonly<Record<ProbeKind, number>>>> {
    return this.#answers;
  }
}

function volley(topology: Topology, sequence: number): Volley {
  const { watch, service } = topology;
  const macs = topology.nodes.flatMap((node) => [node.mac, ...(node.standby ? [node.standby.mac] : [])]);
  const frames: { readonly kind: ProbeKind; readonly bytes: Uint8Array }[] = macs
    .map((to) => ({ from: watch.mac, to }))
    .flatMap((ends) => {
      return [
        { kind: "arp" as const, bytes: arpProbe(ends, probeSource(sequence), service.address) },
        { kind: "udp4" as const, bytes: udp4Probe(ends, watch.address, service.address) },
        { kind: "ndp" as const, bytes: ndpProbe(ends, probeSource6(sequence), service.address6) },
        { kind: "udp6" as const, bytes: udp6Probe(ends, watch.address6, service.address6) },
      ];
    });
  const data = new Uint8Array(frames.length * FRAME_SLOT);
  const payloads: number[] = [];
  frames.forEach(({ kind, bytes }, i) => {
    data.set(bytes, i * FRAME_SLOT);
    const offset = payloadOffset(kind);
    if (offset !== undefined) payloads.push(i * FRAME_SLOT + offset);
  });
  return {
    data,
    view: new DataView(data.buffer),
    lengths: Uint32Array.from(frames, (each) => each.bytes.length),
    payloads,
  };
}

/** Frames to one MAC that came in by the port: not those the switch sends out of it. */
function towards(mac: Mac): Uint8Array {
  const bytes = macBytes(mac);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [load32, load16, jumpIfEqual, accept] = [0x20, 0x28, 0x15, 0x06];
  const packetType = 0xfffff004;
  const outgoing = 4;
  return socket.filterProgram([
    { code: load32, value: packetType },
    { code: jumpIfEqual, whenTrue: 5, value: outgoing },
    { code: load32, value: 0 },
    { code: jumpIfEqual, whenFalse: 3, value: view.getUint32(0) },
    { code: load16, value: 4 },
    { code: jumpIfEqual, whenFalse: 1, value: view.getUint16(4) },
    { code: accept, value: SNAP },
    { code: accept, value: 0 },
  ]);
}
