/** Makes an array smaller, for the levels of an image. */
import { type DType, dtypes, float16ToNumber, numberToFloat16, type TypedArray } from "../../../src/core/dtype.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { contiguous, contiguousStride, type NdArray, sizeOf, zeros } from "../../../src/core/nd-array.ts";

/** How one element is made of a block of them. */
export type DownsampleMethod = "mean" | "nearest" | "mode";

/**
 * An array of which each element stands for a block of another.
 *
 * `mean`: whole numbers are rounded to the nearest, halves upwards (2.5 → 3, −2.5 → −2); no sum overflows. `nearest`: the
 * first element of the block. `mode`: the value that occurs most often, of several the smallest; for labels. At the edges
 * a block is of the elements that are there, and a length is rounded up: 5 by 2 is 3.
 *
 * @param array - Any strides; borrowed.
 * @param factors - Length of a block along each axis.
 * @returns Memory of its own.
 * @throws A {@link StorageError} `DTYPE_MISMATCH` for the mean of `bool`, `INVALID_DATA` for factors that make no sense.
 */
export function downsample(array: NdArray, factors: readonly number[], method: DownsampleMethod): NdArray {
  const { shape, dtype } = array;
  if (factors.length !== shape.length || !factors.every((factor) => Number.isSafeInteger(factor) && factor >= 1)) {
    throw new StorageError(
      "INVALID_DATA",
      `Factors must be ${shape.length} whole numbers ≥ 1, got [${factors.join(", ")}]`,
    );
  }
  if (method === "mean" && dtype === "bool") {
    throw new StorageError("DTYPE_MISMATCH", 'There is no mean of bool; use method "mode" or "nearest"');
  }
  const out = zeros(
    shape.map((length, axis) => Math.ceil(length / (factors[axis] as number))),
    dtype,
  );
  if (out.data.length === 0) return out;
  const source = contiguous(array);
  if (method === "mean" && isPlaneHalving(factors) && isNarrow(dtype)) meanOfPlanes(source, out);
  else reduceBlocks(source, out, factors, reducers(dtype, out.data)[method]);
  return out;
}

/** True if the last two axes are halved and the others kept. */
function isPlaneHalving(factors: readonly number[]): boolean {
  return factors.length >= 2 && factors.every((factor, axis) => factor === (axis >= factors.length - 2 ? 2 : 1));
}

/** Types of which four elements can be summed as 32-bit integers. */
function isNarrow(dtype: DType): boolean {
  const { kind, itemSize } = dtypes[dtype];
  return (kind === "u" || kind === "i") && itemSize <= 2;
}

/** The common case: 2 × 2 means of images of up to 16 bits. */
function meanOfPlanes({ data, shape }: NdArray, out: NdArray): void {
  const [height, width] = shape.slice(-2) as [number, number];
  const outWidth = out.shape.at(-1) as number;
  const planes = sizeOf(shape.slice(0, -2));
  const source = data as Uint16Array;
  const target = out.data as Uint16Array;
  const pairs = width >> 1;
  let at = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y += 2) {
      let upper = (plane * height + y) * width;
      // At a lower edge of odd height the row stands for both: the mean of a, a, b, b is that of a, b.
      let lower = y + 1 < height ? upper + width : upper;
      for (let pair = 0; pair < pairs; pair++, upper += 2, lower += 2) {
        const sum =
          (source[upper] as number) +
          (source[upper + 1] as number) +
          (source[lower] as number) +
          (source[lower + 1] as number);
        target[at + pair] = (sum + 2) >> 2;
      }
      if (outWidth > pairs) target[at + pairs] = ((source[upper] as number) + (source[lower] as number) + 1) >> 1;
      at += outWidth;
    }
  }
}

/** Makes one element of a block: reads `count` elements of `source` at the places in `places`, writes to `at`. */
type Reducer = (source: TypedArray, places: Float64Array, count: number, at: number) => void;

function reducers(dtype: DType, target: TypedArray): Record<DownsampleMethod, Reducer> {
  const out = target as Float64Array;
  const nearest: Reducer = (source, places, _, at) => {
    out[at] = (source as Float64Array)[places[0] as number] as number;
  };
  return { nearest, mode: modeOf(out), mean: meanOf(dtype, target) };
}

function modeOf(out: Float64Array): Reducer {
  const values: number[] = [];
  const counts: number[] = [];
  return (source, places, count, at) => {
    values.length = 0;
    counts.length = 0;
    for (let i = 0; i < count; i++) {
      const value = (source as Float64Array)[places[i] as number] as number;
      const known = values.indexOf(value);
      if (known < 0) {
        values.push(value);
        counts.push(1);
      } else counts[known] = (counts[known] as number) + 1;
    }
    let best = 0;
    for (let i = 1; i < values.length; i++) {
      const more = (counts[i] as number) - (counts[best] as number);
      if (more > 0 || (more === 0 && (values[i] as number) < (values[best] as number))) best = i;
    }
    out[at] = values[best] as number;
  };
}

function meanOf(dtype: DType, target: TypedArray): Reducer {
  const { kind, itemSize } = dtypes[dtype];
  if (kind !== "f" && itemSize === 8) return meanOfBig(target as BigInt64Array);
  const out = target as Float64Array;
  // Half floats are bits where the runtime has no array for them.
  const isBits = dtype === "float16" && target instanceof Uint16Array;
  return (source, places, count, at) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const value = (source as Float64Array)[places[i] as number] as number;
      sum += isBits ? float16ToNumber(value) : value;
    }
    if (kind !== "f") out[at] = Math.floor((2 * sum + count) / (2 * count));
    else out[at] = isBits ? numberToFloat16(sum / count) : sum / count;
  };
}

function meanOfBig(out: BigInt64Array): Reducer {
  return (source, places, count, at) => {
    let sum = 0n;
    for (let i = 0; i < count; i++) sum += (source as BigInt64Array)[places[i] as number] as bigint;
    const [above, below] = [2n * sum + BigInt(count), 2n * BigInt(count)];
    const quotient = above / below;
    // Division of bigints goes towards 0, and this one must go down.
    out[at] = above < 0n && quotient * below !== above ? quotient - 1n : quotient;
  };
}

/** Any block of any array. */
function reduceBlocks(source: NdArray, out: NdArray, factors: readonly number[], reduce: Reducer): void {
  const { shape, data } = source;
  const stride = contiguousStride(shape);
  const places = new Float64Array(
    factors.reduce((product, factor, axis) => product * Math.min(factor, shape[axis] as number), 1),
  );
  const index = shape.map(() => 0);
  for (let at = 0; at < out.data.length; at++) {
    let count = 1;
    places[0] = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      const start = (index[axis] as number) * (factors[axis] as number);
      const length = Math.min(factors[axis] as number, (shape[axis] as number) - start);
      const step = stride[axis] as number;
      for (let i = 0; i < count; i++) places[i] = (places[i] as number) + start * step;
      for (let more = 1; more < length; more++) {
        for (let i = 0; i < count; i++) places[more * count + i] = (places[i] as number) + more * step;
      }
      count *= length;
    }
    reduce(data, places, count, at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      if (next < (out.shape[axis] as number)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
    }
  }
}
