/** A byte store in memory. */

import { crc32c, crc32cHex } from "../../src/codecs/crc32c.ts";
import { checkRange, resolveRange } from "../../src/core/byte-range.ts";
import type {
  ByteRange,
  ByteSource,
  ByteStore,
  ByteWriter,
  DeleteResult,
  ListEntry,
  ListOptions,
  ObjectStat,
  OperationOptions,
  ReadOptions,
  StatOptions,
  TransferOptions,
  WriteOptions,
  WriteResult,
} from "../../src/core/byte-store.ts";
import { byteSourceLength } from "../../src/core/byte-store.ts";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { checkAborted, checkInteger, checkOpen } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError, toStorageError } from "../../src/core/errors.ts";
import { encodeKey, normalizeKey } from "../../src/core/key.ts";
import { walkTree } from "../../src/core/listing.ts";
import { directoryInTheWay, directoryStat, missingKey, otherVersion } from "../../src/core/store-answers.ts";
import { ByteTree, type StoredValue } from "./byte-tree.ts";
import { MemoryByteWriter } from "./byte-writer.ts";

/** Bytes that a stream hands over at a time. */
const STREAM_CHUNK = 1 << 20;

const capabilities: StoreCapabilities = {
  write: true,
  list: true,
  ifAbsent: "native",
  ifMatch: "native",
  ranges: "native",
  streamingWrite: "native",
  positionalWrite: true,
  directories: false,
  symlinks: false,
  rename: "native",
  persistent: false,
};

/** Options of a {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /** Name in messages and URIs. Default `"memory"`. */
  readonly name?: string | undefined;
  /** Bytes that all values together may have; a write beyond is `NO_SPACE`. Default: no limit. */
  readonly quotaBytes?: number | undefined;
  /** Keys as buckets have them: one may be a value and lie above others. Default: they make a tree, as on a disk. */
  readonly flatKeys?: boolean | undefined;
}

/**
 * Keys to bytes in memory: the behaviour of a disk without the disk. Bytes are copied on the way in and on the way out.
 *
 * Directories are implied by the keys below them and vanish with the last of these; unless keys are flat, one
 * cannot be a value and a directory at once.
 */
export class MemoryStore implements ByteStore {
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  readonly #tree: ByteTree;
  readonly #quotaBytes: number;
  readonly #writers = new Set<MemoryByteWriter>();
  #versions = 0;
  #isOpen = true;

  /**
   * @param tree - Where values are kept; tests hold it as well, to look past the store.
   */
  constructor(options: MemoryStoreOptions = {}, tree: ByteTree = new ByteTree()) {
    const { name = "memory", quotaBytes, flatKeys } = options;
    if (quotaBytes !== undefined) checkInteger(quotaBytes, "quotaBytes", 0, { backend: name });
    this.name = name;
    this.capabilities = flatKeys ? { ...capabilities, flatKeys } : capabilities;
    this.#tree = tree;
    this.#quotaBytes = quotaBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Bytes of all values together. */
  get byteLength(): number {
    return this.#tree.byteLength;
  }

  uri(key: string): string {
    return `mem://${encodeURIComponent(this.name)}/${encodeKey(normalizeKey(key))}`;
  }

  async stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    return this.#perform("stat", key, options, (normal, context) => {
      const node = this.#tree.get(normal);
      if (node === "directory") return directoryStat(normal);
      if (node === undefined) throw missingKey(normal, context);
      return valueStat(normal, node);
    });
  }

  async read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#perform("read", key, options, (normal, context) => {
      const { bytes } = this.#value(normal, options.ifMatch, context);
      const { offset, length } = resolveRange(options.range, bytes.length, context);
      return bytes.slice(offset, offset + length);
    });
  }

  async readRanges(key: string, ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    return this.#perform("readRanges", key, options, (normal, context) => {
      const { bytes } = this.#value(normal, options.ifMatch, context);
      return ranges.map((range) => {
        const { offset, length } = resolveRange(range, bytes.length, context);
        return bytes.slice(offset, offset + length);
      });
    });
  }

  async readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#perform("readStream", key, options, (normal, context) => {
      checkRange(options.range, context);
      const { bytes } = this.#value(normal, options.ifMatch, context);
      // A stored value is never changed, only replaced, so that the stream stays with the version it began with.
      const { offset, length } = resolveRange(options.range, bytes.length, context);
      let position = offset;
      const end = offset + length;
      return new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            checkAborted(options.signal, context);
            if (position < end) controller.enqueue(bytes.slice(position, Math.min(position + STREAM_CHUNK, end)));
            position += STREAM_CHUNK;
            if (position >= end) controller.close();
          },
        },
        { highWaterMark: 0 },
      );
    });
  }

  async write(key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#perform("write", key, options, (normal, context) => {
      this.#checkWrite(normal, byteSourceLength(bytes), options, context);
      return this.#put(normal, copyOf(bytes), options);
    });
  }

  async openWriter(key: string, options: WriteOptions = {}): Promise<ByteWriter> {
    return this.#perform("openWriter", key, options, (normal, context) => {
      this.#checkWrite(normal, 0, options, context);
      const writer: MemoryByteWriter = new MemoryByteWriter({
        check: (byteLength) => this.#checkWrite(normal, byteLength, options, context),
        publish: (bytes) => this.#put(normal, bytes, options),
        released: () => this.#writers.delete(writer),
        context,
      });
      this.#writers.add(writer);
      return writer;
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    const context = { backend: this.name, operation: "list" };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    for await (const entry of walkTree(options, async (directory) => this.#tree.entries(directory))) {
      checkOpen(this.#isOpen, `Store "${this.name}"`, context);
      checkAborted(options.signal, context);
      yield entry.value === undefined ? directoryStat(entry.key) : valueStat(entry.key, entry.value);
    }
  }

  async delete(key: string, options: OperationOptions = {}): Promise<void> {
    return this.#perform("delete", key, options, (normal, context) => {
      const isWrong = normal === "" || !this.capabilities.flatKeys;
      if (isWrong && this.#tree.get(normal) === "directory") throw directoryInTheWay(normal, context);
      this.#tree.delete(normal);
    });
  }

  async deleteMany(keys: readonly string[], options: OperationOptions = {}): Promise<DeleteResult[]> {
    const context = { backend: this.name, operation: "deleteMany" };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    const results: DeleteResult[] = [];
    for (const key of keys) {
      checkAborted(options.signal, context);
      try {
        await this.delete(key, options);
        results.push({ key });
      } catch (cause) {
        const error = toStorageError(cause, context);
        if (error.code === "ABORTED") throw error;
        results.push({ key, error });
      }
    }
    return results;
  }

  async copy(from: string, to: string, options: TransferOptions = {}): Promise<WriteResult> {
    return this.#perform("copy", from, options, (source, context) => {
      const { bytes } = this.#value(source, undefined, context);
      const target = normalizeKey(to);
      this.#checkWrite(target, bytes.length, transferConditions(options), { ...context, identifier: target });
      // Two keys may share one buffer: stored values are never changed.
      return this.#put(target, bytes, {});
    });
  }

  async rename(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.#perform("rename", from, options, (source, context) => {
      const { bytes } = this.#value(source, undefined, context);
      const target = normalizeKey(to);
      this.#checkWrite(target, 0, transferConditions(options), { ...context, identifier: target });
      if (source === target) return;
      this.#tree.delete(source);
      this.#put(target, bytes, {});
    });
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    for (const writer of [...this.#writers]) await writer.abort();
    this.#tree.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #perform<T>(
    operation: string,
    key: string,
    options: OperationOptions,
    run: (key: string, context: ErrorContext) => T,
  ): T {
    const context = { backend: this.name, operation, identifier: String(key) };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    return run(normalizeKey(key), context);
  }

  #value(key: string, ifMatch: string | undefined, context: ErrorContext): StoredValue {
    const node = this.#tree.get(key);
    if (node === "directory") throw directoryInTheWay(key, context);
    if (node === undefined) throw missingKey(key, context);
    if (ifMatch !== undefined && node.etag !== ifMatch) throw otherVersion(key, context);
    return node;
  }

  /** All that can forbid a write, before anything changes. */
  #checkWrite(key: string, byteLength: number, options: WriteOptions, context: ErrorContext): void {
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    if (options.ifAbsent && options.ifMatch !== undefined) {
      throw new StorageError("INVALID_DATA", "A write takes ifAbsent or ifMatch, not both", context);
    }
    const at = this.#tree.get(key);
    const { flatKeys } = this.capabilities;
    if (key === "" || (at === "directory" && !flatKeys)) throw directoryInTheWay(key, context);
    const node = at === "directory" ? undefined : at;
    const blocker = flatKeys ? undefined : this.#tree.valueAbove(key);
    if (blocker !== undefined) {
      throw new StorageError("NOT_A_DIRECTORY", `"${blocker}" in "${this.name}" is a value`, context);
    }
    if (options.ifAbsent && node !== undefined) {
      throw new StorageError("ALREADY_EXISTS", `"${key}" exists in "${this.name}"`, context);
    }
    if (options.ifMatch !== undefined && node?.etag !== options.ifMatch) throw otherVersion(key, context);
    const wanted = this.#tree.byteLength - (node?.bytes.length ?? 0) + byteLength;
    if (wanted <= this.#quotaBytes) return;
    throw new StorageError(
      "NO_SPACE",
      `"${key}" needs ${byteLength} bytes, and "${this.name}" may hold ${this.#quotaBytes} in all`,
      context,
    );
  }

  /** Stores bytes that nobody else holds. */
  #put(key: string, bytes: Uint8Array, options: WriteOptions): WriteResult {
    const etag = `m${(++this.#versions).toString(36)}`;
    this.#tree.set(key, { bytes, etag, modifiedMs: Date.now() });
    const result = { byteLength: bytes.length, etag };
    if (options.checksum === undefined) return result;
    return { ...result, checksum: { algorithm: "crc32c", value: crc32cHex(crc32c(bytes)) } };
  }
}

function copyOf(bytes: ByteSource): Uint8Array {
  const copy = new Uint8Array(byteSourceLength(bytes));
  let offset = 0;
  for (const part of bytes instanceof Uint8Array ? [bytes] : bytes) {
    copy.set(part, offset);
    offset += part.byteLength;
  }
  return copy;
}

function transferConditions(options: TransferOptions): WriteOptions {
  return { ifAbsent: options.ifExists !== "replace" };
}

function valueStat(key: string, value: StoredValue): ObjectStat {
  return { key, kind: "file", byteLength: value.bytes.length, modifiedMs: value.modifiedMs, etag: value.etag };
}
