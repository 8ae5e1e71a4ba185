/** Long values that are written over several lives of a process. */
import type { OperationOptions, WriteOptions } from "./byte-store.ts";

/**
 * Asks a writer to go on with what an earlier one left of the same value. A store that cannot ignores it, and its writer
 * has no `suspend`.
 *
 * @see tus, resumable uploads; S3, multipart uploads
 */
export interface ResumeOptions {
  /**
   * Names the exact bytes: where they come from, which version, how long. What was left of another origin is never gone
   * on with, so no value is made of two versions.
   */
  readonly origin: string;
  /** Reads the bytes from the beginning, for stores that keep no origin and compare what they have with the bytes. */
  readonly content: (options: OperationOptions) => Promise<ReadableStream<Uint8Array>>;
}

/** Options of `openWriter`. */
export interface OpenByteWriterOptions extends WriteOptions {
  /**
   * A hint that stores may ignore. `"auto"`: the bytes are many and nobody reads them soon, so a store may write past
   * the cache of the operating system where that is faster. Default `"never"`.
   */
  readonly direct?: "never" | "auto" | undefined;
  /** Goes on where an earlier writer of the same origin stopped; see `kept` and `suspend` of the writer. */
  readonly resume?: ResumeOptions | undefined;
  /**
   * Keeps a journal beside the value, which begins with these bytes. A store that cannot ignores it, and its writer has no
   * `journal`. Not together with `resume`.
   */
  readonly journal?: Uint8Array | undefined;
}

/** The beginning of a value that an earlier writer left, found to be what it had been given. */
export interface KeptBytes {
  readonly byteLength: number;
  /** CRC-32C of these bytes, as a number: the seed for what follows. */
  readonly crc32c: number;
}
