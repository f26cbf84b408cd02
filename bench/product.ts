/** What a session can do to a product: the same for both, so that the faults are the same. */

export interface Product {
  /** Version as the product says it. */
  readonly failbackOn: boolean;
  /** Starts all nodes anew with or without failback to the preferred node, and waits until they run. */
  configure(failback: boolean): Promise<void>;
  /** Heals nothing; waits until all nodes are well and `owner` serves, moving the address there if need be. */
  rest(owner: string): Promise<void>;
  start(node: string): void;
  /** SIGTERM, as a service manager stops it. */
  stop(node: string): void;
  /** SIGKILL to every process of the node. */
  kill(node: string): void;
  freeze(node: string): void;
  thaw(node: string): void;
  /** The process that does the work is killed and is started again at once. */
  crash(node: string): Promise<void>;
  /** What a machine without power forgets. */
  forget(node: string): Promise<void>;
  /** Another node shall have the address. */
  move(from: string): Promise<void>;
  moveBack(to: string): Promise<void>;
  /** Adds another address to the configuration and reloads it; the reason when this product cannot. */
  reload(owner: string): Promise<string | undefined>;
  /** An Ethernet link in place of the second UDP link, or not; nothing for a product that speaks IP only. */
  wire(on: boolean): Promise<void>;
  /** Puts the configuration of before back. */
  unload(): Promise<void>;
}
