/** A byte store in a folder of a disk. */
import { lstat, readlink, stat } from "node:fs/promises";
import { crc32cHex } from "../../src/codecs/crc32c.ts";
import type { DirectoryEntry } from "../../src/core/backend.ts";
import { mapBatch } from "../../src/core/batch.ts";
import { checkRange } from "../../src/core/byte-range.ts";
import type {
  ByteRange,
  ByteSource,
  ByteWriter,
  DeleteResult,
  DirectoryStore,
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
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { checkAborted, checkOpen } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import type { InPlaceReader, InPlaceValue } from "../../src/core/in-place.ts";
import type { JournallingStore } from "../../src/core/journalled-write.ts";
import { isInside } from "../../src/core/key.ts";
import type { OpenByteWriterOptions } from "../../src/core/resumable-write.ts";
import { crcOf } from "./byte-writer.ts";
import { describeKey, listDisk, readEntries } from "./directory.ts";
import {
  linkText,
  moveAcross,
  moveEntry,
  removeDirectoryAt,
  removeEntry,
  renameDirectoryAt,
  symlinkAt,
  syncDirectories,
} from "./entries.ts";
import { errnoOf, translateErrno, unlessErrno } from "./errno.ts";
import { findLeftovers, type Leftover, type LeftoverOptions, removeLeftover } from "./leftovers.ts";
import { OpenValue } from "./open-value.ts";
import { withPathLock } from "./path-locks.ts";
import { type Location, Place } from "./place.ts";
import { DEFAULT_WAITING } from "./process-lock.ts";
import { found, isDirectoryError, notADirectory } from "./store-errors.ts";
import type { DiskStoreOptions } from "./store-options.ts";
import { type Durability, transferConditions } from "./temp-file.ts";
import { ValueNow } from "./value-now.ts";
import { ValueWrites } from "./value-writes.ts";

export type { DiskStoreOptions } from "./store-options.ts";

const capabilities: StoreCapabilities = {
  write: true,
  list: true,
  ifAbsent: "native",
  ifMatch: "native",
  ranges: "native",
  streamingWrite: "native",
  positionalWrite: true,
  directories: true,
  symlinks: true,
  rename: "native",
  persistent: true,
};

/**
 * Keys to files. Each write is a temporary file in the same directory, made durable, then renamed over its key (or
 * linked, where nothing may be there): a reader, a crash and a full disk see the old value or the new one.
 *
 * Links are followed as far as the root reaches; one that leads out of a configured root is described as a link, and
 * refused by reads and writes. A write through a link replaces what it leads to.
 */
export class DiskStore implements DirectoryStore, InPlaceReader, JournallingStore {
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  /** How far a write is safe when it is done. */
  readonly durability: Durability;
  readonly findUnfinished: JournallingStore["findUnfinished"];
  readonly #place: Place;
  readonly #writes: ValueWrites;
  #isOpen = true;

  constructor(options: DiskStoreOptions = {}) {
    this.name = options.name ?? "disk";
    this.durability = options.durability ?? "full";
    this.capabilities = { ...capabilities, durable: this.durability === "full" };
    this.#place = new Place(options.root, options);
    const waiting = { ...DEFAULT_WAITING, ...options.waiting };
    // What need not reach the device is in the cache sooner; what must is faster without it.
    const goesDirect = (options.direct ?? "auto") === "auto" && this.durability !== "none";
    this.#writes = new ValueWrites({ place: this.#place, durability: this.durability, goesDirect, waiting });
    this.findUnfinished = (search = {}) => this.#writes.findUnfinished(search, this.name);
  }

  /** Absolute path of the root. */
  get root(): string {
    return this.#place.root;
  }

  uri(key: string): string {
    return this.#place.uri(this.#place.key(key));
  }

  resolve(address: string): string {
    return this.#place.resolve(address);
  }

  stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    return this.#perform("stat", key, options, (normal, context) => {
      return found(describeKey(this.#place, normal, options.followSymlinks ?? true), context);
    });
  }

  read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#withValue("read", key, options, (value) => value.read(options.range, options.signal));
  }

  openInPlace(key: string): InPlaceValue | undefined {
    const context = { backend: this.name, operation: "read", identifier: String(key) };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    return ValueNow.open(this.#place, key, context);
  }

  readRanges(key: string, ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    return this.#withValue("readRanges", key, options, (value) => value.readRanges(ranges, options.signal));
  }

  readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#perform("readStream", key, options, async (normal, context) => {
      const value = await this.#openValue(normal, options, context);
      try {
        checkAborted(options.signal, context);
        return value.stream(options.range, options.signal);
      } catch (error) {
        await value.close();
        throw error;
      }
    });
  }

  write(key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#perform("write", key, options, (normal, context) => {
      return this.#writes.write(normal, options, context, async (file) => {
        await file.write(bytes, 0, options.signal, context);
        if (options.checksum === undefined) return {};
        return { checksum: { algorithm: "crc32c", value: crc32cHex(crcOf(bytes)) } };
      });
    });
  }

  openWriter(key: string, options: OpenByteWriterOptions = {}): Promise<ByteWriter> {
    return this.#perform("openWriter", key, options, (normal, context) => {
      return this.#writes.openWriter(normal, options, context);
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    const context = { backend: this.name, operation: "list", identifier: options.prefix ?? "" };
    try {
      checkOpen(this.#isOpen, `Store "${this.name}"`, context);
      checkAborted(options.signal, context);
      for await (const entry of listDisk(this.#place, options, context)) {
        yield entry;
        checkOpen(this.#isOpen, `Store "${this.name}"`, context);
        checkAborted(options.signal, context);
      }
    } catch (error) {
      throw translateErrno(error, context);
    }
  }

  readDirectory(key: string, options: OperationOptions = {}): Promise<readonly DirectoryEntry[]> {
    return this.#perform("list", key, options, (normal) => readEntries(this.#place, normal));
  }

  delete(key: string, options: OperationOptions = {}): Promise<void> {
    return this.#perform("delete", key, options, async (normal, context) => {
      const location = await this.#remove(normal, context);
      if (location !== undefined) await this.#sync(location);
    });
  }

  async deleteMany(keys: readonly string[], options: OperationOptions = {}): Promise<DeleteResult[]> {
    checkOpen(this.#isOpen, `Store "${this.name}"`, { backend: this.name, operation: "deleteMany" });
    checkAborted(options.signal, { backend: this.name, operation: "deleteMany" });
    const removed: Location[] = [];
    const results = await mapBatch<string, DeleteResult>(
      keys,
      (key) =>
        this.#perform("deleteMany", key, options, async (normal, context) => {
          const location = await this.#remove(normal, context);
          if (location !== undefined) removed.push(location);
          return { key };
        }),
      { onError: "collect" },
      (error, key) => ({ key, error }),
    );
    // Once for each directory rather than once for each key.
    if (removed.length > 0) await this.#sync(...removed);
    checkAborted(options.signal, { backend: this.name, operation: "deleteMany" });
    return results;
  }

  copy(from: string, to: string, options: TransferOptions = {}): Promise<WriteResult> {
    return this.#perform("copy", from, options, async (source, context) => {
      const target = this.#place.key(to);
      const path = await found(this.#place.realPath(source), context);
      if ((await stat(path)).isDirectory()) throw isDirectoryError(context);
      const targetContext = { ...context, identifier: to };
      return this.#writes.write(target, transferConditions(options), targetContext, async () => ({}), path);
    });
  }

  rename(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.#perform("rename", from, options, async (source, context) => {
      const target = this.#place.key(to);
      const start = await found(this.#place.locate(source), context);
      const moved = await found(lstat(start.path), context);
      if (moved.isDirectory()) throw isDirectoryError(context);
      const targetContext = { ...context, identifier: to };
      const end = await this.#locateNew(target, targetContext);
      checkAborted(options.signal, context);
      try {
        await withPathLock(end.path, () => moveEntry(start, end, options, targetContext));
      } catch (error) {
        // Another device is mounted inside the root.
        if (errnoOf(error) !== "EXDEV") throw error;
        await moveAcross(start, () => this.copy(source, target, options), context);
      }
      await this.#sync(start, end);
    });
  }

  createDirectory(key: string, options: OperationOptions = {}): Promise<void> {
    return this.#perform("createDirectory", key, options, async (normal, context) => {
      try {
        await this.#place.makeDirectories(normal, this.durability === "full");
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
        throw notADirectory(context, error);
      }
    });
  }

  removeDirectory(key: string, options: OperationOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    return this.#perform("removeDirectory", key, options, async (normal, context) => {
      if (normal === "") throw isDirectoryError(context);
      const location = await this.#place.locate(normal);
      await removeDirectoryAt(location, options.recursive ?? false, context);
      await this.#sync(location);
    });
  }

  renameDirectory(from: string, to: string, options: OperationOptions = {}): Promise<void> {
    return this.#perform("renameDirectory", from, options, async (source, context) => {
      const target = this.#place.key(to);
      if (isInside(target, source)) {
        const message = `"${source}" cannot be moved into itself, to "${target}"`;
        throw new StorageError("INVALID_KEY", message, context);
      }
      const start = await found(this.#place.locate(source), context);
      await found(lstat(start.path), context);
      const end = await this.#locateNew(target, { ...context, identifier: to });
      await renameDirectoryAt(start, end, { ...context, identifier: to });
      await this.#sync(start, end);
    });
  }

  symlink(target: string, key: string, options: TransferOptions = {}): Promise<void> {
    return this.#perform("symlink", key, options, async (normal, context) => {
      const end = this.#place.key(target);
      const at = await this.#locateNew(normal, context);
      // Within a root, relative: the links hold when the root is moved. Without one, there is nothing to be moved.
      const text = this.#place.isWalled ? linkText(await this.#place.locateLoosely(end), at) : this.#place.path(end);
      await symlinkAt(text, at, options, context);
      await this.#sync(at);
    });
  }

  readLink(key: string, options: OperationOptions = {}): Promise<string> {
    return this.#perform("readLink", key, options, async (normal, context) => {
      const read = async () => readlink((await this.#place.locate(normal)).path);
      const text = await unlessErrno(found(read(), context), "EINVAL");
      if (text !== undefined) return text;
      throw new StorageError("INVALID_DATA", `"${normal}" in "${this.name}" is no link`, context);
    });
  }

  realKey(key: string, options: OperationOptions = {}): Promise<string> {
    return this.#perform("realKey", key, options, async (normal, context) => {
      return this.#place.keyOf(await found(this.#place.realPath(normal), context), await this.#place.realRoot());
    });
  }

  /** Finds temporary files of processes that were killed while they wrote. See {@link LeftoverOptions}. */
  async *findLeftovers(options: LeftoverOptions = {}): AsyncGenerator<Leftover> {
    const context = { backend: this.name, operation: "findLeftovers", identifier: options.prefix ?? "" };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    try {
      yield* findLeftovers(this.#place, options);
    } catch (error) {
      throw translateErrno(error, context);
    }
  }

  /**
   * Removes temporary files of processes that were killed while they wrote; what is being written stays. No value is
   * touched: none was ever half written.
   *
   * @returns What was removed.
   */
  async removeLeftovers(options: LeftoverOptions = {}): Promise<Leftover[]> {
    const removed: Leftover[] = [];
    for await (const leftover of this.findLeftovers(options)) {
      await this.#perform("removeLeftovers", "", options, () => removeLeftover(this.root, leftover, options));
      removed.push(leftover);
    }
    return removed;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#writes.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #perform<T>(
    operation: string,
    key: string,
    options: OperationOptions,
    run: (key: string, context: ErrorContext) => Promise<T>,
  ): Promise<T> {
    const context = { backend: this.name, operation, identifier: String(key) };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    try {
      return await run(this.#place.key(key), context);
    } catch (error) {
      throw translateErrno(error, context);
    }
  }

  #withValue<T>(
    operation: string,
    key: string,
    options: ReadOptions,
    run: (value: OpenValue) => Promise<T>,
  ): Promise<T> {
    return this.#perform(operation, key, options, async (normal, context) => {
      const value = await this.#openValue(normal, options, context);
      try {
        return await run(value);
      } finally {
        await value.close();
      }
    });
  }

  async #openValue(key: string, options: ReadOptions, context: ErrorContext): Promise<OpenValue> {
    checkRange(options.range, context);
    const open = async () => {
      const path = await this.#place.readPath(key);
      return OpenValue.open(path, this.#place.calls, options, context);
    };
    return found(open(), context);
  }

  /** Where a new entry goes; the directories above it are made. */
  #locateNew(key: string, context: ErrorContext): Promise<Location> {
    if (key === "") throw isDirectoryError(context);
    return this.#place.locateNew(key, this.durability === "full");
  }

  async #remove(key: string, context: ErrorContext): Promise<Location | undefined> {
    const location = await unlessErrno(this.#place.locate(key), "ENOENT", "ENOTDIR");
    return location && (await removeEntry(location, context)) ? location : undefined;
  }

  async #sync(...locations: readonly Location[]): Promise<void> {
    if (this.durability !== "full") return;
    await syncDirectories(...locations);
    await this.#place.directoriesMade();
  }
}
