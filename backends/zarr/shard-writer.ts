/**
 * Writes the chunks of one array, in order, into shards: one value of the store each, visible when it is whole.
 *
 * Chunks are copied into large blocks, blocks go to the store at their position with several under way, and the index
 * follows as the last bytes. While one shard is synced and published, the next one fills.
 *
 * Where the store keeps journals, each shard under way has one: as soon as chunks have reached the system, their records
 * follow, and from then on other processes can read them, and a killed process does not take them along. Chunks that come
 * while records are on their way go with the next ones.
 */
import type { ByteStore, ByteWriter } from "../../src/core/byte-store.ts";
import { type StorageError, toStorageError } from "../../src/core/errors.ts";
import { BlockPool } from "./block-pool.ts";
import { OpenJournal } from "./open-journal.ts";
import { type ChunkLocation, ShardIndex } from "./shard.ts";
import { chunkChecksum, encodeHeader } from "./shard-journal.ts";

/** Writes under way that keep a store busy. */
const BUSY = 2;

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
  /** Whether shards under way have journals. */
  readonly isJournalled: boolean;
  /**
   * How long chunks that are recorded may wait until the device has them, in milliseconds; what `sync` does is up to the
   * store.
   */
  readonly syncAfterMs: number;
  /** Called with the number of chunks that other processes can read, when it has grown. */
  readonly onReadable: (chunks: number) => void;
  /** Called once, with the first failure. Nothing is written after it. */
  readonly onFailure: (error: StorageError) => void;
}

/** A shard that fills, or is being published. */
interface OpenShard {
  readonly writer: ByteWriter;
  readonly index: ShardIndex;
  /** Parts of blocks on their way to the store. */
  readonly underWay: Set<Promise<void>>;
  /** Chunks of the shards before it. */
  readonly firstChunk: number;
  /** Bytes that were handed to the store. */
  length: number;
  /** Chunks that have a place. */
  chunks: number;
  /** There where the shard has a journal. */
  readonly journal: OpenJournal | undefined;
}

/** A block that fills. */
interface OpenBlock {
  readonly bytes: Uint8Array;
  filled: number;
  /** Bytes of it that were handed to the store. */
  sent: number;
  underWay: number;
  isFull: boolean;
}

/** See the module text. Not reentrant: await one call before the next. */
export class ShardWriter {
  readonly #options: ShardWriterOptions;
  readonly #pool: BlockPool;
  readonly #isPositional: boolean;
  #shard: OpenShard | undefined;
  #shardNumber = 0;
  #block: OpenBlock | undefined;
  #publishing: Promise<void> = Promise.resolve();
  /** Records of chunks are written one after another, also those of different shards. */
  #recording: Promise<void> = Promise.resolve();
  #chunksStored = 0;
  #chunksReadable = 0;
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

  /** Chunks that other processes can read, and that stay if this one ends. */
  get chunksReadable(): number {
    return this.#chunksReadable;
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
    if (shard !== undefined && block !== undefined && block.filled + length < block.bytes.byteLength) {
      if (shard.chunks + 1 < this.#options.chunksPerShard) {
        const chunk = this.#enter(shard, length);
        const checksum = copyTo(block, head, 0, head.byteLength, shard.journal && 0);
        const whole = tail === undefined ? checksum : copyTo(block, tail, 0, tail.byteLength, checksum);
        this.#isWhole(shard, chunk, whole);
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

  /** Resolves when every shard that is full is stored and shown. */
  published(): Promise<void> {
    return this.#guard(() => this.#publishing);
  }

  /** Throws away what is not published; what is in journals stays, for whoever recovers it. */
  async abort(): Promise<void> {
    const shard = this.#shard;
    this.#shard = undefined;
    await this.#publishing.catch(() => {});
    if (shard !== undefined) await this.#giveUp(shard);
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
    const chunk = this.#enter(shard, head.byteLength + (tail?.byteLength ?? 0));
    const checksum = await this.#put(shard, head, shard.journal && 0);
    this.#isWhole(shard, chunk, tail === undefined ? checksum : await this.#put(shard, tail, checksum));
    if (shard.chunks === this.#options.chunksPerShard) await this.#endShard(shard);
  }

  async #openShard(): Promise<OpenShard> {
    const { store, direct, path, rank, chunksPerShard, isJournalled, syncAfterMs } = this.#options;
    const shard = this.#shardNumber;
    const key = `${path}/c/${shard}${"/0".repeat(rank - 1)}`;
    const header = isJournalled ? encodeHeader({ shard, chunksPerShard }) : undefined;
    const writer = await store.openWriter(key, { direct, journal: header });
    const { journal } = writer;
    this.#shardNumber++;
    return {
      writer,
      index: new ShardIndex(chunksPerShard),
      underWay: new Set(),
      firstChunk: shard * chunksPerShard,
      length: 0,
      chunks: 0,
      journal: journal && new OpenJournal(journal, chunksPerShard, syncAfterMs, (error) => this.fail(error)),
    };
  }

  /** Notes where the next chunk will lie. */
  #enter(shard: OpenShard, length: number): number {
    const block = this.#block;
    shard.index.set(shard.chunks, shard.length + (block === undefined ? 0 : block.filled - block.sent), length);
    return shard.chunks++;
  }

  /** Notes that the last chunk is in blocks, and sees to its record. */
  #isWhole(shard: OpenShard, chunk: number, checksum: number | undefined): void {
    const { journal } = shard;
    if (journal === undefined || checksum === undefined) return;
    journal.note(chunk, shard.index.get(chunk) as ChunkLocation, checksum);
    this.#record(shard, journal);
  }

  /** Writes the records of what is whole, after those that are on their way. */
  #record(shard: OpenShard, journal: OpenJournal): void {
    if (journal.isWaiting) return;
    journal.isWaiting = true;
    this.#recording = this.#recording
      .then(() => {
        journal.isWaiting = false;
        return this.#recordNow(shard, journal);
      })
      .catch((error) => this.fail(error));
  }

  async #recordNow(shard: OpenShard, journal: OpenJournal): Promise<void> {
    // As long as the store is busy, a part of a block would only wait; most are full by the time it is not.
    while (shard.underWay.size >= BUSY && shard.length < journal.wholeBytes) await Promise.race(shard.underWay);
    const { whole, wholeBytes } = journal;
    if (journal.recorded === whole || this.#failure !== undefined) return;
    if (shard.length < wholeBytes) this.#send(shard);
    // Records say what is there: the bytes go first.
    await Promise.all(shard.underWay);
    if (this.#failure !== undefined) return;
    await journal.record(whole);
    this.#readable(shard.firstChunk + whole);
  }

  #readable(chunks: number): void {
    if (chunks <= this.#chunksReadable) return;
    this.#chunksReadable = chunks;
    this.#options.onReadable(chunks);
  }

  /**
   * Copies bytes into blocks; full ones go to the store.
   *
   * @param seed - Checksum of what comes before them; `undefined` if none is wanted. Taken part by part, so that the
   * store gets its next block in between.
   */
  async #put(shard: OpenShard, bytes: Uint8Array, seed?: number): Promise<number | undefined> {
    let checksum = seed;
    for (let from = 0; from < bytes.byteLength; ) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#block ??= this.#takeBlock();
      const block = this.#block;
      if (block === undefined) {
        await this.#pool.whenGiven();
        continue;
      }
      const to = Math.min(bytes.byteLength, from + block.bytes.byteLength - block.filled);
      checksum = copyTo(block, bytes, from, to, checksum);
      from = to;
      if (block.filled === block.bytes.byteLength) this.#finishBlock(shard);
    }
    return checksum;
  }

  #takeBlock(): OpenBlock | undefined {
    const bytes = this.#pool.take();
    return bytes && { bytes, filled: 0, sent: 0, underWay: 0, isFull: false };
  }

  /** Sends the rest of the current block; another one comes after it. */
  #finishBlock(shard: OpenShard): void {
    const block = this.#block;
    if (block === undefined) return;
    block.isFull = true;
    this.#send(shard);
    this.#block = undefined;
    if (block.underWay === 0) this.#pool.give(block.bytes);
  }

  /** Sends what the current block has and the store has not, and does not wait for it. */
  #send(shard: OpenShard): void {
    const block = this.#block;
    if (block === undefined || block.filled === block.sent) return;
    const bytes = block.bytes.subarray(block.sent, block.filled);
    const options = this.#isPositional ? { position: shard.length } : undefined;
    shard.length += bytes.byteLength;
    block.sent = block.filled;
    block.underWay++;
    const written = shard.writer
      .write(bytes, options)
      .catch((error) => this.fail(error))
      .then(() => {
        block.underWay--;
        if (block.isFull && block.underWay === 0) this.#pool.give(block.bytes);
      });
    const underWay = written.finally(() => shard.underWay.delete(underWay));
    shard.underWay.add(underWay);
  }

  /** Hands a full shard over to be published, once the one before it is. */
  async #endShard(shard: OpenShard): Promise<void> {
    await this.#put(shard, shard.index.encode());
    this.#finishBlock(shard);
    await this.#publishing;
    if (this.#failure !== undefined) throw this.#failure;
    this.#shard = undefined;
    this.#publishing = this.#publish(shard).catch((error) => this.fail(error));
  }

  async #publish(shard: OpenShard): Promise<void> {
    const { journal } = shard;
    try {
      await Promise.all(shard.underWay);
      if (journal !== undefined) await this.#quiet(journal);
      if (this.#failure !== undefined) throw this.#failure;
      await shard.writer.close();
    } catch (error) {
      await this.#giveUp(shard);
      throw error;
    }
    const chunks = this.#chunksStored + shard.chunks;
    try {
      await this.#options.onShardStored(chunks);
    } catch (error) {
      await journal?.setAside();
      throw error;
    }
    this.#chunksStored = chunks;
    this.#readable(chunks);
    if (journal !== undefined) await journal.remove();
  }

  /** Resolves when everything of a journal is written that will be, and nothing of it is under way. */
  async #quiet(journal: OpenJournal): Promise<void> {
    await this.#recording;
    await journal.quiet();
  }

  /** Ends the writer of a shard that will not be published. */
  async #giveUp(shard: OpenShard): Promise<void> {
    const { journal } = shard;
    await Promise.allSettled(shard.underWay);
    if (journal !== undefined) await this.#quiet(journal);
    if (journal !== undefined && journal.recorded > 0) await journal.setAside();
    else await shard.writer.abort();
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

/** @returns The checksum of what came before and the part, if there is one of what came before. */
function copyTo(block: OpenBlock, bytes: Uint8Array, from: number, to: number, seed: number | undefined) {
  const isAll = from === 0 && to === bytes.byteLength;
  const part = isAll ? bytes : bytes.subarray(from, to);
  block.bytes.set(part, block.filled);
  block.filled += to - from;
  return seed === undefined ? undefined : chunkChecksum(part, seed);
}
