/** Several stores as one, each below its own prefix. */
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
} from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { isStorageError, runAll, StorageError, toStorageError } from "../core/errors.ts";
import { compareKeys, isInside, joinKey, normalizeKey } from "../core/key.ts";
import { splitPrefix } from "../core/listing.ts";
import { commonCapabilities } from "./flat-capabilities.ts";
import { mergeLists, positionOf } from "./merge-lists.ts";
import { copyAcross } from "./transfer.ts";
import { WrappedStore } from "./wrapped-store.ts";
import { WriterSet } from "./writer-set.ts";

/** A store and where it is shown. */
interface Mount {
  readonly prefix: string;
  readonly store: ByteStore;
}

/** A key of the whole in the store that has it. */
interface Place {
  readonly mount: Mount;
  readonly key: string;
}

/**
 * Sends each key to the store with the longest prefix (of whole segments) that it is below; the store that is wrapped
 * has the rest. What that store has below a mounted prefix is out of sight, and is listed nowhere. Copies and renames
 * between stores read and write; a rename deletes last.
 *
 * The mounted stores belong to whoever made them. Directories are implied, whatever the stores have.
 *
 * @see unstorage, mounts; OpenDAL, `RouteLayer`
 */
export class RouteStore extends WrappedStore {
  /** Longest prefix first; the last has the rest. */
  readonly #mounts: readonly Mount[];
  readonly #writers = new WriterSet();

  /**
   * @param mounts - Stores by prefix.
   * @throws A {@link StorageError} `CONFIG_INVALID` for two mounts at one place, or one at the root.
   */
  constructor(inner: ByteStore, mounts: Readonly<Record<string, ByteStore>>) {
    const all = [inner, ...Object.values(mounts)];
    super("route", inner, commonCapabilities(all.map((store) => store.capabilities)));
    const seen = new Set([""]);
    const list = Object.entries(mounts).map(([given, store]) => {
      const prefix = normalizeKey(given);
      if (seen.has(prefix)) {
        const message = prefix === "" ? "the root is the wrapped store's" : `two stores are mounted at "${prefix}"`;
        throw new StorageError("CONFIG_INVALID", `Mounts of "${this.name}": ${message}`, { backend: this.name });
      }
      seen.add(prefix);
      return { prefix, store };
    });
    list.sort((a, b) => b.prefix.length - a.prefix.length);
    this.#mounts = [...list, { prefix: "", store: inner }];
  }

  override uri(key: string): string {
    const { mount, key: below } = this.#place(key);
    return mount.store.uri(below);
  }

  override stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    return this.#at("stat", key, options, async ({ mount, key: below }) => {
      const normal = joinKey(mount.prefix, below).replace(/\/$/, "");
      try {
        return { ...(await mount.store.stat(below, options)), key: normal };
      } catch (error) {
        // A place above a mount, and a mount itself, is a directory, whatever the store below knows of it.
        const isAbove = this.#mounts.some(({ prefix }) => prefix !== "" && isInside(prefix, normal));
        if (!isAbove || !isStorageError(error, "NOT_FOUND")) throw error;
        return { key: normal, kind: "directory", byteLength: 0, modifiedMs: undefined, etag: undefined };
      }
    });
  }

  override read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#at("read", key, options, ({ mount, key: below }) => mount.store.read(below, options));
  }

  override readRanges(key: string, ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    return this.#at("readRanges", key, options, ({ mount, key: below }) =>
      mount.store.readRanges(below, ranges, options),
    );
  }

  override readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#at("readStream", key, options, ({ mount, key: below }) => mount.store.readStream(below, options));
  }

  override write(key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#at("write", key, options, (place) => this.#target(place).write(place.key, bytes, options));
  }

  override openWriter(key: string, options: WriteOptions = {}): Promise<ByteWriter> {
    return this.#at("openWriter", key, options, async (place) =>
      this.#writers.track(await this.#target(place).openWriter(place.key, options)),
    );
  }

  override async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    this.checkOpen("list");
    const { directory, namePrefix } = splitPrefix(options.prefix ?? "");
    const prefix = directory === "" ? namePrefix : `${directory}/${namePrefix}`;
    const lists = this.#mounts.flatMap((mount) => {
      const root = mount.prefix === "" ? "" : `${mount.prefix}/`;
      if (prefix.startsWith(root)) return [this.#shown(mount, prefix.slice(root.length), options)];
      if (!root.startsWith(prefix)) return [];
      const rest = mount.prefix.slice(prefix.length);
      const slash = `${rest}/`.indexOf("/");
      // A mount further down shows as the first folder on the way to it.
      if (options.delimiter === undefined) return [this.#shown(mount, "", options)];
      return [this.#folder(mount, prefix + rest.slice(0, slash), options)];
    });
    for await (const entry of mergeLists(lists)) {
      this.checkOpen("list");
      checkAborted(options.signal, { backend: this.name, operation: "list" });
      yield entry;
    }
  }

  override delete(key: string, options: OperationOptions = {}): Promise<void> {
    return this.#at("delete", key, options, (place) => this.#target(place).delete(place.key, options));
  }

  override async deleteMany(keys: readonly string[], options: OperationOptions = {}): Promise<DeleteResult[]> {
    this.checkOpen("deleteMany");
    checkAborted(options.signal, { backend: this.name, operation: "deleteMany" });
    const results: DeleteResult[] = keys.map((key) => ({ key }));
    const batches = new Map<Mount, { readonly index: number; readonly key: string }[]>();
    for (const [index, key] of keys.entries()) {
      try {
        const place = this.#place(key);
        this.#target(place);
        batches.set(place.mount, [...(batches.get(place.mount) ?? []), { index, key: place.key }]);
      } catch (cause) {
        results[index] = { key, error: toStorageError(cause, { backend: this.name, operation: "deleteMany" }) };
      }
    }
    for (const [mount, batch] of batches) {
      const below = batch.map(({ key }) => key);
      for (const [i, { error }] of (await mount.store.deleteMany(below, options)).entries()) {
        const { index } = batch[i] as { readonly index: number };
        if (error !== undefined) results[index] = { key: keys[index] as string, error };
      }
    }
    return results;
  }

  override copy(from: string, to: string, options: TransferOptions = {}): Promise<WriteResult> {
    return this.#at("copy", from, options, async (source) => {
      const target = this.#place(to);
      const store = this.#target(target);
      if (source.mount === target.mount) return store.copy(source.key, target.key, options);
      return copyAcross(source.mount.store, source.key, store, target.key, options);
    });
  }

  override rename(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.#at("rename", from, options, async (source) => {
      const target = this.#place(to);
      const store = this.#target(target);
      if (source.mount === target.mount) return store.rename(source.key, target.key, options);
      await copyAcross(source.mount.store, source.key, store, target.key, options);
      await source.mount.store.delete(source.key, options);
    });
  }

  override async close(): Promise<void> {
    await runAll([() => this.#writers.abort(), () => super.close()], `Not all of "${this.name}" could be closed`);
  }

  #at<T>(
    operation: "stat" | "read" | "readRanges" | "readStream" | "write" | "openWriter" | "delete" | "copy" | "rename",
    key: string,
    options: OperationOptions,
    run: (place: Place) => Promise<T>,
  ): Promise<T> {
    return this.call(operation, key, options, () => {
      checkAborted(options.signal, { backend: this.name, operation, identifier: key });
      return run(this.#place(key));
    });
  }

  #place(key: string): Place {
    const normal = normalizeKey(key);
    const mount = this.#mounts.find(({ prefix }) => isInside(normal, prefix)) as Mount;
    return { mount, key: mount.prefix === "" ? normal : normal.slice(mount.prefix.length + 1) };
  }

  /** The store of a place where a value can be: neither a mount nor above one. */
  #target({ mount, key }: Place): ByteStore {
    const normal = joinKey(mount.prefix, key).replace(/\/$/, "");
    if (key !== "" && !this.#mounts.some(({ prefix }) => prefix !== "" && isInside(prefix, normal))) return mount.store;
    throw new StorageError("IS_A_DIRECTORY", `"${normal}" in "${this.name}" is a directory: a store is mounted there`, {
      backend: this.name,
      identifier: normal,
    });
  }

  /** The entries of one store that are its to show, under their keys in the whole. */
  async *#shown(mount: Mount, prefix: string, options: ListOptions): AsyncGenerator<ListEntry> {
    const root = mount.prefix === "" ? "" : `${mount.prefix}/`;
    const { startAfter = "" } = options;
    const after = startAfter.startsWith(root) ? startAfter.slice(root.length) : "";
    for await (const entry of mount.store.list({ ...options, prefix, startAfter: after })) {
      const key = root + entry.key;
      if (after === "" && startAfter !== "" && compareKeys(positionOf({ kind: entry.kind, key }), startAfter) <= 0)
        continue;
      if (entry.kind === "directory" ? await this.#hasKeys(mount, key, options) : this.#place(key).mount === mount) {
        yield { ...entry, key };
      }
    }
  }

  async *#folder(mount: Mount, key: string, options: ListOptions): AsyncGenerator<ListEntry> {
    if (options.startAfter !== undefined && compareKeys(`${key}/`, options.startAfter) <= 0) return;
    for await (const _ of this.#shown(mount, "", { signal: options.signal })) {
      yield { key, kind: "directory", byteLength: 0, modifiedMs: undefined, etag: undefined };
      return;
    }
  }

  /** True if a directory of a store holds a key that no mount hides. */
  async #hasKeys(mount: Mount, directory: string, options: OperationOptions): Promise<boolean> {
    if (this.#place(directory).mount !== mount) return false;
    const below = mount.prefix === "" ? directory : directory.slice(mount.prefix.length + 1);
    for await (const _ of this.#shown(mount, `${below}/`, { signal: options.signal })) return true;
    return false;
  }
}
