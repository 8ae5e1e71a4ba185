/** The contract of a codec: one value to bytes and back. */
import type { ByteSource, OperationOptions } from "../core/byte-store.ts";
import type { StorageError } from "../core/errors.ts";

/** What a codec gets besides the value or the bytes. */
export interface CodecContext extends OperationOptions {
  /** The key, for messages. */
  readonly identifier: string;
  /** Options of the caller; a codec refuses those it does not know with `INVALID_DATA`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Turns values of one format into bytes and back. */
export interface Codec {
  /** Short name, for example `"npy"`; the `format` option of save and load. */
  readonly name: string;
  /** Endings with their dot, lower case, compound ones too: `[".tif", ".ome.tif"]`. */
  readonly suffixes: readonly string[];
  /** MIME types, the registered one first. */
  readonly mimeTypes: readonly string[];
  /**
   * Encodes a value, exactly or not at all.
   *
   * @returns Bytes that may share memory with the value; they are read before the caller gets control back.
   * @throws A {@link StorageError}: `INVALID_DATA` or `DTYPE_MISMATCH` for what the format cannot keep.
   */
  encode(value: unknown, context: CodecContext): ByteSource | Promise<ByteSource>;
  /**
   * Decodes a whole value.
   *
   * @param bytes - Handed over: the result may share this memory.
   * @throws A {@link StorageError} `CORRUPT` for bytes that are not of this format.
   */
  decode(bytes: Uint8Array, context: CodecContext): unknown | Promise<unknown>;
}
