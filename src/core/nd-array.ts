/**
 * N-dimensional arrays: plain data, structurally what zarrita calls a chunk plus the dtype.
 */
import {
  type DType,
  dtypeOf,
  dtypes,
  type Endian,
  nativeEndian,
  type TypedArray,
  type TypedArrayConstructor,
} from "./dtype.ts";
import { StorageError } from "./errors.ts";

/**
 * An n-dimensional array. Element `(i, j, …)` is `data[i * stride[0] + j * stride[1] + …]`; strides count elements. An
 * array is in C order when its strides are those of {@link contiguousStride}. Axis order is the owner's: images are
 * `[y, x]` or `[y, x, channel]`, image stacks `[t, y, x]`.
 */
export interface NdArray {
  /** Elements, in the machine's byte order. May be shared with other arrays: see each function for ownership. */
  readonly data: TypedArray;
  /** Length of each axis, slowest first; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Elements between neighbours along each axis. */
  readonly stride: readonly number[];
  /** Type of the elements; says `bool` and `float16` apart from the arrays that carry them. */
  readonly dtype: DType;
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** Bytes that the elements of an array take in C order. */
export function byteLengthOf(array: Pick<NdArray, "shape" | "dtype">): number {
  return sizeOf(array.shape) * dtypes[array.dtype].itemSize;
}

/** Strides of C order, last axis fastest. */
export function contiguousStride(shape: readonly number[]): number[] {
  const stride = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    stride[axis] = step;
    step *= shape[axis] as number;
  }
  return stride;
}

/**
 * Wraps a typed array, without a copy.
 *
 * @param data - Elements in C order; the result shares this memory.
 * @param shape - Axis lengths; their product must be `data.length`. Default: one axis.
 * @param dtype - Needed only for `bool` and for `float16` held as bits; otherwise taken from `data`.
 * @throws A {@link StorageError} `SHAPE_MISMATCH` or `DTYPE_MISMATCH`.
 */
export function ndArray(data: TypedArray, shape: readonly number[] = [data.length], dtype?: DType): NdArray {
  checkShape(shape);
  if (sizeOf(shape) !== data.length) {
    throw new StorageError(
      "SHAPE_MISMATCH",
      `Shape [${shape.join(", ")}] has ${sizeOf(shape)} elements, data has ${data.length}`,
    );
  }
  const type = dtype ?? dtypeOf(data);
  if (!(data instanceof dtypes[type].array)) {
    throw new StorageError(
      "DTYPE_MISMATCH",
      `${type} is held in a ${dtypes[type].array.name}, not in a ${data.constructor.name}`,
    );
  }
  return { data, shape: [...shape], stride: contiguousStride(shape), dtype: type };
}

/** A new array of zeros (`false` for bool). */
export function zeros(shape: readonly number[], dtype: DType): NdArray {
  checkShape(shape);
  return { data: new dtypes[dtype].array(sizeOf(shape)), shape: [...shape], stride: contiguousStride(shape), dtype };
}

/** True if the value has the form of an {@link NdArray} and its strides stay inside its data. */
export function isNdArray(value: unknown): value is NdArray {
  if (typeof value !== "object" || value === null) return false;
  const { data, shape, stride, dtype } = value as Partial<NdArray>;
  if (!Array.isArray(shape) || !Array.isArray(stride) || shape.length !== stride.length) return false;
  if (typeof dtype !== "string" || !Object.hasOwn(dtypes, dtype)) return false;
  if (!ArrayBuffer.isView(data) || !(data instanceof dtypes[dtype].array)) return false;
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0) || !stride.every(Number.isSafeInteger)) return false;
  if (shape.includes(0)) return true;
  let first = 0;
  let last = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const reach = ((shape[axis] as number) - 1) * (stride[axis] as number);
    if (reach < 0) first += reach;
    else last += reach;
  }
  return first >= 0 && last < data.length;
}

/** True if the elements lie in C order without gaps from the start of `data`. */
export function isContiguous(array: NdArray): boolean {
  let step = 1;
  for (let axis = array.shape.length - 1; axis >= 0; axis--) {
    if (array.shape[axis] !== 1 && array.stride[axis] !== step) return false;
    step *= array.shape[axis] as number;
  }
  return true;
}

/** The same values in C order: the array itself if it is, else a copy. */
export function contiguous(array: NdArray): NdArray {
  if (isContiguous(array)) {
    const size = sizeOf(array.shape);
    return array.data.length === size ? array : { ...array, data: array.data.subarray(0, size) as TypedArray };
  }
  const out = zeros(array.shape, array.dtype);
  copyInto(array, out.data, 0);
  return out;
}

/** A copy in C order that shares no memory with the argument. */
export function copyArray(array: NdArray): NdArray {
  // Not data.slice(): that of a Node Buffer shares memory.
  const out = zeros(array.shape, array.dtype);
  copyInto(array, out.data, 0);
  return out;
}

/** Copies the elements in C order to `target`, from element `offset` on. */
export function copyInto(array: NdArray, target: TypedArray, offset: number): void {
  if (isContiguous(array)) {
    (target as Float64Array).set(array.data.subarray(0, sizeOf(array.shape)) as Float64Array, offset);
    return;
  }
  const { shape, stride } = array;
  const [data, words] = sameBits(array.data, target);
  const rank = shape.length;
  const inner = shape[rank - 1] as number;
  const step = stride[rank - 1] as number;
  const index = new Array<number>(rank).fill(0);
  const source = data as Float64Array;
  const sink = words as Float64Array;
  const rows = inner === 0 ? 0 : sizeOf(shape) / inner;
  let out = offset;
  for (let row = 0; row < rows; row++) {
    let at = 0;
    for (let axis = 0; axis < rank - 1; axis++) at += (index[axis] as number) * (stride[axis] as number);
    for (let i = 0; i < inner; i++, at += step) sink[out++] = source[at] as number;
    for (let axis = rank - 2; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      if (next < (shape[axis] as number)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
    }
  }
}

/**
 * Arrays through which elements can be copied one by one without changing a bit: a float32 becomes a float64 on its way,
 * and that makes another NaN of a signalling one.
 */
function sameBits(source: TypedArray, target: TypedArray): readonly [TypedArray, TypedArray] {
  if (!(source instanceof Float32Array && target instanceof Float32Array)) return [source, target];
  return [bitsOf(source), bitsOf(target)];
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

/** One axis of a {@link sliceArray}: an index drops the axis, a `[start, stop]` pair keeps it, `null` takes all of it. */
export type AxisSelection = number | readonly [start: number, stop: number] | null;

/**
 * A view of part of an array, without a copy: it shares memory with its source.
 *
 * @param selection - One entry an axis, from the slowest; axes left out are taken whole. Negative numbers count from
 * the end.
 * @throws A {@link StorageError} `OUT_OF_RANGE`.
 */
export function sliceArray(array: NdArray, selection: readonly AxisSelection[]): NdArray {
  if (selection.length > array.shape.length) {
    throw new StorageError(
      "OUT_OF_RANGE",
      `Selection has ${selection.length} axes, the array has ${array.shape.length}`,
    );
  }
  let offset = 0;
  const shape: number[] = [];
  const stride: number[] = [];
  array.shape.forEach((length, axis) => {
    const step = array.stride[axis] as number;
    const part = selection[axis] ?? null;
    const [start, stop] = typeof part === "number" ? [part, part] : (part ?? [0, length]);
    const from = start < 0 ? start + length : start;
    const to = stop < 0 ? stop + length : stop;
    const limit = typeof part === "number" ? length - 1 : length;
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to > limit || from > to) {
      throw new StorageError(
        "OUT_OF_RANGE",
        `Selection ${JSON.stringify(part)} is outside axis ${axis} of length ${length}`,
      );
    }
    offset += from * step;
    if (typeof part !== "number") {
      shape.push(to - from);
      stride.push(step);
    }
  });
  return {
    data: array.data.subarray(Math.min(offset, array.data.length)) as TypedArray,
    shape,
    stride,
    dtype: array.dtype,
  };
}

/** True if dtype, shape and every element are equal; NaN equals NaN, and −0 equals 0. */
export function arraysEqual(a: NdArray, b: NdArray): boolean {
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length) return false;
  if (a.shape.some((length, axis) => length !== b.shape[axis])) return false;
  const x = contiguous(a).data;
  const y = contiguous(b).data;
  for (let i = 0; i < x.length; i++) {
    if (x[i] !== y[i] && !(Number.isNaN(x[i]) && Number.isNaN(y[i]))) return false;
  }
  return true;
}

/**
 * The elements in C order as bytes of the given byte order.
 *
 * @returns A view of the array's own memory where order and layout allow it, otherwise a copy. Do not change it.
 */
export function arrayToBytes(array: NdArray, endian: Endian = "little"): Uint8Array {
  const { data, dtype } = contiguous(array);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const { itemSize } = dtypes[dtype];
  return endian === nativeEndian || itemSize === 1 ? bytes : swapBytes(bytes.slice(), itemSize);
}

/**
 * An array over bytes in C order.
 *
 * @param bytes - At least as many as the shape needs; more is an error too.
 * @returns Shares memory with `bytes` where byte order and alignment allow it, otherwise a copy.
 * @throws A {@link StorageError} `SHAPE_MISMATCH` if the lengths disagree.
 */
export function arrayFromBytes(
  bytes: Uint8Array,
  dtype: DType,
  shape: readonly number[],
  endian: Endian = "little",
): NdArray {
  checkShape(shape);
  const { itemSize, array } = dtypes[dtype];
  const size = sizeOf(shape);
  if (bytes.byteLength !== size * itemSize) {
    throw new StorageError(
      "SHAPE_MISMATCH",
      `Shape [${shape.join(", ")}] of ${dtype} needs ${size * itemSize} bytes, got ${bytes.byteLength}`,
    );
  }
  const mustSwap = endian !== nativeEndian && itemSize > 1;
  // Not bytes.slice(): that of a Node Buffer shares memory.
  const own = mustSwap || bytes.byteOffset % itemSize !== 0 ? new Uint8Array(bytes) : bytes;
  if (mustSwap) swapBytes(own, itemSize);
  const data: TypedArray = new (array as TypedArrayConstructor)(own.buffer, own.byteOffset, size);
  return { data, shape: [...shape], stride: contiguousStride(shape), dtype };
}

/** Reverses the bytes of every element, in place, and returns the argument. */
export function swapBytes(bytes: Uint8Array, itemSize: number): Uint8Array {
  for (let start = 0; start < bytes.length; start += itemSize) {
    for (let a = start, b = start + itemSize - 1; a < b; a++, b--) {
      const byte = bytes[a] as number;
      bytes[a] = bytes[b] as number;
      bytes[b] = byte;
    }
  }
  return bytes;
}

/**
 * Checks that a shape is a list of whole numbers of at least 0.
 *
 * @throws A {@link StorageError} `SHAPE_MISMATCH`.
 */
export function checkShape(shape: readonly number[]): void {
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new StorageError("SHAPE_MISMATCH", `A shape is a list of whole numbers ≥ 0, got ${JSON.stringify(shape)}`);
  }
}
