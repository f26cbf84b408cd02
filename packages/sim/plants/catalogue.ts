/** The 21 faults that ownership.md section 10 names, planted from outside: around the step, in the fence, in the host. */
import { holderPlants } from "./holders.ts";
import { VOTER_PLANTS } from "./voters.ts";
import type { Plant } from "../plant.ts";

/** Faults of the kernel's fence and of whoever starts daemons (section 4). */
const KERNEL_PLANTS = {
  wk_gt_t: { fence: { keepMore_ms: 60 } },
  mode_reset: { fence: { adoptResetsMode: true }, world: { crash: 0.004 } },
  two_processes: { fence: { armedKey: () => 0 }, twoProcesses: true, world: { freeze: 0.01, crash: 0 } },
  relay_stays: { fence: { relayStays: true }, world: { haste: 12, movesOnly: true } },
} satisfies Readonly<Record<string, Plant>>;

/** Some plants keep notes of their world: a new set for each. */
export function plantsByName(): Readonly<Record<string, Plant>> {
  return { ...VOTER_PLANTS, ...holderPlants(), ...KERNEL_PLANTS };
}
