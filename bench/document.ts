/** docs/benchmarks.md: the tables, what they were measured on, and how each figure is taken. Pure. */
import type { Machine } from "./machine.ts";
import type { Tables } from "./table.ts";

export interface RunFacts {
  readonly rounds: number;
  readonly minutes: number;
}

export function benchmarkDocument(machine: Machine, tables: Tables, run: RunFacts): string {
  const list = (lines: readonly string[], nothing: string) =>
    lines.length === 0 ? nothing : lines.map((line) => `- ${line}`).join("\n");
  return `# Benchmarks

holdfast and keepalived in the same topology, in one run, by \`npm run bench\`. This file is written by the run: do not edit it.

| | |
|---|---|
| machine | ${machine.cores} cores (${machine.processor}), ${machine.memory_gb} GB, shared by all nodes, the client and the watcher |
| kernel | ${machine.kernel}, HZ ${machine.hz} |
| holdfast | commit ${machine.commit}, Node ${machine.node} |
| keepalived | Debian's ${machine.keepalived} |
| date | ${machine.date} |
| rounds of each fault | ${run.rounds} |
| the run took | ${run.minutes} minutes |

## Limits missed

${list(tables.missed, "None.")}

Rounds without figures:

${list(tables.failed, "None.")}

## Faults

${tables.faults.join("\n")}

## Idle

${tables.idle.join("\n")}

## Four busy loops

${tables.load.join("\n")}

${HOW}`;
}

const HOW = `## How to run it again

\`\`\`
npm run bench                                  # all of it; writes this file
npm run bench -- --quick                       # one round at 100ms and 10ms
npm run bench -- --only holdfast --fault kill --timing 10ms --rounds 20
npm run bench -- --check                       # exit code 1 when a limit was missed
\`\`\`

It needs root and Debian's packages keepalived and gcc, which it installs. Everything runs in network, mount and process
namespaces of its own and ends with them, also on Ctrl-C.

## How each figure is taken

- **Topology**: three nodes, a client and a watcher, each in a network namespace; a service LAN and a private link, each a
  bridge with one veth cable a node. The address is one IPv4 and one IPv6 address. The same code builds it for both products.
- **holdfast**: three voters on both links, timing 1 s / 3 s, 100 ms / 300 ms and 10 ms / 50 ms (heartbeat / dead).
- **keepalived**: one VRRPv3 instance a node, multicast on the service LAN, advert_int 1, 0.1 and 0.01, priorities 150, 100
  and 50, all nodes start as BACKUP; the IPv6 address in virtual_ipaddress_excluded. \`nopreempt\` like holdfast's
  \`failback: manual\`, except for the rows move and failback. Each in a mount namespace of its own with a tmpfs on /run.
- **A round** begins when all nodes are well and n1, the preferred one, serves. The fault is watched for at least 0.8 s (1.5 s
  and \`dead\`, where two owners would stay two) and until one node (another than the owner, where it must move) has answered everything for 300 ms, 15 s at most; then it is
  healed, and that is watched in the same way, for at least 1 s and one heartbeat. Rounds of all faults take turns. The
  products are measured one after the other, except that at 1 s they run side by side, each in a lab of its own.
- **Outage**: the client asks once a millisecond over IPv4 and over IPv6. From the first request without an answer to the
  next one with an answer, both when they were sent; the longest of the round, the worse of IPv4 and IPv6. The table shows
  the median over the rounds, least and most in parentheses.
- **Lost**: requests without an answer in the whole round, of 1000 a second; the worse of IPv4 and IPv6.
- **Two nodes**: milliseconds in which two nodes answered. A watcher asks every node at its own MAC address every millisecond
  (UDP over IPv4 and IPv6, ARP, neighbour solicitation); the answers are captured at the switch's ports with the kernel's
  time stamps. A successor that begins less than a millisecond before the old owner's last answer arrives is no overlap. "1500" and more means: until it was healed.
- **Changes**: how often another node than the one before answered the client.
- **Lost or two nodes while healing**: the same figures from the moment of healing.
- **move**: \`holdfast move\`; for keepalived the owner's priority is lowered and its configuration reloaded. Healing is the
  move back. **failback**: the preferred node is stopped and started again; watched from its start on. **stop**: SIGTERM.
  **crash**: kill -9 of holdfast's engine, which is started again as soon as it has ended; of keepalived's VRRP process, which
  its parent starts again. **reload**: a second address (group, instance) is added to the configuration of all nodes.
  **loss**: of the frames between nodes; client and watcher lose nothing.
- **x keepalived**: the median outage as a multiple of keepalived's at the same timing in the same run; none where
  keepalived has two owners, for then its outage says nothing. In the idle table: the multiple in parentheses.
- **of 16**: sixteen nodes on both links at 100 ms, five of them voters; the owner, who votes too, and of the others the one that
  takes most. All of them run on the same two cores.
- **CPU**: processor time of all threads of all processes of the node in ten seconds, from /proc/PID/task/TID/schedstat, 20 s
  after the start and without client and watcher, whose packets the kernel would charge to whoever it interrupts.
- **Memory**: sums of Rss and Pss of /proc/PID/smaps_rollup over the node's processes. All three nodes run on one machine, and
  so does the bench, on the same Node: what they share is divided among them in the proportional figure. "Alone" counts each
  physical page of the node's processes once (/proc/PID/pagemap): what it would take on a machine of its own.
- **Busy loops**: four endless loops in a shell. Beside them a C program sleeps 10 ms by timerfd, over and over, under the
  scheduling class of the product's own process (real-time: at one priority more, so that the product cannot be its own excuse). A move counts unless that control slept longer than half of \`dead\` within
  three times \`dead\` before it.
- **Limits** are bench/limits.ts, on the medians, for holdfast; two answering nodes are allowed in no round.
`;
