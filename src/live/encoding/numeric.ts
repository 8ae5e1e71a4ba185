/**
 * Arrays of numbers: points of one shape, packed one after the other in C order.
 *
 * @see blissdata `encoding/numeric.py`: dtype and shape are strict, there and here
 */
import { type DType, dtypeOf, dtypes, type Endian, fromTypestr, type TypedArray } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import {
  arrayFromBytes,
  arrayToBytes,
  copyInto,
  isNdArray,
  type NdArray,
  ndArray,
  sizeOf,
  sliceArray,
  zeros,
} from "../../core/nd-array.ts";
import type { Entry } from "../engine.ts";
import type { EncodedPoints, PointCodec } from "./point-codec.ts";

/** One point: a number where points are scalars (a `bigint` for 64-bit integers), else an array. */
export type NumericPoint = number | bigint | NdArray;

/** Points of one dtype and one shape. */
export class NumericCodec implements PointCodec<NdArray, NumericPoint> {
  readonly #dtype: DType;
  readonly #endian: Endian;
  readonly #shape: readonly number[];

  /**
   * @param typestr - NumPy type string with the byte order of the payload.
   * @param shape - Shape of one point.
   */
  constructor(typestr: string, shape: readonly number[]) {
    ({ dtype: this.#dtype, endian: this.#endian } = fromTypestr(typestr));
    this.#shape = shape;
  }

  encode(data: unknown): EncodedPoints {
    const array = checkDType(toArray(data, this.#dtype), this.#dtype);
    const length = countPoints(array, this.#shape);
    return { length, payload: arrayToBytes(array, this.#endian) };
  }

  decode(entry: Entry, from: number, to: number): NdArray {
    const bytes = sizeOf(this.#shape) * dtypes[this.#dtype].itemSize;
    if (entry.payload.length !== bytes * entry.length) {
      throw new StorageError(
        "CORRUPT",
        `Entry ${entry.index} has ${entry.payload.length} bytes, ${entry.length} points take ${bytes * entry.length}`,
      );
    }
    const part = entry.payload.subarray(from * bytes, to * bytes);
    return arrayFromBytes(part, this.#dtype, [to - from, ...this.#shape], this.#endian);
  }

  concat(parts: readonly NdArray[]): NdArray {
    if (parts.length === 1) return parts[0] as NdArray;
    const length = parts.reduce((sum, part) => sum + this.count(part), 0);
    const joined = zeros([length, ...this.#shape], this.#dtype);
    let at = 0;
    for (const part of parts) {
      copyInto(part, joined.data, at);
      at += sizeOf(part.shape);
    }
    return joined;
  }

  pick(points: NdArray, indexes: readonly number[]): NdArray {
    const picked = zeros([indexes.length, ...this.#shape], this.#dtype);
    const size = sizeOf(this.#shape);
    indexes.forEach((index, i) => {
      copyInto(sliceArray(points, [index]), picked.data, i * size);
    });
    return picked;
  }

  at(points: NdArray, index: number): NumericPoint {
    const point = sliceArray(points, [index]);
    return this.#shape.length > 0 ? point : (point.data[0] as number | bigint);
  }

  count(points: NdArray): number {
    return points.shape[0] as number;
  }
}

/**
 * What was sent, as an array: a typed array is one axis; a number, a `bigint` or a boolean is a scalar, and must be one
 * that the dtype holds exactly.
 */
export function toArray(data: unknown, dtype: DType): NdArray {
  if (isNdArray(data)) return data;
  if (ArrayBuffer.isView(data) && !(data instanceof DataView)) {
    const held = data instanceof dtypes[dtype].array ? dtype : dtypeOf(data);
    return ndArray(data as unknown as TypedArray, [data.byteLength / dtypes[held].itemSize], held);
  }
  if (typeof data === "number" || typeof data === "bigint" || typeof data === "boolean") return scalar(data, dtype);
  const got = data === null ? "null" : typeof data;
  const message = `Points are a typed array, an array with a shape (ndArray), or one number; got ${got}`;
  throw new StorageError("INVALID_DATA", message);
}

function scalar(value: number | bigint | boolean, dtype: DType): NdArray {
  if (dtype === "float16" || (typeof value === "boolean") !== (dtype === "bool")) throw inexact(value, dtype);
  const array = zeros([], dtype);
  const given = typeof value === "boolean" ? Number(value) : value;
  const isBig = array.data instanceof BigInt64Array || array.data instanceof BigUint64Array;
  if (isBig && typeof given === "number" && !Number.isSafeInteger(given)) throw inexact(value, dtype);
  array.data[0] = (isBig ? BigInt(given) : Number(given)) as never;
  // A float32 may round a number, as every sensor's driver does; integers must be what they were.
  const isFloat = dtypes[dtype].kind === "f";
  const kept = array.data[0] as number | bigint;
  const isKept = isFloat ? typeof given === "number" : isBig ? kept === BigInt(given) : kept === given;
  if (!isKept) throw inexact(value, dtype);
  return array;
}

function inexact(value: unknown, dtype: DType): StorageError {
  return new StorageError("DTYPE_MISMATCH", `${String(value)} is not a value of ${dtype}; send an array of that dtype`);
}

/** The array, or `DTYPE_MISMATCH`: nothing is converted. */
export function checkDType(array: NdArray, dtype: DType): NdArray {
  if (array.dtype === dtype) return array;
  throw new StorageError("DTYPE_MISMATCH", `The stream holds ${dtype}, the data is ${array.dtype}: convert it first`);
}

/**
 * Number of points that an array has: one if it has the shape of a point, as many as its first axis is long if it has
 * one axis more.
 *
 * @throws A {@link StorageError} `SHAPE_MISMATCH` for other shapes, and for no point at all.
 */
export function countPoints(array: NdArray, shape: readonly number[]): number {
  const own = array.shape.slice(array.shape.length - shape.length);
  const fits = shape.every((length, axis) => length === own[axis] || length === -1);
  const more = array.shape.length - shape.length;
  if (fits && more === 0) return 1;
  if (fits && more === 1 && (array.shape[0] as number) > 0) return array.shape[0] as number;
  const wanted = shape.join(", ");
  throw new StorageError(
    "SHAPE_MISMATCH",
    `Points are [${wanted}]: a point or a batch [n, ${wanted}] was expected, got [${array.shape.join(", ")}]`,
  );
}
