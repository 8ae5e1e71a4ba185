/** The archive as bytes: one version of one value in another store. */
import type { ArchiveBytes } from "../../src/codecs/zip/archive-bytes.ts";
import type { ResolvedRange } from "../../src/core/byte-range.ts";
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";

/** Reads one version of an archive. Once the value changes, every read is `PRECONDITION_FAILED`: nothing is mixed. */
export class ArchiveSource implements ArchiveBytes {
  readonly #store: ByteStore;
  readonly #key: string;
  /** Length of the archive in bytes. */
  readonly byteLength: number;
  /** Version of the archive; `undefined` where the store has none. */
  readonly etag: string | undefined;

  private constructor(store: ByteStore, key: string, byteLength: number, etag: string | undefined) {
    this.#store = store;
    this.#key = key;
    this.byteLength = byteLength;
    this.etag = etag;
  }

  /** Looks at the archive. Rejects with what the store says, and `IS_A_DIRECTORY`. */
  static async open(store: ByteStore, key: string, options: OperationOptions): Promise<ArchiveSource> {
    const stat = await store.stat(key, options);
    if (stat.kind === "file") return new ArchiveSource(store, stat.key, stat.byteLength, stat.etag);
    const context = { backend: store.name, operation: "open", identifier: key };
    throw new StorageError("IS_A_DIRECTORY", `"${key}" in "${store.name}" is a directory, not a ZIP archive`, context);
  }

  /** Which archive this is, for errors. */
  get context(): ErrorContext {
    return { backend: this.#store.name, identifier: this.#key };
  }

  /** Exactly these bytes, or `CORRUPT`. */
  async read(offset: number, length: number, options: OperationOptions): Promise<Uint8Array> {
    this.#check(offset, length);
    if (length === 0) return new Uint8Array(0);
    const range = { offset, length };
    const bytes = await this.#store
      .read(this.#key, { range, ifMatch: this.etag, signal: options.signal })
      .catch((error: unknown) => {
        throw this.#explain(error);
      });
    if (bytes.byteLength === length) return bytes;
    throw this.corrupt(`it ends at byte ${offset + bytes.byteLength} in the middle of a record`);
  }

  /** Several runs of bytes, as near together as the store finds good. */
  async readMany(places: readonly ResolvedRange[], options: OperationOptions): Promise<Uint8Array[]> {
    for (const { offset, length } of places) this.#check(offset, length);
    const parts = await this.#store
      .readRanges(this.#key, places, { ifMatch: this.etag, signal: options.signal })
      .catch((error: unknown) => {
        throw this.#explain(error);
      });
    if (parts.every((part, i) => part.byteLength === places[i]?.length)) return parts;
    throw this.corrupt("it is shorter than it was");
  }

  /** A stream of these bytes, in one read of the store. */
  async stream(offset: number, length: number, options: OperationOptions): Promise<ReadableStream<Uint8Array>> {
    this.#check(offset, length);
    const range = { offset, length };
    try {
      return await this.#store.readStream(this.#key, { range, ifMatch: this.etag, signal: options.signal });
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The error for an archive that is damaged. */
  corrupt(problem: string, context: ErrorContext = {}, cause?: unknown): StorageError {
    return new StorageError("CORRUPT", `The archive "${this.#key}" in "${this.#store.name}" is damaged: ${problem}`, {
      ...this.context,
      ...context,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #check(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.byteLength) return;
    throw this.corrupt(`a record at byte ${offset} of ${length} bytes lies outside its ${this.byteLength} bytes`);
  }

  #explain(error: unknown): unknown {
    if (!isStorageError(error, "PRECONDITION_FAILED", "OUT_OF_RANGE")) return error;
    return new StorageError(
      "PRECONDITION_FAILED",
      `The archive "${this.#key}" in "${this.#store.name}" has changed since its directory was read; refresh() reads it anew`,
      { backend: this.#store.name, operation: "read", identifier: this.#key, cause: error },
    );
  }
}
