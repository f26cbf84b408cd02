/** Another station on the clients' network of a lab: takes addresses, announces them, is a gateway, answers or not. */
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { Ipv4, Ipv6 } from "@holdfast/core/units/ip.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { gratuitousRequest } from "@holdfast/core/wire/arp.ts";
import { unsolicitedAdvertisement } from "@holdfast/core/wire/ndp.ts";
import { check, native } from "@holdfast/linux/load.ts";
import { FrameSender } from "@holdfast/linux/packet/frames.ts";
import { ADDRESS, ADDRESS6 } from "./harness.ts";
import type { TestCluster } from "./harness.ts";

export const STRANGER_MAC = "02:68:66:00:00:77" as Mac;
const HOST = 77;
const PREFIXES = [`${ADDRESS}/24`, `${ADDRESS6}/64`];

export class Stranger {
  readonly #cluster: TestCluster;
  readonly #frames: FrameSender;
  readonly #index: number;
  readonly name: string;

  private constructor(cluster: TestCluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
    [this.#frames, this.#index] = cluster.inside(name, () => [
      new FrameSender(native),
      check("eth0", native.interfaceIndex("eth0")),
    ]);
    cluster.atEnd(() => this.#frames.close());
  }

  /** With 10.99.0.77 and fd99::77 of its own. */
  static async join(cluster: TestCluster, name = "stranger"): Promise<Stranger> {
    await cluster.insideLab("ip", "netns", "add", name);
    const peer = ["peer", "name", "eth0", "address", STRANGER_MAC, "netns", name];
    await cluster.insideLab("ip", "link", "add", "name", `${name}-lan`, "type", "veth", ...peer);
    await cluster.insideLab("ip", "link", "set", `${name}-lan`, "master", "lan", "up");
    const station = new Stranger(cluster, name);
    for (const device of ["lo", "eth0"]) await station.ip("link", "set", device, "up");
    await station.ip("address", "add", `10.99.0.${HOST}/24`, "dev", "eth0");
    await station.ip("address", "add", `fd99::${HOST}/64`, "dev", "eth0", "nodad");
    return station;
  }

  ip(...words: readonly string[]): Promise<string> {
    return this.#cluster.run(this.name, "ip", ...words);
  }

  /** Has the group's addresses from now on, and says so. */
  async take(): Promise<void> {
    for (const prefix of PREFIXES) {
      const nodad = prefix.includes(":") ? ["nodad"] : [];
      await this.ip("address", "add", prefix, "dev", "eth0", ...nodad);
    }
    this.announce();
  }

  /** Has them no longer, if it had them. */
  async give(): Promise<void> {
    for (const prefix of PREFIXES) await this.#cluster.try(this.name, "ip", "address", "del", prefix, "dev", "eth0");
  }

  announce(): void {
    this.send(gratuitousRequest(STRANGER_MAC, parseIp(ADDRESS) as Ipv4));
    this.send(unsolicitedAdvertisement(STRANGER_MAC, parseIp(ADDRESS6) as Ipv6));
  }

  send(frame: Uint8Array): void {
    this.#frames.sendFrame(this.#index, frame);
  }
}

/** The MAC to which a station sends what is for the address; undefined without a usable entry. */
export async function believed(cluster: TestCluster, station: string, address: string): Promise<string | undefined> {
  const shown = await cluster.run(station, "ip", "neighbour", "show", "to", address, "dev", "eth0");
  return /lladdr (\S+)/.exec(shown)?.[1];
}
