/** What a ZIP archive is read from: bytes by place. */
import type { ResolvedRange } from "../../core/byte-range.ts";
import type { OperationOptions } from "../../core/byte-store.ts";
import type { ErrorContext, StorageError } from "../../core/errors.ts";

/** The bytes of one archive that does not change while it is read. Every read gives exactly what was asked, or fails. */
export interface ArchiveBytes {
  /** Length of the archive in bytes. */
  readonly byteLength: number;
  /** Which archive this is, for errors. */
  readonly context: ErrorContext;
  /** These bytes, or `CORRUPT`. They are read and never changed: they may be a view of the archive. */
  read(offset: number, length: number, options: OperationOptions): Promise<Uint8Array>;
  /** Several runs of bytes, as near together as the medium finds good. */
  readMany(places: readonly ResolvedRange[], options: OperationOptions): Promise<Uint8Array[]>;
  /** A stream of these bytes. */
  stream(offset: number, length: number, options: OperationOptions): Promise<ReadableStream<Uint8Array>>;
  /** The error for an archive that is damaged. */
  corrupt(problem: string, context?: ErrorContext, cause?: unknown): StorageError;
}
