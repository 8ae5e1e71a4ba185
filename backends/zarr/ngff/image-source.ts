/** Images that need not be in memory: read in parts, or given part by part. */
import type { OperationOptions } from "../../../src/core/byte-store.ts";
import { checkNdArray, describe } from "../../../src/core/checks.ts";
import { type DType, parseDType } from "../../../src/core/dtype.ts";
import { type ErrorContext, StorageError } from "../../../src/core/errors.ts";
import { type AxisSelection, checkShape, isNdArray, type NdArray } from "../../../src/core/nd-array.ts";

/** An image that is read in parts, in any order. An open `ZarrArray` is one. */
export interface ImageSource {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Shape of what it reads at once, if it does not read any part at the cost of just that part. */
  readonly chunkShape?: readonly number[] | undefined;
  /**
   * Reads a part. Several may be asked for at once.
   *
   * @param selection - A range for every axis.
   * @returns Of the shape of the ranges, any strides; must stay as it is until it is written.
   */
  read(selection: readonly AxisSelection[], options?: OperationOptions): NdArray | Promise<NdArray>;
}

/** An image that comes part by part, each element once. */
export interface ImageParts {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /**
   * Arrays follow one another: each has the last axes of the image whole, as a plane has, or only a piece along the first
   * of its own axes, as a strip of lines has. A part with a `start` may come at any time. Each is borrowed until the next
   * one is asked for.
   */
  readonly parts: Iterable<NdArray | ImagePart> | AsyncIterable<NdArray | ImagePart>;
  /** Names of the axes that the arrays do not have, from the slowest to the quickest. Default: as in the image. */
  readonly order?: readonly string[] | undefined;
}

/** A part that says where it is. */
export interface ImagePart {
  /** Index of its first element along each axis. */
  readonly start: readonly number[];
  /** With all axes of the image; any strides. */
  readonly array: NdArray;
}

/** What an image is written from. */
export type ImageInput = NdArray | ImageSource | ImageParts;

/** True for an image that is read in parts. */
export function isImageSource(input: ImageInput): input is ImageSource {
  return typeof (input as Partial<ImageSource>).read === "function";
}

/**
 * Checks what an image is to be written from. Reads nothing.
 *
 * @throws A {@link StorageError} `INVALID_DATA`, `DTYPE_MISMATCH`.
 */
export function checkImageInput(input: unknown, context: ErrorContext): ImageInput {
  if (typeof input !== "object" || input === null || isNdArray(input)) return checkNdArray(input, context);
  const { shape, dtype, chunkShape, read, parts } = input as Partial<ImageSource & ImageParts>;
  const isIterable =
    typeof parts === "object" && parts !== null && (Symbol.iterator in parts || Symbol.asyncIterator in parts);
  if (!Array.isArray(shape) || (typeof read !== "function" && !isIterable)) {
    const wanted = "an array, { shape, dtype, read(selection) } or { shape, dtype, parts }";
    throw new StorageError("INVALID_DATA", `An image is written from ${wanted}, not from ${describe(input)}`, context);
  }
  checkShape(shape);
  parseDType(dtype as DType);
  const isChunk = (length: unknown) => Number.isSafeInteger(length) && (length as number) >= 1;
  if (chunkShape !== undefined && (chunkShape.length !== shape.length || !chunkShape.every(isChunk))) {
    const message = `The chunkShape of a source of ${shape.length} axes is [${chunkShape.join(", ")}]`;
    throw new StorageError("INVALID_DATA", message, context);
  }
  return input as ImageInput;
}
