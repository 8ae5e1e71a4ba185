import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type DType,
  dtypeOf,
  dtypes,
  float16ToNumber,
  fromTypestr,
  isDType,
  numberToFloat16,
  parseDType,
  toTypestr,
} from "../../src/core/dtype.ts";

const names = Object.keys(dtypes) as DType[];

/** Half precision by the definition of IEEE 754, with exact arithmetic: the oracle of the conversions. */
function halfByDefinition(bits: number): number {
  const sign = bits >>> 15 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  // Numerator and denominator are powers of two times integers below 2^11: every step is exact in binary64.
  return exponent === 0 ? sign * (fraction / 2 ** 24) : sign * ((1024 + fraction) / 1024) * 2 ** (exponent - 15);
}

describe("dtypes", () => {
  it("are the Zarr v3 core types that JavaScript can hold", () => {
    expect(names).toEqual([
      "bool",
      "int8",
      "uint8",
      "int16",
      "uint16",
      "int32",
      "uint32",
      "int64",
      "uint64",
      "float16",
      "float32",
      "float64",
    ]);
  });

  it.each(names)(
    "%s is held in arrays of its item size, and its type string leads back in both byte orders",
    (name) => {
      const { array, itemSize } = dtypes[name];
      expect(array.BYTES_PER_ELEMENT).toBe(itemSize);
      for (const endian of ["little", "big"] as const) {
        const expected = { dtype: name, endian: itemSize === 1 ? "little" : endian };
        expect(fromTypestr(toTypestr(name, endian))).toEqual(expected);
      }
    },
  );

  it("are told from typed arrays, bytes never as bool", () => {
    expect(dtypeOf(new Uint8Array(1))).toBe("uint8");
    expect(dtypeOf(new Uint8ClampedArray(1))).toBe("uint8");
    expect(dtypeOf(Buffer.alloc(1))).toBe("uint8");
    expect(dtypeOf(new Uint16Array(1))).toBe("uint16");
    expect(dtypeOf(new BigInt64Array(1))).toBe("int64");
    expect(dtypeOf(new Float64Array(1))).toBe("float64");
    expect(() => dtypeOf(new DataView(new ArrayBuffer(1)))).toThrow(
      expect.objectContaining({ code: "DTYPE_MISMATCH" }),
    );
  });

  it.each([["complex64"], ["complex128"], ["<c8"], ["c16"]])("%s is refused with a word on complex numbers", (name) => {
    expect(() => parseDType(name)).toThrow(
      /^Unsupported dtype "[^"]+"\. JavaScript has no complex numbers.*Supported: bool/,
    );
    expect(() => parseDType(name)).toThrow(expect.objectContaining({ code: "DTYPE_MISMATCH" }));
  });

  it.each([["string"], ["toString"], [undefined], [8], [null]])("%s is no dtype", (name) => {
    expect(isDType(name)).toBe(false);
    expect(() => parseDType(name)).toThrow(expect.objectContaining({ code: "DTYPE_MISMATCH" }));
  });

  it.each([["<U4"], ["|S3"], ["|O"], ["<M8[ns]"], ["<f16"], ["u2"], [""], ["<c8"]])(
    "type string %j is refused",
    (typestr) => {
      expect(() => fromTypestr(typestr)).toThrow(expect.objectContaining({ code: "DTYPE_MISMATCH" }));
    },
  );
});

describe("float16", () => {
  it("all 65536 bit patterns mean what IEEE 754 says", () => {
    for (let bits = 0; bits < 0x10000; bits++) expect(float16ToNumber(bits)).toBe(halfByDefinition(bits));
  });

  it("all finite and infinite values survive the way there and back", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = halfByDefinition(bits);
      if (!Number.isNaN(value)) expect(numberToFloat16(value)).toBe(bits);
    }
  });

  it("any number becomes the nearest half, ties to even", () => {
    expect(Number.isNaN(halfByDefinition(numberToFloat16(Number.NaN)))).toBe(true);
    const values = fc.oneof(
      fc.double({ noNaN: true }),
      fc.double({ min: -70000, max: 70000, noNaN: true }),
      fc.double({ min: -1e-4, max: 1e-4, noNaN: true }),
    );
    fc.assert(
      fc.property(values, (value) => {
        const bits = numberToFloat16(value);
        // The largest finite half, 65504, rounds up to infinity from 65520 on: there the next power of two would be.
        const ladder = (pattern: number) =>
          (pattern & 0x7fff) === 0x7c00 ? (pattern >>> 15 ? -65536 : 65536) : halfByDefinition(pattern);
        const distance = Math.abs(ladder(bits) - Math.max(-65536, Math.min(65536, value)));
        const magnitude = bits & 0x7fff;
        for (const neighbour of [magnitude - 1, magnitude + 1]) {
          if (neighbour < 0 || neighbour > 0x7c00) continue;
          const other = Math.abs(ladder((bits & 0x8000) | neighbour) - Math.max(-65536, Math.min(65536, value)));
          expect(distance).toBeLessThanOrEqual(other);
          if (distance === other) expect(bits & 1).toBe(0);
        }
        expect(bits >>> 15).toBe(value < 0 || Object.is(value, -0) ? 1 : 0);
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.001, 0x0001],
    [2 ** -14, 0x0400],
    [-0, 0x8000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
  ])("%d is 0x%s", (value, bits) => {
    expect(numberToFloat16(value)).toBe(bits);
  });
});
