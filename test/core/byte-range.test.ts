import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkRange, groupRanges, resolveRange } from "../../src/core/byte-range.ts";

describe("resolveRange", () => {
  test.each([
    [undefined, 5, { offset: 0, length: 5 }],
    [{ offset: 2 }, 5, { offset: 2, length: 3 }],
    [{ offset: 1, length: 2 }, 5, { offset: 1, length: 2 }],
    [{ offset: 3, length: 10 }, 5, { offset: 3, length: 2 }],
    [{ offset: 5, length: 1 }, 5, { offset: 5, length: 0 }],
    [{ offset: 0, length: 0 }, 0, { offset: 0, length: 0 }],
    [{ suffix: 2 }, 5, { offset: 3, length: 2 }],
    [{ suffix: 9 }, 5, { offset: 0, length: 5 }],
    [{ suffix: 0 }, 5, { offset: 5, length: 0 }],
  ])("%j of %d bytes is %j", (range, byteLength, expected) => {
    expect(resolveRange(range, byteLength)).toEqual(expected);
  });

  test("refuses a start beyond the end, and numbers that count no bytes", () => {
    expect(() => resolveRange({ offset: 6 }, 5, { identifier: "k" })).toThrowError(/byte 6, and "k" has 5/);
    for (const range of [{ offset: -1 }, { offset: 0.5 }, { offset: 0, length: -1 }, { suffix: Number.NaN }]) {
      expect(() => resolveRange(range, 5)).toThrowError(expect.objectContaining({ code: "INVALID_DATA" }));
      expect(() => checkRange(range)).toThrowError(expect.objectContaining({ code: "INVALID_DATA" }));
    }
    checkRange({ offset: 1e9, length: 5 });
  });
});

describe("groupRanges", () => {
  const range = fc.record({ offset: fc.nat(1000), length: fc.nat(100) });

  test("covers every range once, keeps groups ordered, apart and within the limits", () => {
    fc.assert(
      fc.property(fc.array(range), fc.nat(50), (ranges, maxGap) => {
        const groups = groupRanges(ranges, { maxGap, maxLength: 300 });
        const parts = groups.flatMap((group) => group.parts);
        expect(parts.map((part) => part.index).sort((a, b) => a - b)).toEqual(ranges.map((_, i) => i));
        for (const group of groups) {
          if (group.parts.length > 1) expect(group.length).toBeLessThanOrEqual(300);
          for (const part of group.parts) {
            expect(part).toMatchObject(ranges[part.index] as object);
            expect(part.offset).toBeGreaterThanOrEqual(group.offset);
            expect(part.offset + part.length).toBeLessThanOrEqual(group.offset + group.length);
          }
        }
      }),
    );
  });

  test("joins near ranges and leaves far ones apart", () => {
    const ranges = [
      { offset: 100, length: 10 },
      { offset: 0, length: 10 },
      { offset: 15, length: 5 },
    ];
    const groups = groupRanges(ranges, { maxGap: 5, maxLength: 1000 });
    expect(groups.map(({ offset, length }) => [offset, length])).toEqual([
      [0, 20],
      [100, 10],
    ]);
  });
});
