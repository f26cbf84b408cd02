/** A stranger on both links of a lab: a namespace of its own that sends whatever it likes to the nodes' heartbeat ports. */
import { parseIp } from "@holdfast/core/units/ip.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { HEARTBEAT_PORT, LINKS } from "@holdfast/lab/topology.ts";
import type { LinkName } from "@holdfast/lab/topology.ts";
import * as socket from "@holdfast/lab/traffic/socket.ts";
import { check, native } from "@holdfast/linux/load.ts";
import { pause } from "./harness.ts";
import type { TestCluster } from "./harness.ts";

const NETWORK = { lan: "10.99.0", priv: "172.31.0" } as const;
/** Datagrams sent before the receiver gets a moment: its socket's buffer holds more. */
const AT_ONCE = 20;

export class Intruder {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static async join(cluster: TestCluster): Promise<Intruder> {
    await cluster.insideLab("ip", "netns", "add", "intruder");
    for (const [i, link] of LINKS.entries()) {
      const port = `intr-${link}`;
      const device = `eth${i}`;
      const cable = ["link", "add", "name", port, "type", "veth", "peer", "name", device, "netns", "intruder"];
      await cluster.insideLab("ip", ...cable);
      await cluster.insideLab("ip", "link", "set", port, "master", link, "up");
      await cluster.run("intruder", "ip", "address", "add", `${NETWORK[link]}.66/24`, "dev", device);
      await cluster.run("intruder", "ip", "link", "set", device, "up");
    }
    return new Intruder(
      cluster.inside("intruder", () => check("socket", native.socket(socket.AF_INET, socket.SOCK_DGRAM, 0))),
    );
  }

  /** `node` is 1 for n1. Resolves when all are sent, no faster than a node reads them. */
  async send(link: LinkName, node: number, datagrams: readonly Uint8Array[]): Promise<void> {
    const to = socket.socketAddress(parseIp(`${NETWORK[link]}.${10 + node}`) as IpAddress, HEARTBEAT_PORT);
    for (const [i, datagram] of datagrams.entries()) {
      check("send", native.send(this.#fd, datagram, to));
      if (i % AT_ONCE === AT_ONCE - 1) await pause(2);
    }
  }

  close(): void {
    native.close(this.#fd);
  }
}
