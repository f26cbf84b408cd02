/** All that is checked while a world runs; a broken rule ends it. */
import { ClientsChecker } from "./clients.ts";
import { IdentitiesChecker } from "./identities.ts";
import { OwnersChecker } from "./owners.ts";
import type { Report } from "./report.ts";
import { ServiceChecker } from "./service.ts";
import type { Silences } from "./silences.ts";
import { VotesChecker } from "./votes.ts";
import type { VirtualNode } from "../virtual-node.ts";
import type { Wiring } from "../wiring.ts";
import type { GroupConfig } from "@holdfast/core/cluster.ts";

interface World {
  readonly now: number;
  readonly steps: number;
  readonly nodes: ReadonlyMap<string, VirtualNode>;
  readonly wiring: Wiring | undefined;
  over: boolean;
}

const OF_MAJORITIES: ReadonlySet<string> = new Set(["I2", "I3", "D2"]);

export class Checkers {
  /** "true time: step: rule: what happened" */
  readonly violations: string[] = [];
  readonly report: Report;
  readonly owners: OwnersChecker;
  readonly votes: VotesChecker;
  readonly identities: IdentitiesChecker;
  readonly service: ServiceChecker;
  readonly clients: ClientsChecker;

  /** `silences`: nodes may go on without a majority, and two of them own when one hears nothing of the other (Q3). */
  readonly silences: Silences | undefined;

  constructor(world: World, groups: readonly GroupConfig[], silences?: Silences) {
    this.silences = silences;
    this.report = (rule, text) => {
      if (silences !== undefined && OF_MAJORITIES.has(rule)) return;
      this.violations.push(`at ${world.now.toFixed(3)} ms, step ${world.steps}: ${rule}: ${text}`);
      world.over = true;
    };
    this.owners = new OwnersChecker(world, groups, this.report, silences);
    this.votes = new VotesChecker(this.report);
    this.identities = new IdentitiesChecker(this.report);
    this.service = new ServiceChecker(this.report);
    this.clients = new ClientsChecker(world, groups);
  }
}
