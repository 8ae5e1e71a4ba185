/** Where the stored bytes of a chunk come from: a value of its own, or a range of a shard. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { type InPlaceValue, inPlaceReader } from "../../src/core/in-place.ts";
import type { ChunkKey, ShardLayout } from "./layout.ts";
import { type ChunkLocation, ShardIndex, shardIndexBytes } from "./shard.ts";

/** The stored bytes of one chunk, open for reads in place. */
export interface StoredChunk {
  readonly byteLength: number;
  /** See {@link InPlaceValue.read}. */
  read(into: Uint8Array, offset: number): boolean;
}

/** Finds chunks by their coordinates. */
export interface ChunkSource {
  /**
   * Shows chunks that lie in one shard one after another, in place, as long as the store reads so.
   *
   * @param look - Gets each with its place in the list, `undefined` for one that was never stored. Answers false if it
   * could not be read now.
   * @returns How many were seen. What comes after them is for {@link ChunkSource.readTogether}.
   */
  lookAt(
    chunks: readonly (readonly number[])[],
    look: (index: number, stored: StoredChunk | undefined) => boolean,
  ): number;
  /** The stored bytes of a chunk, or `undefined` for one that was never stored. */
  read(chunk: readonly number[], options: OperationOptions): Promise<Uint8Array | undefined>;
  /** The same for several chunks that lie in one shard: of one version of it, and by as few requests as the store makes. */
  readTogether(chunks: readonly (readonly number[])[], options: OperationOptions): Promise<(Uint8Array | undefined)[]>;
}

/** Chunks that are values of their own. */
export class PlainChunks implements ChunkSource {
  readonly #store: ByteStore;
  readonly #key: ChunkKey;

  constructor(store: ByteStore, key: ChunkKey) {
    this.#store = store;
    this.#key = key;
  }

  lookAt(
    chunks: readonly (readonly number[])[],
    look: (index: number, stored: StoredChunk | undefined) => boolean,
  ): number {
    for (const [index, chunk] of chunks.entries()) {
      if (!withValue(this.#store, this.#key(chunk), (value) => look(index, value))) return index;
    }
    return chunks.length;
  }

  read(chunk: readonly number[], options: OperationOptions): Promise<Uint8Array | undefined> {
    return unlessMissing(() => this.#store.read(this.#key(chunk), options));
  }

  readTogether(chunks: readonly (readonly number[])[], options: OperationOptions): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(chunks.map((chunk) => this.read(chunk, options)));
  }
}

interface KnownShard {
  readonly etag: string | undefined;
  readonly index: ShardIndex;
  /** Where chunks may lie: everything but the index. */
  readonly start: number;
  readonly stop: number;
}

/** An index that is known, or being read. */
interface KnownIndex {
  readonly shard: Promise<KnownShard | undefined>;
  found?: KnownShard;
}

/** Indexes that are kept: enough for neighbours in space, little enough for any array. */
const KEPT_INDEXES = 16;

/**
 * Chunks in shards. An index is kept as long as the shard is the one it was read from: every read names the version it
 * wants, and a shard that was replaced meanwhile is looked at again.
 */
export class ShardedChunks implements ChunkSource {
  readonly #store: ByteStore;
  readonly #key: ChunkKey;
  readonly #layout: ShardLayout;
  readonly #chunks: number;
  readonly #known = new Map<string, KnownIndex>();

  constructor(store: ByteStore, key: ChunkKey, layout: ShardLayout) {
    this.#store = store;
    this.#key = key;
    this.#layout = layout;
    this.#chunks = layout.chunksPerShard.reduce((product, count) => product * count, 1);
  }

  lookAt(
    chunks: readonly (readonly number[])[],
    look: (index: number, stored: StoredChunk | undefined) => boolean,
  ): number {
    const [first] = chunks;
    if (first === undefined) return 0;
    const key = this.#shardKey(first);
    let seen = 0;
    withValue(this.#store, key, (value) => {
      const shard = value && this.#indexOf(key, value);
      if (value !== undefined && shard === undefined) return false;
      for (; seen < chunks.length; seen++) {
        const place = shard && placeOf(this.#number(chunks[seen] as readonly number[]), shard, key);
        const stored = place && {
          byteLength: place.length,
          read: (into: Uint8Array, offset: number) => value?.read(into, place.offset + offset) ?? false,
        };
        if (!look(seen, stored)) return false;
      }
      return true;
    });
    return seen;
  }

  async read(chunk: readonly number[], options: OperationOptions): Promise<Uint8Array | undefined> {
    return (await this.readTogether([chunk], options))[0];
  }

  async readTogether(
    chunks: readonly (readonly number[])[],
    options: OperationOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    const [first] = chunks;
    if (first === undefined) return [];
    const key = this.#shardKey(first);
    const numbers = chunks.map((chunk) => this.#number(chunk));
    for (let attempt = 1; ; attempt++) {
      try {
        const shard = await this.#shard(key, options);
        return shard === undefined ? chunks.map(() => undefined) : await this.#readChunks(key, shard, numbers, options);
      } catch (error) {
        this.#known.delete(key);
        // Somebody else was reading the index for both, and was called off.
        if (isStorageError(error, "ABORTED") && options.signal?.aborted !== true) {
          attempt--;
          continue;
        }
        // Replaced between two of our reads; a shard that is replaced that often is not ours to wait for.
        if (attempt === 3 || !isStorageError(error, "PRECONDITION_FAILED", "NOT_FOUND")) throw error;
      }
    }
  }

  async #readChunks(
    key: string,
    shard: KnownShard,
    numbers: readonly number[],
    options: OperationOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    const places = numbers.map((number) => placeOf(number, shard, key));
    const ranges = places.filter((place) => place !== undefined);
    const condition = { ...options, ifMatch: shard.etag };
    const [only] = ranges;
    const stored =
      only === undefined
        ? []
        : ranges.length === 1
          ? [await this.#store.read(key, { ...condition, range: only })]
          : await this.#store.readRanges(key, ranges, condition);
    let next = 0;
    return places.map((place) => (place === undefined ? undefined : stored[next++]));
  }

  async #shard(key: string, options: OperationOptions): Promise<KnownShard | undefined> {
    const known = this.#known.get(key) ?? { shard: this.#load(key, options) };
    this.#keep(key, known);
    const found = await known.shard;
    // A shard that is not there may come at any time.
    if (found === undefined) this.#known.delete(key);
    else known.found = found;
    return found;
  }

  #keep(key: string, known: KnownIndex): void {
    // Moved to the end: the least used is forgotten first.
    this.#known.delete(key);
    this.#known.set(key, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KEPT_INDEXES) break;
      this.#known.delete(oldest);
    }
  }

  #load(key: string, options: OperationOptions): Promise<KnownShard | undefined> {
    return unlessMissing(async () => {
      const { etag, byteLength } = await this.#store.stat(key, options);
      const { offset, length } = this.#indexPlace(key, byteLength);
      const range = this.#layout.location === "end" ? { suffix: length } : { offset, length };
      const bytes = await this.#store.read(key, { ...options, range, ifMatch: etag });
      return this.#understand(bytes, etag, byteLength);
    });
  }

  /** The index of a shard that is open; of the one that is known, if that is still it. */
  #indexOf(key: string, value: InPlaceValue): KnownShard | undefined {
    const { found } = this.#known.get(key) ?? {};
    if (found !== undefined && found.etag === value.etag) return found;
    const { offset, length } = this.#indexPlace(key, value.byteLength);
    const bytes = new Uint8Array(length);
    if (!value.read(bytes, offset)) return undefined;
    const shard = this.#understand(bytes, value.etag, value.byteLength);
    this.#keep(key, { shard: Promise.resolve(shard), found: shard });
    return shard;
  }

  #indexPlace(key: string, byteLength: number): ChunkLocation {
    const { hasChecksum, location } = this.#layout;
    const length = shardIndexBytes(this.#chunks, hasChecksum);
    if (byteLength >= length) return { offset: location === "end" ? byteLength - length : 0, length };
    const message = `Shard "${key}" of ${byteLength} bytes has no room for its index`;
    throw new StorageError("CORRUPT", message, { identifier: key });
  }

  #understand(bytes: Uint8Array, etag: string | undefined, byteLength: number): KnownShard {
    const { indexEndian, hasChecksum, location } = this.#layout;
    const index = ShardIndex.decode(bytes, this.#chunks, { endian: indexEndian, hasChecksum });
    const [start, stop] = location === "end" ? [0, byteLength - bytes.byteLength] : [bytes.byteLength, byteLength];
    return { etag, index, start, stop };
  }

  #shardKey(chunk: readonly number[]): string {
    const { chunksPerShard } = this.#layout;
    return this.#key(chunk.map((at, axis) => Math.floor(at / (chunksPerShard[axis] as number))));
  }

  /** The number of a chunk within its shard. */
  #number(chunk: readonly number[]): number {
    const { chunksPerShard } = this.#layout;
    return chunk.reduce((sum, at, axis) => {
      const count = chunksPerShard[axis] as number;
      return sum * count + (at % count);
    }, 0);
  }
}

/** Where a chunk lies in its shard; `undefined` for one that was never stored. */
function placeOf(number: number, shard: KnownShard, key: string): ChunkLocation | undefined {
  const place = shard.index.get(number);
  if (place === undefined) return undefined;
  const { offset, length } = place;
  if (offset >= shard.start && offset + length <= shard.stop) return place;
  const message = `The index of shard "${key}" puts a chunk at ${offset}…${offset + length}, where none can be`;
  throw new StorageError("CORRUPT", message, { identifier: key });
}

/** Opens a value in place and closes it again; false where the store does not read so, or not now. */
function withValue(store: ByteStore, key: string, use: (value: InPlaceValue | undefined) => boolean): boolean {
  const reader = inPlaceReader(store);
  if (reader === undefined) return false;
  let value: InPlaceValue | undefined;
  try {
    value = reader.openInPlace(key);
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return use(undefined);
    throw error;
  }
  if (value === undefined) return false;
  try {
    return use(value);
  } finally {
    value.close();
  }
}

async function unlessMissing<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}
