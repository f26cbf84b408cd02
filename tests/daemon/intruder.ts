/** A stranger on both links of a lab: a namespace of its own that sends whatever it likes to the nodes' heartbeat ports. */
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { parseMac } from "@holdfast/core/units/mac.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { emitUdp } from "@holdfast/core/wire/udp.ts";
import { HEARTBEAT_PORT, LINKS } from "@holdfast/lab/topology.ts";
import type { LinkName } from "@holdfast/lab/topology.ts";
import * as socket from "@holdfast/lab/traffic/socket.ts";
import { check, native } from "@holdfast/linux/load.ts";
import { pause, until } from "./harness.ts";
import type { TestCluster } from "./harness.ts";

export const NETWORK = { lan: "10.99.0", priv: "172.31.0" } as const;
/** Where the payload of UDP over IPv4 begins in a frame. */
export const UDP_PAYLOAD = 42;
/** Its own host on both links. */
export const INTRUDER = 66;
/** Datagrams sent before the receiver gets a moment: its socket's buffer holds more. */
const AT_ONCE = 20;

export class Intruder {
  readonly #fd: number;
  readonly #devices: Readonly<Record<LinkName, { readonly index: number; readonly mac: Mac }>>;

  private constructor(fd: number, devices: Readonly<Record<LinkName, { readonly index: number; readonly mac: Mac }>>) {
    this.#fd = fd;
    this.#devices = devices;
  }

  static async join(cluster: TestCluster): Promise<Intruder> {
    await cluster.insideLab("ip", "netns", "add", "intruder");
    for (const [i, link] of LINKS.entries()) {
      const port = `intr-${link}`;
      const device = `eth${i}`;
      const mac = macOf(link);
      const cable = ["link", "add", "name", port, "type", "veth", "peer", "name", device, "address", mac];
      await cluster.insideLab("ip", ...cable, "netns", "intruder");
      await cluster.insideLab("ip", "link", "set", port, "master", link, "up");
      await cluster.run("intruder", "ip", "address", "add", `${NETWORK[link]}.${INTRUDER}/24`, "dev", device);
      await cluster.run("intruder", "ip", "link", "set", device, "up");
      // The switch notices a carrier when it comes to it, a second later at worst.
      await until(`${port} forwards`, async () => {
        const shown = JSON.parse(await cluster.insideLab("bridge", "-j", "link", "show", "dev", port)) as unknown;
        return (shown as readonly { readonly state?: string }[])[0]?.state === "forwarding";
      });
    }
    return cluster.inside("intruder", () => {
      const index = (device: string): number => check(device, native.interfaceIndex(device));
      const devices = {
        lan: { index: index("eth0"), mac: macOf("lan") },
        priv: { index: index("eth1"), mac: macOf("priv") },
      };
      return new Intruder(check("packet socket", native.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)), devices);
    });
  }

  /** His station on a link. */
  mac(link: LinkName): Mac {
    return this.#devices[link].mac;
  }

  /**
   * `node` is 1 for n1, `as` 2 for the address of n2 (his own without). Resolves when all are sent, no faster than a node
   * reads them.
   */
  async send(link: LinkName, node: number, datagrams: readonly Uint8Array[], as = INTRUDER - 10): Promise<void> {
    const destinationMac = parseMac(`02:68:66:00:0${link === "lan" ? 0 : 1}:0${node}`) as Mac;
    await this.#send(link, destinationMac, `${NETWORK[link]}.${10 + node}`, datagrams, as);
  }

  /** To a group 239.x.y.z with y below 128. */
  async sendToGroup(link: LinkName, group: string, datagrams: readonly Uint8Array[]): Promise<void> {
    const [, ...octets] = group.split(".").map(Number);
    // RFC 1112 section 6.4.
    const mac = ["01", "00", "5e", ...octets.map((octet) => octet.toString(16).padStart(2, "0"))].join(":");
    await this.#send(link, parseMac(mac) as Mac, group, datagrams, INTRUDER - 10);
  }

  async #send(
    link: LinkName,
    destinationMac: Mac,
    address: string,
    datagrams: readonly Uint8Array[],
    as: number,
  ): Promise<void> {
    const { index, mac } = this.#devices[link];
    const ends = {
      sourceMac: mac,
      destinationMac,
      source: parseIp(`${NETWORK[link]}.${10 + as}`) as IpAddress,
      destination: parseIp(address) as IpAddress,
    };
    const ports = { sourcePort: HEARTBEAT_PORT, destinationPort: HEARTBEAT_PORT };
    const to = socket.packetAddress(index, 0);
    for (const [i, payload] of datagrams.entries()) {
      check("send", native.send(this.#fd, emitUdp({ ...ends, ...ports, payload }), to));
      if (i % AT_ONCE === AT_ONCE - 1) await pause(2);
    }
  }

  close(): void {
    native.close(this.#fd);
  }
}

function macOf(link: LinkName): Mac {
  return parseMac(`02:66:66:00:0${link === "lan" ? 0 : 1}:66`) as Mac;
}

/** IPv4 UDP to port 7400 of a node (1 for n1). */
export function isHeartbeatTo(frame: Uint8Array, node: number): boolean {
  return (
    frame.length > UDP_PAYLOAD &&
    frame[12] === 8 &&
    frame[13] === 0 &&
    frame[23] === 17 &&
    frame[33] === 10 + node &&
    ((frame[36] as number) << 8) + (frame[37] as number) === HEARTBEAT_PORT
  );
}
