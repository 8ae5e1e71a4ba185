/** Where values go: the write half of the value plane. */
import type { BatchOptions } from "./batch.ts";
import { brand, hasBrand } from "./brand.ts";
import type { OperationOptions } from "./byte-store.ts";
import type { StorageError } from "./errors.ts";

/** What to do when something is stored under the identifier already. */
export type IfExists = "error" | "replace" | "skip";

/** Options of {@link DataSink.save}. */
export interface SaveOptions extends OperationOptions {
  /** Default: the policy of the backend, which is `"error"` unless its configuration says otherwise. */
  readonly ifExists?: IfExists | undefined;
  /** Makes missing directories above the identifier instead of rejecting with `NOT_FOUND`. Default `false`. */
  readonly createParents?: boolean | undefined;
  /** Hands the value's memory over: the caller must not use it again. Default `false`, which never aliases it. */
  readonly transfer?: boolean | undefined;
  /** Codec by name (`"npy"`, `"tiff"`, …) where the suffix does not say it. File-like backends only. */
  readonly format?: string | undefined;
  /** Options of the codec, checked by the codec: `{ compression: "deflate" }`. File-like backends only. */
  readonly codecOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** What became of one value. `failed` occurs only in batches with `onError: "collect"`. */
export type SaveResult =
  | {
      readonly status: "created" | "replaced";
      readonly identifier: string;
      /** Stored size in bytes, where the backend knows it. */
      readonly byteLength?: number | undefined;
      /** Opaque version tag, where the backend has one. */
      readonly etag?: string | undefined;
    }
  | { readonly status: "skipped"; readonly identifier: string }
  | { readonly status: "failed"; readonly identifier: string; readonly error: StorageError };

/**
 * A destination of values: storage, a viewer, anything that takes data. The minimal contract that storage and streaming
 * share. Backends implement it through `StorageBackend`, `VirtualBackend` or `StreamingBackend`; `instanceof DataSink`
 * recognises all of them, also from another copy of the package.
 *
 * @see OpenHCS `io/base.py`, `DataSink`
 */
export abstract class DataSink {
  static [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(this, DataSink, "DataSink", value);
  }

  /**
   * Sends one value. Never aliases the caller's memory unless `transfer` is set; resolves when the value is stored (or
   * acknowledged by its receiver).
   *
   * @param data - An array, a table, JSON, text or bytes: what the backend's capabilities and codecs take.
   * @param identifier - Where it goes; path-like.
   * @throws A {@link StorageError}: `INVALID_KEY`, `INVALID_DATA`, `DTYPE_MISMATCH`, `ALREADY_EXISTS`, `NOT_FOUND`
   * (no parent directory), `NOT_OPEN`, `ABORTED`.
   */
  abstract save(data: unknown, identifier: string, options?: SaveOptions): Promise<SaveResult>;

  /**
   * Sends several values, concurrently. All identifiers are checked before the first value is written; results keep the
   * order of the arguments; an empty batch does nothing.
   *
   * @throws A {@link StorageError} `INVALID_DATA` if the lists differ in length or an identifier occurs twice;
   * otherwise as {@link DataSink.save}: one failure as it is, several as an `AggregateError`.
   */
  abstract saveBatch(
    dataList: readonly unknown[],
    identifiers: readonly string[],
    options?: SaveOptions & BatchOptions,
  ): Promise<SaveResult[]>;
}

brand(DataSink, "DataSink");
