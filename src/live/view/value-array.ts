/** Arrays of what a dataset can hold: numbers, complex numbers, text, records, and points of varying shape. */
import type { TypedArray } from "../../core/dtype.ts";
import { contiguousStride, isContiguous, type NdArray, sizeOf, zeros } from "../../core/nd-array.ts";

/** Text in C order. */
export interface TextArray {
  readonly dtype: "string";
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** Complex numbers in C order. */
export interface ComplexArray {
  readonly dtype: "complex64" | "complex128";
  readonly shape: readonly number[];
  /** Real and imaginary part of each, one after the other. */
  readonly data: Float32Array | Float64Array;
}

/** Records: columns of one shape. */
export interface CompoundArray {
  readonly dtype: "compound";
  readonly shape: readonly number[];
  readonly columns: readonly (readonly [name: string, values: ValueArray])[];
}

/** Arrays of a shape each, one after the other. */
export interface RaggedArray {
  readonly dtype: "ragged";
  readonly shape: readonly number[];
  readonly data: readonly NdArray[];
}

/** What a dataset is read as. */
export type ValueArray = NdArray | TextArray | ComplexArray | CompoundArray | RaggedArray;

/** Indexes `start`, `start + step`, … along an axis; the step may be negative. */
export interface AxisRange {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** True for plain numbers. */
export function isNumbers(array: ValueArray): array is NdArray {
  return "stride" in array;
}

/** True if a selection is the whole array as it is. */
export function isWhole(shape: readonly number[], axes: readonly AxisRange[]): boolean {
  return axes.every(({ start, step, count }, axis) => start === 0 && step === 1 && count === shape[axis]);
}

/**
 * Part of an array.
 *
 * @param axes - One for each axis, within its length.
 * @returns Of the shape of the counts, in C order. Shares memory where it is the whole.
 */
export function takeValues(array: ValueArray, axes: readonly AxisRange[]): ValueArray {
  const shape = axes.map(({ count }) => count);
  if (isNumbers(array)) {
    if (isWhole(array.shape, axes) && isContiguous(array)) return array;
    const out = zeros(shape, array.dtype);
    gather(wordsOf(array.data), array.stride, axes, wordsOf(out.data));
    return out;
  }
  if (isWhole(array.shape, axes)) return array;
  if (array.dtype === "compound") {
    return {
      ...array,
      shape,
      columns: array.columns.map(([name, values]) => [name, takeValues(values, axes)] as const),
    };
  }
  const stride = contiguousStride(array.shape);
  if (array.dtype === "complex64" || array.dtype === "complex128") {
    const size = sizeOf(shape) * 2;
    const data = array.dtype === "complex64" ? new Float32Array(size) : new Float64Array(size);
    const pair = { start: 0, step: 1, count: 2 };
    gather(wordsOf(array.data), [...stride.map((step) => step * 2), 1], [...axes, pair], wordsOf(data));
    return { dtype: array.dtype, shape, data };
  }
  const out: unknown[] = new Array(sizeOf(shape));
  gather(array.data, stride, axes, out);
  return { ...array, shape, data: out } as TextArray | RaggedArray;
}

/** The same elements with other axes: of the same number of elements. In C order. */
export function reshape<T extends ValueArray>(array: T, shape: readonly number[]): T {
  if ("stride" in array) return { ...array, shape: [...shape], stride: contiguousStride(shape) };
  if (array.dtype !== "compound") return { ...array, shape: [...shape] };
  const columns = array.columns.map(([name, values]) => [name, reshape(values, shape)] as const);
  return { ...array, shape: [...shape], columns };
}

/** Arrays one behind the other along their first axis; they have the other axes, and the type, in common. */
export function joinValues(parts: readonly [ValueArray, ...ValueArray[]]): ValueArray {
  const [first] = parts;
  if (parts.length === 1) return first;
  const shape = first.shape.with(
    0,
    parts.reduce((sum, part) => sum + (part.shape[0] as number), 0),
  );
  if (isNumbers(first)) {
    const out = zeros(shape, first.dtype);
    let at = 0;
    for (const part of parts as readonly NdArray[]) {
      wordsOf(out.data).set(wordsOf(part.data).subarray(0, sizeOf(part.shape)) as never, at);
      at += sizeOf(part.shape);
    }
    return out;
  }
  if (first.dtype === "compound") {
    const columns = first.columns.map(([name], i) => {
      const values = (parts as readonly CompoundArray[]).map((part) => (part.columns[i] as [string, ValueArray])[1]);
      return [name, joinValues(values as unknown as [ValueArray])] as const;
    });
    return { ...first, shape, columns };
  }
  const data = (parts as readonly TextArray[]).flatMap((part) => [...part.data]);
  if (first.dtype === "complex64") return { ...first, shape, data: Float32Array.from(data as never) };
  if (first.dtype === "complex128") return { ...first, shape, data: Float64Array.from(data as never) };
  return { ...first, shape, data } as ValueArray;
}

/**
 * A value, as a reader sees it. Without axes: a number, a `bigint` for 64-bit integers, a boolean, text, a pair for a
 * complex number, an object for a record. With axes: an array.
 */
export type PlainValue =
  | number
  | bigint
  | boolean
  | string
  | readonly [real: number, imaginary: number]
  | { readonly [name: string]: PlainValue }
  | ValueArray;

/** What a reader sees of an array. */
export function plainValue(array: ValueArray): PlainValue {
  if (array.shape.length > 0) return array;
  if (array.dtype === "compound") {
    return Object.fromEntries(array.columns.map(([name, values]) => [name, plainValue(values)]));
  }
  if (array.dtype === "complex64" || array.dtype === "complex128")
    return [array.data[0] as number, array.data[1] as number];
  if (array.dtype === "bool") return array.data[0] === 1;
  return array.data[0] as number | bigint | string | NdArray;
}

/** Copies elements in C order of the axes. */
function gather(
  source: ArrayLike<unknown>,
  stride: readonly number[],
  axes: readonly AxisRange[],
  out: { [index: number]: unknown },
): void {
  const rank = axes.length;
  const size = axes.reduce((product, { count }) => product * count, 1);
  if (size === 0) return;
  const steps = axes.map(({ step }, axis) => step * (stride[axis] as number));
  let at = axes.reduce((sum, { start }, axis) => sum + start * (stride[axis] as number), 0);
  if (rank === 0) {
    out[0] = source[at];
    return;
  }
  const inner = axes[rank - 1]?.count as number;
  const innerStep = steps[rank - 1] as number;
  const index = new Array<number>(rank).fill(0);
  for (let to = 0; to < size; ) {
    for (let i = 0, from = at; i < inner; i++, from += innerStep) out[to++] = source[from];
    for (let axis = rank - 2; axis >= 0; axis--) {
      at += steps[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (axes[axis]?.count as number)) break;
      at -= (steps[axis] as number) * (axes[axis]?.count as number);
      index[axis] = 0;
    }
  }
}

/** Whole words, so that no float changes on its way: a float32 that is a signalling NaN would. */
function wordsOf(data: TypedArray): TypedArray {
  if (!(data instanceof Float32Array)) return data;
  return new Uint32Array(data.buffer, data.byteOffset, data.length);
}
