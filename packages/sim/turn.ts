/**
 * The daemon's turn of the loop in virtual time: one input to the core, its effects one after the other, what they bring
 * back before anything else. Between any two effects it may be frozen, killed or held up.
 */
import { isInterrupted, takesTime } from "./interruptions.ts";
import { perform } from "./perform.ts";
import type { Daemon, VirtualNode } from "./virtual-node.ts";
import type { VirtualCluster } from "./virtual-cluster.ts";
import type { Effect, Input } from "@holdfast/core/effects.ts";
import { nextDeadline, step } from "@holdfast/core/node.ts";
import { between, type Instant } from "@holdfast/core/units/time.ts";

/** Plan the wake-up that the core asks for. */
export function wake(world: VirtualCluster, node: VirtualNode): void {
  const { daemon } = node;
  if (daemon === undefined || node.frozen) return;
  const { clock } = node.kernel;
  const now = clock.now();
  // A little later than computed, so that rounding never makes it a little too early.
  const at = world.now + Math.max(0, nextDeadline(daemon.state, now) - now) / clock.rate + 1e-6;
  if (at >= daemon.wakeAt || at === Number.POSITIVE_INFINITY) return;
  daemon.wakeAt = at;
  world.at(at - world.now, () => woken(world, node, daemon, at));
}

function woken(world: VirtualCluster, node: VirtualNode, daemon: Daemon, planned: number): void {
  if (daemon.wakeAt !== planned) return;
  daemon.wakeAt = Number.POSITIVE_INFINITY;
  if (!daemon.alive || node.frozen || daemon.running) return;
  const now = node.kernel.clock.now();
  if (nextDeadline(daemon.state, now) > now) return wake(world, node);
  daemon.queue.push({ kind: "tick" });
  run(world, node);
}

/** Take what waits, unless the daemon is at it already or stopped. */
export function run(world: VirtualCluster, node: VirtualNode): void {
  const { daemon } = node;
  if (daemon === undefined || node.frozen || daemon.running) return;
  daemon.running = true;
  proceed(world, node, daemon, [], node.kernel.clock.now());
}

function proceed(
  world: VirtualCluster,
  node: VirtualNode,
  daemon: Daemon,
  effects: Effect[],
  turnBegan: Instant,
): void {
  const goOn = (): void => proceed(world, node, daemon, effects, turnBegan);
  for (;;) {
    if (!daemon.alive || world.over) return;
    if (node.frozen && node.daemon === daemon) {
      daemon.parked = goOn;
      return;
    }
    const [next] = effects;
    if (isInterrupted(world, node, daemon, next, goOn)) return;
    if (next === undefined) {
      const input = daemon.results.shift() ?? daemon.queue.shift();
      if (input === undefined) break;
      if (world.steps >= world.stepsMax) {
        world.over = true;
        return;
      }
      effects.push(...stepOf(world, node, daemon, input, turnBegan));
      continue;
    }
    effects.shift();
    perform(world, node, daemon, next);
    if (takesTime(world, goOn)) return;
  }
  daemon.running = false;
  wake(world, node);
}

function stepOf(
  world: VirtualCluster,
  node: VirtualNode,
  daemon: Daemon,
  input: Input,
  turnBegan: Instant,
): readonly Effect[] {
  const { plant } = world;
  const now = plant.clockBeforeReceive === true ? turnBegan : node.kernel.clock.now();
  if (input.kind === "tick") noteStall(world, daemon, now);
  world.stepped(node, input);
  const take = (each: Input): readonly Effect[] => step(daemon.state, each, now);
  const effects = plant.around === undefined ? take(input) : plant.around(node, daemon, input, take, now);
  world.trace?.(node, input, effects);
  return effects;
}

/** C12: the core says what late means; what was outstanding then must never be committed. */
function noteStall(world: VirtualCluster, daemon: Daemon, now: Instant): void {
  const { state } = daemon;
  if (between(state.expectedBy, now) > world.cluster.timing.heartbeat / 2) daemon.forgotten = state.counters.number;
}
