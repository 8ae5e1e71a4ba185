import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteBudget } from "../../src/io/byte-budget.ts";
import { chunksOf } from "../../src/io/chunks.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";

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
            expect(sum <= 100 || others.length === 0).toBe(true);
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
});

describe.each([
  ["disk, which fills the memory of its reader", () => freshDisk({ durability: "none" })],
  ["memory, which brings its own", freshMemory],
] as const)("chunks of a value in %s", (_name, make) => {
  test.each([0, 1, 262_143, 262_144, 1_000_003])("%d bytes come whole and in order", async (byteLength) => {
    const { store, side, dispose } = await make();
    const value = Uint8Array.from({ length: byteLength }, (_, i) => (i * 7919) % 251);
    await side.put("a", value);
    const chunks: Uint8Array[] = [];
    for await (const chunk of chunksOf(await store.readStream("a"))) chunks.push(chunk.slice());
    expect(Buffer.concat(chunks).equals(value)).toBe(true);
    await dispose?.();
  });

  test("leaving the loop closes what was open; an abort is its failure", async () => {
    const { store, side, dispose } = await make();
    await side.put("a", new Uint8Array(3_000_000));
    const files = () => readdirSync("/proc/self/fd").length;
    const before = files();
    for await (const chunk of chunksOf(await store.readStream("a"))) if (chunk.byteLength > 0) break;
    expect(files()).toBe(before);
    const controller = new AbortController();
    const { signal } = controller;
    const reading = async () => {
      for await (const _ of chunksOf(await store.readStream("a", { signal }))) controller.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: "ABORTED" });
    await dispose?.();
  });
});
