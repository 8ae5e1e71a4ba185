import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteBudget } from "../../src/core/byte-budget.ts";

/** Infinity: a value of which nobody knows the size. */
const anyLength = fc.oneof({ weight: 4, arbitrary: fc.nat(150) }, { weight: 1, arbitrary: fc.constant(Infinity) });

describe("a budget of bytes", () => {
  test("is never exceeded but by one alone, and everything is done, in the order in which it came", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyLength), fc.scheduler(), async (lengths, s) => {
        const budget = new ByteBudget(100);
        const held = new Set<number>();
        const begun: number[] = [];
        const work = lengths.map((length, index) =>
          budget.run(length, async () => {
            begun.push(index);
            held.add(index);
            const sum = [...held].reduce((all, each) => all + (lengths[each] as number), 0);
            const others = [...held].filter((each) => each !== index && (lengths[each] as number) > 0);
            // Who holds nothing is beside nobody.
            expect(sum <= 100 || others.length === 0 || lengths[index] === 0).toBe(true);
            await s.schedule(Promise.resolve());
            held.delete(index);
          }),
        );
        await s.waitFor(Promise.all(work));
        expect(budget.used).toBe(0);
        expect(begun).toEqual(lengths.map((_, index) => index));
      }),
    );
  });

  test("gives room back after a failure", async () => {
    const budget = new ByteBudget(1);
    await expect(budget.run(1, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await budget.run(1, async () => "yes")).toBe("yes");
  });

  test("lets nobody in while work holds more than it thought", async () => {
    const budget = new ByteBudget(10);
    const begun: string[] = [];
    let end = () => {};
    const first = budget.run(4, async (holds) => {
      holds(9);
      // Less than before is no news.
      holds(2);
      begun.push("first");
      await new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await Promise.resolve();
    expect(budget.used).toBe(9);
    const second = budget.run(4, async () => void begun.push("second"));
    await Promise.resolve();
    await Promise.resolve();
    expect(begun).toEqual(["first"]);
    end();
    await Promise.all([first, second]);
    expect(begun).toEqual(["first", "second"]);
    expect(budget.used).toBe(0);
  });
});
