import fc from "fast-check";
import NumcodecsBlosc from "numcodecs/blosc";
import { describe, expect, it } from "vitest";
import { encodeBlosc } from "../../src/codecs/blosc.ts";
import { BloscDecoder } from "../../src/codecs/blosc-decoder.ts";
import { readBloscHeader } from "../../src/codecs/blosc-header.ts";
import { isStorageError } from "../../src/core/errors.ts";

const foreign = NumcodecsBlosc.fromConfig({ id: "blosc" });

/** Partly noise, partly constant, so that some blocks pack and others do not. */
function mixed(byteLength: number): Uint8Array {
  let state = 7;
  return Uint8Array.from({ length: byteLength }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return i % 3000 < 1000 ? state >>> 24 : (i >> 6) & 0xff;
  });
}

const lengths = fc.integer({ min: 1, max: 9_000 });
const itemSizes = fc.constantFrom(1, 2, 3, 4, 8);

describe("Blosc frames of several blocks", () => {
  it("come back equal from our decoder and from C-Blosc", async () => {
    await fc.assert(
      fc.asyncProperty(
        lengths,
        itemSizes,
        fc.integer({ min: 1, max: 4_000 }),
        fc.boolean(),
        async (length, itemSize, blockBytes, shuffle) => {
          const bytes = mixed(length);
          const frame = await encodeBlosc(bytes, { itemSize, blockBytes, shuffle });
          expect(Buffer.compare(await new BloscDecoder().decode(frame, length), bytes)).toBe(0);
          expect(Buffer.compare(new Uint8Array(await foreign.decode(frame)), bytes)).toBe(0);
        },
      ),
    );
  });

  it("have blocks of the length that was asked for, of whole items", async () => {
    const frame = await encodeBlosc(mixed(100_000), { itemSize: 2, blockBytes: 30_001 });
    expect(readBloscHeader(frame)).toMatchObject({ blockBytes: 30_016, byteLength: 100_000, isStored: false });
  });

  it("give any part, into memory that is there, like the same part of the whole", async () => {
    const decoder = new BloscDecoder();
    await fc.assert(
      fc.asyncProperty(
        lengths,
        itemSizes,
        fc.integer({ min: 16, max: 3_000 }),
        fc.boolean(),
        fc.nat(),
        fc.nat(),
        async (length, itemSize, blockBytes, shuffle, a, b) => {
          const bytes = mixed(length);
          const frame = await encodeBlosc(bytes, { itemSize, blockBytes, shuffle });
          const [start = 0, stop = 0] = [a % (length + 1), b % (length + 1)].sort((x, y) => x - y);
          const into = new Uint8Array(stop - start).fill(0xaa);
          expect(await decoder.decodePart(frame, length, { start, stop }, into)).toBe(into);
          expect(Buffer.compare(into, bytes.subarray(start, stop))).toBe(0);
          const fresh = await decoder.decodePart(frame, length, { start, stop });
          expect(Buffer.compare(fresh, bytes.subarray(start, stop))).toBe(0);
        },
      ),
    );
  });

  it("are read no further than a part needs", async () => {
    const bytes = mixed(200_000);
    const frame = await encodeBlosc(bytes, { itemSize: 2, blockBytes: 16_384 });
    const decoder = new BloscDecoder();
    const part = { start: 100_001, stop: 100_999 };
    let moved = 0;
    const sparse = decoder.readPart(frame.byteLength, bytes.byteLength, part, (into, offset) => {
      into.set(frame.subarray(offset, offset + into.byteLength));
      moved += into.byteLength;
      return true;
    }) as Uint8Array;
    expect(moved).toBeLessThan(20_000);
    expect(await decoder.decodePart(sparse, 200_000, part)).toEqual(bytes.slice(part.start, part.stop));
    expect(decoder.readPart(frame.byteLength, 200_000, part, () => false)).toBeUndefined();
  });

  for (const cname of ["zstd", "lz4", "blosclz", "zlib"]) {
    it(`of C-Blosc with ${cname} give parts`, async () => {
      const bytes = mixed(300_000);
      for (const shuffle of [0, 1, 2]) {
        for (const blocksize of [0, 8192]) {
          const codec = NumcodecsBlosc.fromConfig({ id: "blosc", cname, shuffle, clevel: 5, blocksize });
          const frame = new Uint8Array(await codec.encode(bytes));
          for (const [start, stop] of [
            [0, 300_000],
            [8_190, 8_194],
            [299_999, 300_000],
            [5, 5],
          ] as const) {
            const part = await new BloscDecoder().decodePart(frame, 300_000, { start, stop });
            expect(Buffer.compare(part, bytes.subarray(start, stop))).toBe(0);
          }
        }
      }
    });
  }

  it("that are cut or have bits flipped give their length of bytes or CORRUPT, whole and in parts", async () => {
    const bytes = mixed(20_000);
    const frame = await encodeBlosc(bytes, { itemSize: 2, blockBytes: 4_096 });
    const decoder = new BloscDecoder();
    const part = { start: 5_000, stop: 13_000 };
    const tries = [
      (damaged: Uint8Array) => decoder.decode(damaged, 20_000),
      (damaged: Uint8Array) => decoder.decodePart(damaged, 20_000, part),
      async (damaged: Uint8Array) => {
        const read = (into: Uint8Array, at: number) => {
          // Nothing beyond the frame is asked for.
          expect(at + into.byteLength).toBeLessThanOrEqual(damaged.byteLength);
          into.set(damaged.subarray(at, at + into.byteLength));
          return true;
        };
        const sparse = decoder.readPart(damaged.byteLength, 20_000, part, read) ?? damaged;
        return decoder.decodePart(sparse, 20_000, part);
      },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(frame.byteLength - 1), fc.integer({ min: 0, max: 7 })), { maxLength: 4 }),
        fc.option(fc.nat(frame.byteLength), { freq: 3 }),
        fc.nat(50),
        async (flips, cut, early) => {
          const damaged = frame.slice(0, cut ?? frame.byteLength);
          for (const [at, bit] of flips) {
            // Half of them in the header and the starts of blocks.
            const place = early < 25 ? at % 40 : at;
            if (place < damaged.byteLength) damaged[place] = (damaged[place] as number) ^ (1 << bit);
          }
          for (const [i, run] of tries.entries()) {
            try {
              expect((await run(damaged)).byteLength).toBe(i === 0 ? 20_000 : 8_000);
            } catch (error) {
              if (!isStorageError(error, "CORRUPT")) throw error;
            }
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
