/** One folder of a store as a store of its own. */
import {
  type ByteRange,
  type ByteSource,
  type ByteStore,
  type ByteWriter,
  type DeleteResult,
  isDirectoryStore,
  type ListEntry,
  type ListOptions,
  type ObjectStat,
  type OperationOptions,
  type ReadOptions,
  type StatOptions,
  type TransferOptions,
  type WriteOptions,
  type WriteResult,
} from "../core/byte-store.ts";
import { isStorageError, StorageError, toStorageError } from "../core/errors.ts";
import { isInside, joinKey, normalizeKey } from "../core/key.ts";
import { splitPrefix } from "../core/listing.ts";
import { WrappedStore } from "./wrapped-store.ts";

/**
 * Shows what is below one prefix, as if it were everything. Keys are contained: `..` does not lead out. Links of a store
 * that has them may, as far as that store lets them. Messages of errors name the full key below.
 *
 * @see fsspec, `DirFileSystem`; unstorage, `prefixStorage`
 */
export class PrefixStore extends WrappedStore {
  /** What stands before every key; normalised, no slash at its end. */
  readonly prefix: string;

  /** @throws A {@link StorageError} `INVALID_KEY` for a prefix that is no key. */
  constructor(inner: ByteStore, prefix: string) {
    super("prefix", inner);
    this.prefix = normalizeKey(prefix);
    if (inner.resolve === undefined) return;
    this.resolve = (address) => {
      if (!address.startsWith("/")) return normalizeKey(address);
      return this.#outside((inner.resolve as (address: string) => string)(address));
    };
  }

  override uri(key: string): string {
    return super.uri(this.#inside(key));
  }

  override async stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    const below = this.#inside(key);
    try {
      return this.#renamed(await super.stat(below, options));
    } catch (error) {
      // The root is a directory also while nothing is in it.
      if (below !== this.prefix || !isStorageError(error, "NOT_FOUND")) throw error;
      return { key: "", kind: "directory", byteLength: 0, modifiedMs: undefined, etag: undefined };
    }
  }

  override async read(key: string, options?: ReadOptions): Promise<Uint8Array> {
    return super.read(this.#value(key), options);
  }

  override async readRanges(key: string, ranges: readonly ByteRange[], options?: ReadOptions): Promise<Uint8Array[]> {
    return super.readRanges(this.#value(key), ranges, options);
  }

  override async readStream(key: string, options?: ReadOptions): Promise<ReadableStream<Uint8Array>> {
    return super.readStream(this.#value(key), options);
  }

  override async write(key: string, bytes: ByteSource, options?: WriteOptions): Promise<WriteResult> {
    return super.write(this.#value(key), bytes, options);
  }

  override async openWriter(key: string, options?: WriteOptions): Promise<ByteWriter> {
    return super.openWriter(this.#value(key), options);
  }

  override async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    const { directory, namePrefix } = splitPrefix(options.prefix ?? "");
    const folder = this.#inside(directory);
    const prefix = folder === "" ? namePrefix : `${folder}/${namePrefix}`;
    const { startAfter = "" } = options;
    const after = startAfter === "" || this.prefix === "" ? startAfter : `${this.prefix}/${startAfter}`;
    for await (const entry of super.list({ ...options, prefix, startAfter: after })) yield this.#renamed(entry);
  }

  override async delete(key: string, options?: OperationOptions): Promise<void> {
    return super.delete(this.#value(key), options);
  }

  override async deleteMany(keys: readonly string[], options?: OperationOptions): Promise<DeleteResult[]> {
    const results: DeleteResult[] = keys.map((key) => ({ key }));
    const below: { readonly index: number; readonly key: string }[] = [];
    for (const [index, key] of keys.entries()) {
      try {
        below.push({ index, key: this.#value(key) });
      } catch (cause) {
        results[index] = { key, error: toStorageError(cause, { backend: this.name, operation: "deleteMany" }) };
      }
    }
    const answers = await super.deleteMany(
      below.map(({ key }) => key),
      options,
    );
    for (const [i, { error }] of answers.entries()) {
      const { index } = below[i] as { readonly index: number };
      if (error !== undefined) results[index] = { key: keys[index] as string, error };
    }
    return results;
  }

  override async copy(from: string, to: string, options?: TransferOptions): Promise<WriteResult> {
    return super.copy(this.#value(from), this.#value(to), options);
  }

  override async rename(from: string, to: string, options?: TransferOptions): Promise<void> {
    return super.rename(this.#value(from), this.#value(to), options);
  }

  override async createDirectory(key: string, options?: OperationOptions): Promise<void> {
    return super.createDirectory(this.#inside(key), options);
  }

  override async removeDirectory(key: string, options?: OperationOptions & { recursive?: boolean }): Promise<void> {
    return super.removeDirectory(this.#value(key), options);
  }

  override async renameDirectory(from: string, to: string, options?: OperationOptions): Promise<void> {
    return super.renameDirectory(this.#inside(from), this.#inside(to), options);
  }

  override async symlink(target: string, key: string, options?: TransferOptions): Promise<void> {
    return super.symlink(this.#inside(target), this.#value(key), options);
  }

  override async readLink(key: string, options?: OperationOptions): Promise<string> {
    return super.readLink(this.#inside(key), options);
  }

  override async realKey(key: string, options?: OperationOptions): Promise<string> {
    const real = await super.realKey(this.#inside(key), options);
    if (isInside(real, this.prefix) || !isDirectoryStore(this.inner)) return this.#outside(real);
    // The folder itself may be a linked one.
    const root = await this.inner.realKey(this.prefix, options);
    if (isInside(real, root)) return real.slice(root === "" ? 0 : root.length + 1);
    return this.#outside(real);
  }

  #inside(key: string): string {
    const normal = normalizeKey(key);
    return normal === "" ? this.prefix : joinKey(this.prefix, normal);
  }

  /** A key where a value can be: not the root. */
  #value(key: string): string {
    const below = this.#inside(key);
    if (below !== this.prefix) return below;
    throw new StorageError("IS_A_DIRECTORY", `The root of "${this.name}" is a directory`, {
      backend: this.name,
      identifier: key,
    });
  }

  #outside(key: string): string {
    if (key === this.prefix) return "";
    if (isInside(key, this.prefix)) return this.prefix === "" ? key : key.slice(this.prefix.length + 1);
    throw new StorageError("INVALID_KEY", `"${key}" is not below "${this.prefix}"`, {
      backend: this.name,
      identifier: key,
    });
  }

  #renamed<T extends ObjectStat>(entry: T): T {
    return { ...entry, key: this.#outside(entry.key) };
  }
}
