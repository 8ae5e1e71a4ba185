import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { downsample } from "../../../../backends/zarr/ngff/downsample.ts";
import { type DType, dtypes, float16ToNumber, numberToFloat16, type TypedArray } from "../../../../src/core/dtype.ts";
import { contiguous, type NdArray, ndArray, sliceArray, zeros } from "../../../../src/core/nd-array.ts";
import { rejectionOf } from "../../../support/rejection.ts";

/** Elements of a block, found one by one. */
function* blocks(array: NdArray, factors: readonly number[]): Generator<(number | bigint)[]> {
  const { shape } = array;
  const counts = shape.map((length, axis) => Math.ceil(length / factors[axis]!));
  const total = counts.reduce((a, b) => a * b, 1);
  for (let flat = 0; flat < total; flat++) {
    let rest = flat;
    const at = counts.map(() => 0);
    for (let axis = counts.length - 1; axis >= 0; axis--) {
      at[axis] = rest % counts[axis]!;
      rest = Math.floor(rest / counts[axis]!);
    }
    const part = sliceArray(
      array,
      at.map((i, axis) => [i * factors[axis]!, Math.min((i + 1) * factors[axis]!, shape[axis]!)] as const),
    );
    yield [...(contiguous(part).data as Iterable<number | bigint>)];
  }
}

const range: Partial<Record<DType, [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

describe("a smaller array", () => {
  it("is the mean of each block, rounded to the nearest and halves upwards: every whole type, any shape and factors", () => {
    const arrays = fc.record({
      dtype: fc.constantFrom<DType>("uint8", "int8", "uint16", "int16", "uint32", "int32"),
      axes: fc.array(fc.record({ length: fc.integer({ min: 1, max: 5 }), factor: fc.integer({ min: 1, max: 3 }) }), {
        minLength: 1,
        maxLength: 4,
      }),
      halvesPlane: fc.boolean(),
      seed: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
    });
    fc.assert(
      fc.property(arrays, ({ dtype, axes, halvesPlane, seed }) => {
        const shape = axes.map(({ length }) => length);
        const isPlane = halvesPlane && axes.length >= 2;
        const factors = axes.map(({ factor }, axis) => (isPlane ? (axis >= axes.length - 2 ? 2 : 1) : factor));
        const array = zeros(shape, dtype);
        const [low, high] = range[dtype]!;
        const source = seed[Symbol.iterator]();
        for (let i = 0; i < array.data.length; i++) {
          array.data[i] = Math.round(low + (source.next().value as number) * (high - low));
        }
        const expected = [...blocks(array, factors)].map((block) => {
          const sum = (block as number[]).reduce((a, b) => a + b, 0);
          const floor = Math.floor(sum / block.length);
          return 2 * (sum - floor * block.length) >= block.length ? floor + 1 : floor;
        });
        const made = downsample(array, factors, "mean");
        expect(made.dtype).toBe(dtype);
        expect(made.shape).toEqual(shape.map((length, axis) => Math.ceil(length / factors[axis]!)));
        expect([...(made.data as Iterable<number>)]).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it("has edges of the elements that are there", () => {
    const array = ndArray(Uint16Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), [3, 3]);
    expect([...downsample(array, [2, 2], "mean").data]).toEqual([3, 5, 8, 9]);
    expect([...downsample(array, [2, 2], "nearest").data]).toEqual([1, 3, 7, 9]);
    expect([...downsample(ndArray(Uint8Array.of(255, 255), [1, 2]), [2, 2], "mean").data]).toEqual([255]);
  });

  it("does not overflow: the mean of the largest values of each type is that value", () => {
    for (const [dtype, info] of Object.entries(dtypes) as [DType, (typeof dtypes)[DType]][]) {
      if (info.kind !== "u" && info.kind !== "i") continue;
      const bits = BigInt(info.itemSize * 8 - (info.kind === "i" ? 1 : 0));
      const largest = info.itemSize === 8 ? 2n ** bits - 1n : Number(2n ** bits - 1n);
      const array = zeros([2, 2], dtype);
      (array.data as BigInt64Array).fill(largest as bigint);
      expect(downsample(array, [2, 2], "mean").data[0], dtype).toBe(largest);
    }
    expect(downsample(ndArray(BigInt64Array.of(-3n, -2n)), [2], "mean").data[0]).toBe(-2n);
    expect(downsample(ndArray(BigInt64Array.of(-3n, -4n, -4n)), [3], "mean").data[0]).toBe(-4n);
  });

  it("keeps fractions of floats, and NaN", () => {
    expect(downsample(ndArray(Float32Array.of(1, 2)), [2], "mean").data[0]).toBe(1.5);
    expect(downsample(ndArray(Float64Array.of(1, Number.NaN)), [2], "mean").data[0]).toBeNaN();
    const half = zeros([2], "float16");
    const bits = half.data instanceof Uint16Array;
    (half.data as Uint16Array).set(bits ? [numberToFloat16(1), numberToFloat16(2)] : [1, 2]);
    const mean = downsample(half, [2], "mean").data[0] as number;
    expect(bits ? float16ToNumber(mean) : mean).toBe(1.5);
  });

  it("is the most frequent value of each block, of several the smallest, and never one that is not there", () => {
    const label = (values: number[], shape: number[]) =>
      downsample(ndArray(Uint32Array.from(values), shape), [2, 2], "mode");
    expect([...label([7, 3, 3, 9], [2, 2]).data]).toEqual([3]);
    expect([...label([7, 3, 9, 5], [2, 2]).data]).toEqual([3]);
    expect([...label([8, 8, 2, 9, 9, 2], [2, 3]).data]).toEqual([8, 2]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 15, maxLength: 15 }), (values) => {
        const array = ndArray(Uint8Array.from(values), [3, 5]);
        const made = [...(downsample(array, [2, 2], "mode").data as Uint8Array)];
        [...blocks(array, [2, 2])].forEach((block, at) => {
          const count = (value: number) => block.filter((one) => one === value).length;
          const best = Math.max(...block.map((value) => count(value as number)));
          const winners = (block as number[]).filter((value) => count(value) === best);
          expect(made[at]).toBe(Math.min(...winners));
        });
      }),
    );
  });

  it("takes any strides, and shares no memory", () => {
    const whole = ndArray(
      Uint16Array.from({ length: 24 }, (_, i) => i),
      [4, 6],
    );
    const turned: NdArray = { ...whole, shape: [6, 4], stride: [1, 6] };
    const made = downsample(turned, [2, 2], "mean");
    expect([...made.data]).toEqual([...downsample(contiguous(turned), [2, 2], "mean").data]);
    const same = downsample(whole, [1, 1], "nearest");
    (same.data as TypedArray)[0] = 99;
    expect(whole.data[0]).toBe(0);
  });

  it("of nothing is nothing", () => {
    expect(downsample(zeros([0, 5], "uint16"), [2, 2], "mean").shape).toEqual([0, 3]);
  });

  it("refuses the mean of bool, and factors that make no sense", async () => {
    const bool = zeros([2, 2], "bool");
    expect(await rejectionOf(async () => downsample(bool, [2, 2], "mean"))).toMatchObject({ code: "DTYPE_MISMATCH" });
    expect([...downsample(bool, [2, 2], "mode").data]).toEqual([0]);
    for (const factors of [[2], [0, 2], [1.5, 2]]) {
      expect(await rejectionOf(async () => downsample(bool, factors, "mode"))).toMatchObject({ code: "INVALID_DATA" });
    }
  });
});
