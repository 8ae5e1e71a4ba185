import { inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { compressArray, decompressArray } from "../../src/catalog/array-compression.ts";
import { arraysEqual, ndArray, sliceArray, zeros } from "../../src/core/nd-array.ts";

const small = ndArray(Uint16Array.of(1, 2, 3, 4), [2, 2]);

describe("case 54: arrays as bytes do what resonance's tests ask", () => {
  it("zlib: there and back", async () => {
    const { bytes, method } = await compressArray(small, { method: "zlib" });
    expect(method).toBe("zlib");
    expect(arraysEqual(await decompressArray(bytes, { method, dtype: "uint16", shape: [2, 2] }), small)).toBe(true);
    expect([...new Uint16Array(Uint8Array.from(inflateSync(bytes)).buffer)]).toEqual([1, 2, 3, 4]);
  });

  it("none: as many bytes as the array", async () => {
    const { bytes, method } = await compressArray(small, { method: "none" });
    expect(method).toBe("none");
    expect(bytes).toHaveLength(8);
    bytes.fill(0);
    expect([...small.data]).toEqual([1, 2, 3, 4]);
  });

  it("another method is refused", async () => {
    const other = { method: "lz4" as "zlib", dtype: "uint16", shape: [1, 1] } as const;
    await expect(decompressArray(new Uint8Array(1), other)).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(compressArray(small, other)).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it("a large array is much smaller", async () => {
    const large = zeros([256, 256], "float32");
    const { bytes, method } = await compressArray(large);
    expect(bytes.length).toBeLessThan(1000);
    expect(arraysEqual(await decompressArray(bytes, { method, dtype: "float32", shape: [256, 256] }), large)).toBe(
      true,
    );
  });

  it("three axes", async () => {
    const cube = ndArray(new Uint8Array(512).fill(1), [4, 8, 16]);
    const { bytes, method } = await compressArray(cube);
    expect(arraysEqual(await decompressArray(bytes, { method, dtype: "uint8", shape: [4, 8, 16] }), cube)).toBe(true);
  });
});

describe("arrays as bytes", () => {
  it("strided ones come in C order", async () => {
    const column = sliceArray(small, [null, 1]);
    const { bytes } = await compressArray(column, { method: "none" });
    expect([...new Uint16Array(Uint8Array.from(bytes).buffer)]).toEqual([2, 4]);
  });

  it.each([
    ["damaged", "zlib", new Uint8Array(20).fill(7)],
    ["too short", "none", new Uint8Array(7)],
    ["too long", "none", new Uint8Array(9)],
  ] as const)("bytes that are %s are named as such", async (_, method, bytes) => {
    const reading = decompressArray(bytes, { method, dtype: "uint16", shape: [2, 2] });
    await expect(reading).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("a small text that unpacks to a huge one is stopped", async () => {
    const { bytes } = await compressArray(zeros([1 << 20], "uint8"));
    const reading = decompressArray(bytes, { method: "zlib", dtype: "uint8", shape: [10] });
    await expect(reading).rejects.toMatchObject({ code: "CORRUPT" });
  });
});
