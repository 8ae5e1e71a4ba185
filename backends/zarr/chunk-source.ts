/** Where the stored bytes of a chunk come from: a value of its own, or a range of a shard. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import type { ChunkKey, ShardLayout } from "./layout.ts";
import { ShardIndex, shardIndexBytes } from "./shard.ts";

/** Finds chunks by their coordinates. */
export interface ChunkSource {
  /** The stored bytes of a chunk, or `undefined` for one that was never stored. */
  read(chunk: readonly number[], options: OperationOptions): Promise<Uint8Array | undefined>;
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
    const { chunksPerShard } = this.#layout;
    const key = this.#key(chunk.map((at, axis) => Math.floor(at / (chunksPerShard[axis] as number))));
    const within = chunk.reduce((sum, at, axis) => {
      const count = chunksPerShard[axis] as number;
      return sum * count + (at % count);
    }, 0);
    for (let attempt = 1; ; attempt++) {
      try {
        const shard = await this.#shard(key, options);
        return shard === undefined ? undefined : await this.#readChunk(key, shard, within, options);
      } catch (error) {
        this.#known.delete(key);
        // Replaced between two of our reads; a shard that is replaced that often is not ours to wait for.
        if (attempt === 3 || !isStorageError(error, "PRECONDITION_FAILED", "NOT_FOUND")) throw error;
      }
    }
  }

  async #readChunk(
    key: string,
    shard: KnownShard,
    within: number,
    options: OperationOptions,
  ): Promise<Uint8Array | undefined> {
    const location = shard.index.get(within);
    if (location === undefined) return undefined;
    const { offset, length } = location;
    if (offset >= shard.start && offset + length <= shard.stop) {
      return this.#store.read(key, { ...options, range: location, ifMatch: shard.etag });
    }
    const message = `The index of shard "${key}" puts a chunk at ${offset}…${offset + length}, where none can be`;
    throw new StorageError("CORRUPT", message, { identifier: key });
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
