import { describe, expect, test } from "vitest";
import { StorageError } from "../../src/core/errors.ts";
import { check, checkEqual, checkRejects } from "../../src/testing/assertions.ts";
import { CollectingRunner } from "../../src/testing/collecting-runner.ts";
import { declareKit, type KitGroup } from "../../src/testing/kit.ts";

interface Subject {
  isDisposed: boolean;
}

function collectKit(groups: readonly KitGroup<Subject>[], made: Subject[] = []): CollectingRunner {
  const runner = new CollectingRunner();
  const make = async () => {
    made.push({ isDisposed: false });
    return made.at(-1) as Subject;
  };
  const dispose = async (subject: Subject) => {
    subject.isDisposed = true;
  };
  declareKit(runner, "subject", { make, dispose }, groups);
  return runner;
}

const passes = { name: "passes", run: async () => {} };
const fails = { name: "fails", run: async () => check(false, "no") };

describe("a kit", () => {
  test("gives each check a fresh subject and frees it, also after a failure", async () => {
    const made: Subject[] = [];
    await collectKit([{ name: "group", checks: [passes, fails] }], made).run();
    expect(made).toEqual([{ isDisposed: true }, { isDisposed: true }]);
  });

  test("names the group and the reason of what does not apply, and does not run it", async () => {
    const results = await collectKit([{ name: "links", gate: "symlinks is false", checks: [fails] }]).run();
    expect(results).toEqual([{ name: "subject › links: does not apply, symlinks is false" }]);
  });

  test("is collected by the runner in order, failures with their error", async () => {
    const results = await collectKit([{ name: "group", checks: [passes, fails, passes] }]).run();
    expect(results.map((result) => result.name)).toEqual([
      "subject › group › passes",
      "subject › group › fails",
      "subject › group › passes",
    ]);
    expect(results.map((result) => result.error !== undefined)).toEqual([false, true, false]);
  });

  test("can stop at the first failure, filter by name, and give up on what hangs", async () => {
    const hangs = { name: "hangs", run: () => new Promise<void>(() => {}) };
    const runner = collectKit([{ name: "group", checks: [passes, fails, hangs] }]);
    expect(await runner.run({ stopAtFailure: true })).toHaveLength(2);
    const [only] = await runner.run({ filter: (name) => name.endsWith("hangs"), timeoutMs: 5 });
    expect(String(only?.error)).toContain("No answer within 5 ms");
  });
});

describe("the assertions", () => {
  test("checkEqual compares contents, and tells kinds of arrays apart", () => {
    checkEqual({ a: [1, { b: "x" }] }, { a: [1, { b: "x" }] }, "object");
    checkEqual(Buffer.from([1, 2]), new Uint8Array([1, 2]), "bytes");
    checkEqual(new Map([["a", 1]]), new Map([["a", 1]]), "map");
    checkEqual(Number.NaN, Number.NaN, "number");
    for (const [a, b] of [
      [[1, 2], [1]],
      [{ a: 1 }, { a: 1, b: 2 }],
      [new Uint8Array([1]), new Uint8Array([2])],
      [0, -0],
      ["1", 1],
      [[], {}],
      [null, undefined],
      [new Date(1), new Date(2)],
    ]) {
      expect(() => checkEqual(a, b, "pair"), JSON.stringify([a, b])).toThrow("pair: expected");
    }
  });

  test("checkEqual tells a float array from the bytes of one", () => {
    const floats = new Float32Array([1, 2]);
    expect(() => checkEqual(floats, new Uint8Array(floats.buffer), "kind")).toThrow("kind");
    checkEqual(floats, new Float32Array([1, 2]), "floats");
  });

  test("checkRejects wants a typed error with one of the codes", async () => {
    const notFound = new StorageError("NOT_FOUND", "no");
    expect(await checkRejects(Promise.reject(notFound), ["CORRUPT", "NOT_FOUND"], "read")).toBe(notFound);
    await expect(checkRejects(Promise.reject(notFound), "CORRUPT", "read")).rejects.toThrow("got NOT_FOUND");
    await expect(checkRejects(Promise.reject(new Error("plain")), "CORRUPT", "read")).rejects.toThrow("plain");
    await expect(checkRejects(async () => 7, "CORRUPT", "read")).rejects.toThrow("resolved with 7");
    await checkRejects(
      () => {
        throw notFound;
      },
      "NOT_FOUND",
      "read",
    );
  });
});
