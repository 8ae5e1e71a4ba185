import fc from "fast-check";
import NumcodecsBlosc from "numcodecs/blosc";
import { describe, expect, it } from "vitest";
import { BloscEncoder, encodeBlosc } from "../../src/codecs/blosc.ts";
import { BloscDecoder } from "../../src/codecs/blosc-decoder.ts";
import { readBloscHeader } from "../../src/codecs/blosc-header.ts";
import { loadZstd } from "../../src/codecs/zstd.ts";

const foreign = NumcodecsBlosc.fromConfig({ id: "blosc" });

/** Compressible bytes with a shuffle that matters: a slow ramp of 16-bit numbers. */
function ramp(byteLength: number): Uint8Array {
  return new Uint8Array(Uint16Array.from({ length: byteLength / 2 }, (_, i) => 1000 + (i % 500)).buffer);
}

/** Bytes that nothing compresses. */
function noise(byteLength: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: byteLength }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

describe("Blosc frames", () => {
  it("carry the item size, the byte shuffle, one unsplit Zstandard block and the true lengths", async () => {
    const frame = await encodeBlosc(ramp(20_000), { itemSize: 2 });
    expect(readBloscHeader(frame)).toEqual({
      itemSize: 2,
      byteLength: 20_000,
      blockBytes: 20_000,
      frameBytes: frame.byteLength,
      isStored: false,
      shuffle: "byte",
      format: 4,
      isSplit: false,
    });
    expect(frame.byteLength).toBeLessThan(2_000);
  });

  it("come back equal from our decoder and from C-Blosc, for every length and item size", async () => {
    const decoder = new BloscDecoder();
    const values = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 900 }),
      fc.integer({ min: 1, max: 600 }).map(noise),
    );
    await fc.assert(
      fc.asyncProperty(values, fc.constantFrom(1, 2, 4, 8), async (bytes, itemSize) => {
        const frame = await encodeBlosc(bytes, { itemSize });
        expect(await decoder.decode(frame)).toEqual(bytes);
        expect(new Uint8Array(await foreign.decode(frame))).toEqual(bytes);
      }),
    );
  });

  it.each([1, 2, 8])("store noise of item size %i at the cost of a header", async (itemSize) => {
    const bytes = noise(4096);
    const frame = await encodeBlosc(bytes, { itemSize });
    expect(frame.byteLength).toBeLessThanOrEqual(bytes.byteLength + 24);
    expect(readBloscHeader(frame).isStored).toBe(itemSize === 1);
    expect(await new BloscDecoder().decode(frame)).toEqual(bytes);
    expect(new Uint8Array(await foreign.decode(frame))).toEqual(bytes);
  });

  it("of one encoder do not disturb each other while several are under way", async () => {
    const encoder = await BloscEncoder.create({ byteLength: 60_000, itemSize: 2, slots: 3 });
    const values = [ramp(60_000), noise(60_000), ramp(30_000)];
    const frames = values.map((bytes) => {
      encoder.input(bytes.byteLength).set(bytes);
      return encoder.encode(bytes.byteLength);
    });
    expect(encoder.hasFreeSlot).toBe(false);
    await expect(encoder.encode(1)).rejects.toMatchObject({ code: "CONFLICT" });
    const decoder = new BloscDecoder();
    const decoded = await Promise.all(frames.map(async (frame) => decoder.decode(Buffer.concat(await frame))));
    expect(decoded.map((bytes, i) => Buffer.compare(bytes, values[i]!))).toEqual([0, 0, 0]);
    expect(encoder.hasFreeSlot).toBe(true);
  });

  it("give their slot back when compression fails", async () => {
    const zstd = { ...(await loadZstd()), compress: () => Promise.reject(new Error("full")) };
    const encoder = await BloscEncoder.create({ byteLength: 8, itemSize: 2, slots: 1, zstd });
    await expect(encoder.encode(8)).rejects.toThrow("full");
    expect(encoder.hasFreeSlot).toBe(true);
  });

  for (const cname of ["zstd", "lz4", "blosclz", "zlib"]) {
    for (const shuffle of [0, 1, 2]) {
      it(`of C-Blosc with ${cname} and shuffle ${shuffle} are read`, async () => {
        const codec = NumcodecsBlosc.fromConfig({ id: "blosc", cname, shuffle, clevel: 5, blocksize: 0 });
        for (const bytes of [ramp(400_000), noise(1_000), ramp(2)]) {
          const frame = new Uint8Array(await codec.encode(bytes));
          expect(Buffer.compare(await new BloscDecoder().decode(frame), bytes)).toBe(0);
        }
      });
    }
  }

  it("that are cut, damaged or not Blosc at all are refused as CORRUPT, never decoded to something else", async () => {
    const bytes = ramp(4_000);
    const frame = await encodeBlosc(bytes, { itemSize: 2 });
    const decoder = new BloscDecoder();
    const damaged = (change: (copy: Uint8Array) => Uint8Array) => decoder.decode(change(frame.slice()));
    const set = (at: number, value: number) => (copy: Uint8Array) => copy.fill(value, at, at + 1);
    for (const change of [
      (copy: Uint8Array) => copy.subarray(0, 10),
      (copy: Uint8Array) => copy.subarray(0, copy.length - 1),
      set(0, 9), // version
      set(4, 1), // length
      set(8, 0), // block size, low byte
      set(16, 0xff), // start of the block
      set(20, 0xff), // length of the block
      set(24, 0), // Zstandard magic
    ]) {
      await expect(damaged(change)).rejects.toMatchObject({ code: "CORRUPT" });
    }
    await expect(decoder.decode(frame, 4_002)).rejects.toMatchObject({ code: "CORRUPT" });
    expect((await decoder.decode(frame, 4_000)).byteLength).toBe(4_000);
  });
});
