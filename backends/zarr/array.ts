/** Our own reader of one Zarr array. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import type { DType } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import {
  type AxisSelection,
  byteLengthOf,
  contiguous,
  contiguousStride,
  type NdArray,
} from "../../src/core/nd-array.ts";
import { resolveSelection } from "../../src/core/selection.ts";
import { type ChunkSource, PlainChunks, ShardedChunks, type StoredChunk } from "./chunk-source.ts";
import { concurrently } from "./concurrently.ts";
import { constantArray } from "./fill-value.ts";
import { type ArrayLayout, arrayLayout } from "./layout.ts";
import type { ArrayMetadata } from "./metadata.ts";
import { type ArrayNode, findNode } from "./nodes.ts";
import { PackedChunkReader } from "./packed-chunk.ts";
import { PlainChunkReader, unsetArray } from "./plain-chunk.ts";
import type { ZarrArray } from "./reader-types.ts";
import { type Box, chunkBox, chunksOf, copyChunk, intersect, isWholeChunk, keepAxes } from "./region.ts";

/** Chunks that one `read` fetches and decodes at the same time. */
const CONCURRENCY = 8;
/** Chunks of one shard that are fetched together have at most so many bytes, before they were packed. */
const GROUP_BYTES = 8 * 2 ** 20;

/** An array of Zarr v3 or v2, regular or sharded. */
export class NativeZarrArray implements ZarrArray {
  readonly kind = "array";
  readonly path: string;
  readonly format: 2 | 3;
  /** How it lies in its store; never changes. */
  readonly layout: ArrayLayout;
  readonly #store: ByteStore;
  readonly #chunks: ChunkSource;
  /** Where chunks are stored as they are. */
  readonly #plain: PlainChunkReader | undefined;
  /** Where chunks are packed in blocks. */
  readonly #packed: PackedChunkReader | undefined;
  #metadata: ArrayMetadata;
  #refreshes = 0;
  /** Number of the refresh that the metadata is of. */
  #refreshed = 0;

  private constructor(store: ByteStore, { path, format }: ArrayNode, metadata: ArrayMetadata, layout: ArrayLayout) {
    this.path = path;
    this.format = format;
    this.layout = layout;
    this.#store = store;
    this.#metadata = metadata;
    this.#plain = layout.codecs.isPlain ? new PlainChunkReader(layout.chunkShape, layout.dtype) : undefined;
    const { parts } = layout.codecs;
    this.#packed = parts && new PackedChunkReader(layout.chunkShape, layout.dtype, parts);
    this.#chunks = layout.shards
      ? new ShardedChunks(store, layout.key, layout.shards)
      : new PlainChunks(store, layout.key);
  }

  /**
   * Makes the reader of an array.
   *
   * @returns `undefined` for what is not ours to read: other codecs, grids or key encodings.
   */
  static create(store: ByteStore, node: ArrayNode): NativeZarrArray | undefined {
    const layout = node.metadata && arrayLayout(node.metadata, node.path);
    return layout && new NativeZarrArray(store, node, node.metadata as ArrayMetadata, layout);
  }

  get dtype(): DType {
    return this.layout.dtype;
  }

  get shape(): readonly number[] {
    return this.#metadata.shape;
  }

  get chunkShape(): readonly number[] {
    return this.layout.chunkShape;
  }

  get dimensionNames(): readonly (string | null)[] {
    return this.#metadata.dimension_names ?? [];
  }

  get attributes(): Readonly<Record<string, unknown>> {
    return this.#metadata.attributes;
  }

  /** As in the metadata of v3. */
  get fillValue(): unknown {
    return this.#metadata.fill_value;
  }

  async read(selection: readonly AxisSelection[] = [], options: OperationOptions = {}): Promise<NdArray> {
    checkAborted(options.signal, { operation: "read", identifier: this.path });
    const region = resolveSelection(selection, this.shape);
    const { chunkShape } = this;
    const first = chunksOf(region, chunkShape).next();
    // A frame is one chunk: it goes to the caller as it was decoded.
    if (!first.done && isWholeChunk(region, first.value, chunkShape)) {
      const [stored] = await this.#stored([first.value], options);
      const chunk = await this.#decode(first.value, stored);
      if (isRowMajor(chunk)) return keepAxes(chunk, region.keptAxes);
      return keepAxes(contiguous(chunk), region.keptAxes);
    }
    const shape = region.stop.map((to, axis) => to - (region.start[axis] as number));
    // Every element is of some chunk, and set by it.
    const out = unsetArray(shape, this.dtype);
    await concurrently(this.#groups(region), CONCURRENCY, async (group) => {
      checkAborted(options.signal, { operation: "read", identifier: this.path });
      const chunks = group.slice(this.#copyNear(group, out, region));
      const stored = await this.#stored(chunks, options, region);
      await concurrently(chunks.keys(), CONCURRENCY, (i) => {
        return this.#copy(chunks[i] as readonly number[], stored[i], out, region);
      });
    });
    return keepAxes(out, region.keptAxes);
  }

  frame(index: number, options: OperationOptions = {}): Promise<NdArray> {
    return this.read([index], options);
  }

  async refresh(options: OperationOptions = {}): Promise<void> {
    const refresh = ++this.#refreshes;
    const node = await findNode(this.#store, this.path, options);
    if (node?.kind !== "array") {
      const message = `The array at "${this.path}" is no longer there`;
      throw new StorageError("NOT_FOUND", message, { operation: "refresh", identifier: this.path });
    }
    const isSame =
      node.metadata && JSON.stringify(layoutOf(node.metadata)) === JSON.stringify(layoutOf(this.#metadata));
    if (!isSame) {
      const message = `Another array was put at "${this.path}"; open it anew`;
      throw new StorageError("CONFLICT", message, { operation: "refresh", identifier: this.path });
    }
    // One that began later may have ended before.
    if (refresh < this.#refreshed) return;
    this.#refreshed = refresh;
    this.#metadata = node.metadata as ArrayMetadata;
  }

  /** The chunks of a region, those of one shard together, as far as memory allows. */
  *#groups(region: Box): Generator<number[][]> {
    const { shards, unitShape, chunkShape } = this.layout;
    const most =
      shards === undefined
        ? 1
        : Math.max(1, Math.floor(GROUP_BYTES / byteLengthOf({ shape: chunkShape, dtype: this.dtype })));
    for (const unit of chunksOf(region, unitShape)) {
      let group: number[][] = [];
      for (const chunk of chunksOf(intersect(region, chunkBox(unit, unitShape)), chunkShape)) {
        group.push(chunk);
        if (group.length < most) continue;
        yield group;
        group = [];
      }
      if (group.length > 0) yield group;
    }
  }

  /**
   * Copies chunks of one shard that are at hand and stored as they are, straight to where they belong.
   *
   * @returns How many are done; the others come after them.
   */
  #copyNear(chunks: readonly (readonly number[])[], out: NdArray, region: Box): number {
    const plain = this.#plain;
    if (plain === undefined) return 0;
    return this.#chunks.lookAt(chunks, (i, stored) => {
      const at = chunks[i] as readonly number[];
      try {
        if (stored !== undefined) return plain.copy(stored, at, out, region);
      } catch (cause) {
        throw namingError(this.#store, this.path, at, cause);
      }
      copyChunk(constantArray(this.chunkShape, this.dtype, this.fillValue), at, out, region);
      return true;
    });
  }

  /** Copies what a chunk and a region have in common. */
  async #copy(at: readonly number[], stored: Uint8Array | undefined, out: NdArray, region: Box): Promise<void> {
    const packed = this.#packed;
    if (packed === undefined || stored === undefined) {
      copyChunk(await this.#decode(at, stored), at, out, region);
      return;
    }
    await namingChunk(this.#store, this.path, at, () => packed.copy(stored, at, out, region));
  }

  /** The stored bytes of chunks of one shard, as far as they are needed for a region: first those that are at hand. */
  async #stored(
    chunks: readonly (readonly number[])[],
    options: OperationOptions,
    region?: Box | undefined,
  ): Promise<(Uint8Array | undefined)[]> {
    const near: (Uint8Array | undefined)[] = [];
    const seen = this.#chunks.lookAt(chunks, (i, stored) => {
      const part = stored && region && this.#readPart(stored, chunks[i] as readonly number[], region);
      if (part !== undefined) {
        near[i] = part;
        return true;
      }
      const bytes = stored && new Uint8Array(Buffer.allocUnsafeSlow(stored.byteLength).buffer);
      if (bytes !== undefined && !stored?.read(bytes, 0)) return false;
      near[i] = bytes;
      return true;
    });
    if (seen === chunks.length) return near;
    return [...near, ...(await this.#chunks.readTogether(chunks.slice(seen), options))];
  }

  #readPart(stored: StoredChunk, at: readonly number[], region: Box): Uint8Array | undefined {
    try {
      return this.#packed?.read(stored, at, region);
    } catch (cause) {
      throw namingError(this.#store, this.path, at, cause);
    }
  }

  /** The elements of one chunk, also those beyond the edge of the array; the fill value where nothing is stored. */
  async #decode(at: readonly number[], stored: Uint8Array | undefined): Promise<NdArray> {
    const { codecs, chunkShape } = this.layout;
    if (stored === undefined) return constantArray(chunkShape, this.dtype, this.fillValue);
    return namingChunk(this.#store, this.path, at, () => codecs.decode(stored, chunkShape));
  }
}

/** Runs what reads a chunk, and says in the error of a damaged one which it is. */
export async function namingChunk<T>(
  store: ByteStore,
  path: string,
  chunk: readonly number[],
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw namingError(store, path, chunk, cause);
  }
}

function namingError(store: ByteStore, path: string, chunk: readonly number[], cause: unknown): unknown {
  if (!isStorageError(cause, "CORRUPT")) return cause;
  const message = `Chunk [${chunk.join(", ")}] of "${path}" is damaged: ${cause.message}`;
  return new StorageError("CORRUPT", message, { backend: store.name, identifier: path, cause });
}

function layoutOf(metadata: ArrayMetadata): unknown {
  const { data_type, chunk_grid, chunk_key_encoding, codecs, fill_value, shape } = metadata;
  return { data_type, chunk_grid, chunk_key_encoding, codecs, fill_value: String(fill_value), rank: shape.length };
}

/** True if a chunk has its elements in C order. */
function isRowMajor({ shape, stride }: NdArray): boolean {
  return contiguousStride(shape).every((step, axis) => stride[axis] === step);
}
