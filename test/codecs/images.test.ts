/** PNG and JPEG. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { createJpegCodec } from "../../src/codecs/jpeg.ts";
import { createPngCodec } from "../../src/codecs/png.ts";
import { importSharp } from "../../src/codecs/sharp-image.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { zeros } from "../../src/core/nd-array.ts";
import { allDtypes, anyArray, bitsOf, ramp } from "../support/arrays.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";

const png = createPngCodec();
const jpeg = createJpegCodec();
const fixture = (name: string) => readFileSync(join(import.meta.dirname, "fixtures", name));

/** Images of the shapes that PNG keeps. */
const anyImage = anyArray({ dtypes: ["uint8", "uint16"], minRank: 2, maxRank: 3, minLength: 1 }).filter(
  ({ shape }) => shape.length === 2 || shape[2] === 3 || shape[2] === 4,
);

describe("png", () => {
  it("gives back every gray, RGB and RGBA image of uint8 and uint16, bit by bit", async () => {
    await fc.assert(
      fc.asyncProperty(anyImage, async (image) => {
        expect(bitsOf(await roundTrip(png, image))).toEqual(bitsOf(image));
      }),
    );
  });

  it("keeps every 16-bit value, and colours under an alpha of 0", async () => {
    const values = { ...zeros([256, 256], "uint16"), data: Uint16Array.from({ length: 65536 }, (_, i) => i) };
    expect(bitsOf(await roundTrip(png, values))).toEqual(bitsOf(values));
    const clear = { ...ramp([2, 2, 4], "uint16") };
    clear.data[3] = 0;
    expect(bitsOf(await roundTrip(png, clear))).toEqual(bitsOf(clear));
  });

  it("writes the bit depth and colour type that the array has", async () => {
    for (const [image, depth, colourType] of [
      [ramp([2, 3], "uint8"), 8, 0],
      [ramp([2, 3], "uint16"), 16, 0],
      [ramp([2, 3, 3], "uint16"), 16, 2],
      [ramp([2, 3, 4], "uint8"), 8, 6],
    ] as const) {
      const file = await encode(png, image);
      // IHDR: width, height, bit depth, colour type.
      const header = new DataView(file.buffer, 16, 10);
      expect([header.getUint32(0), header.getUint32(4), header.getUint8(8), header.getUint8(9)]).toEqual([
        ...[3, 2, depth, colourType],
      ]);
    }
  });

  it.each([
    ["gray8.png", ramp([7, 9], "uint8")],
    ["gray16.png", ramp([7, 9], "uint16")],
    ["rgb8.png", ramp([7, 9, 3], "uint8")],
    ["rgba8.png", ramp([7, 9, 4], "uint8")],
    ["gray-alpha8.png", ramp([7, 9, 2], "uint8")],
    ["rgb8-profile.png", ramp([7, 9, 3], "uint8")],
  ])("loads the numbers of %s, whatever its colour profile says", async (name, expected) => {
    expect(bitsOf(await decode(png, fixture(name)))).toEqual(bitsOf(expected));
  });

  it("loads 16-bit gray with alpha", async () => {
    const expected = ramp([7, 9, 2], "uint16");
    expected.data.forEach((value, i) => {
      expected.data[i] = (value as number) * 257;
    });
    expect(bitsOf(await decode(png, fixture("gray-alpha16.png")))).toEqual(bitsOf(expected));
  });

  it.each(allDtypes.filter((dtype) => dtype !== "uint8" && dtype !== "uint16"))("refuses %s", async (dtype) => {
    await expect(encode(png, zeros([4, 4], dtype))).rejects.toMatchObject({
      code: "DTYPE_MISMATCH",
      message: expect.stringContaining(dtype),
    });
  });

  it.each([[[4]], [[4, 4, 2]], [[2, 4, 4, 3]], [[0, 4]], [[4, 4, 5]]])("refuses the shape %j", async (shape) => {
    await expect(encode(png, zeros(shape, "uint8"))).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it("refuses options it does not know or cannot use", async () => {
    const image = zeros([2, 2], "uint8");
    await expect(encode(png, image, { quality: 3 })).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(encode(png, image, { compressionLevel: 10 })).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it("is CORRUPT if it is cut off, damaged or another format", async () => {
    const file = fixture("gray16.png");
    for (const length of [0, 8, 40, file.length - 40]) {
      await expect(decode(png, file.subarray(0, length))).rejects.toMatchObject({ code: "CORRUPT" });
    }
    await expect(decode(png, await encode(jpeg, zeros([8, 8], "uint8")))).rejects.toMatchObject({ code: "CORRUPT" });
  });
});

describe("jpeg", () => {
  it.each([[[32, 48]], [[32, 48, 3]]])("keeps the shape %j and comes near the values, no more", async (shape) => {
    const image = zeros(shape, "uint8");
    image.data.forEach((_, i) => {
      image.data[i] = i % 200;
    });
    const loaded = (await decode(jpeg, await encode(jpeg, image, { quality: 100 }))) as NdArray;
    expect([loaded.shape, loaded.dtype]).toEqual([shape, "uint8"]);
    const errors = Array.from(loaded.data as Uint8Array, (value, i) => Math.abs(value - (image.data[i] as number)));
    expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(8);
  });

  it.each(["uint16", "float32", "bool", "int8"] as const)("refuses %s", async (dtype) => {
    await expect(encode(jpeg, zeros([4, 4], dtype))).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
  });

  it("refuses alpha", async () => {
    await expect(encode(jpeg, zeros([4, 4, 4], "uint8"))).rejects.toMatchObject({ code: "INVALID_DATA" });
  });
});

describe("sharp", () => {
  it("is loaded by the first image, and not by anything else", async () => {
    const load = vi.fn(importSharp);
    const codecs = createCodecs();
    codecs.register(createPngCodec(load), { override: true });
    await encode(codecs.get("npy"), zeros([2], "uint8"));
    await encode(codecs.get("png"), zeros([4], "uint8")).catch(() => undefined);
    expect(load).not.toHaveBeenCalled();
    await encode(codecs.get("png"), zeros([2, 2], "uint8"));
    expect(load).toHaveBeenCalledOnce();
  });

  it("is MISSING_DEPENDENCY with the command that installs it, where it is not installed", async () => {
    const cause = Object.assign(new Error("Cannot find package 'sharp'"), { code: "ERR_MODULE_NOT_FOUND" });
    const absent = createPngCodec(() => Promise.reject(cause));
    const expected = { code: "MISSING_DEPENDENCY", message: expect.stringContaining("npm install sharp"), cause };
    await expect(encode(absent, zeros([2, 2], "uint8"))).rejects.toMatchObject(expected);
    await expect(decode(absent, fixture("gray8.png"))).rejects.toMatchObject(expected);
  });
});
