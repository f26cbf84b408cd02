/** For each warning's code: why it is a risk, and what to do. A code that is missing here is told without. */

export interface Reason {
  readonly why: string;
  readonly remedy: string;
}

export const REASONS: Readonly<Record<string, Reason>> = {
  "no-groups": { why: "a daemon without groups only votes", remedy: "add a group, or leave the node a witness" },
  "one-voter": { why: "there is no second machine", remedy: "add a node and a witness" },
  "even-voters": {
    why: "a majority of an even number is one more than half: the last node adds a risk and no safety",
    remedy: "add a witness (role: witness), which carries no address",
  },
  "quorum-available": {
    why: "one of two voters goes on alone when it cannot hear the other, and so may the other",
    remedy: "add a witness and write quorum: majority, unless an outage is worse than two owners",
  },
  "one-link": {
    why: "an owner that nobody hears cannot renew its lease",
    remedy: "add a link over another adapter and another switch",
  },
  "loopback-link": { why: "the machine dies with all its nodes", remedy: "give each node an address of its own" },
  "shared-link-address": {
    why: "one adapter carries both",
    remedy: "give the second link an address of another adapter",
  },
  "links-share-adapter": {
    why: "one adapter, cable and switch carry both",
    remedy: "move one of them to another adapter",
  },
  "links-share-subnet": {
    why: "the kernel sends both over the adapter its route names, so one failure ends both",
    remedy: "give each link a subnet of its own",
  },
  "slow-serial-link": {
    why: "requests and grants must pass within the window, or the fence is not extended",
    remedy: "choose a higher baud, or a longer heartbeat",
  },
  "no-loss-tolerated": {
    why: "clients see a gap with every lost datagram",
    remedy: "raise dead, or lower heartbeat: dead should be three heartbeats",
  },
  "narrow-window": { why: "a lost datagram is not asked for again in time", remedy: "choose a longer heartbeat" },
  "kernel-interface": {
    why: "machines name adapters differently, and an update may rename them",
    remedy: "give it a logical name in interfaces: of each node",
  },
  "one-candidate": { why: "its failure is an outage", remedy: "add a node to prefer" },
  holds: {
    why: "without a majority nobody can tell it that another was elected",
    remedy: "write on_quorum_loss: release, unless an outage is worse than two owners",
  },
  yields: {
    why: "a copied machine or a wrong line in somebody's configuration is then an outage",
    remedy: "write on_conflict: defend, unless two stations that answer are worse than none",
  },
  "not-encrypted": { why: "heartbeats are signed only", remedy: "write seal: encrypt, which costs some microseconds" },
  "no-reference": {
    why: "when nothing is received, only somebody beside the nodes tells the adapter from the network",
    remedy: "add reference: [...] with a router or server of that network",
  },
  "no-standby-adapter": {
    why: "moving to another adapter of the node is faster and keeps connections",
    remedy: "add a second interface to interfaces: of the group",
  },
  "adapters-share-subnet": {
    why: "the kernel may answer for one over the other, and a client's entry then points at the wrong adapter",
    remedy: "use one adapter for both, or two subnets",
  },
  "key-file-mode": { why: "whoever has the key speaks for any node", remedy: "chmod 0640 it, owner root" },
  "no-real-time": {
    why: "the kernel may let the daemon wait for longer than its lease",
    remedy: "start it by its unit (CPUSchedulingPolicy=fifo), or choose heartbeat: 100ms",
  },
  "old-generation": {
    why: "a daemon that starts with it neither votes nor owns",
    remedy: "take the file from a node that runs, and raise generation by one for a change",
  },
  "dead-near-round-trip": {
    why: "a renewal asks and is answered: a slow network looks like a dead owner",
    remedy: "raise dead, or find what makes the network slow: holdfast links",
  },
  "files-differ": {
    why: "nodes with different files do not vote for each other's changes",
    remedy: "copy one of them to every node",
  },
};
