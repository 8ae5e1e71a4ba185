/** Other programs' TIFFs: small ones made by `fixtures/make.py`, and real ones. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import UTIF from "utif2";
import { describe, expect, it } from "vitest";
import { applyPalette } from "../../src/codecs/tiff/palette.ts";
import { tiffCodec } from "../../src/codecs/tiff/tiff-codec.ts";
import { arrayToBytes, type NdArray, ndArray } from "../../src/core/nd-array.ts";
import { bitsOf, ramp } from "../support/arrays.ts";
import { hasRealData, realData } from "../support/real-data.ts";
import { decode } from "./codec-calls.ts";

const fixture = (name: string) => readFileSync(join(import.meta.dirname, "fixtures", `${name}.tif`));

describe("a TIFF of another program", () => {
  it.each([
    ["be-float32", ramp([7, 9], "float32")],
    ["be-uint16-stack", ramp([3, 7, 9], "uint16")],
    ["float16", ramp([7, 9], "float16")],
    ["float64-zstd", ramp([7, 9], "float64")],
    ["int16-packbits", ramp([7, 9], "int16")],
    ["int32-deflate-predictor", ramp([7, 9], "int32")],
    ["int8", { ...ramp([7, 9], "uint8"), data: new Int8Array(ramp([7, 9], "uint8").data.buffer), dtype: "int8" }],
    ["labels-int64", ramp([7, 9], "int64")],
    ["labels-uint64-deflate", ramp([2, 7, 9], "uint64")],
    ["uint16-tiled-lzw", ramp([40, 50], "uint16")],
    ["uint8-planar-rgb", ramp([7, 9, 3], "uint8")],
    ["uint8-rgba-bigtiff", ramp([7, 9, 4], "uint8")],
    ["uint12", ramp([7, 9], "uint16")],
    ["white-is-zero", ramp([7, 9], "uint8")],
    ["pyramid", ramp([16, 16], "uint16")],
  ] as [string, NdArray][])("loads exactly: %s", async (name, expected) => {
    expect(bitsOf(await decode(tiffCodec, fixture(name)))).toEqual(bitsOf(expected));
  });

  it("gives gray for a gray palette, and colour for any other, in as many bits as it takes", async () => {
    const indices = [...(ramp([7, 9], "uint8").data as Uint8Array)];
    const colour = (channel: number, index: number) => (channel * 256 + index) * 85 + channel * 50 + 1;
    expect(bitsOf(await decode(tiffCodec, fixture("palette-gray")))).toEqual(
      bitsOf(
        ndArray(
          Uint8Array.from(indices, (index) => 255 - index),
          [7, 9],
        ),
      ),
    );
    expect(bitsOf(await decode(tiffCodec, fixture("palette-8")))).toEqual(
      bitsOf(ndArray(Uint8Array.from(indices.flatMap((index) => [0, 1, 2].map((c) => colour(c, index)))), [7, 9, 3])),
    );
    expect(bitsOf(await decode(tiffCodec, fixture("palette-16")))).toEqual(
      bitsOf(ndArray(Uint16Array.from(indices.flatMap((index) => [0, 1, 2].map((c) => colour(c, index)))), [7, 9, 3])),
    );
  });

  it("looks a palette of 16-bit grays up without losing bits", () => {
    const map = [1000, 2001, 3, 1000, 2001, 3, 1000, 2001, 3];
    expect(applyPalette(ndArray(Uint8Array.of(2, 1, 0, 1), [2, 2]), map)).toEqual(
      ndArray(Uint16Array.of(3, 2001, 1000, 2001), [2, 2]),
    );
  });

  it("loads one page with the option page, also where pages differ or are reduced", async () => {
    expect(await decode(tiffCodec, fixture("pyramid"), { page: 1 })).toMatchObject({ shape: [8, 8] });
    expect(await decode(tiffCodec, fixture("pages-differ"), { page: 1 })).toMatchObject({
      shape: [6, 5],
      dtype: "uint8",
    });
    await expect(decode(tiffCodec, fixture("pages-differ"))).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining("page: 0"),
    });
    await expect(decode(tiffCodec, fixture("pyramid"), { page: 2 })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
  });

  it("is refused by name where no reader gives the right values", async () => {
    await expect(decode(tiffCodec, fixture("complex64"))).rejects.toMatchObject({
      code: "DTYPE_MISMATCH",
      message: expect.stringContaining("complex"),
    });
    await expect(decode(tiffCodec, fixture("be-uint16-predictor"))).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining("predictor"),
    });
  });

  it.each([
    "be-uint16-stack",
    "uint16-tiled-lzw",
    "uint8-planar-rgb",
    "int16-packbits",
    "labels-int64",
    "float64-zstd",
  ])("is CORRUPT wherever it is cut off: %s", async (name) => {
    const file = fixture(name);
    // The last few bytes may belong to a tag that nobody needs.
    for (let length = 0; length < file.length - 16; length += 13) {
      await expect(decode(tiffCodec, file.subarray(0, length))).rejects.toMatchObject({ code: "CORRUPT" });
    }
  });

  it("is CORRUPT if it is no TIFF, or if its directories run in a circle", async () => {
    await expect(decode(tiffCodec, Buffer.from("\x89PNG\r\n\x1a\n and more"))).rejects.toMatchObject({
      code: "CORRUPT",
    });
    const circle = Buffer.alloc(14);
    circle.write("II*\0\x08\0\0\0\0\0\x08\0\0\0", "latin1");
    await expect(decode(tiffCodec, circle)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("does not read beyond a Buffer that is part of a larger one", async () => {
    const file = fixture("int16-packbits");
    const larger = Buffer.alloc(file.length + 100, 0xee);
    file.copy(larger, 33);
    const part = larger.subarray(33, 33 + file.length);
    const loaded = await tiffCodec.decode(part, { identifier: "x", options: {} });
    expect(bitsOf(loaded)).toEqual(bitsOf(ramp([7, 9], "int16")));
  });
});

describe.skipIf(!hasRealData())("real files", () => {
  const sets = [
    ["plate", 18, [512, 512], "uint8"],
    ["human", 3, [512, 512], "uint8"],
    ["timelapse", 10, [264, 542, 3], "uint8"],
    ["names", 3, [520, 696], "uint16"],
  ] as const;

  it.each(sets)("all of %s load with the pixels that utif2 finds", async (folder, count, shape, dtype) => {
    const names = readdirSync(realData(folder));
    expect(names).toHaveLength(count);
    for (const name of names) {
      const file = new Uint8Array(readFileSync(join(realData(folder), name)));
      const loaded = (await decode(tiffCodec, file, {}, name)) as NdArray;
      expect([loaded.shape, loaded.dtype]).toEqual([shape, dtype]);
      const [page] = UTIF.decode(file.buffer) as [UTIF.IFD];
      UTIF.decodeImage(file.buffer, page);
      const expected = Buffer.from(page.data as Uint8Array);
      // The palettes of the plate are gray scales of 256 steps in order: the index is the gray value.
      expect(Buffer.from(arrayToBytes(loaded)).equals(expected)).toBe(true);
    }
  });

  it("have gray palettes in which the index is the value", () => {
    for (const name of readdirSync(realData("plate"))) {
      const file = new Uint8Array(readFileSync(join(realData("plate"), name)));
      const [page] = UTIF.decode(file.buffer) as [UTIF.IFD & { t320: number[] }];
      expect(page.t320).toEqual(Array.from({ length: 768 }, (_, i) => (i % 256) * 256));
    }
  });
});
