/** Where the stored bytes of a chunk come from: a value of its own, or a range of a shard. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import type { ChunkKey, ShardLayout } from "./layout.ts";
import { ShardIndex, shardIndexBytes } from "./shard.ts";

/** Finds chunks by their coordinates. */
export interface ChunkSource {
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
  readonly #known = new Map<string, Promise<KnownShard | undefined>>();

  constructor(store: ByteStore, key: ChunkKey, layout: ShardLayout) {
    this.#store = store;
    this.#key = key;
    this.#layout = layout;
    this.#chunks = layout.chunksPerShard.reduce((product, count) => product * count, 1);
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
    const { chunksPerShard } = this.#layout;
    const key = this.#key(first.map((at, axis) => Math.floor(at / (chunksPerShard[axis] as number))));
    const numbers = chunks.map((chunk) =>
      chunk.reduce(
        (sum, at, axis) => sum * (chunksPerShard[axis] as number) + (at % (chunksPerShard[axis] as number)),
        0,
      ),
    );
    for (let attempt = 1; ; attempt++) {
      try {
        const shard = await this.#shard(key, options);
        return shard === undefined ? chunks.map(() => undefined) : await this.#readChunks(key, shard, numbers, options);
      } catch (error) {
        this.#known.delete(key);
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
    const places = numbers.map((number) => shard.index.get(number));
    const ranges = places.filter((place) => place !== undefined);
    for (const { offset, length } of ranges) {
      if (offset >= shard.start && offset + length <= shard.stop) continue;
      const message = `The index of shard "${key}" puts a chunk at ${offset}…${offset + length}, where none can be`;
      throw new StorageError("CORRUPT", message, { identifier: key });
    }
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
    const known = this.#known.get(key);
    // Moved to the end: the least used is forgotten first.
    this.#known.delete(key);
    const shard = known ?? this.#load(key, options);
    this.#known.set(key, shard);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KEPT_INDEXES) break;
      this.#known.delete(oldest);
    }
    const found = await shard;
    // A shard that is not there may come at any time.
    if (found === undefined) this.#known.delete(key);
    return found;
  }

  #load(key: string, options: OperationOptions): Promise<KnownShard | undefined> {
    return unlessMissing(async () => {
      const { indexEndian, hasChecksum, location } = this.#layout;
      const { etag, byteLength } = await this.#store.stat(key, options);
      const length = shardIndexBytes(this.#chunks, hasChecksum);
      if (byteLength < length) {
        const message = `Shard "${key}" of ${byteLength} bytes has no room for its index`;
        throw new StorageError("CORRUPT", message, { identifier: key });
      }
      const range = location === "end" ? { suffix: length } : { offset: 0, length };
      const bytes = await this.#store.read(key, { ...options, range, ifMatch: etag });
      const index = ShardIndex.decode(bytes, this.#chunks, { endian: indexEndian, hasChecksum });
      const isLast = location === "end";
      return { etag, index, start: isLast ? 0 : length, stop: isLast ? byteLength - length : byteLength };
    });
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
