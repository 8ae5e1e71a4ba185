/**
 * The byte plane: keys to bytes. Small and strict, so that disks, memory, object stores and archives can all keep it,
 * and layers can wrap it.
 *
 * Every store keeps these promises:
 * - Each single-key write is atomic: a reader sees the old value or the new one, never a part, also when the process is
 *   killed or the device is full.
 * - Listings are ordered by the UTF-8 bytes of the full key and invent nothing.
 * - Keys are normalised (`normalizeKey`) and stay inside the root.
 * - Reads have no side effects.
 * - Every operation honours `signal` and rejects with `ABORTED`, leaving no half value and no orphan.
 *
 * @see object_store (Rust), "atomic operations"; OpenDAL, `Access`
 */
import type { DirectoryEntry } from "./backend.ts";
import type { StoreCapabilities } from "./capabilities.ts";
import type { StorageError } from "./errors.ts";
import type { ByteJournal } from "./journalled-write.ts";
import type { KeptBytes, OpenByteWriterOptions } from "./resumable-write.ts";

/** Bytes to write: one buffer, or several that are written one after another without being joined first. */
export type ByteSource = Uint8Array | readonly Uint8Array[];

/** Options that every operation takes. */
export interface OperationOptions {
  /**
   * Cancels the operation: it rejects with `ABORTED` and leaves things as they were. One exception: where a retry layer
   * was about to repeat a write whose answer had been lost, nobody knows whether that write took place.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Which bytes of a value to read: from `offset`, at most `length` of them; or the last `suffix` bytes. */
export type ByteRange = { readonly offset: number; readonly length?: number } | { readonly suffix: number };

/** Options of reads. */
export interface ReadOptions extends OperationOptions {
  /**
   * Part to read; default is all. As in HTTP, what lies beyond the end is left out; a range that starts beyond the end
   * is `OUT_OF_RANGE`, one that starts at the end is empty.
   */
  readonly range?: ByteRange | undefined;
  /** Reads only this version; otherwise `PRECONDITION_FAILED`. */
  readonly ifMatch?: string | undefined;
}

/** A checksum of a whole value. */
export interface Checksum {
  /** `crc32c` (Castagnoli), as in Zarr and S3. */
  readonly algorithm: "crc32c";
  /** Eight lower-case hexadecimal digits. */
  readonly value: string;
}

/** Options of writes. At most one of `ifAbsent` and `ifMatch`. */
export interface WriteOptions extends OperationOptions {
  /** Writes only if nothing is there; otherwise `ALREADY_EXISTS`, and nothing changes. */
  readonly ifAbsent?: boolean | undefined;
  /** Writes only over this version; otherwise `PRECONDITION_FAILED`, and nothing changes. */
  readonly ifMatch?: string | undefined;
  /** Asks for a checksum in the result. Costs one pass over the bytes where the store has none of its own. */
  readonly checksum?: "crc32c" | undefined;
}

/** What a write left behind. */
export interface WriteResult {
  /** Length of the value in bytes. */
  readonly byteLength: number;
  /** Changes whenever the value does; opaque. Good for `ifMatch`. */
  readonly etag: string;
  /** Version of the value, where the store keeps versions. */
  readonly version?: string | undefined;
  /** Present when it was asked for, or when the store gives it anyway. */
  readonly checksum?: Checksum | undefined;
}

/** What a store knows of one key. */
export interface ObjectStat {
  /** The key, normalised. */
  readonly key: string;
  /** A value, a real directory, or a symbolic link (only with `followSymlinks: false`, or a broken one). */
  readonly kind: "file" | "directory" | "symlink";
  /** Length in bytes; 0 for directories and links. */
  readonly byteLength: number;
  /** Last change, in milliseconds since 1970-01-01 UTC; `undefined` where the store has no times. */
  readonly modifiedMs: number | undefined;
  /** Changes whenever the value does; opaque. */
  readonly etag: string | undefined;
  /** Version of the value, where the store keeps versions. */
  readonly version?: string | undefined;
  /** Where a symbolic link points, as it is written in the link. */
  readonly target?: string | undefined;
}

/** Options of `stat`. */
export interface StatOptions extends OperationOptions {
  /** `false`: a symbolic link is described itself. Default `true`. */
  readonly followSymlinks?: boolean | undefined;
}

/** Options of listings. */
export interface ListOptions extends OperationOptions {
  /** Only keys that begin with this string; it need not end at a `/`. */
  readonly prefix?: string | undefined;
  /** Groups keys that share the part up to the next `/` after the prefix: one `directory` entry for each group. */
  readonly delimiter?: "/" | undefined;
  /**
   * Only keys after this one (exclusive), in listing order. With a delimiter, a directory stands where its keys stand:
   * give its key with a `/` at the end to continue after it.
   */
  readonly startAfter?: string | undefined;
}

/** One entry of a listing. Directory keys have no trailing slash; links are listed as links, and not followed. */
export type ListEntry = ObjectStat;

/** Options of `copy` and `rename`. */
export interface TransferOptions extends OperationOptions {
  /** `"error"` keeps an existing target and rejects with `ALREADY_EXISTS`. Default `"error"`. */
  readonly ifExists?: "error" | "replace" | undefined;
}

/** The fate of one key of a `deleteMany`. */
export interface DeleteResult {
  /** The key, as it was given. */
  readonly key: string;
  /** Why it is still there; `undefined` if it is gone. */
  readonly error?: StorageError | undefined;
}

/** Options of one `ByteWriter.write`. */
export interface ByteWriterOptions extends OperationOptions {
  /** Byte offset within the value. Only where the store declares `positionalWrite`; default is after the last chunk. */
  readonly position?: number | undefined;
}

/**
 * Writes one value piece by piece. Nothing is visible under the key before {@link ByteWriter.close}; `abort` (and
 * disposing before `close`) leaves what was there before.
 */
export interface ByteWriter extends AsyncDisposable {
  /** Bytes that the value has so far: the furthest end of any chunk. */
  readonly byteLength: number;
  /** What an earlier writer left, after which this one goes on. Only where `resume` was asked for. */
  readonly kept?: KeptBytes | undefined;
  /** Says what of the value is there, before it is whole. Only where `journal` was asked for and the store can. */
  readonly journal?: ByteJournal | undefined;
  /**
   * Appends (or places) a chunk. Several may be under way at once; sequential ones keep call order.
   *
   * @param chunk - Borrowed until the promise resolves.
   */
  write(chunk: ByteSource, options?: ByteWriterOptions): Promise<void>;
  /** Publishes the value under its key, by the conditions the writer was opened with. Waits for writes under way. */
  close(options?: OperationOptions): Promise<WriteResult>;
  /**
   * Throws everything away. Harmless after `close` and when repeated; beside a close under way it ends once that has
   * either published the value or left nothing.
   */
  abort(): Promise<void>;
  /**
   * Ends the writer without publishing, and keeps what was written for the next one that resumes the same origin. What
   * was `kept` may also be left by a process that was killed. Only where `resume` was asked for and the store can.
   * Harmless after `close` and `abort`.
   */
  suspend?(): Promise<void>;
}

/** A store of bytes by key. See the module text for what every store promises. */
export interface ByteStore extends AsyncDisposable {
  /** Name for messages: the instance name, or the kind of store. */
  readonly name: string;
  /** What it can do. Operations beyond it reject with `UNSUPPORTED` or `READ_ONLY` before any I/O. */
  readonly capabilities: StoreCapabilities;
  /** The URI of a key for other programs (`file://localhost/…`), percent-encoded; `""` is the root. */
  uri(key: string): string;
  /**
   * The key of an address from outside: a path relative to the root, or, where the store has a place in a larger tree,
   * an absolute path inside it. Absent: `normalizeKey`.
   *
   * @throws A {@link StorageError} `INVALID_KEY` if it leaves the root.
   */
  resolve?(address: string): string;
  /** Describes a key. Rejects with `NOT_FOUND`. A broken link is described as `symlink`. */
  stat(key: string, options?: StatOptions): Promise<ObjectStat>;
  /**
   * Reads a value or one range of it.
   *
   * @returns Memory that belongs to the caller.
   * @throws A {@link StorageError} `NOT_FOUND`, `IS_A_DIRECTORY`, `OUT_OF_RANGE`, `PRECONDITION_FAILED`.
   */
  read(key: string, options?: ReadOptions): Promise<Uint8Array>;
  /** Reads several ranges of one version of a value, in the order asked for; near ranges may be fetched as one. */
  readRanges(key: string, ranges: readonly ByteRange[], options?: ReadOptions): Promise<Uint8Array[]>;
  /** Reads as a stream, in bounded memory. Cancelling the stream frees everything. */
  readStream(key: string, options?: ReadOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * Writes a whole value in one atomic step. Missing directories above the key are made.
   *
   * @param bytes - Borrowed until the promise resolves.
   * @throws A {@link StorageError} `ALREADY_EXISTS`, `PRECONDITION_FAILED`, `IS_A_DIRECTORY`, `NOT_A_DIRECTORY`,
   * `NO_SPACE`: the old value is kept in every case.
   */
  write(key: string, bytes: ByteSource, options?: WriteOptions): Promise<WriteResult>;
  /** Opens a writer for a value that comes in pieces. */
  openWriter(key: string, options?: OpenByteWriterOptions): Promise<ByteWriter>;
  /** Lists keys lazily, in pages, ordered by the UTF-8 bytes of the full key. */
  list(options?: ListOptions): AsyncIterable<ListEntry>;
  /** Removes one value. A missing key is fine; a directory is `IS_A_DIRECTORY`. */
  delete(key: string, options?: OperationOptions): Promise<void>;
  /** Removes several values; answers for each, in order, and touches no other key. */
  deleteMany(keys: readonly string[], options?: OperationOptions): Promise<DeleteResult[]>;
  /** Copies one value within the store; the target appears whole. */
  copy(from: string, to: string, options?: TransferOptions): Promise<WriteResult>;
  /** Moves one value within the store. Where `capabilities.rename` is `emulated`, copies first and deletes last. */
  rename(from: string, to: string, options?: TransferOptions): Promise<void>;
  /** Releases everything. Idempotent; later operations reject with `NOT_OPEN`. */
  close(): Promise<void>;
}

/** A store with real directories, and perhaps symbolic links. */
export interface DirectoryStore extends ByteStore {
  /**
   * Names and kinds of the immediate entries of a directory, in any order: what `list` with a delimiter yields, without a
   * look at each. Empty where no directory is. Layers do not have it, so that what passes through them is a `list`.
   */
  readDirectory?(key: string, options?: OperationOptions): Promise<readonly DirectoryEntry[]>;
  /** Makes a directory and those above it. Idempotent. `NOT_A_DIRECTORY` if a value is in the way. */
  createDirectory(key: string, options?: OperationOptions): Promise<void>;
  /** Removes an empty directory, or with `recursive` a whole tree (links themselves, never what they point to). */
  removeDirectory(key: string, options?: OperationOptions & { readonly recursive?: boolean }): Promise<void>;
  /** Moves a directory with all it holds. The target must not exist; moving it into itself is `INVALID_KEY`. */
  renameDirectory(from: string, to: string, options?: OperationOptions): Promise<void>;
  /**
   * Makes a symbolic link at `key` to the key `target`.
   *
   * @throws A {@link StorageError} `ALREADY_EXISTS` unless `ifExists` is `"replace"` and a link is there.
   */
  symlink(target: string, key: string, options?: TransferOptions): Promise<void>;
  /** Where a link points, as it is written. `NOT_FOUND`, or `INVALID_DATA` if it is no link. */
  readLink(key: string, options?: OperationOptions): Promise<string>;
  /** The key that `key` leads to once every link is followed. Rejects with `NOT_FOUND`. */
  realKey(key: string, options?: OperationOptions): Promise<string>;
}

/** True if the store declares real directories. */
export function isDirectoryStore(store: ByteStore): store is DirectoryStore {
  return store.capabilities.directories;
}

/** Total length of a {@link ByteSource}. */
export function byteSourceLength(bytes: ByteSource): number {
  if (bytes instanceof Uint8Array) return bytes.byteLength;
  return bytes.reduce((sum, part) => sum + part.byteLength, 0);
}

/** A {@link ByteSource} as one buffer; copies only if there are several parts. */
export function joinBytes(bytes: ByteSource): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes;
  if (bytes.length === 1) return bytes[0] as Uint8Array;
  const out = new Uint8Array(byteSourceLength(bytes));
  let offset = 0;
  for (const part of bytes) {
    out.set(part, offset);
    offset += part.byteLength;
  }
  return out;
}
