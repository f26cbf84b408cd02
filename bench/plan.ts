/** What is compared: the products, the timings, and the faults in the order in which they are shown. */

export const PRODUCTS = ["holdfast", "keepalived"] as const;
export type ProductName = (typeof PRODUCTS)[number];

export interface BenchTiming {
  /** The heartbeat, as on the command line. */
  readonly name: TimingName;
  /** holdfast's, as in its configuration. */
  readonly heartbeat: string;
  readonly dead: string;
  readonly heartbeat_ms: number;
  readonly dead_ms: number;
  /** keepalived's advert_int in seconds. */
  readonly advert_s: number;
}

export type TimingName = "1s" | "100ms" | "10ms";

export const TIMINGS: readonly BenchTiming[] = [
  { name: "1s", heartbeat: "1s", dead: "3s", heartbeat_ms: 1000, dead_ms: 3000, advert_s: 1 },
  { name: "100ms", heartbeat: "100ms", dead: "300ms", heartbeat_ms: 100, dead_ms: 300, advert_s: 0.1 },
  { name: "10ms", heartbeat: "10ms", dead: "50ms", heartbeat_ms: 10, dead_ms: 50, advert_s: 0.01 },
];

/** Nodes of the large cluster whose idle usage is measured. */
export const FLEET_NODES = 16;

export const FAULTS = {
  kill: "whole daemon killed (kill -9), not restarted",
  freeze: "daemon frozen (SIGSTOP); then woken",
  poweroff: "power off (silent, dead)",
  unplug: "service cable pulled, second link alive",
  swap: "service cable pulled, a standby adapter in the node",
  silent: "service adapter silent with a carrier, a standby adapter in the node",
  link: "one of two links lost",
  cut: "traffic cut on all links, carrier stays; then healed",
  isolate: "owner partitioned from the rest; then healed",
  deadip: "every inet packet of the owner dropped, an Ethernet link alive",
  crash: "engine killed and restarted at once",
  stop: "planned stop (SIGTERM)",
  move: "planned move, and back",
  failback: "failback to the preferred node",
  reload: "reload of something else",
  loss: "30 % loss on both links for 20 s",
  flood: "100,000 junk datagrams a second on the heartbeat port for 30 s",
  forged: "the same in a node's own name, with its recorded headers",
  load: "four busy loops for 60 s",
} as const;

export type FaultName = keyof typeof FAULTS;
/** In a lab of their own, whose nodes have a standby adapter; keepalived has nothing of the kind. */
export const STANDBY_FAULTS: ReadonlySet<FaultName> = new Set(["swap", "silent"]);

export const FAULT_NAMES = Object.keys(FAULTS) as readonly FaultName[];
