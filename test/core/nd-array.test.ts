import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkNdArray } from "../../src/core/checks.ts";
import { type DType, dtypes } from "../../src/core/dtype.ts";
import {
  arrayFromBytes,
  arraysEqual,
  arrayToBytes,
  byteLengthOf,
  contiguous,
  copyArray,
  copyInto,
  isContiguous,
  isNdArray,
  type NdArray,
  ndArray,
  sizeOf,
  sliceArray,
  swapBytes,
  zeros,
} from "../../src/core/nd-array.ts";

const names = Object.keys(dtypes) as DType[];

/** 0, 1, 2, … of any type, in C order. */
function counting(shape: readonly number[], dtype: DType): NdArray {
  const array = zeros(shape, dtype);
  const isBig = array.data instanceof BigInt64Array || array.data instanceof BigUint64Array;
  for (let i = 0; i < array.data.length; i++)
    array.data[i] = (isBig ? BigInt(i) : dtype === "bool" ? i % 2 : i) as never;
  return array;
}

/** Element by the definition in the documentation of NdArray. */
function at(array: NdArray, index: readonly number[]): number | bigint {
  return array.data[index.reduce((sum, i, axis) => sum + i * (array.stride[axis] as number), 0)] as number | bigint;
}

function* indices(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) return yield [];
  for (const rest of indices(shape.slice(0, -1))) for (let i = 0; i < (shape.at(-1) as number); i++) yield [...rest, i];
}

/** A view with permuted and skipping axes of an array that counts. */
const view = fc
  .record({
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    dtype: fc.constantFrom(...names),
    order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
    steps: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  })
  .map(({ shape, dtype, order, steps }): NdArray => {
    const base = counting(shape, dtype);
    const axes = order.filter((axis) => axis < shape.length);
    const step = (axis: number) => steps[axis] ?? 1;
    return {
      data: base.data,
      shape: axes.map((axis) => Math.ceil((shape[axis] as number) / step(axis))),
      stride: axes.map((axis) => (base.stride[axis] as number) * step(axis)),
      dtype,
    };
  });

describe("making arrays", () => {
  it.each(names)("%s: zeros have the right shape, memory and bytes", (dtype) => {
    const array = zeros([2, 3], dtype);
    expect(array).toMatchObject({ shape: [2, 3], stride: [3, 1], dtype });
    expect(array.data).toBeInstanceOf(dtypes[dtype].array);
    expect(byteLengthOf(array)).toBe(6 * dtypes[dtype].itemSize);
    expect(isNdArray(array)).toBe(true);
  });

  it("wraps without a copy and refuses what does not fit", () => {
    const data = Uint16Array.of(1, 2, 3, 4, 5, 6);
    expect(ndArray(data, [2, 3]).data).toBe(data);
    expect(ndArray(data).shape).toEqual([6]);
    expect(ndArray(Uint8Array.of(1), [1], "bool").dtype).toBe("bool");
    expect(() => ndArray(data, [2, 2])).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    expect(() => ndArray(data, [-2, -3])).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    expect(() => ndArray(data, [1.5, 4])).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    expect(() => ndArray(data, [6], "float32")).toThrow(expect.objectContaining({ code: "DTYPE_MISMATCH" }));
  });

  it("knows an array when it sees one, and a broken one", () => {
    const good = { data: new Uint8Array(6), shape: [2, 3], stride: [3, 1], dtype: "uint8" };
    expect(isNdArray(good)).toBe(true);
    expect(isNdArray({ ...good, stride: [-3, 1] })).toBe(false);
    expect(isNdArray({ ...good, stride: [3, 2] })).toBe(false);
    expect(isNdArray({ ...good, stride: [3] })).toBe(false);
    expect(isNdArray({ ...good, shape: [2, -3] })).toBe(false);
    expect(isNdArray({ ...good, dtype: "uint16" })).toBe(false);
    expect(isNdArray({ ...good, dtype: "toString" })).toBe(false);
    expect(isNdArray({ ...good, data: [1, 2] })).toBe(false);
    expect(isNdArray({ ...good, shape: [0, 3] })).toBe(true);
    expect(isNdArray({ data: new Uint8Array(1), shape: [], stride: [], dtype: "uint8" })).toBe(true);
    expect(isNdArray({ data: new Uint8Array(0), shape: [], stride: [], dtype: "uint8" })).toBe(false);
    for (const other of [null, undefined, 1, "x", [], {}]) expect(isNdArray(other)).toBe(false);
  });
});

describe("views", () => {
  it("C order of any view has the elements of the definition, in order", () => {
    fc.assert(
      fc.property(view, (array) => {
        expect(isNdArray(array)).toBe(true);
        const expected = [...indices(array.shape)].map((index) => at(array, index));
        const flat = contiguous(array);
        expect([...flat.data]).toEqual(expected);
        expect(isContiguous(flat)).toBe(true);
        expect(flat.data.length).toBe(sizeOf(array.shape));
      }),
      { numRuns: 2000 },
    );
  });

  it("a copy shares no memory, is equal, and holds no more than its elements", () => {
    fc.assert(
      fc.property(view, (array) => {
        const copy = copyArray(array);
        expect(copy.data.buffer).not.toBe(array.data.buffer);
        expect(copy.data.length).toBe(sizeOf(array.shape));
        expect(arraysEqual(copy, array)).toBe(true);
      }),
    );
  });

  it("a copy of an array over a Node Buffer shares no memory either", () => {
    const data = Buffer.from([1, 2, 3]);
    const copy = copyArray({ data, shape: [3], stride: [1], dtype: "uint8" });
    data[0] = 9;
    expect([...copy.data]).toEqual([1, 2, 3]);
  });

  it("copies of views keep every bit, also of signalling NaNs", () => {
    const bits = Uint32Array.of(0x7fb9e7b3, 0xffa00001, 0x7f800001, 0x3f800000);
    const array = ndArray(new Float32Array(bits.buffer), [2, 2]);
    const { data } = contiguous({ ...array, stride: [1, 2] });
    expect([...new Uint32Array(data.buffer)]).toEqual([0x7fb9e7b3, 0x7f800001, 0xffa00001, 0x3f800000]);
  });

  it("copyInto writes at its offset and nowhere else", () => {
    const base = counting([3, 4], "uint16");
    const transposed: NdArray = { ...base, shape: [4, 3], stride: [1, 4] };
    const target = new Uint16Array(14).fill(99);
    copyInto(transposed, target, 1);
    expect([...target]).toEqual([99, 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 99]);
  });

  it("a slice shares memory, drops indexed axes and counts from the end", () => {
    const array = counting([2, 3, 4], "int32");
    const slice = sliceArray(array, [1, [0, -1], null]);
    expect(slice.shape).toEqual([2, 4]);
    expect([...contiguous(slice).data]).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
    slice.data[0] = -7;
    expect(array.data[12]).toBe(-7);
    expect([...contiguous(sliceArray(array, [-1, -1])).data]).toEqual([20, 21, 22, 23]);
    expect(sliceArray(array, [[2, 2]]).shape).toEqual([0, 3, 4]);
    expect(isNdArray(sliceArray(array, [[2, 2]]))).toBe(true);
  });

  it.each([[[2]], [[-3]], [[[0, 3]]], [[[2, 1]]], [[0, 0, 0, 0]], [[0.5]]])(
    "a slice outside is refused: %j",
    (selection) => {
      const array = counting([2, 3, 4], "int32");
      expect(() => sliceArray(array, selection as never)).toThrow(expect.objectContaining({ code: "OUT_OF_RANGE" }));
    },
  );
});

describe("equality", () => {
  it("wants the same dtype, shape and elements, whatever the strides", () => {
    const array = counting([2, 2], "uint8");
    expect(arraysEqual(array, { ...array, dtype: "bool" })).toBe(false);
    expect(arraysEqual(array, counting([4], "uint8"))).toBe(false);
    expect(arraysEqual(array, { ...array, stride: [1, 2] })).toBe(false);
    expect(arraysEqual(ndArray(Float32Array.of(Number.NaN, 0)), ndArray(Float32Array.of(Number.NaN, -0)))).toBe(true);
    expect(arraysEqual(ndArray(Float32Array.of(Number.NaN)), ndArray(Float32Array.of(0)))).toBe(false);
    expect(arraysEqual(ndArray(BigInt64Array.of(1n)), ndArray(BigInt64Array.of(2n)))).toBe(false);
  });
});

describe("bytes", () => {
  it.each(names)("%s survives the way to bytes and back in both orders, and the orders mirror each other", (dtype) => {
    const array = counting([3, 5], dtype);
    const little = arrayToBytes(array, "little");
    const big = arrayToBytes(array, "big");
    expect(arraysEqual(arrayFromBytes(little.slice(), dtype, [3, 5], "little"), array)).toBe(true);
    expect(arraysEqual(arrayFromBytes(big.slice(), dtype, [3, 5], "big"), array)).toBe(true);
    expect([...swapBytes(big.slice(), dtypes[dtype].itemSize)]).toEqual([...little]);
  });

  it("are those that a DataView writes", () => {
    const array = ndArray(Float32Array.of(1.5, -2.25));
    const expected = new DataView(new ArrayBuffer(8));
    expected.setFloat32(0, 1.5, false);
    expected.setFloat32(4, -2.25, false);
    expect([...arrayToBytes(array, "big")]).toEqual([...new Uint8Array(expected.buffer)]);
    expected.setFloat32(0, 1.5, true);
    expected.setFloat32(4, -2.25, true);
    expect([...arrayToBytes(array, "little")]).toEqual([...new Uint8Array(expected.buffer)]);
  });

  it("swapping never touches the memory of the array or of the bytes", () => {
    const array = counting([4], "uint16");
    arrayToBytes(array, "big")[0] = 0xff;
    expect([...array.data]).toEqual([0, 1, 2, 3]);
    for (const bytes of [Uint8Array.of(0, 1, 0, 2), Buffer.from([0, 1, 0, 2])]) {
      expect([...arrayFromBytes(bytes, "uint16", [2], "big").data]).toEqual([1, 2]);
      expect([...bytes]).toEqual([0, 1, 0, 2]);
    }
  });

  it("need not be aligned, also when they lie in a pooled buffer", () => {
    for (const make of [(n: number) => new Uint8Array(n), (n: number) => Buffer.allocUnsafe(n)]) {
      const memory = make(9).fill(0);
      memory.set([1, 0, 0, 0, 2, 0, 0, 0], 1);
      expect([...arrayFromBytes(memory.subarray(1), "uint32", [2]).data]).toEqual([1, 2]);
      memory.set([0, 0, 0, 1, 0, 0, 0, 2], 1);
      expect([...arrayFromBytes(memory.subarray(1), "uint32", [2], "big").data]).toEqual([1, 2]);
    }
  });

  it("of the wrong number are refused", () => {
    for (const length of [0, 7, 9]) {
      const make = () => arrayFromBytes(new Uint8Array(length), "uint32", [2]);
      expect(make).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    }
  });

  it("a view of part of an array gives the bytes of that part", () => {
    const array = counting([4, 4], "uint16");
    const part = sliceArray(array, [
      [1, 3],
      [1, 3],
    ]);
    expect([...arrayToBytes(part)]).toEqual([5, 0, 6, 0, 9, 0, 10, 0]);
  });
});

describe("values that may be arrays", () => {
  it("are checked one by one, or all of a list by its map", () => {
    const values: unknown[] = [ndArray(Uint8Array.of(1)), ndArray(Uint8Array.of(2))];
    expect(values.map(checkNdArray)).toEqual(values);
    const wrong = expect.objectContaining({ code: "INVALID_DATA", message: expect.stringContaining("got a string") });
    expect(() => [...values, "text"].map(checkNdArray)).toThrow(wrong);
    expect(() => checkNdArray(3, { identifier: "a.json" })).toThrow(/^"a\.json": Expected an array .*got a number$/);
  });
});
