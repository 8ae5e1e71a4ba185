import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareNatural, naturalSort } from "../../src/core/natural-sort.ts";

/** Names with digits, leading zeros, letters and characters beyond U+FFFF. */
const name = fc.string({ unit: fc.constantFrom("0", "1", "2", "9", "a", "B", "_", ".", "\uFF21", "\u{1F52C}") });

describe("natural order", () => {
  it("counts as people do", () => {
    expect(naturalSort(["image_10", "image_2", "image_1"])).toEqual(["image_1", "image_2", "image_10"]);
    expect(naturalSort(["w10_s2", "w2_s10", "w2_s9"])).toEqual(["w2_s9", "w2_s10", "w10_s2"]);
    expect(naturalSort(["a", "10", "9", ""])).toEqual(["", "9", "10", "a"]);
  });

  it("compares digits beyond the range of a number exactly", () => {
    const big = "9007199254740993";
    expect(naturalSort([`f${big}`, "f9007199254740992"])).toEqual(["f9007199254740992", `f${big}`]);
  });

  it("does not fold case and knows no locale", () => {
    expect(naturalSort(["b", "A", "a", "B", "ä"])).toEqual(["A", "B", "a", "b", "ä"]);
  });

  it("makes a new array", () => {
    const names = ["b", "a"];
    naturalSort(names);
    expect(names).toEqual(["b", "a"]);
  });

  it("is a total order: antisymmetric, transitive, and equal only for equal names", () => {
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        const ab = Math.sign(compareNatural(a, b));
        expect(Math.sign(compareNatural(b, a))).toBe(-ab + 0);
        expect(ab === 0).toBe(a === b);
        if (ab <= 0 && compareNatural(b, c) <= 0) expect(compareNatural(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 5000 },
    );
  });

  it("compares part by part: numbers by value, text by code point", () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(Math.sign(compareNatural(a, b))).toBe(Math.sign(compareParts(a, b)));
      }),
      { numRuns: 5000 },
    );
  });

  it("orders numbers by value, whatever their zeros", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 30n), fc.bigInt(0n, 10n ** 30n), fc.nat(3), (x, y, zeros) => {
        fc.pre(x !== y);
        const order = compareNatural(`f${"0".repeat(zeros)}${x}.tif`, `f${y}.tif`);
        expect(Math.sign(order)).toBe(x < y ? -1 : 1);
      }),
    );
  });
});

/** The order as it is told, by taking names apart. */
function compareParts(a: string, b: string): number {
  const partsOf = (text: string): string[] => text.match(/[0-9]+|[^0-9]+/g) ?? [];
  const [x, y] = [partsOf(a), partsOf(b)];
  for (const [i, part] of x.entries()) {
    const other = y[i];
    if (other === undefined) return 1;
    const numbers = /^[0-9]/.test(part) && /^[0-9]/.test(other);
    const order = numbers
      ? Number(BigInt(part) - BigInt(other))
      : Buffer.compare(Buffer.from(part), Buffer.from(other));
    if (order !== 0) return order;
  }
  return x.length - y.length || a.length - b.length || Buffer.compare(Buffer.from(a), Buffer.from(b));
}
