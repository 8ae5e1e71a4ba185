/** Arrays as bytes, packed or not, for columns of a database. */
import { promisify } from "node:util";
import { deflate, inflate } from "node:zlib";
import { checkNdArray } from "../core/checks.ts";
import { type DType, dtypes } from "../core/dtype.ts";
import { StorageError } from "../core/errors.ts";
import { contiguous, type NdArray, ndArray, sizeOf } from "../core/nd-array.ts";

/** How the bytes of an array are packed. */
export type ArrayCompression = "zlib" | "none";

/** What {@link compressArray} answers. */
export interface CompressedArray {
  readonly bytes: Uint8Array;
  readonly method: ArrayCompression;
}

/** What {@link decompressArray} needs to know. */
export interface DecompressArrayOptions {
  readonly method: ArrayCompression;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

const LEVEL = 6;

/**
 * The elements of an array as bytes in C order, in the byte order of this machine, packed by zlib at level 6 unless
 * `method` is `"none"`.
 *
 * @returns Memory of its own.
 * @throws A {@link StorageError} `INVALID_DATA` for another method.
 * @see resonance `compression.py`, `compress_array`
 */
export async function compressArray(
  array: NdArray,
  options: { readonly method?: ArrayCompression | undefined } = {},
): Promise<CompressedArray> {
  const { method = "zlib" } = options;
  const { data } = contiguous(checkNdArray(array, { operation: "compressArray" }));
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  switch (method) {
    case "zlib":
      return { bytes: await promisify(deflate)(bytes, { level: LEVEL }), method };
    case "none":
      return { bytes: Uint8Array.from(bytes), method };
    default:
      throw unknown(method);
  }
}

/**
 * The array that {@link compressArray} made bytes of.
 *
 * @param bytes - Borrowed.
 * @throws A {@link StorageError}: `INVALID_DATA` for another method; `CORRUPT` for bytes that are damaged, or not as many
 * as the shape has.
 * @see resonance `compression.py`, `decompress_array`
 */
export async function decompressArray(bytes: Uint8Array, options: DecompressArrayOptions): Promise<NdArray> {
  const { method, dtype, shape } = options;
  if (method !== "zlib" && method !== "none") throw unknown(method);
  const wanted = sizeOf(shape) * dtypes[dtype].itemSize;
  const plain = method === "none" ? bytes : await unpack(bytes, wanted);
  if (plain.byteLength !== wanted) {
    const message = `${plain.byteLength} bytes are no array of ${dtype} [${shape.join(", ")}], which has ${wanted}`;
    throw new StorageError("CORRUPT", message, { operation: "decompressArray" });
  }
  const data = new dtypes[dtype].array(sizeOf(shape));
  new Uint8Array(data.buffer).set(plain);
  return ndArray(data, shape, dtype);
}

async function unpack(bytes: Uint8Array, most: number): Promise<Uint8Array> {
  try {
    return await promisify(inflate)(bytes, { maxOutputLength: Math.max(1, most) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StorageError("CORRUPT", `No array in zlib's form: ${reason}`, {
      operation: "decompressArray",
      cause: error,
    });
  }
}

function unknown(method: unknown): StorageError {
  return new StorageError("INVALID_DATA", `Arrays are packed by "zlib" or "none", not by ${JSON.stringify(method)}`);
}
