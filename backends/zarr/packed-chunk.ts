/** Chunks that are packed in blocks: any box of one is read and unpacked without the blocks that it is not in. */
import { type DType, dtypes, type TypedArray, type TypedArrayConstructor } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { contiguousStride, type NdArray, sizeOf } from "../../src/core/nd-array.ts";
import type { BytePart, PartDecoder } from "./byte-codecs.ts";
import type { StoredChunk } from "./chunk-source.ts";
import { type Box, chunkBox, copyBox, intersect, placeIn, reach } from "./region.ts";

/** Less is read as a whole: a look at each block costs more than its bytes. */
const LEAST_BYTES = 128 << 10;

/** A codec that unpacks parts of chunks. */
export interface NamedPartDecoder {
  /** For messages. */
  readonly name: string;
  readonly decoder: PartDecoder;
}

/** Reads boxes of such chunks. */
export class PackedChunkReader {
  readonly #chunkShape: readonly number[];
  readonly #dtype: DType;
  readonly #stride: readonly number[];
  readonly #codec: NamedPartDecoder;
  /** Length of an unpacked chunk. */
  readonly #byteLength: number;

  constructor(chunkShape: readonly number[], dtype: DType, codec: NamedPartDecoder) {
    this.#chunkShape = chunkShape;
    this.#dtype = dtype;
    this.#stride = contiguousStride(chunkShape);
    this.#codec = codec;
    this.#byteLength = sizeOf(chunkShape) * dtypes[dtype].itemSize;
  }

  /**
   * Reads in place what {@link PackedChunkReader.copy} needs of a chunk.
   *
   * @returns `undefined` where the chunk is to be read as a whole.
   * @throws A {@link StorageError} `CORRUPT`.
   */
  read(stored: StoredChunk, chunk: readonly number[], box: Box): Uint8Array | undefined {
    const { bytes } = this.#part(chunk, box);
    if (stored.byteLength < LEAST_BYTES || 2 * (bytes.stop - bytes.start) > this.#byteLength) return undefined;
    const read = (into: Uint8Array, offset: number) => stored.read(into, offset);
    try {
      return this.#codec.decoder.readPart(stored.byteLength, this.#byteLength, bytes, read);
    } catch (cause) {
      throw this.#naming(cause);
    }
  }

  /**
   * Unpacks what a chunk and a box have in common: straight to where it belongs, if it lies there in one run.
   *
   * @param stored - Borrowed until the promise settles.
   * @param out - The box, in C order.
   * @throws A {@link StorageError} `CORRUPT`; `out` may have part of it.
   */
  async copy(stored: Uint8Array, chunk: readonly number[], out: NdArray, box: Box): Promise<void> {
    const { itemSize, array } = dtypes[this.#dtype];
    const { part, shape, bytes } = this.#part(chunk, box);
    const byteLength = bytes.stop - bytes.start;
    const isOneRun = byteLength === sizeOf(shape) * itemSize && reach(shape, out.stride) * itemSize === byteLength;
    const at = out.data.byteOffset + placeIn(part.start, box.start, out.stride) * itemSize;
    const into = isOneRun ? new Uint8Array(out.data.buffer, at, byteLength) : undefined;
    const plain = await this.#decode(stored, bytes, into);
    if (isOneRun) return;
    const aligned = plain.byteOffset % itemSize === 0 ? plain : plain.slice();
    const elements = array as TypedArrayConstructor;
    const data: TypedArray = new elements(aligned.buffer as ArrayBuffer, aligned.byteOffset, byteLength / itemSize);
    copyBox({ data, shape, stride: this.#stride, dtype: this.#dtype }, part.start, out, box.start);
  }

  async #decode(stored: Uint8Array, part: BytePart, into: Uint8Array | undefined): Promise<Uint8Array> {
    try {
      return await this.#codec.decoder.decodePart(stored, this.#byteLength, part, into);
    } catch (cause) {
      throw this.#naming(cause);
    }
  }

  #naming(cause: unknown): unknown {
    if (!isStorageError(cause, "CORRUPT")) return cause;
    return new StorageError("CORRUPT", `codec "${this.#codec.name}": ${cause.message}`, { cause });
  }

  /** What a chunk and a box have in common, and the bytes of the unpacked chunk from its first to its last element. */
  #part(chunk: readonly number[], box: Box): { part: Box; shape: number[]; bytes: BytePart } {
    const whole = chunkBox(chunk, this.#chunkShape);
    const part = intersect(whole, box);
    const shape = part.stop.map((to, axis) => to - (part.start[axis] as number));
    const { itemSize } = dtypes[this.#dtype];
    const start = placeIn(part.start, whole.start, this.#stride) * itemSize;
    return { part, shape, bytes: { start, stop: start + reach(shape, this.#stride) * itemSize } };
  }
}
