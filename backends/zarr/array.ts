/** Our own reader of one Zarr array. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import type { DType } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { type AxisSelection, contiguousStride, type NdArray, zeros } from "../../src/core/nd-array.ts";
import { type ChunkSource, PlainChunks, ShardedChunks } from "./chunk-source.ts";
import { concurrently } from "./concurrently.ts";
import { constantArray } from "./fill-value.ts";
import { type ArrayLayout, arrayLayout } from "./layout.ts";
import type { ArrayMetadata } from "./metadata.ts";
import { type ArrayNode, findNode } from "./nodes.ts";
import type { ZarrArray } from "./reader-types.ts";
import { chunksOf, copyChunk, isWholeChunk, keepAxes, resolveSelection } from "./region.ts";

/** Chunks that one `read` fetches and decodes at the same time. */
const CONCURRENCY = 8;

/** An array of Zarr v3 or v2, regular or sharded. */
export class NativeZarrArray implements ZarrArray {
  readonly kind = "array";
  readonly path: string;
  readonly format: 2 | 3;
  /** How it lies in its store; never changes. */
  readonly layout: ArrayLayout;
  readonly #store: ByteStore;
  readonly #chunks: ChunkSource;
  #metadata: ArrayMetadata;

  private constructor(store: ByteStore, { path, format }: ArrayNode, metadata: ArrayMetadata, layout: ArrayLayout) {
    this.path = path;
    this.format = format;
    this.layout = layout;
    this.#store = store;
    this.#metadata = metadata;
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
    const chunks = chunksOf(region, chunkShape);
    const first = chunks.next();
    // A frame is one chunk: it goes to the caller as it was decoded.
    if (!first.done && isWholeChunk(region, first.value, chunkShape)) {
      const chunk = await this.#chunk(first.value, options);
      if (isRowMajor(chunk)) return keepAxes(chunk, region.keptAxes);
    }
    const shape = region.stop.map((to, axis) => to - (region.start[axis] as number));
    const out = zeros(shape, this.dtype);
    const copy = async (at: readonly number[]): Promise<void> => {
      copyChunk(await this.#chunk(at, options), at, out, region);
    };
    if (!first.done) await copy(first.value);
    await concurrently(chunks, CONCURRENCY, copy);
    return keepAxes(out, region.keptAxes);
  }

  frame(index: number, options: OperationOptions = {}): Promise<NdArray> {
    return this.read([index], options);
  }

  async refresh(options: OperationOptions = {}): Promise<void> {
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
    this.#metadata = node.metadata as ArrayMetadata;
  }

  /** The elements of one chunk, also those beyond the edge of the array. */
  async #chunk(at: readonly number[], options: OperationOptions): Promise<NdArray> {
    checkAborted(options.signal, { operation: "read", identifier: this.path });
    const { codecs, chunkShape } = this.layout;
    const bytes = await namingChunk(this.#store, this.path, at, async () => {
      const stored = await this.#chunks.read(at, options);
      return stored && codecs.decode(stored, chunkShape);
    });
    return bytes ?? constantArray(chunkShape, this.dtype, this.fillValue);
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
    if (!isStorageError(cause, "CORRUPT")) throw cause;
    const message = `Chunk [${chunk.join(", ")}] of "${path}" is damaged: ${cause.message}`;
    throw new StorageError("CORRUPT", message, { backend: store.name, identifier: path, cause });
  }
}

function layoutOf(metadata: ArrayMetadata): unknown {
  const { data_type, chunk_grid, chunk_key_encoding, codecs, fill_value, shape } = metadata;
  return { data_type, chunk_grid, chunk_key_encoding, codecs, fill_value: String(fill_value), rank: shape.length };
}

/** True if a chunk has its elements in C order. */
function isRowMajor({ shape, stride }: NdArray): boolean {
  return contiguousStride(shape).every((step, axis) => stride[axis] === step);
}
