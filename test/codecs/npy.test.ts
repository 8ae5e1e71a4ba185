import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { npyCodec } from "../../src/codecs/npy.ts";
import { toTypestr } from "../../src/core/dtype.ts";
import { arrayToBytes, type NdArray, ndArray, zeros } from "../../src/core/nd-array.ts";
import { allDtypes, anyArray, bitsOf, ramp } from "../support/arrays.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";

const fixture = (name: string) => readFileSync(join(import.meta.dirname, "fixtures", name));

/** A file by the letter of numpy's format description, independent of the encoder. */
function npyFile(header: string, data: Uint8Array, version = 1): Uint8Array {
  const text = Buffer.from(`${header}\n`, "latin1");
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from("NUMPY"), version, 0]), length, text, data]);
}

describe("npy", () => {
  it("gives back every dtype, shape and layout, bit by bit", async () => {
    await fc.assert(
      fc.asyncProperty(anyArray(), async (array) => {
        expect(bitsOf(await roundTrip(npyCodec, array))).toEqual(bitsOf(array));
      }),
    );
  });

  it("reads both byte orders and both orders of axes, of every dtype", async () => {
    await fc.assert(
      fc.asyncProperty(anyArray(), fc.constantFrom("little", "big"), fc.boolean(), async (array, endian, isFortran) => {
        const reversed = { ...array, shape: [...array.shape].reverse(), stride: [...array.stride].reverse() };
        const data = arrayToBytes(isFortran ? reversed : array, endian);
        const shape = `(${array.shape.map((length) => `${length},`).join(" ")})`;
        const order = isFortran ? "True" : "False";
        const header = `{'descr': '${toTypestr(array.dtype, endian)}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
        expect(bitsOf(await decode(npyCodec, npyFile(header, data)))).toEqual(bitsOf(array));
      }),
    );
  });

  it.each([
    ["numpy-v1-u2.npy", ramp([2, 3], "uint16")],
    ["numpy-v2-u2.npy", ramp([2, 3], "uint16")],
    ["numpy-v3-u2.npy", ramp([2, 3], "uint16")],
    ["numpy-v1-be-f8-fortran.npy", ramp([2, 3, 4], "float64")],
    ["numpy-v1-scalar-i8.npy", ndArray(BigInt64Array.of(-7n), [])],
    ["numpy-v1-bool.npy", ndArray(Uint8Array.of(1, 0, 1), [3], "bool")],
  ])("reads %s as NumPy wrote it", async (name, expected) => {
    expect(bitsOf(await decode(npyCodec, fixture(name)))).toEqual(bitsOf(expected));
  });

  it("writes, to the byte, what NumPy writes", async () => {
    expect(Buffer.from(await encode(npyCodec, ramp([2, 3], "uint16")))).toEqual(fixture("numpy-v1-u2.npy"));
    expect(Buffer.from(await encode(npyCodec, ndArray(Uint8Array.of(1, 0, 1), [3], "bool")))).toEqual(
      fixture("numpy-v1-bool.npy"),
    );
    expect(Buffer.from(await encode(npyCodec, ndArray(BigInt64Array.of(-7n), [])))).toEqual(
      fixture("numpy-v1-scalar-i8.npy"),
    );
  });

  it.each(allDtypes)("starts the data of %s at a multiple of 64 bytes", async (dtype) => {
    for (const shape of [[], [3], [1000, 1000, 0], [2, 3, 4, 5, 6, 7, 8]]) {
      const parts = await npyCodec.encode(zeros(shape, dtype), { identifier: "x", options: {} });
      expect((parts as Uint8Array[])[0]?.length).toSatisfy((length: number) => length % 64 === 0);
    }
  });

  it("writes a C-order array from its own memory and reads into that of the file", async () => {
    const array = ramp([4, 4], "uint16");
    const parts = (await npyCodec.encode(array, { identifier: "x", options: {} })) as Uint8Array[];
    expect(parts[1]?.buffer).toBe(array.data.buffer);
    const file = Uint8Array.from(Buffer.concat(parts));
    expect(((await npyCodec.decode(file, { identifier: "x", options: {} })) as NdArray).data.buffer).toBe(file.buffer);
  });

  it("reads Fortran order as a strided view", async () => {
    const array = (await decode(npyCodec, fixture("numpy-v1-be-f8-fortran.npy"))) as NdArray;
    expect(array.stride).toEqual([1, 2, 6]);
  });

  it.each([
    ["numpy-complex.npy", "complex"],
    ["numpy-structured.npy", "structured"],
    ["numpy-object.npy", "|O"],
    ["numpy-text.npy", "<U2"],
  ])("refuses %s by name", async (name, word) => {
    await expect(decode(npyCodec, fixture(name))).rejects.toMatchObject({
      code: "DTYPE_MISMATCH",
      message: expect.stringContaining(word),
    });
  });

  it("finds every truncation, and bytes too many", async () => {
    const file = fixture("numpy-v1-u2.npy");
    for (let length = 0; length < file.length; length++) {
      await expect(decode(npyCodec, file.subarray(0, length))).rejects.toMatchObject({ code: "CORRUPT" });
    }
    await expect(decode(npyCodec, Buffer.concat([file, Buffer.alloc(1)]))).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it.each([
    ["a magic number that is not NumPy's", Buffer.from("PK\x03\x04 and some more bytes")],
    ["an unknown version", npyFile("{'descr': '<u2', 'fortran_order': False, 'shape': (), }", new Uint8Array(2), 4)],
    ["a header without a shape", npyFile("{'descr': '<u2', 'fortran_order': False, }", new Uint8Array(2))],
    ["a header that is not a dict", npyFile("hello", new Uint8Array(2))],
  ])("says CORRUPT to %s", async (_what, file) => {
    await expect(decode(npyCodec, file)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("refuses what is no array, and options it does not have", async () => {
    await expect(encode(npyCodec, [1, 2, 3])).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(encode(npyCodec, zeros([2], "uint8"), { compression: "gzip" })).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining('no option "compression"'),
    });
  });
});
