/** A flood of the owner's heartbeat port by a stranger on the service network, and how regular heartbeats are meanwhile. */
import { fileURLToPath } from "node:url";
import { fetchJson } from "@holdfast/api/client.ts";
import type { Links } from "@holdfast/api/schema.ts";
import { runCommand } from "@holdfast/lab/command.ts";
import { HEARTBEAT_PORT, port } from "@holdfast/lab/topology.ts";
import * as socket from "@holdfast/lab/traffic/socket.ts";
import { native } from "@holdfast/linux/load.ts";
import type { Bench } from "./scenarios.ts";

const FLOOD = fileURLToPath(new URL("../packages/lab/traffic/flood.ts", import.meta.url));
const RATE = 100_000;
const SECONDS = 30;
const STRANGER = "stranger";
const STRANGER_MAC = "02:66:66:00:00:66";
const STRANGER_ADDRESS = "10.99.0.66";
/** How often one looks at how long ago each peer was heard. */
const LOOK_MS = 40;
const HEADER_BYTES = 28;
const UDP_PAYLOAD = 42;

/** Throws when heartbeats are later than an interval: in the row the round has failed. */
export async function flood({ lab, product, timing }: Bench, owner: string, forged: boolean): Promise<string | void> {
  if (product.constructor.name !== "Holdfast") return "keepalived has no heartbeat port";
  if (timing.name !== "100ms") return "promised at the default timing";
  await join();
  const to = lab.topology.nodes.find(({ name }) => name === owner);
  const peer = lab.topology.nodes.find(({ name }) => name !== owner);
  if (to === undefined || peer === undefined) throw new Error(`no node ${owner} and a peer`);
  const from = forged ? [peer.mac, peer.lan] : [STRANGER_MAC, STRANGER_ADDRESS];
  const head = forged ? [await recordedHeader(owner, peer.lan)] : [];
  const words = ["eth0", ...from, to.mac, to.lan, String(HEARTBEAT_PORT), String(RATE), String(SECONDS), ...head];
  const flooding = runCommand("ip", ["netns", "exec", STRANGER, process.execPath, FLOOD, ...words]);
  const ages = new Ages(lab.daemon(owner).files.socket, owner);
  let over = false;
  const watching = ages.watch(() => over);
  const { sent, seconds } = JSON.parse(await flooding) as { readonly sent: number; readonly seconds: number };
  over = true;
  await watching;
  // In the name of a node the flooded link may suffer; the other one must not.
  const judged = forged ? ["priv"] : ["lan", "priv"];
  const late_ms = Math.max(...judged.map((link) => ages.p99(link))) - timing.heartbeat_ms;
  console.log(
    `${Math.round(sent / seconds)} datagrams a second; last heard, p99: lan ${ages.p99("lan")} ms, priv ${ages.p99("priv")} ms`,
  );
  if (late_ms >= timing.heartbeat_ms) throw new Error(`heartbeat jitter p99 ${late_ms} ms, an interval or more`);
}

/** A station of its own on the service network, once. */
async function join(): Promise<void> {
  if ((await runCommand("ip", ["netns", "list"])).includes(STRANGER)) return;
  const cable = port(STRANGER, "lan");
  await runCommand("ip", ["netns", "add", STRANGER]);
  await runCommand("ip", [
    "link",
    "add",
    "name",
    cable,
    "type",
    "veth",
    "peer",
    "name",
    "eth0",
    "address",
    STRANGER_MAC,
    "netns",
    STRANGER,
  ]);
  await runCommand("ip", ["link", "set", cable, "master", "lan", "up"]);
  await runCommand("ip", ["-n", STRANGER, "address", "add", `${STRANGER_ADDRESS}/24`, "dev", "eth0"]);
  await runCommand("ip", ["-n", STRANGER, "link", "set", "eth0", "up"]);
}

/** In hex, of a heartbeat from this address on the owner's cable. */
async function recordedHeader(owner: string, from: string): Promise<string> {
  const fd = socket.must(native.socket(socket.AF_PACKET, socket.SOCK_RAW, 0), "packet socket");
  try {
    const index = native.interfaceIndex(port(owner, "lan"));
    socket.must(native.bind(fd, socket.packetAddress(index, socket.ETH_P_ALL)), "bind");
    const frame = new Uint8Array(2048);
    const last = Number(from.split(".").at(-1));
    for (const end = performance.now() + 5000; performance.now() < end;) {
      const length = native.receive(fd, frame, null);
      if (length < 0) await new Promise((resolve) => setTimeout(resolve, 1));
      else if (
        frame[12] === 8 &&
        frame[13] === 0 &&
        frame[23] === 17 &&
        frame[29] === last &&
        frame[42] === 0x48 &&
        frame[43] === 0x46
      )
        return Buffer.from(frame.subarray(UDP_PAYLOAD, UDP_PAYLOAD + HEADER_BYTES)).toString("hex");
    }
    throw new Error(`no heartbeat from ${from} to ${owner} within 5 s`);
  } finally {
    native.close(fd);
  }
}

/** How long ago each peer was heard on each link, as the owner itself says, over and over. */
class Ages {
  readonly #socket: string;
  readonly #owner: string;
  readonly #ages = new Map<string, number[]>();

  constructor(socketPath: string, owner: string) {
    this.#socket = socketPath;
    this.#owner = owner;
  }

  async watch(over: () => boolean): Promise<void> {
    while (!over()) {
      const { rows } = await fetchJson<Links>(this.#socket, "/v1/links");
      for (const { link, listener, age_ms } of rows) {
        if (listener !== this.#owner) continue;
        const ages = this.#ages.get(link) ?? [];
        ages.push(age_ms ?? Number.POSITIVE_INFINITY);
        this.#ages.set(link, ages);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  p99(link: string): number {
    const ages = (this.#ages.get(link) ?? []).toSorted((a, b) => a - b);
    return ages[Math.ceil(0.99 * ages.length) - 1] ?? Number.NaN;
  }
}
