import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ZstdCodec } from "../../../backends/zarr/zstd-codec.ts";
import { zstdWindowBytes } from "../../../src/codecs/zstd-frame.ts";

/** Noise of a few bits, as cameras have it. */
function noise(byteLength: number): Uint8Array {
  let state = 3;
  return Uint8Array.from({ length: byteLength }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 28;
  });
}

const large = noise(3 << 20);

describe("a stream of Zstandard", () => {
  it("gives any part like the same part of the whole, also into memory that is there", async () => {
    const codec = new ZstdCodec(1);
    const packed = await codec.encode(large);
    const place = fc.nat({ max: large.byteLength });
    await fc.assert(
      fc.asyncProperty(place, place, fc.boolean(), async (a, b, isGiven) => {
        const part = { start: Math.min(a, b), stop: Math.max(a, b) };
        const into = isGiven ? new Uint8Array(part.stop - part.start).fill(0xaa) : undefined;
        const got = await codec.parts.decodePart(packed, large.byteLength, part, into);
        expect(Buffer.compare(got, large.subarray(part.start, part.stop))).toBe(0);
        if (into !== undefined) expect(got).toBe(into);
      }),
      { numRuns: 40 },
    );
  });

  it("gives parts of several frames at once", async () => {
    const codec = new ZstdCodec(1);
    const frames = await Promise.all([0, 1, 2, 3].map((i) => codec.encode(large.map((value) => value + i))));
    const part = { start: 1_500_000, stop: 1_900_000 };
    const got = await Promise.all(frames.map((frame) => codec.parts.decodePart(frame, large.byteLength, part)));
    for (const [i, bytes] of got.entries()) {
      expect(
        Buffer.compare(
          bytes,
          large.subarray(part.start, part.stop).map((value) => value + i),
        ),
      ).toBe(0);
    }
  });

  it("that is cut or damaged before the end of a part is CORRUPT; what comes after it is not looked at", async () => {
    const codec = new ZstdCodec(1);
    const packed = await codec.encode(large);
    const part = { start: 1_000_000, stop: 1_100_000 };
    const early = packed.slice(0, 100_000);
    await expect(codec.parts.decodePart(early, large.byteLength, part)).rejects.toMatchObject({ code: "CORRUPT" });
    const damaged = packed.slice();
    damaged.fill(0xff, 6, 40);
    await expect(codec.parts.decodePart(damaged, large.byteLength, part)).rejects.toMatchObject({ code: "CORRUPT" });
    const late = packed.slice(0, packed.byteLength - 10);
    expect(await codec.parts.decodePart(late, large.byteLength, part)).toHaveLength(100_000);
    await expect(codec.decode(late, large.byteLength)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("that holds more or less than its chunk is CORRUPT for parts too", async () => {
    const codec = new ZstdCodec(1);
    const packed = await codec.encode(large);
    const part = { start: 0, stop: 10 };
    for (const expected of [large.byteLength - 1, 5]) {
      await expect(codec.parts.decodePart(packed, expected, part)).rejects.toMatchObject({ code: "CORRUPT" });
    }
    const beyond = { start: large.byteLength - 10, stop: large.byteLength + 10 };
    await expect(codec.parts.decodePart(packed, large.byteLength + 10, beyond)).rejects.toMatchObject({
      code: "CORRUPT",
    });
  });

  it("says what memory it takes piece by piece", () => {
    // Windows of 128 MiB and of 1 KiB and three eighths, as the format has them.
    expect(zstdWindowBytes(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3))).toBe(128 << 20);
    expect(zstdWindowBytes(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 3))).toBe(1024 + 384);
    expect(zstdWindowBytes(Uint8Array.of(1, 2, 3, 4, 5, 6))).toBeUndefined();
  });

  it("lets timers have their turn while a part far behind is looked for", async () => {
    const codec = new ZstdCodec(1);
    const huge = noise(24 << 20);
    const packed = await codec.encode(huge);
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await codec.parts.decodePart(packed, huge.byteLength, { start: huge.byteLength - 10, stop: huge.byteLength });
    isOver = true;
    expect(turns).toBeGreaterThan(1);
  });
});
