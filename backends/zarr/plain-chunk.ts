/** Chunks that are stored as they are, in the order of their elements: any box of one is read without the rest. */
import { constants } from "node:buffer";
import { type DType, dtypes, type TypedArray, type TypedArrayConstructor } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { contiguousStride, type NdArray, sizeOf } from "../../src/core/nd-array.ts";
import type { StoredChunk } from "./chunk-source.ts";
import { type Box, chunkBox, copyBox, intersect, placeIn, reach } from "./region.ts";

/** Scratch memory that is kept between reads, at most. */
const KEPT_BYTES = 1 << 20;

/** Reads boxes of such chunks in place. Not shared between threads. */
export class PlainChunkReader {
  readonly #chunkShape: readonly number[];
  readonly #dtype: DType;
  readonly #stride: readonly number[];
  #scratch = new Uint8Array(0);

  constructor(chunkShape: readonly number[], dtype: DType) {
    this.#chunkShape = chunkShape;
    this.#dtype = dtype;
    this.#stride = contiguousStride(chunkShape);
  }

  /**
   * Copies what a chunk and a box have in common.
   *
   * @param out - The box, in C order.
   * @returns False where the chunk cannot be read in place now; `out` may have part of it.
   * @throws A {@link StorageError} `CORRUPT` for a chunk of another length.
   */
  copy(stored: StoredChunk, chunk: readonly number[], out: NdArray, box: Box): boolean {
    const { itemSize } = dtypes[this.#dtype];
    const expected = sizeOf(this.#chunkShape) * itemSize;
    if (stored.byteLength !== expected) throw wrongLength(stored.byteLength, expected);
    const { start } = chunkBox(chunk, this.#chunkShape);
    const part = intersect(chunkBox(chunk, this.#chunkShape), box);
    const shape = part.stop.map((to, axis) => to - (part.start[axis] as number));
    const from = placeIn(part.start, start, this.#stride);
    const to = placeIn(part.start, box.start, out.stride);
    const size = sizeOf(shape);
    const span = reach(shape, this.#stride);
    if (span === size && reach(shape, out.stride) === size) {
      // One run there and here.
      const { buffer, byteOffset } = out.data;
      return stored.read(new Uint8Array(buffer, byteOffset + to * itemSize, size * itemSize), from * itemSize);
    }
    const bytes = this.#room(span * itemSize);
    if (!stored.read(bytes, from * itemSize)) return false;
    const elements = dtypes[this.#dtype].array as TypedArrayConstructor;
    const data: TypedArray = new elements(bytes.buffer, bytes.byteOffset, span);
    copyBox({ data, shape, stride: this.#stride, dtype: this.#dtype }, part.start, out, box.start);
    return true;
  }

  #room(byteLength: number): Uint8Array {
    if (this.#scratch.byteLength >= byteLength) return this.#scratch.subarray(0, byteLength);
    const room = new Uint8Array(byteLength);
    if (byteLength <= KEPT_BYTES) this.#scratch = room;
    return room;
  }
}

/**
 * A new array in C order whose elements are yet to be set.
 *
 * @throws A {@link StorageError} `CAPACITY_EXCEEDED` for one that is larger than memory.
 */
export function unsetArray(shape: readonly number[], dtype: DType): NdArray {
  const { itemSize, array } = dtypes[dtype];
  const size = sizeOf(shape);
  const byteLength = size * itemSize;
  try {
    // Not from the pool that Buffers share, and not zeroed. What is too long for a Buffer may do for larger elements.
    const isShort = byteLength <= constants.MAX_LENGTH;
    const buffer = isShort ? Buffer.allocUnsafeSlow(byteLength).buffer : new ArrayBuffer(byteLength);
    const data: TypedArray = new (array as TypedArrayConstructor)(buffer, 0, size);
    return { data, shape: [...shape], stride: contiguousStride(shape), dtype };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const message = `[${shape.join(", ")}] of ${dtype} are ${byteLength} bytes, more than memory holds; select a part`;
    throw new StorageError("CAPACITY_EXCEEDED", message, { cause });
  }
}

/** The error of a chunk that has not as many bytes as its elements need. */
export function wrongLength(byteLength: number, expected: number): StorageError {
  return new StorageError("CORRUPT", `codec "bytes": ${byteLength} bytes came out instead of ${expected}`);
}
