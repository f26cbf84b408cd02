/** What a user is told when the kernel refuses namespaces, and how the lab asks for them. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { explainRefusal, unshareArguments, type Permissions } from "./isolation.ts";

const USER: Permissions = { uid: 1000, unprivileged: undefined, apparmor: undefined, most: "96365" };

const table: readonly { title: string; permissions: Permissions; says: readonly RegExp[] }[] = [
  {
    title: "switched off on Debian",
    permissions: { ...USER, unprivileged: "0" },
    says: [/sysctl kernel\.unprivileged_userns_clone=1/, /sudo \.\/holdfast lab/],
  },
  {
    title: "AppArmor on Ubuntu",
    permissions: { ...USER, apparmor: "1" },
    says: [/AppArmor/, /sysctl kernel\.apparmor_restrict_unprivileged_userns=0/],
  },
  {
    title: "none allowed",
    permissions: { ...USER, most: "0" },
    says: [/sysctl user\.max_user_namespaces=10000/],
  },
  { title: "for no reason the kernel tells", permissions: USER, says: [/Operation not permitted/, /--privileged/] },
  { title: "to root, in a container", permissions: { ...USER, uid: 0 }, says: [/even to root/, /--privileged/] },
];

for (const row of table) {
  test(`refusal explained: ${row.title}`, () => {
    const text = explainRefusal(row.permissions, "unshare: unshare failed: Operation not permitted\n");
    for (const pattern of row.says) assert.match(text, pattern);
  });
}

test("refusal explained: too many namespaces", () => {
  const text = explainRefusal({ ...USER, uid: 0 }, "unshare: unshare failed: No space left on device\n");
  assert.match(text, /sysctl user\.max_net_namespaces=10000/);
});

test("root needs no user namespace, a user does, and all die with the first process", () => {
  assert.ok(!unshareArguments(0).includes("--user"));
  assert.ok(unshareArguments(1000).includes("--user"));
  for (const uid of [0, 1000]) assert.ok(unshareArguments(uid).includes("--kill-child=SIGKILL"));
});
