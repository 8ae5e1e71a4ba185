/**
 * The index of a shard: where each inner chunk lies, as pairs of 64-bit offset and length in C order, then a CRC-32C.
 *
 * @see Zarr extensions, `sharding_indexed` codec
 */
import { crc32c } from "../../src/codecs/crc32c.ts";
import { StorageError } from "../../src/core/errors.ts";
import { swapBytes } from "../../src/core/nd-array.ts";
import type { ShardLayout } from "./layout.ts";

const ENTRY_BYTES = 16;
const CHECKSUM_BYTES = 4;
const TWO_32 = 2 ** 32;

/** Where one chunk lies within its shard, in bytes. */
export interface ChunkLocation {
  readonly offset: number;
  readonly length: number;
}

/** Length in bytes of an index with its checksum. */
export function shardIndexBytes(chunks: number, hasChecksum = true): number {
  return chunks * ENTRY_BYTES + (hasChecksum ? CHECKSUM_BYTES : 0);
}

/** An index in memory, in the form it has on disk, so that setting an entry allocates nothing. */
export class ShardIndex {
  /** Number of chunks in the shard, empty ones too. */
  readonly chunks: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** An index in which every chunk is empty. */
  constructor(chunks: number) {
    this.chunks = chunks;
    this.#bytes = new Uint8Array(shardIndexBytes(chunks));
    this.#view = new DataView(this.#bytes.buffer);
    this.clear();
  }

  /**
   * Reads an index.
   *
   * @param bytes - Exactly the index; copied.
   * @param options - `endian` of its numbers, and whether a checksum follows; it is verified.
   * @throws A {@link StorageError} `CORRUPT`.
   */
  static decode(
    bytes: Uint8Array,
    chunks: number,
    options: { readonly endian?: "little" | "big"; readonly hasChecksum?: boolean } = {},
  ): ShardIndex {
    const { endian = "little", hasChecksum = true } = options;
    const length = chunks * ENTRY_BYTES;
    if (bytes.byteLength !== shardIndexBytes(chunks, hasChecksum)) {
      throw new StorageError(
        "CORRUPT",
        `The index of a shard of ${chunks} chunks cannot have ${bytes.byteLength} bytes`,
      );
    }
    const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (hasChecksum && source.getUint32(length, true) !== crc32c(bytes.subarray(0, length))) {
      throw new StorageError("CORRUPT", "The index of a shard does not have the checksum that it says");
    }
    const index = new ShardIndex(chunks);
    index.#bytes.set(bytes.subarray(0, length));
    if (endian === "big") {
      for (let at = 0; at < length; at += 8) index.#view.setBigUint64(at, source.getBigUint64(at, false), true);
    }
    return index;
  }

  /** Empties every chunk. */
  clear(): void {
    this.#bytes.fill(0xff);
  }

  /** Says where a chunk lies. */
  set(chunk: number, offset: number, length: number): void {
    this.#put(chunk * ENTRY_BYTES, offset);
    this.#put(chunk * ENTRY_BYTES + 8, length);
  }

  /** Where a chunk lies, or `undefined` for an empty one. */
  get(chunk: number): ChunkLocation | undefined {
    const at = chunk * ENTRY_BYTES;
    const high = this.#view.getUint32(at + 4, true);
    if (high === 0xffffffff) return undefined;
    const offset = high * TWO_32 + this.#view.getUint32(at, true);
    const length = this.#view.getUint32(at + 12, true) * TWO_32 + this.#view.getUint32(at + 8, true);
    return { offset, length };
  }

  /** The bytes with their checksum: a view that later changes show through. */
  encode(): Uint8Array {
    const length = this.chunks * ENTRY_BYTES;
    this.#view.setUint32(length, crc32c(this.#bytes.subarray(0, length)), true);
    return this.#bytes;
  }

  // Two halves rather than a bigint: this runs for every frame.
  #put(at: number, value: number): void {
    this.#view.setUint32(at, value % TWO_32, true);
    this.#view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  }
}

/** A shard in memory. */
export interface StoredShard {
  /** The stored bytes of a chunk by its number in C order; `undefined` for an empty one. */
  chunk(number: number): Uint8Array | undefined;
}

/**
 * Takes a shard apart.
 *
 * @param bytes - Borrowed: the chunks are views of it.
 * @throws A {@link StorageError} `CORRUPT`.
 */
export function splitShard(bytes: Uint8Array, layout: ShardLayout): StoredShard {
  const chunks = layout.chunksPerShard.reduce((product, count) => product * count, 1);
  const length = shardIndexBytes(chunks, layout.hasChecksum);
  if (bytes.byteLength < length) {
    throw new StorageError("CORRUPT", `A shard of ${bytes.byteLength} bytes has no room for its index`);
  }
  const isLast = layout.location === "end";
  const place = isLast ? bytes.byteLength - length : 0;
  const index = ShardIndex.decode(bytes.subarray(place, place + length), chunks, {
    endian: layout.indexEndian,
    hasChecksum: layout.hasChecksum,
  });
  const [first, end] = isLast ? [0, place] : [length, bytes.byteLength];
  return {
    chunk(number) {
      const location = index.get(number);
      if (location === undefined) return undefined;
      const { offset, length: size } = location;
      if (offset >= first && offset + size <= end) return bytes.subarray(offset, offset + size);
      throw new StorageError("CORRUPT", `The index of a shard puts a chunk at ${offset}…${offset + size}`);
    },
  };
}

/**
 * Puts a shard together.
 *
 * @param chunks - Stored bytes in C order; `undefined` for an empty chunk.
 * @returns Parts to be written one after another; they share the memory of the chunks.
 */
export function composeShard(chunks: readonly (Uint8Array | undefined)[], layout: ShardLayout): Uint8Array[] {
  const index = new ShardIndex(chunks.length);
  const indexBytes = shardIndexBytes(chunks.length, layout.hasChecksum);
  let offset = layout.location === "end" ? 0 : indexBytes;
  chunks.forEach((chunk, number) => {
    if (chunk === undefined) return;
    index.set(number, offset, chunk.byteLength);
    offset += chunk.byteLength;
  });
  const encoded = encodeIndex(index, layout);
  const body = chunks.filter((chunk) => chunk !== undefined);
  return layout.location === "end" ? [...body, encoded] : [encoded, ...body];
}

function encodeIndex(index: ShardIndex, { indexEndian, hasChecksum }: ShardLayout): Uint8Array {
  const bytes = index.encode();
  if (indexEndian === "little") return hasChecksum ? bytes : bytes.subarray(0, -CHECKSUM_BYTES);
  const entries = swapBytes(bytes.slice(0, -CHECKSUM_BYTES), 8);
  if (!hasChecksum) return entries;
  const whole = new Uint8Array(bytes.byteLength);
  whole.set(entries);
  new DataView(whole.buffer).setUint32(entries.byteLength, crc32c(entries), true);
  return whole;
}
