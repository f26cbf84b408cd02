/** The client of a test: asks the group's addresses every millisecond, and tells what it lost since any moment. */
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { measureOutage, worse } from "@holdfast/lab/outage.ts";
import type { Outage } from "@holdfast/lab/outage.ts";
import { Probe } from "@holdfast/lab/traffic/probe.ts";
import { native } from "@holdfast/linux/load.ts";
import { ADDRESS, ADDRESS6, NODES, pause, until } from "./harness.ts";
import type { TestCluster } from "./harness.ts";

/** Answers may be on their way for so long. */
const IN_FLIGHT_MS = 50;

export class Client {
  readonly #probes: readonly [Probe, Probe];
  readonly #timer: NodeJS.Timeout;
  #number = 0;

  /** From the namespace of `station`. */
  constructor(cluster: TestCluster, station = "client") {
    const open = (address: string): Probe => new Probe(native, NODES, parseIp(address) as IpAddress);
    this.#probes = cluster.inside(station, () => [open(ADDRESS), open(ADDRESS6)] as const);
    this.#timer = setInterval(() => this.#tick(), 1);
    cluster.atEnd(() => this.close());
  }

  #tick(): void {
    this.#number++;
    for (const probe of this.#probes) {
      probe.receive();
      probe.send(this.#number, native.monotonic() / 1e6);
    }
  }

  /** Number of the next request. */
  get position(): number {
    return this.#number + 1;
  }

  /** What was lost from `from` on: the worse of IPv4 and IPv6. */
  async since(from: number): Promise<Outage> {
    const last = this.#number;
    await pause(IN_FLIGHT_MS);
    const [four, six] = this.#probes.map((probe) => measureOutage(probe.samples(from, last)));
    return worse(four as Outage, six as Outage);
  }

  /** Waits until one node, not `other`, has answered everything over both for 200 ms from now on; its name. */
  steady(other?: string, limit_ms = 10_000): Promise<string> {
    const from = this.position;
    return until(
      "a node that answers everything",
      () => {
        const [four, six] = this.#probes.map((probe) => probe.steadyOwner(200));
        if (four === undefined || six === undefined || Math.min(four.from, six.from) < from) return undefined;
        return four.node === six.node && four.node !== other ? four.node : undefined;
      },
      limit_ms,
    );
  }

  /** Answers that `node` gave, over IPv4 and IPv6, to requests from `from` on. */
  answersOf(node: string, from: number): number {
    for (const probe of this.#probes) probe.receive();
    const counts = this.#probes.map((probe) => measureOutage(probe.samples(from, this.#number)).answered[node] ?? 0);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
