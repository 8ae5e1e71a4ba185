/** Options of the Zarr backend and of its methods. */
import type { BackendOptions } from "../../src/core/backend.ts";
import type { BatchOptions } from "../../src/core/batch.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import type { SaveOptions } from "../../src/core/data-sink.ts";
import type { LoadOptions } from "../../src/core/data-source.ts";
import type { AxisSelection } from "../../src/core/nd-array.ts";
import type { ZarrBackend } from "./backend.ts";
import type { Cast } from "./cast.ts";
import type { ArrayLayoutOptions } from "./new-array.ts";
import type { SaveBatchOptions } from "./ngff/write-batch.ts";

/** Options of {@link ZarrBackend}. */
export interface ZarrBackendOptions extends BackendOptions {
  /** How arrays are stored by saves that do not say it. */
  readonly layout?: Pick<ArrayLayoutOptions, "compressor" | "codecs" | "zarrFormat" | "separator"> | undefined;
  /** Called with the store when the backend is closed. Default: the store is closed. */
  readonly release?: ((store: ByteStore) => Promise<void>) | undefined;
}

/** Options of {@link ZarrBackend.save}. */
export interface ZarrSaveOptions extends SaveOptions, ArrayLayoutOptions {
  /** Stores elements of another type. Without it, arrays keep theirs. */
  readonly cast?: Cast | undefined;
}

/**
 * Options of {@link ZarrBackend.saveBatch}. With a `layout`, the batch becomes a well of an OME-Zarr plate, as by `saveBatch`
 * of `sluice/backends/zarr/ngff`; without, each value goes to its path.
 */
export type ZarrBatchOptions = ZarrSaveOptions & BatchOptions & Omit<Partial<SaveBatchOptions>, "files">;

/** Options of {@link ZarrBackend.load}. */
export interface ZarrLoadOptions extends LoadOptions {
  /** Part of an array to load: one entry an axis, as for `sliceArray`. Only the chunks that it touches are read. */
  readonly selection?: readonly AxisSelection[] | undefined;
}
