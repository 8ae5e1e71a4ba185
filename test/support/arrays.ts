/** Arrays for tests of formats: every dtype, every value, every layout. */
import fc from "fast-check";
import { type DType, dtypes, nativeEndian, numberToFloat16 } from "../../src/core/dtype.ts";
import { arrayFromBytes, arrayToBytes, type NdArray } from "../../src/core/nd-array.ts";

/** All dtypes. */
export const allDtypes = Object.keys(dtypes) as DType[];

/** What an {@link anyArray} may be. */
export interface ArrayConstraints {
  readonly dtypes?: readonly DType[];
  readonly minRank?: number;
  readonly maxRank?: number;
  readonly minLength?: number;
}

/**
 * Arrays of random bits (NaN with payloads, infinities and denormals among them), half of them views whose axes are
 * permuted.
 */
export function anyArray(constraints: ArrayConstraints = {}): fc.Arbitrary<NdArray> {
  const { dtypes: types = allDtypes, minRank = 0, maxRank = 4, minLength = 0 } = constraints;
  const shapes = fc.array(fc.integer({ min: minLength, max: 5 }), { minLength: minRank, maxLength: maxRank });
  return fc
    .record({ dtype: fc.constantFrom(...types), shape: shapes, seed: fc.integer(), isView: fc.boolean() })
    .chain(({ dtype, shape, seed, isView }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const axes = shape.map((_, axis) => axis);
      const order = isView ? fc.shuffledSubarray(axes, { minLength: axes.length }) : fc.constant(axes);
      return order.map((permuted): NdArray => {
        const random = randomBytes(size * dtypes[dtype].itemSize, seed);
        const bytes = dtype === "bool" ? random.map((byte) => byte & 1) : random;
        const base = arrayFromBytes(bytes, dtype, shape, nativeEndian);
        return {
          ...base,
          shape: permuted.map((axis) => shape[axis] as number),
          stride: permuted.map((axis) => base.stride[axis] as number),
        };
      });
    });
}

/** Element i, in C order, is (i * 37) mod 251; as a float minus 100 and divided by 8. As in `test/codecs/fixtures`. */
export function ramp(shape: readonly number[], dtype: DType): NdArray {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = Array.from({ length: size }, (_, i) => (i * 37) % 251);
  const { kind, array } = dtypes[dtype];
  const data = new array(size);
  values.forEach((value, i) => {
    const number = kind === "f" ? (value - 100) / 8 : dtype === "bool" ? value % 2 : value;
    const isBits = dtype === "float16" && data instanceof Uint16Array;
    const element = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(number) : number;
    (data as unknown as (number | bigint)[])[i] = isBits ? numberToFloat16(number) : element;
  });
  return arrayFromBytes(new Uint8Array(data.buffer), dtype, shape, nativeEndian);
}

/** Shape, dtype and the very bits in C order: compares arrays down to the payload of a NaN. */
export function bitsOf(value: unknown): { dtype: DType; shape: readonly number[]; bits: string } {
  const array = value as NdArray;
  return {
    dtype: array.dtype,
    shape: array.shape,
    bits: Buffer.from(arrayToBytes(array, "little")).toString("hex"),
  };
}

function randomBytes(length: number, seed: number): Uint8Array {
  let state = seed | 1;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}
