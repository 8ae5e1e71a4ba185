/**
 * Writes the chunks of one array, in order, into shards: one value of the store each, visible when it is whole.
 *
 * Chunks are copied into large blocks, blocks go to the store at their position with several under way, and the index
 * follows as the last bytes. While one shard is synced and published, the next one fills.
 */
import type { ByteStore, ByteWriter } from "../../src/core/byte-store.ts";
import { type StorageError, toStorageError } from "../../src/core/errors.ts";
import { BlockPool } from "./block-pool.ts";
import { ShardIndex } from "./shard.ts";

/** Options of a {@link ShardWriter}. */
export interface ShardWriterOptions {
  readonly store: ByteStore;
  /** Whether the store may write past the cache of the system; see `OpenByteWriterOptions`. */
  readonly direct: "never" | "auto";
  /** Key of the array's node. */
  readonly path: string;
  /** Shape of one chunk, whose first axis is the one that grows; only its rank matters here. */
  readonly rank: number;
  /** Chunks in one shard. */
  readonly chunksPerShard: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  /** Blocks in memory; at least 2, so that one fills while another is written. */
  readonly blocks: number;
  /**
   * Called when a shard is stored, with the number of chunks stored so far, before the next shard is published; the
   * array's shape grows here.
   */
  readonly onShardStored: (chunks: number) => Promise<void>;
  /** Called once, with the first failure. Nothing is written after it. */
  readonly onFailure: (error: StorageError) => void;
}

/** A shard that fills, or is being published. */
interface OpenShard {
  readonly writer: ByteWriter;
  readonly index: ShardIndex;
  /** Blocks on their way to the store. */
  readonly underWay: Set<Promise<void>>;
  /** Bytes that went into blocks. */
  length: number;
  chunks: number;
}

/** See the module text. Not reentrant: await one call before the next. */
export class ShardWriter {
  readonly #options: ShardWriterOptions;
  readonly #pool: BlockPool;
  readonly #isPositional: boolean;
  #shard: OpenShard | undefined;
  #shardNumber = 0;
  #block: Uint8Array | undefined;
  #filled = 0;
  #publishing: Promise<void> = Promise.resolve();
  #chunksStored = 0;
  #failure: StorageError | undefined;

  constructor(options: ShardWriterOptions) {
    this.#options = options;
    this.#pool = new BlockPool(options.blockBytes, Math.max(2, options.blocks));
    this.#isPositional = options.store.capabilities.positionalWrite;
  }

  /** Chunks in shards that are published, with the shape that shows them. */
  get chunksStored(): number {
    return this.#chunksStored;
  }

  /** Why nothing more is written. */
  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /**
   * Adds the next chunk.
   *
   * @param head - Bytes of the chunk; copied before the call returns or its promise settles.
   * @param tail - More bytes of the same chunk.
   * @returns Nothing if there was room at once, else a promise. Failures of earlier blocks are thrown here.
   */
  append(head: Uint8Array, tail?: Uint8Array): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const shard = this.#shard;
    const block = this.#block;
    const length = head.byteLength + (tail?.byteLength ?? 0);
    // The way of small chunks: room in the shard and in the block, so nothing to wait for.
    if (shard !== undefined && block !== undefined && this.#filled + length < block.byteLength) {
      if (shard.chunks + 1 < this.#options.chunksPerShard) {
        this.#enter(shard, length);
        this.#copy(block, head, 0, head.byteLength);
        if (tail !== undefined) this.#copy(block, tail, 0, tail.byteLength);
        return;
      }
    }
    return this.#guard(() => this.#append(head, tail));
  }

  /**
   * Publishes what is there and the shape that shows it.
   *
   * @throws The first failure, now or earlier; what is published stays.
   */
  async close(): Promise<void> {
    await this.#guard(async () => {
      if (this.#shard !== undefined) await this.#endShard(this.#shard);
      await this.#publishing;
    });
  }

  /** Throws away what is not published. */
  async abort(): Promise<void> {
    const shard = this.#shard;
    this.#shard = undefined;
    await this.#publishing.catch(() => {});
    if (shard === undefined) return;
    await Promise.allSettled(shard.underWay);
    await shard.writer.abort();
  }

  /** Notes a failure from outside: nothing is written after it. The first one is kept. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    const { store, path } = this.#options;
    this.#failure = toStorageError(error, { backend: store.name, operation: "write", identifier: path });
    this.#options.onFailure(this.#failure);
  }

  async #append(head: Uint8Array, tail: Uint8Array | undefined): Promise<void> {
    this.#shard ??= await this.#openShard();
    const shard = this.#shard;
    this.#enter(shard, head.byteLength + (tail?.byteLength ?? 0));
    await this.#put(shard, head);
    if (tail !== undefined) await this.#put(shard, tail);
    if (shard.chunks === this.#options.chunksPerShard) await this.#endShard(shard);
  }

  async #openShard(): Promise<OpenShard> {
    const { store, direct, path, rank, chunksPerShard } = this.#options;
    const key = `${path}/c/${this.#shardNumber}${"/0".repeat(rank - 1)}`;
    const writer = await store.openWriter(key, { direct });
    this.#shardNumber++;
    return { writer, index: new ShardIndex(chunksPerShard), underWay: new Set(), length: 0, chunks: 0 };
  }

  /** Notes where the next chunk will lie. */
  #enter(shard: OpenShard, length: number): void {
    shard.index.set(shard.chunks++, shard.length + this.#filled, length);
  }

  /** Copies bytes into blocks; full ones go to the store. */
  async #put(shard: OpenShard, bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.byteLength; ) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#block ??= this.#pool.take();
      if (this.#block === undefined) {
        await this.#pool.whenGiven();
        continue;
      }
      const to = Math.min(bytes.byteLength, from + this.#block.byteLength - this.#filled);
      this.#copy(this.#block, bytes, from, to);
      from = to;
      if (this.#filled === this.#block.byteLength) this.#flush(shard);
    }
  }

  #copy(block: Uint8Array, bytes: Uint8Array, from: number, to: number): void {
    const isAll = from === 0 && to === bytes.byteLength;
    block.set(isAll ? bytes : bytes.subarray(from, to), this.#filled);
    this.#filled += to - from;
  }

  /** Sends the current block to the store and does not wait for it. */
  #flush(shard: OpenShard): void {
    const block = this.#block;
    if (block === undefined || this.#filled === 0) return;
    const bytes = block.subarray(0, this.#filled);
    const options = this.#isPositional ? { position: shard.length } : undefined;
    shard.length += this.#filled;
    this.#block = undefined;
    this.#filled = 0;
    const written = shard.writer.write(bytes, options).then(
      () => this.#pool.give(block),
      (error) => {
        this.fail(error);
        this.#pool.give(block);
      },
    );
    const underWay = written.finally(() => shard.underWay.delete(underWay));
    shard.underWay.add(underWay);
  }

  /** Hands a full shard over to be published, once the one before it is. */
  async #endShard(shard: OpenShard): Promise<void> {
    await this.#put(shard, shard.index.encode());
    this.#flush(shard);
    await this.#publishing;
    if (this.#failure !== undefined) throw this.#failure;
    this.#shard = undefined;
    this.#publishing = this.#publish(shard).catch((error) => this.fail(error));
  }

  async #publish(shard: OpenShard): Promise<void> {
    try {
      await Promise.all(shard.underWay);
      if (this.#failure !== undefined) throw this.#failure;
      await shard.writer.close();
    } catch (error) {
      await shard.writer.abort();
      throw error;
    }
    const chunks = this.#chunksStored + shard.chunks;
    await this.#options.onShardStored(chunks);
    this.#chunksStored = chunks;
  }

  async #guard(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.fail(error);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
