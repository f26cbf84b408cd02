/** Names an operator gives (nodes, groups, links, interfaces) and identities a daemon makes (boot, kernel). */
import type { Brand } from "./brand.ts";

/** 1 to 32 characters: lower-case letters, digits, `-`; starts with a letter or digit. */
export type NodeName = Brand<string, "NodeName">;
/** Same form as a node's name. */
export type GroupName = Brand<string, "GroupName">;
/** Same form as a node's name. */
export type LinkName = Brand<string, "LinkName">;
/** A kernel interface name: 1 to 15 bytes, no `/`, no white space. */
export type InterfaceName = Brand<string, "InterfaceName">;

/** Random 64 bits, new at each start of the daemon; 16 lower-case hex digits. */
export type BootId = Brand<string, "BootId">;
/** One value for each fence that can exist: digest of kernel boot id and network namespace; 16 lower-case hex digits. */
export type KernelId = Brand<string, "KernelId">;

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const INTERFACE = /^[^\s/]{1,15}$/;
const IDENTITY = /^[0-9a-f]{16}$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

export function isInterfaceName(text: string): boolean {
  return INTERFACE.test(text) && text !== "." && text !== "..";
}

export function isIdentity(text: string): boolean {
  return IDENTITY.test(text);
}
