/** Our own reader of one Zarr v3 array. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { type DType, isDType } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import { type AxisSelection, arrayFromBytes, type NdArray, zeros } from "../../src/core/nd-array.ts";
import { type ChunkKey, type ChunkSource, chunkKeys, PlainChunks, ShardedChunks } from "./chunk-source.ts";
import { CodecChain } from "./codec-chain.ts";
import { type ArrayMetadata, fillValueBytes, isShape, type NamedConfiguration, parseMetadata } from "./metadata.ts";
import type { ZarrArray } from "./reader-types.ts";
import { chunksOf, copyChunk, isWholeChunk, keepAxes, resolveSelection } from "./region.ts";

/** Chunks that one `read` fetches and decodes at the same time. */
const CONCURRENCY = 8;

/** How chunks are found and decoded. */
interface Layout {
  readonly chunkShape: readonly number[];
  readonly chunks: ChunkSource;
  readonly codecs: CodecChain;
}

/** A v3 array, regular or sharded. */
export class NativeZarrArray implements ZarrArray {
  readonly kind = "array";
  readonly path: string;
  readonly dtype: DType;
  readonly #store: ByteStore;
  readonly #layout: Layout;
  /** A chunk of the fill value, for those that were never stored; made when the first is missing. */
  #empty: NdArray | undefined;
  #metadata: ArrayMetadata;

  private constructor(store: ByteStore, path: string, metadata: ArrayMetadata, dtype: DType, layout: Layout) {
    this.path = path;
    this.dtype = dtype;
    this.#store = store;
    this.#layout = layout;
    this.#metadata = metadata;
  }

  /**
   * Makes the reader of an array.
   *
   * @returns `undefined` for what is not ours to read: other codecs, grids or key encodings.
   * @throws A {@link StorageError} `DTYPE_MISMATCH` for element types that JavaScript cannot hold.
   */
  static create(store: ByteStore, path: string, metadata: ArrayMetadata): NativeZarrArray | undefined {
    const { data_type: dtype } = metadata;
    const layout = isDType(dtype) ? readLayout(store, path, metadata, dtype) : undefined;
    return layout && new NativeZarrArray(store, path, metadata, dtype as DType, layout);
  }

  get shape(): readonly number[] {
    return this.#metadata.shape;
  }

  get chunkShape(): readonly number[] {
    return this.#layout.chunkShape;
  }

  get dimensionNames(): readonly (string | null)[] {
    return this.#metadata.dimension_names ?? [];
  }

  get attributes(): Readonly<Record<string, unknown>> {
    return this.#metadata.attributes;
  }

  async read(selection: readonly AxisSelection[] = [], options: OperationOptions = {}): Promise<NdArray> {
    checkAborted(options.signal, { operation: "read", identifier: this.path });
    const region = resolveSelection(selection, this.shape);
    const { chunkShape } = this.#layout;
    const chunks = chunksOf(region, chunkShape);
    const first = chunks.next();
    // A frame is one chunk: it goes to the caller as it was decoded.
    if (!first.done && isWholeChunk(region, first.value, chunkShape)) {
      const chunk = await this.#chunk(first.value, options);
      if (chunk !== this.#empty && isRowMajor(chunk)) return keepAxes(chunk, region.keptAxes);
    }
    const shape = region.stop.map((to, axis) => to - (region.start[axis] as number));
    const out = zeros(shape, this.dtype);
    const copy = async (at: readonly number[]): Promise<void> => {
      copyChunk(await this.#chunk(at, options), at, out, region);
    };
    if (!first.done) await copy(first.value);
    const work = async (): Promise<void> => {
      for (const at of chunks) await copy(at);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    return keepAxes(out, region.keptAxes);
  }

  frame(index: number, options: OperationOptions = {}): Promise<NdArray> {
    return this.read([index], options);
  }

  async refresh(options: OperationOptions = {}): Promise<void> {
    const key = joinKey(this.path, "zarr.json");
    const metadata = parseMetadata(await this.#store.read(key, options), key);
    const isSame =
      metadata.node_type === "array" && JSON.stringify(layoutOf(metadata)) === JSON.stringify(layoutOf(this.#metadata));
    if (!isSame) {
      throw new StorageError("CONFLICT", `Another array was put at "${this.path}"; open it anew`, { identifier: key });
    }
    this.#metadata = metadata as ArrayMetadata;
  }

  async #chunk(at: readonly number[], options: OperationOptions): Promise<NdArray> {
    const { chunks, codecs, chunkShape } = this.#layout;
    checkAborted(options.signal, { operation: "read", identifier: this.path });
    try {
      const bytes = await chunks.read(at, options);
      if (bytes !== undefined) return await codecs.decode(bytes, chunkShape);
    } catch (cause) {
      if (!isStorageError(cause, "CORRUPT")) throw cause;
      const message = `Chunk [${at.join(", ")}] of "${this.path}": ${cause.message}`;
      throw new StorageError("CORRUPT", message, { backend: this.#store.name, identifier: this.path, cause });
    }
    this.#empty ??= filled(chunkShape, this.dtype, this.#metadata.fill_value);
    return this.#empty;
  }
}

function readLayout(store: ByteStore, path: string, metadata: ArrayMetadata, dtype: DType): Layout | undefined {
  const { chunk_grid, chunk_key_encoding, codecs, shape } = metadata;
  const outer = chunk_grid.configuration?.chunk_shape;
  const key = chunkKeys(path, chunk_key_encoding);
  if (chunk_grid.name !== "regular" || key === undefined || !isChunkShape(outer, shape.length)) return undefined;
  const [first, ...others] = codecs;
  if (first?.name === "sharding_indexed" && others.length === 0) {
    return readSharding(store, key, outer, first.configuration ?? {}, dtype);
  }
  const chain = CodecChain.create(codecs, dtype, shape.length);
  return chain && { chunkShape: outer, chunks: new PlainChunks(store, key), codecs: chain };
}

function readSharding(
  store: ByteStore,
  key: ChunkKey,
  shardShape: readonly number[],
  configuration: Readonly<Record<string, unknown>>,
  dtype: DType,
): Layout | undefined {
  const { chunk_shape: chunkShape, codecs, index_codecs, index_location: location = "end" } = configuration;
  if (!Array.isArray(codecs) || !Array.isArray(index_codecs)) return undefined;
  const [indexBytes, checksum, ...others] = index_codecs as NamedConfiguration[];
  const indexEndian = indexBytes?.configuration?.endian ?? "little";
  if (!isChunkShape(chunkShape, shardShape.length)) return undefined;
  if (!shardShape.every((length, axis) => length % (chunkShape[axis] as number) === 0)) return undefined;
  if (indexBytes?.name !== "bytes" || others.length > 0 || (checksum && checksum.name !== "crc32c")) return undefined;
  if (location !== "start" && location !== "end") return undefined;
  if (indexEndian !== "little" && indexEndian !== "big") return undefined;
  const chain = CodecChain.create(codecs as NamedConfiguration[], dtype, shardShape.length);
  if (chain === undefined) return undefined;
  const chunksPerShard = shardShape.map((length, axis) => length / (chunkShape[axis] as number));
  const layout = { chunksPerShard, indexEndian, hasChecksum: checksum !== undefined, location } as const;
  return { chunkShape, chunks: new ShardedChunks(store, key, layout), codecs: chain };
}

function filled(shape: readonly number[], dtype: DType, fill: unknown): NdArray {
  const array = zeros(shape, dtype);
  const [element] = arrayFromBytes(fillValueBytes(fill, dtype), dtype, [1]).data;
  (array.data as Float64Array).fill(element as number);
  return array;
}

function layoutOf(metadata: ArrayMetadata): unknown {
  const { data_type, chunk_grid, chunk_key_encoding, codecs, fill_value, shape } = metadata;
  return { data_type, chunk_grid, chunk_key_encoding, codecs, fill_value, rank: shape.length };
}

function isChunkShape(value: unknown, rank: number): value is number[] {
  return isShape(value) && value.length === rank && value.every((length) => length > 0);
}

function isRowMajor({ shape, stride }: NdArray): boolean {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (stride[axis] !== step) return false;
    step *= shape[axis] as number;
  }
  return true;
}
