/** Design section 4, the rest of invariant 2, and 6: announced only what was opened, every request answered, nothing left behind. */
import type { Report } from "./report.ts";
import type { VirtualNode } from "../virtual-node.ts";
import type { GroupName, KernelId } from "@holdfast/core/units/names.ts";

interface Asked {
  readonly node: VirtualNode;
  readonly boot: string;
}

export class ServiceChecker {
  readonly #report: Report;
  /** "group term" that each kernel's fence was opened under. */
  readonly #opened = new Map<KernelId, Set<string>>();
  readonly #asked = new Map<string, Asked>();

  constructor(report: Report) {
    this.#report = report;
  }

  opened(node: VirtualNode, group: GroupName, term: number): void {
    let terms = this.#opened.get(node.kernel.id);
    if (terms === undefined) this.#opened.set(node.kernel.id, (terms = new Set()));
    terms.add(`${group} ${term}`);
  }

  /** D2: nothing is announced before it opened. */
  announced(node: VirtualNode, group: GroupName, term: number): void {
    if (this.#opened.get(node.kernel.id)?.has(`${group} ${term}`) !== true)
      this.#report("D2", `${node.name} announces ${group} in term ${term}, which it never opened`);
  }

  asked(node: VirtualNode, request: number): void {
    this.#asked.set(`${node.name} ${request}`, { node, boot: node.daemon?.boot ?? "" });
  }

  replied(node: VirtualNode, request: number): void {
    this.#asked.delete(`${node.name} ${request}`);
  }

  /** D6, longer after the last request than its time: every daemon that was asked and lives has answered. */
  checkReplies(): void {
    for (const [key, { node, boot }] of this.#asked) {
      if (node.daemon?.boot === boot) this.#report("D6", `request ${key} was never answered`);
    }
    this.#asked.clear();
  }

  /** D6, when faults have ended long ago: addresses and announcements are where the fence is open, and nowhere else. */
  checkLeftovers(nodes: Iterable<VirtualNode>, groups: readonly GroupName[], now: number): void {
    for (const node of nodes) {
      // What a machine without a daemon has is gone with the lifetime of its addresses.
      if (node.daemon === undefined) continue;
      for (const group of groups) {
        const open = node.kernel.fence.isOpen(group, now);
        const { name } = node;
        if (open && !node.addresses.has(group)) this.#report("D6", `${name} owns ${group} without its addresses`);
        if (open && !node.announcing.has(group)) this.#report("D6", `${name} owns ${group} and announces nothing`);
        if (!open && node.addresses.has(group)) this.#report("D6", `${name} still has the addresses of ${group}`);
        if (!open && node.announcing.has(group)) this.#report("D6", `${name} still announces ${group}`);
      }
    }
  }
}
