/**
 * Arrays of numbers whose points have a shape each: an axis of `-1`. A batch is one entry, its points all of one shape.
 *
 * @see blissdata: the payload is MessagePack of the shape without the number of points, and the bytes
 */
import { type DType, dtypes, type Endian, fromTypestr } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { arrayFromBytes, arrayToBytes, type NdArray, sizeOf, sliceArray } from "../../core/nd-array.ts";
import type { Entry } from "../engine.ts";
import { packShapedBytes, unpackShapedBytes } from "./message-pack.ts";
import { checkDType, countPoints, toArray } from "./numeric.ts";
import type { EncodedPoints, PointCodec } from "./point-codec.ts";

/** Points of one dtype, and of a shape each. */
export class VaryingCodec implements PointCodec<readonly NdArray[], NdArray> {
  readonly #dtype: DType;
  readonly #endian: Endian;
  readonly #shape: readonly number[];

  /**
   * @param typestr - NumPy type string with the byte order of the payload.
   * @param shape - Shape of one point, `-1` for axes that vary.
   */
  constructor(typestr: string, shape: readonly number[]) {
    ({ dtype: this.#dtype, endian: this.#endian } = fromTypestr(typestr));
    this.#shape = shape;
  }

  encode(data: unknown): EncodedPoints {
    const array = checkDType(toArray(data, this.#dtype), this.#dtype);
    const length = countPoints(array, this.#shape);
    const shape = array.shape.slice(array.shape.length - this.#shape.length);
    return { length, payload: packShapedBytes(shape, arrayToBytes(array, this.#endian)) };
  }

  decode(entry: Entry, from: number, to: number): readonly NdArray[] {
    const { shape, bytes } = unpackShapedBytes(entry.payload);
    const size = sizeOf(shape) * entry.length * dtypes[this.#dtype].itemSize;
    const fits = shape.length === this.#shape.length && this.#shape.every((n, axis) => n === -1 || n === shape[axis]);
    if (!fits || bytes.length !== size) {
      const message = `Entry ${entry.index} has ${bytes.length} bytes, ${entry.length} points of [${shape.join(", ")}] take ${size}`;
      throw new StorageError("CORRUPT", fits ? message : `${message}, and the stream has other points`);
    }
    const all = arrayFromBytes(bytes, this.#dtype, [entry.length, ...shape], this.#endian);
    return Array.from({ length: to - from }, (_, i) => sliceArray(all, [from + i]));
  }

  concat(parts: readonly (readonly NdArray[])[]): readonly NdArray[] {
    return parts.flat();
  }

  pick(points: readonly NdArray[], indexes: readonly number[]): readonly NdArray[] {
    return indexes.map((index) => points[index] as NdArray);
  }

  at(points: readonly NdArray[], index: number): NdArray {
    return points[index] as NdArray;
  }

  count(points: readonly NdArray[]): number {
    return points.length;
  }
}
