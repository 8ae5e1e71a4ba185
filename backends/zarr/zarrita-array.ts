/** Arrays that zarrita reads for us: Zarr v2, and v3 with codecs that we have no code for. */
import * as zarrita from "zarrita";
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { type DType, dtypes, parseDType, type TypedArray } from "../../src/core/dtype.ts";
import { isStorageError, StorageError, type StorageErrorCode } from "../../src/core/errors.ts";
import { type AxisSelection, contiguous, contiguousStride, type NdArray } from "../../src/core/nd-array.ts";
import { resolveSelection } from "../../src/core/selection.ts";
import type { ZarrArray } from "./reader-types.ts";
import { ZarritaStore } from "./zarrita-store.ts";

type Opened = zarrita.Array<zarrita.DataType, ZarritaStore>;

/** An array behind zarrita. */
export class ZarritaArray implements ZarrArray {
  readonly kind = "array";
  readonly path: string;
  readonly dtype: DType;
  readonly #store: ByteStore;
  readonly #version: 2 | 3;
  #array: Opened;

  private constructor(store: ByteStore, path: string, version: 2 | 3, array: Opened) {
    this.path = path;
    this.#store = store;
    this.#version = version;
    this.#array = array;
    this.dtype = parseDType(array.dtype);
  }

  /**
   * Opens an array.
   *
   * @throws A {@link StorageError}: `NOT_FOUND`, `UNSUPPORTED` (codec), `DTYPE_MISMATCH`, `CORRUPT`.
   */
  static async open(
    store: ByteStore,
    path: string,
    version: 2 | 3,
    options: OperationOptions = {},
  ): Promise<ZarritaArray> {
    return new ZarritaArray(store, path, version, await open(store, path, version, options));
  }

  get shape(): readonly number[] {
    return this.#array.shape;
  }

  get chunkShape(): readonly number[] {
    return this.#array.chunks;
  }

  get dimensionNames(): readonly (string | null)[] {
    return this.#array.dimensionNames ?? [];
  }

  get attributes(): Readonly<Record<string, unknown>> {
    return this.#array.attrs;
  }

  async read(selection: readonly AxisSelection[] = [], options: OperationOptions = {}): Promise<NdArray> {
    const { start, stop, keptAxes } = resolveSelection(selection, this.shape);
    const kept = keptAxes.map((axis) => (stop[axis] as number) - (start[axis] as number));
    if (kept.includes(0))
      return { data: new dtypes[this.dtype].array(0), shape: kept, stride: contiguousStride(kept), dtype: this.dtype };
    const slices = start.map((from, axis) => zarrita.slice(from, stop[axis] as number));
    const { signal } = options;
    const chunk = await translated(this.path, () => zarrita.get(this.#array, slices, signal ? { signal } : {}));
    const { data, shape, stride } = chunk as zarrita.Chunk<"uint8">;
    const elements = this.dtype === "bool" ? Uint8Array.from(data as Iterable<number>, Number) : data;
    const whole = contiguous({ data: elements as TypedArray, shape, stride, dtype: this.dtype });
    return { ...whole, shape: kept, stride: contiguousStride(kept) };
  }

  frame(index: number, options: OperationOptions = {}): Promise<NdArray> {
    return this.read([index], options);
  }

  async refresh(options: OperationOptions = {}): Promise<void> {
    this.#array = await open(this.#store, this.path, this.#version, options);
  }
}

function open(store: ByteStore, path: string, version: 2 | 3, options: OperationOptions): Promise<Opened> {
  const { signal } = options;
  const at = new ZarritaStore(store, path);
  const how = version === 2 ? zarrita.open.v2 : zarrita.open.v3;
  return translated(path, () => how(at, { kind: "array", ...(signal && { signal }) }));
}

/** zarrita's errors as ours. */
async function translated<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const inner = zarrita.isZarritaError(cause, "CodecPipelineError") ? cause.cause : cause;
    if (isStorageError(inner)) throw inner;
    const code: StorageErrorCode = zarrita.isZarritaError(inner, "NotFoundError")
      ? "NOT_FOUND"
      : zarrita.isZarritaError(inner, "UnknownCodecError") || zarrita.isZarritaError(inner, "UnsupportedError")
        ? "UNSUPPORTED"
        : "CORRUPT";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StorageError(code, `Zarr array "${path}": ${reason}`, { backend: "zarr", identifier: path, cause });
  }
}
