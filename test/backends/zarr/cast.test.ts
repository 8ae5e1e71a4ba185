import { describe, expect, it } from "vitest";
import { castArray } from "../../../backends/zarr/cast.ts";
import { float16ToNumber, numberToFloat16 } from "../../../src/core/dtype.ts";
import { ndArray, zeros } from "../../../src/core/nd-array.ts";
import { ramp } from "../../support/arrays.ts";
import { everyDType } from "./support.ts";

const cast = (values: number[], to: "uint8" | "int8" | "int64" | "uint64" | "bool", mode: "saturate" | "wrap") =>
  Array.from<number | bigint>(castArray(ndArray(Float64Array.from(values)), { to, mode }).data);

describe("casting an array", () => {
  it("answers the array itself where the type is right, and values that both types hold between all others", () => {
    const array = ramp([3, 4], "uint8");
    expect(castArray(array, { to: "uint8" })).toBe(array);
    const small = zeros([2], "uint8");
    small.data[1] = 1;
    for (const from of everyDType) {
      for (const to of everyDType) {
        const there = castArray(castArray(small, { to: from }), { to });
        expect(castArray(there, { to: "uint8" }).data, `${from} → ${to}`).toEqual(Uint8Array.of(0, 1));
      }
    }
  });

  it("is refused where an element would change, unless a rule says how", () => {
    for (const [value, to] of [
      [300, "uint8"],
      [-1, "uint8"],
      [1.5, "int8"],
      [2, "bool"],
      [Number.NaN, "int8"],
      [2 ** 24 + 1, "float32"],
      [2049, "float16"],
    ] as const) {
      const array = ndArray(Float64Array.of(value));
      expect(() => castArray(array, { to }), `${value} → ${to}`).toThrow(
        expect.objectContaining({ code: "DTYPE_MISMATCH", message: expect.stringContaining("saturate") }),
      );
    }
    expect(() => castArray(ndArray(BigInt64Array.of(2n ** 53n + 1n)), { to: "float64" })).toThrow(
      expect.objectContaining({ code: "DTYPE_MISMATCH" }),
    );
    expect(castArray(ndArray(Float64Array.of(Number.NaN)), { to: "float32" }).data[0]).toBeNaN();
    expect(() => castArray(ramp([1], "uint8"), { to: "int8", mode: "floor" as never })).toThrow(
      expect.objectContaining({ code: "INVALID_DATA" }),
    );
  });

  it("saturates: rounds, and stops at the ends", () => {
    const values = [-1, 0.5, 254.6, 256, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    expect(cast(values, "uint8", "saturate")).toEqual([0, 1, 255, 255, 255, 0, 0]);
    expect(cast([1e30, -1e30], "int64", "saturate")).toEqual([2n ** 63n - 1n, -(2n ** 63n)]);
    expect(cast([0, 0.2, -7], "bool", "saturate")).toEqual([0, 1, 1]);
  });

  it("wraps as C does", () => {
    expect(cast([256, 300, -1, 255.9], "uint8", "wrap")).toEqual([0, 44, 255, 255]);
    expect(cast([128, -129, Number.NaN], "int8", "wrap")).toEqual([-128, 127, 0]);
    expect(cast([-1], "uint64", "wrap")).toEqual([2n ** 64n - 1n]);
  });

  it("knows half floats, strided ones too", () => {
    const array = ndArray(Float32Array.of(0.5, 1, 1.5, 2, 2.5, 3), [2, 3]);
    const transposed = { ...array, shape: [3, 2], stride: [1, 3] };
    const half = castArray(transposed, { to: "float16" });
    const numbers = Array.from(half.data as Uint16Array, (value) =>
      half.data instanceof Uint16Array ? float16ToNumber(value) : value,
    );
    expect(numbers).toEqual([0.5, 2, 1, 2.5, 1.5, 3]);
    expect(castArray(half, { to: "float32" }).data).toEqual(Float32Array.of(0.5, 2, 1, 2.5, 1.5, 3));
    expect(numberToFloat16(0.5)).toBe(0x3800);
  });
});
