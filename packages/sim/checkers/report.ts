/** How a checker tells of a broken rule. */

/** `rule`: an id of ownership.md (I1) or of design section 4 (D3). */
export type Report = (rule: string, text: string) => void;
