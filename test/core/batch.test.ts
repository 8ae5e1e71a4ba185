import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mapBatch } from "../../src/core/batch.ts";
import { StorageError } from "../../src/core/errors.ts";

const never = () => {
  throw new Error("collect was called");
};

describe("mapBatch", () => {
  it("keeps order, runs each item once and never more at once than the limit, in any order of completion", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(20), fc.integer({ min: 1, max: 5 }), fc.scheduler(), async (count, concurrency, s) => {
        let running = 0;
        let most = 0;
        const calls: number[] = [];
        const items = Array.from({ length: count }, (_, i) => `item ${i}`);
        const work = mapBatch(
          items,
          async (item, index) => {
            calls.push(index);
            most = Math.max(most, ++running);
            await s.schedule(Promise.resolve());
            running--;
            return item.toUpperCase();
          },
          { concurrency },
          never,
        );
        expect(await s.waitFor(work)).toEqual(items.map((item) => item.toUpperCase()));
        expect(calls).toEqual(items.map((_, i) => i));
        expect(most).toBe(Math.min(concurrency, count));
      }),
    );
  });

  it("tries every item, then throws the only failure as it is", async () => {
    const failure = new StorageError("NO_SPACE", "full");
    const tried: number[] = [];
    const work = mapBatch(
      [0, 1, 2, 3],
      async (item) => {
        tried.push(item);
        if (item === 1) throw failure;
      },
      { concurrency: 2 },
      never,
    );
    await expect(work).rejects.toBe(failure);
    expect(tried.sort()).toEqual([0, 1, 2, 3]);
  });

  it("throws several failures as one AggregateError, in the order of the items, each typed", async () => {
    const work = mapBatch(
      [0, 1, 2, 3],
      async (item) => {
        if (item % 2 === 1) throw new Error(`bad ${item}`);
      },
      { concurrency: 4 },
      never,
    );
    const error = (await work.catch((thrown: unknown) => thrown)) as AggregateError;
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.message).toMatch(/^2 of 4 items failed/);
    expect(error.errors.map((each) => [each.code, each.message])).toEqual([
      ["UNEXPECTED", "bad 1"],
      ["UNEXPECTED", "bad 3"],
    ]);
  });

  it("collects failures in their places when asked to", async () => {
    const results = await mapBatch<number, string>(
      [0, 1, 2],
      async (item) => {
        if (item === 1) throw new StorageError("NOT_FOUND", "gone");
        return `ok ${item}`;
      },
      { onError: "collect" },
      (error, item, index) => `${error.code} ${item} ${index}`,
    );
    expect(results).toEqual(["ok 0", "NOT_FOUND 1 1", "ok 2"]);
  });

  it("does not begin another item once aborted", async () => {
    const controller = new AbortController();
    const tried: number[] = [];
    const run = async (item: number) => {
      tried.push(item);
      if (item === 1) controller.abort();
    };
    const work = mapBatch([0, 1, 2, 3], run, { concurrency: 1, signal: controller.signal }, never);
    await expect(work).rejects.toMatchObject({ code: "ABORTED" });
    expect(tried).toEqual([0, 1]);
  });

  it("an abort is one failure, however many items it met, and hides no other", async () => {
    const controller = new AbortController();
    const aborted = new StorageError("ABORTED", "stopped");
    const run = async (item: number) => {
      if (item === 3) controller.abort();
      throw item === 0 ? new StorageError("NO_SPACE", "full") : aborted;
    };
    const options = { concurrency: 4, signal: controller.signal };
    const both = mapBatch([0, 1, 2, 3], run, options, never);
    await expect(both).rejects.toMatchObject({ errors: [{ code: "NO_SPACE" }, aborted] });
    await expect(mapBatch([4, 5, 6], run, options, never)).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("answers for the items that it did not begin, when collecting", async () => {
    const controller = new AbortController();
    const run = async (item: number) => {
      if (item === 1) controller.abort();
      return "done";
    };
    const options = { concurrency: 1, signal: controller.signal, onError: "collect" } as const;
    expect(await mapBatch([0, 1, 2, 3], run, options, (error) => error.code)).toEqual([
      "done",
      "done",
      "ABORTED",
      "ABORTED",
    ]);
  });

  it("does nothing for an empty batch", async () => {
    expect(await mapBatch([], never, {}, never)).toEqual([]);
  });

  it.each([[0], [-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY]])(
    "refuses a concurrency of %d",
    async (concurrency) => {
      await expect(mapBatch([1], never, { concurrency }, never)).rejects.toMatchObject({ code: "INVALID_DATA" });
    },
  );
});
