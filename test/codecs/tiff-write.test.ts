/** What we write, read by others: geotiff, utif2, sharp, and the letter of TIFF 6.0. */
import fc from "fast-check";
import { fromArrayBuffer } from "geotiff";
import sharp from "sharp";
import UTIF from "utif2";
import { describe, expect, it } from "vitest";
import { encodeTiff, type TiffOptions } from "../../src/codecs/tiff/encode.ts";
import { tiffCodec } from "../../src/codecs/tiff/tiff-codec.ts";
import { dtypes, float16ToNumber } from "../../src/core/dtype.ts";
import { arrayToBytes, copyArray, type NdArray, ndArray, zeros } from "../../src/core/nd-array.ts";
import { allDtypes, anyArray, bitsOf, ramp } from "../support/arrays.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";

const compressions = ["none", "deflate"] as const;
const images = { minRank: 2, maxRank: 4, minLength: 1 };

function fileOf(array: NdArray, options: TiffOptions = {}): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(encodeTiff(array, options)));
}

/** Reads the first page by the letter of TIFF 6.0: little-endian, one strip, classic. */
function readByHand(file: Uint8Array): { tags: Map<number, number>; pixels: Uint8Array } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  expect([view.getUint16(0, true), view.getUint16(2, true)]).toEqual([0x4949, 42]);
  const start = view.getUint32(4, true);
  const tags = new Map<number, number>();
  let before = 0;
  for (let i = 0; i < view.getUint16(start, true); i++) {
    const entry = start + 2 + 12 * i;
    const tag = view.getUint16(entry, true);
    expect(tag).toBeGreaterThanOrEqual(before);
    before = tag;
    const isShort = view.getUint16(entry + 2, true) === 3;
    tags.set(tag, isShort ? view.getUint16(entry + 8, true) : view.getUint32(entry + 8, true));
  }
  const offset = tags.get(273) as number;
  return { tags, pixels: file.subarray(offset, offset + (tags.get(279) as number)) };
}

describe("a TIFF of ours", () => {
  it.each(compressions)("gives back every dtype, shape and layout, bit by bit (%s)", async (compression) => {
    await fc.assert(
      fc.asyncProperty(anyArray(images), fc.boolean(), async (array, bigTiff) => {
        const file = await encode(tiffCodec, array, { compression, bigTiff });
        expect(bitsOf(await decode(tiffCodec, file))).toEqual(bitsOf(array));
      }),
    );
  });

  it.each(allDtypes)("has %s pixels as TIFF 6.0 lays them down", (dtype) => {
    const array = ramp([5, 7], dtype);
    const { tags, pixels } = readByHand(fileOf(array));
    const { itemSize, kind } = dtypes[dtype];
    const format = { b: 1, u: 1, i: 2, f: 3 }[kind];
    expect([256, 257, 258, 259, 262, 277, 278, 339].map((tag) => tags.get(tag))).toEqual([
      ...[7, 5, itemSize * 8, 1, 1, 1, 5, format],
    ]);
    expect(Buffer.from(pixels)).toEqual(Buffer.from(arrayToBytes(array, "little")));
  });

  const geotiffTypes = allDtypes.filter((dtype) => dtype !== "int64" && dtype !== "uint64");
  describe.each(compressions)("with compression %s", (compression) => {
    it.each(geotiffTypes)(
      "is read equal by geotiff: %s, gray, colour and pages, classic and BigTIFF",
      async (dtype) => {
        for (const shape of [
          [9, 7],
          [9, 7, 3],
          [9, 7, 4],
          [3, 9, 7],
        ]) {
          for (const bigTiff of [false, true]) {
            const array = ramp(shape, dtype);
            const tiff = await fromArrayBuffer(fileOf(array, { compression, bigTiff }).buffer);
            const pages = shape[0] === 3 ? 3 : 1;
            expect(await tiff.getImageCount()).toBe(pages);
            const values: number[] = [];
            for (let page = 0; page < pages; page++) {
              const raster = await (await tiff.getImage(page)).readRasters({ interleave: true });
              values.push(...(raster as unknown as Iterable<number>));
            }
            expect(values).toEqual(numbersOf(array));
          }
        }
      },
    );
  });

  it.each(["uint8", "uint16"] as const)("is read equal by utif2: %s", (dtype) => {
    for (const shape of [
      [9, 7],
      [9, 7, 3],
      [9, 7, 4],
    ]) {
      const array = ramp(shape, dtype);
      const { buffer } = fileOf(array);
      const [page] = UTIF.decode(buffer) as [UTIF.IFD];
      UTIF.decodeImage(buffer, page);
      const data = page.data as Uint8Array;
      expect([page.width, page.height]).toEqual([7, 9]);
      expect(Buffer.from(data)).toEqual(Buffer.from(arrayToBytes(array)));
    }
  });

  it.each([
    ["uint8", "b-w", "uchar"],
    ["uint16", "grey16", "ushort"],
    ["float32", "b-w", "float"],
  ] as const)("is read equal by sharp: %s", async (dtype, space, depth) => {
    const array = ramp([9, 7], dtype);
    for (const compression of compressions) {
      const { data, info } = await sharp(fileOf(array, { compression }), { failOn: "warning" })
        .toColourspace(space)
        .raw({ depth })
        .toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([7, 9, 1]);
      expect(data).toEqual(Buffer.from(arrayToBytes(array)));
    }
  });

  it("keeps the bits of float16, infinities and NaN among them", async () => {
    const bits = Uint16Array.of(0x7c00, 0xfc00, 0x7e01, 0x0001, 0x8000, 0x3c00);
    const array = { ...zeros([2, 3], "float16") };
    new Uint8Array(array.data.buffer).set(new Uint8Array(bits.buffer));
    expect(bitsOf(await roundTrip(tiffCodec, array))).toEqual(bitsOf(array));
  });

  it("tells bool from uint8", async () => {
    expect(await roundTrip(tiffCodec, ramp([3, 4], "bool"))).toMatchObject({ dtype: "bool" });
    expect(await roundTrip(tiffCodec, ramp([3, 4], "uint8"))).toMatchObject({ dtype: "uint8" });
  });

  it("borrows the pixels of a C-order array when saved, and of the file when loaded", async () => {
    const array = ramp([64, 64], "uint16");
    const parts = encodeTiff(array);
    expect(parts[parts.length - 1]?.buffer).toBe(array.data.buffer);
    const file = fileOf(array);
    const loaded = (await tiffCodec.decode(file, { identifier: "x", options: {} })) as NdArray;
    expect(loaded.data.buffer).toBe(file.buffer);
  });

  it("starts pixels at a multiple of 64 bytes, so that they can be viewed whatever the dtype", () => {
    for (const shape of [
      [1, 1],
      [3, 5, 7],
      [40, 5, 7, 3],
    ]) {
      for (const bigTiff of [false, true]) {
        expect((encodeTiff(zeros(shape, "float64"), { bigTiff })[0]?.length ?? 1) % 64).toBe(0);
      }
    }
  });

  it("cuts compressed pages into strips of about 256 KiB, and keeps them whole otherwise", async () => {
    const array = zeros([2, 1000, 1000], "uint8");
    for (const [compression, rows] of [
      ["none", 1000],
      ["deflate", 262],
    ] as const) {
      const image = await (await fromArrayBuffer(fileOf(array, { compression }).buffer)).getImage(1);
      expect(image.getFileDirectory().getValue("RowsPerStrip")).toBe(rows);
    }
  });

  it("loads one page with the option page", async () => {
    const array = ramp([2, 3, 5, 7], "int16");
    for (const compression of compressions) {
      const file = await encode(tiffCodec, array, { compression });
      const page = ndArray(copyArray(array).data.slice(4 * 35, 5 * 35) as Int16Array, [5, 7]);
      expect(bitsOf(await decode(tiffCodec, file, { page: 4 }))).toEqual(bitsOf(page));
      await expect(decode(tiffCodec, file, { page: 6 })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    }
  });

  it("becomes BigTIFF by itself where 32-bit offsets do not reach", () => {
    // The largest array of Node 20. Its memory is never touched, so the system never gives it.
    const [head, pixels] = encodeTiff(zeros([65_535, 65_537], "uint8")) as [Uint8Array, Uint8Array];
    const view = new DataView(head.buffer);
    expect([view.getUint16(2, true), view.getUint16(4, true)]).toEqual([43, 8]);
    expect(pixels.byteLength).toBe(2 ** 32 - 1);
    expect(new DataView((encodeTiff(zeros([2, 2], "uint8"))[0] as Uint8Array).buffer).getUint16(2, true)).toBe(42);
  });

  it("keeps a last axis of 3 as space with photometric: gray", async () => {
    const array = ramp([4, 5, 3], "uint8");
    const file = fileOf(array, { photometric: "gray" });
    expect(await (await fromArrayBuffer(file.buffer)).getImageCount()).toBe(4);
    expect(bitsOf(await decode(tiffCodec, file))).toEqual(bitsOf(array));
  });

  it("keeps a description of the caller as it is", async () => {
    const array = ramp([3, 4, 5], "float64");
    const file = await encode(tiffCodec, array, { description: "embryo, 7 s per frame, µm" });
    const image = await (await fromArrayBuffer(file.buffer)).getImage(0);
    expect(await image.getFileDirectory().loadValue("ImageDescription")).toBe("embryo, 7 s per frame, µm\0");
    expect(bitsOf(await decode(tiffCodec, file))).toEqual(bitsOf(array));
  });

  it("writes the pixel size as resolution in pixels per centimetre", async () => {
    const file = fileOf(ramp([4, 5], "uint8"), { pixelSizeMicrometers: [0.5, 0.325] });
    const directory = (await (await fromArrayBuffer(file.buffer)).getImage(0)).getFileDirectory();
    const rational = async (tag: "XResolution" | "YResolution") => {
      const [numerator, denominator] = (await directory.loadValue(tag)) as unknown as [number, number];
      return numerator / denominator;
    };
    expect(await directory.loadValue("ResolutionUnit")).toBe(3);
    expect(await rational("YResolution")).toBe(20_000);
    expect(await rational("XResolution")).toBeCloseTo(10_000 / 0.325, 3);
  });

  it("is an OME-TIFF under .ome.tif, with the axes that were named", async () => {
    const array = ramp([2, 3, 4, 5], "uint16");
    const file = await encode(tiffCodec, array, { axes: "czyx", pixelSizeMicrometers: 0.65 }, "a.OME.tif");
    const image = await (await fromArrayBuffer(file.buffer)).getImage(0);
    const xml = (await image.getFileDirectory().loadValue("ImageDescription")) as string;
    expect(xml).toMatch(/^<\?xml.*<OME .*DimensionOrder="XYZCT" Type="uint16" SizeX="5" SizeY="4" SizeZ="3" SizeC="2"/);
    expect(xml).toMatch(/SizeT="1" PhysicalSizeX="0.65" PhysicalSizeY="0.65".*<TiffData\/>/);
    expect(xml.match(/<Channel /g)).toHaveLength(2);
    expect(bitsOf(await decode(tiffCodec, file))).toEqual(bitsOf(array));
  });

  it.each([
    ["uint64", [2, 2], {}, "DTYPE_MISMATCH"],
    ["float16", [2, 2], {}, "DTYPE_MISMATCH"],
    ["uint8", [2, 2, 2, 2], {}, "INVALID_DATA"],
    ["uint8", [2, 2, 2], { axes: "pyx" }, "INVALID_DATA"],
  ] as const)(
    "is refused under .ome.tif where OME has no word for it: %s %j %j",
    async (dtype, shape, options, code) => {
      await expect(encode(tiffCodec, zeros(shape, dtype), options, "a.ome.tif")).rejects.toMatchObject({ code });
    },
  );

  it.each([
    ["a scalar", zeros([], "uint8"), {}],
    ["one axis", zeros([5], "uint8"), {}],
    ["an axis of length 0", zeros([0, 5], "uint8"), {}],
    ["text", "pixels", {}],
    ["RGB of two channels", zeros([4, 5, 2], "uint8"), { photometric: "rgb" }],
    ["axes that do not fit", zeros([4, 5], "uint8"), { axes: "tyx" }],
    ["an unknown compression", zeros([4, 5], "uint8"), { compression: "lzw" }],
    ["an unknown option", zeros([4, 5], "uint8"), { compresion: "deflate" }],
    ["a pixel size of 0", zeros([4, 5], "uint8"), { pixelSizeMicrometers: 0 }],
    ["a description with NUL", zeros([4, 5], "uint8"), { description: "a\0b" }],
  ])("is refused for %s", async (_what, value, options) => {
    await expect(encode(tiffCodec, value, options)).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it("is CORRUPT wherever it is cut off", async () => {
    for (const compression of compressions) {
      const file = fileOf(ramp([2, 5, 7], "uint16"), { compression });
      for (let length = 0; length < file.length; length++) {
        await expect(decode(tiffCodec, file.subarray(0, length))).rejects.toMatchObject({ code: "CORRUPT" });
      }
    }
  });

  it("is CORRUPT if its compressed pixels are damaged", async () => {
    const file = fileOf(ramp([50, 70], "uint16"), { compression: "deflate" });
    file.fill(0xff, file.length - 200, file.length - 100);
    await expect(decode(tiffCodec, file)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("is read by its tags once another program has changed them", async () => {
    const file = fileOf(ramp([4, 6], "uint8"));
    const { tags } = readByHand(file);
    const at = tags.get(270) as number;
    const text = Buffer.from(file).toString("latin1", at, at + 60);
    // Claims another shape: the description is not trusted.
    file.set(Buffer.from(text.replace("[4,6]", "[6,4]"), "latin1"), at);
    expect(await decode(tiffCodec, file)).toMatchObject({ shape: [4, 6], dtype: "uint8" });
  });
});

function numbersOf(array: NdArray): number[] {
  const isBits = array.dtype === "float16" && array.data instanceof Uint16Array;
  return Array.from(array.data as Uint16Array, (value) => (isBits ? float16ToNumber(value) : value));
}
