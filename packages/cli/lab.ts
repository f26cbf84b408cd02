/** `holdfast lab ...`: hands all words to the lab, which is loaded only now. */
export async function lab(words: readonly string[]): Promise<number> {
  const { runLab } = await import("@holdfast/lab/main.ts");
  return runLab([...words]);
}
