import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Shuffler, shuffle, unshuffle } from "../../src/codecs/shuffle.ts";

const itemSizes = fc.constantFrom(1, 2, 3, 4, 5, 8, 16);

describe("byte shuffle", () => {
  it("puts all first bytes before all second bytes", () => {
    const target = new Uint8Array(7);
    shuffle(Uint8Array.of(1, 10, 2, 20, 3, 30, 99), target, 2);
    expect([...target]).toEqual([1, 2, 3, 10, 20, 30, 99]);
  });

  it("is undone by unshuffle for every item size and length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), itemSizes, (bytes, itemSize) => {
        const shuffled = new Uint8Array(bytes.length);
        const back = new Uint8Array(bytes.length);
        shuffle(bytes, shuffled, itemSize);
        unshuffle(shuffled, back, itemSize);
        expect(back).toEqual(bytes);
      }),
    );
  });

  it("gives the same bytes by SIMD as by the plain loop, both ways", () => {
    const shuffler = new Shuffler(2048, 2);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2048 }), itemSizes, fc.nat(1), (bytes, itemSize, slot) => {
        const expected = new Uint8Array(bytes.length);
        shuffle(bytes, expected, itemSize);
        shuffler.input(bytes.length).set(bytes);
        const shuffled = shuffler.shuffle(bytes.length, itemSize, slot).slice();
        expect(shuffled).toEqual(expected);
        shuffler.input(bytes.length).set(shuffled);
        expect(shuffler.unshuffle(bytes.length, itemSize, slot).slice()).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("is undone piece by piece for lengths that are many pieces", () => {
    const shuffler = new Shuffler(100);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), itemSizes, (bytes, itemSize) => {
        const shuffled = new Uint8Array(bytes.length);
        shuffle(bytes, shuffled, itemSize);
        const back = new Uint8Array(bytes.length);
        shuffler.unshuffleInto(shuffled, back, itemSize);
        expect(back).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("keeps the result of one slot while another is filled", () => {
    const shuffler = new Shuffler(64, 2);
    shuffler.input(64).fill(1);
    const first = shuffler.shuffle(64, 2, 0);
    shuffler.input(64).fill(2);
    shuffler.shuffle(64, 2, 1);
    expect(first.every((byte) => byte === 1)).toBe(true);
  });
});
