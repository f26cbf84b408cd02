/** Other links for a running lab: its configuration file is edited, and every node takes it over. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { NODES, type TestCluster, until } from "./harness.ts";

/** One change of the file, which all nodes share, and a reload of each; a generation is not touched. */
export async function relink(cluster: TestCluster, edit: (text: string) => string): Promise<void> {
  const file = cluster.files("n1").config;
  const before = readFileSync(file, "utf8");
  const text = edit(before);
  assert.notEqual(text, before);
  writeFileSync(file, text);
  for (const node of NODES) {
    const ran = await cluster.holdfast(node, "reload", "--yes");
    assert.equal(ran.code, 0, `${node}: ${ran.stdout}${ran.stderr}`);
  }
}

/** The lab's private network carries frames without IP instead of UDP. */
export async function wireInsteadOfPriv(cluster: TestCluster): Promise<void> {
  await relink(cluster, (text) =>
    text.replace("  priv: { port: 7400 }\n", (priv) => `${priv}  wire: { ethernet: eth1 }\n`),
  );
  await linkWorks(cluster, "wire", 6);
  await relink(cluster, (text) => text.replace("  priv: { port: 7400 }\n", "").replaceAll(/, priv: [\d.]+/g, ""));
}

/** So many directions of the link are heard, as every node sees it; what was lost before may still count. */
export async function linkWorks(cluster: TestCluster, link: string, directions: number): Promise<void> {
  for (const node of NODES) {
    await until(`${node} says that ${link} is heard`, async () => {
      const rows = (await cluster.links(node)).rows.filter((row) => row.link === link);
      return rows.length === directions && rows.every(({ state }) => state === "ok" || state === "LOSS");
    });
  }
}
