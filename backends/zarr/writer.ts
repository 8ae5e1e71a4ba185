/** The Zarr v3 frame writer. */
import { toJson } from "../../src/acquire/metadata.ts";
import { dimensionNames } from "../../src/acquire/stream-docs.ts";
import { Writer, type WriterOptions } from "../../src/acquire/writer.ts";
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { runAll, StorageError, throwFailures } from "../../src/core/errors.ts";
import type { SourceInfo } from "../../src/core/frame-writer.ts";
import { byteLengthOf, type NdArray } from "../../src/core/nd-array.ts";
import { PAGE_BYTES } from "../../src/core/page-memory.ts";
import { keepsJournals } from "../../src/layers/unfinished.ts";
import { BloscFrameEncoder, type FrameEncoder, PlainEncoder } from "./frame-encoder.ts";
import {
  type Attributes,
  encodeMetadata,
  type FrameArrayLayout,
  frameArrayMetadata,
  groupMetadata,
} from "./metadata.ts";
import { type CheckedZarrOptions, checkZarrOptions, type ZarrOptions } from "./options.ts";
import { recoverShards } from "./recover-shards.ts";
import { ShardWriter } from "./shard-writer.ts";

/** Opens the byte store of a URI. */
export type OpenStoreAt = (uri: string) => Promise<ByteStore>;

/** Gives a store back to its opener. */
export type ReleaseStore = (store: ByteStore) => Promise<void>;

/** Most chunks of one shard: its index has 256 KiB then, which every reader fetches whole. */
const MAX_CHUNKS = 16_384;
/** Larger blocks are no faster: they leave the processor's cache between the copy and the write. */
const MAX_BLOCK_BYTES = 2 * 2 ** 20;
const MIN_BLOCK_BYTES = 64 * 2 ** 10;
const BLOCKS = 8;
/** What a power cut may take of an open shard: what came in the last second. */
const SYNC_AFTER_MS = 1000;

/** One array that is being written. */
interface OpenArray {
  readonly shards: ShardWriter;
  readonly frames: FrameEncoder;
}

/**
 * Writes each source as a sharded Zarr v3 array `<source>`, time first, in one group that holds the metadata.
 *
 * - `zarr.json` of the group and of every array are there from the beginning, with length 0. The length grows when a
 *   shard is stored, and at the close: every frame that it shows can be read, also after the process was killed.
 * - A frame that was accepted reaches the store with its shard. If that fails, the writer takes no more frames, later
 *   writes and the close report it, and the counts go back to what is stored.
 * - On a disk, the shard under way has a journal: a frame that is announced (`getIndicesWritten`, observers, stream
 *   documents) can be read by other processes with `openLiveFrames`, and is kept if this one is killed, for `recoverZarr`
 *   to finish the shard. Over other stores, frames are announced when they are accepted, and are there with their shard.
 * - Memory is bounded by `maxBufferBytes`, but for two blocks (and, compressed, two frames) of each source.
 * - An existing store is never written to: `ALREADY_EXISTS`.
 *
 * A source's `extra` may have `dims`, names of the axes of a frame, and `attributes`, JSON for the array.
 */
export class ZarrWriter extends Writer {
  /** Where a folder of a session is in the store that this writer has of its own; `undefined` if it has none. */
  readonly uriFor: ((path: string) => string) | undefined;
  readonly #options: CheckedZarrOptions;
  readonly #openStore: OpenStoreAt;
  readonly #releaseStore: ReleaseStore;
  readonly #arrays = new Map<string, OpenArray>();
  #store: ByteStore | undefined;

  /**
   * @param openStore - The store stays its opener's: the writer does not close it.
   * @param releaseStore - Called with it when the acquisition is closed, or could not begin.
   * @param uriFor - See {@link ZarrWriter.uriFor}.
   */
  constructor(
    name: string,
    openStore: OpenStoreAt,
    options: ZarrOptions & WriterOptions = {},
    releaseStore: ReleaseStore = async () => {},
    uriFor?: (path: string) => string,
  ) {
    const { timers, ...rest } = options;
    super(name, options);
    this.#options = checkZarrOptions(rest);
    this.#openStore = openStore;
    this.#releaseStore = releaseStore;
    this.uriFor = uriFor;
  }

  get mimetype(): string {
    return "application/x-zarr";
  }

  override get extension(): string {
    return ".zarr";
  }

  override async kickoff(options: OperationOptions = {}): Promise<void> {
    await super.kickoff(options);
    const uri = this.storeUri as string;
    const store = await this.#openStore(uri);
    const written: string[] = [];
    try {
      await this.#checkEmpty(store, uri, options);
      const ifAbsent = store.capabilities.ifAbsent !== "none";
      await store.write("zarr.json", encodeMetadata(groupMetadata(this.metadata)), { ...options, ifAbsent });
      written.push("zarr.json");
      const sources = this.preparedSources;
      for (const source of sources) {
        const layout = this.#layout(source);
        const key = `${source.name}/zarr.json`;
        await store.write(key, encodeMetadata(frameArrayMetadata(layout, 0)), options);
        written.push(key);
        this.#arrays.set(source.name, await this.#openArray(store, source, layout, sources.length));
      }
    } catch (error) {
      // Without this, a second try would find the beginnings of the first.
      this.#arrays.clear();
      try {
        if (written.length > 0) await store.deleteMany(written);
      } finally {
        await this.#releaseStore(store);
      }
      throw error;
    }
    this.#store = store;
  }

  protected doWriteFrame(name: string, frame: NdArray): void | Promise<void> {
    const array = this.#arrays.get(name) as OpenArray;
    return this.#options.shard === "frame" ? storeFrame(array, frame) : array.frames.append(frame);
  }

  protected async finalize(): Promise<void> {
    const store = this.#store as ByteStore;
    const arrays = [...this.#arrays];
    this.#arrays.clear();
    this.#store = undefined;
    const closings = arrays.map(
      ([name, array]) =>
        () =>
          this.#closeArray(store, name, array),
    );
    const attributes = () => store.write("zarr.json", encodeMetadata(groupMetadata(this.metadata)));
    try {
      await runAll(this.metadataChanged ? [...closings, attributes] : closings, `Closing ${this.storeUri} failed`);
    } finally {
      await this.#releaseStore(store);
    }
  }

  /** The array node itself, which is what Tiled's Zarr adapter opens; the chunk is the one that readers see. */
  protected override resourceParameters(source: SourceInfo): Record<string, unknown> {
    return { chunk_shape: [1, ...source.shape], path: source.name, store_uri: this.storeUri, zarr_format: 3 };
  }

  async #checkEmpty(store: ByteStore, uri: string, options: OperationOptions): Promise<void> {
    if (!store.capabilities.list) return;
    for await (const { key } of store.list(options)) {
      const message = `${uri} is not empty ("${key}"); an acquisition needs a store of its own`;
      throw new StorageError("ALREADY_EXISTS", message, { backend: this.name, operation: "kickoff", identifier: uri });
    }
  }

  #layout(source: SourceInfo): FrameArrayLayout {
    const frameBytes = byteLengthOf(source);
    const { shard, shardBytes } = this.#options;
    const wanted = shard === "frame" ? 1 : Math.max(1, Math.floor(shardBytes / frameBytes));
    return {
      dtype: source.dtype,
      frameShape: source.shape,
      framesPerShard: Math.min(wanted, MAX_CHUNKS, source.capacity || Number.POSITIVE_INFINITY),
      codec: this.#options.codec,
      dimensionNames: ["t", ...dimensionNames(source).slice(1)],
      attributes: arrayAttributes(source),
    };
  }

  async #openArray(
    store: ByteStore,
    source: SourceInfo,
    layout: FrameArrayLayout,
    sources: number,
  ): Promise<OpenArray> {
    const { codec, maxBufferBytes, direct, shard, journal } = this.#options;
    const share = Math.floor(maxBufferBytes / sources);
    // Compressed frames wait beside the blocks, which need no more than half of the memory then.
    const forBlocks = Math.min(codec === "none" ? share : share / 2, BLOCKS * MAX_BLOCK_BYTES);
    const wholePages = Math.floor(forBlocks / BLOCKS / PAGE_BYTES) * PAGE_BYTES;
    const blockBytes = Math.max(MIN_BLOCK_BYTES, Math.min(MAX_BLOCK_BYTES, wholePages));
    const { name, dtype, shape } = source;
    // A frame that is stored when its write resolves needs no other promise.
    const isJournalled = shard !== "frame" && journal === "auto" && keepsJournals(store);
    if (isJournalled) this.publish(name, 0);
    const isDurable = store.capabilities.durable === true;
    const readable = isJournalled || shard === "frame" ? undefined : 0;
    this.noteStored(name, { readable, durable: isDurable ? 0 : undefined });
    const shards = new ShardWriter({
      store,
      direct,
      isJournalled,
      syncAfterMs: SYNC_AFTER_MS,
      path: name,
      rank: shape.length + 1,
      chunksPerShard: layout.framesPerShard,
      blockBytes,
      blocks: Math.min(BLOCKS, Math.floor(forBlocks / blockBytes)),
      onShardStored: async (frames) => {
        await store.write(`${name}/zarr.json`, encodeMetadata(frameArrayMetadata(layout, frames)));
        this.noteStored(name, {
          readable: readable === undefined ? undefined : frames,
          durable: isDurable ? frames : undefined,
        });
      },
      onReadable: (frames) => {
        if (isJournalled) this.publish(name, frames);
      },
      onFailure: (error) => {
        this.fail(error);
        this.lose(name, Math.max(shards.chunksStored, shards.chunksReadable));
      },
    });
    if (codec === "none") return { shards, frames: new PlainEncoder(shards, dtype, shape) };
    // A frame under way takes its shuffled and its compressed form.
    const slots = Math.max(1, Math.min(4, Math.floor((share - forBlocks) / (2 * byteLengthOf(source)))));
    const frames = await BloscFrameEncoder.create(shards, dtype, shape, { level: codec.level, slots });
    return { shards, frames };
  }

  async #closeArray(store: ByteStore, name: string, { shards, frames }: OpenArray): Promise<void> {
    // A failure before this one has been reported by `fail`: closing throws it once.
    const isKnown = shards.failure !== undefined;
    try {
      await frames.drain();
      await shards.close();
    } catch (error) {
      await shards.abort();
      this.lose(name, shards.chunksReadable);
      const failures = isKnown ? [] : [error];
      try {
        // What was announced is kept, if need be by the next process.
        await recoverShards(store, { path: name }, true);
      } catch (failure) {
        failures.push(failure);
      }
      throwFailures(failures, `Closing the array of source "${name}" failed`);
    }
  }
}

/** Stores one frame as a shard, with the shape that shows it. */
async function storeFrame({ shards, frames }: OpenArray, frame: NdArray): Promise<void> {
  await frames.append(frame);
  await frames.drain();
  await shards.published();
}

function arrayAttributes(source: SourceInfo): Attributes {
  const { attributes = {} } = source.extra;
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) {
    throw new StorageError("INVALID_DATA", `extra.attributes of source "${source.name}" is no object`);
  }
  return toJson(attributes, `extra.attributes of source "${source.name}"`) as Attributes;
}
