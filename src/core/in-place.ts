/** Values that are at hand: stores that can answer on the calling thread, at once. */
import type { ByteStore } from "./byte-store.ts";

/**
 * One version of a value, open for reads on the calling thread. Close it before anything is awaited: it may hold a file
 * open, and nobody else can.
 */
export interface InPlaceValue {
  /** Length in bytes. */
  readonly byteLength: number;
  /** As in `ObjectStat`. */
  readonly etag: string | undefined;
  /**
   * Fills memory of the caller from a byte offset on.
   *
   * @returns False, and nothing useful is in the memory, where that would take too long now: ask `ByteStore.read`.
   * @throws A `StorageError` `OUT_OF_RANGE` if the value has not so many bytes; or as `ByteStore.read` rejects.
   */
  read(into: Uint8Array, offset: number): boolean;
  /** Harmless when repeated. */
  close(): void;
}

/**
 * What a byte store may offer beside its contract: small reads that come back without a promise, into memory that the
 * caller has already. Layers do not pass it on, so that they miss no read.
 */
export interface InPlaceReader {
  /**
   * Opens a value.
   *
   * @returns `undefined` where that would take too long now, or cannot be known: ask `ByteStore.read`.
   * @throws A `StorageError` `NOT_FOUND`, `IS_A_DIRECTORY` or whatever else `ByteStore.read` rejects with.
   */
  openInPlace(key: string): InPlaceValue | undefined;
}

/** The store as one that reads in place; `undefined` if it does not say that it can. */
export function inPlaceReader(store: ByteStore): InPlaceReader | undefined {
  const { openInPlace } = store as Partial<InPlaceReader>;
  return typeof openInPlace === "function" ? (store as ByteStore & InPlaceReader) : undefined;
}
