/** A group keeps its number: the fence that a daemon finds in the kernel must be the one it means. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupNumbers } from "./group-numbers.ts";
import type { GroupName } from "@holdfast/core/units/names.ts";

const names = (...words: string[]): GroupName[] => words as GroupName[];
const list = (numbers: ReadonlyMap<GroupName, number>): string => [...numbers].map((each) => each.join(" ")).join(", ");

test("a first start numbers in the order of names", () => {
  assert.equal(list(new GroupNumbers(new Map()).give(names("web", "db", "api"))), "api 1, db 2, web 3");
});

test("an added group gets a new number and changes no other", () => {
  const numbers = new GroupNumbers(new Map());
  numbers.give(names("db", "web"));
  assert.equal(list(numbers.give(names("aaa", "db", "web"))), "aaa 3");
  assert.deepEqual([numbers.of("db" as GroupName), numbers.of("web" as GroupName)], [1, 2]);
});

test("a removed group keeps its number, for itself alone", () => {
  const before = new Map([...names("db", "old", "web")].map((name, i): [GroupName, number] => [name, i + 1]));
  const numbers = new GroupNumbers(before);
  assert.equal(list(numbers.give(names("db", "new", "web"))), "new 4");
  assert.equal(list(numbers.give(names("db", "old", "web"))), "");
  assert.equal(numbers.of("old" as GroupName), 2);
});

test("a group without a number has none", () => {
  assert.equal(new GroupNumbers(new Map()).of("web" as GroupName), 0);
});
