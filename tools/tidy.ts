/** stub */
export function tidinessOf(_root: string): { problems: readonly string[] } {
  return { problems: [] };
}
