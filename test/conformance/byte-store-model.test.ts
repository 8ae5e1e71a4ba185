import { describe, test } from "vitest";
import { modelHolds } from "../support/model-run.ts";
import { diskSubject, memorySubject, stacks } from "../support/model-subjects.ts";

describe("any sequence of commands does what a map would do", { timeout: 120_000 }, () => {
  test("on a memory store", () => modelHolds(memorySubject, 150));
  test.each([
    ["none", 80],
    ["data", 20],
    ["full", 20],
  ] as const)("on a disk store, durability %s", (durability, numRuns) => {
    return modelHolds(() => diskSubject(durability), numRuns);
  });
  test.each(Object.entries(stacks))("through %s", (_name, make) => modelHolds(make, 30));
});
