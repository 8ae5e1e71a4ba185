/**
 * The pipeline's one object: every operation of the value plane, with the backend named in each call.
 *
 * @see OpenHCS `io/filemanager.py`
 */
import { BackendSet } from "../../registry/backend-set.ts";
import { type RegisterOptions, Registry, unknownName } from "../../registry/registry.ts";
import type { BackendSetDescriptor } from "../../registry/set-descriptor.ts";
import { BackendBase } from "../core/backend.ts";
import type { BatchOptions } from "../core/batch.ts";
import type { OperationOptions, TransferOptions } from "../core/byte-store.ts";
import { checkNdArray } from "../core/checks.ts";
import type { IfExists, SaveOptions, SaveResult } from "../core/data-sink.ts";
import type { EntryStat, ListFilesOptions, LoadOptions } from "../core/data-source.ts";
import { StorageError } from "../core/errors.ts";
import { escapeGlob } from "../core/glob.ts";
import { baseName, joinKey } from "../core/key.ts";
import { naturalSort } from "../core/natural-sort.ts";
import type { NdArray } from "../core/nd-array.ts";
import type { LoadArraysOptions } from "../core/readable-backend.ts";
import { type RegionRequest, type RegionSample, type SampleOptions, sampleRegion } from "../core/region.ts";
import type { WithContext } from "../core/special-backends.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { type CollectOptions, collectTree, type DirectoryTree } from "./collect-tree.ts";
import type { Backends, FileManagerOptions, MirrorOptions, MoveOptions } from "./file-manager-options.ts";
import { imageExtensions } from "./image-extensions.ts";
import { needOperation, type Operation } from "./need-operation.ts";
import { type BetweenOptions, type Ends, type TransferEnd, transferBetween } from "./transfer.ts";
import type { CopyTreeOptions, SyncOptions, TreeItem } from "./tree-transfer.ts";

export type { Backends, FileManagerOptions, MirrorOptions, MoveOptions } from "./file-manager-options.ts";

/**
 * Routes operations to backends.
 *
 * Every call names its backend, case-insensitively: there is no default, no guess from the path, and no falling back
 * to another. An unknown key rejects with a `StorageResolutionError` that lists the known ones, in every method. What a
 * backend throws arrives untouched. A backend that lacks an operation, a viewer for example, rejects it with
 * `UNSUPPORTED`, by name. Predicates answer `false` for what is not there, and reject only when there is no answer.
 *
 * Listings are in natural order (`image_2` before `image_10`).
 *
 * @example
 * ```ts
 * import { FileManager } from "sluice";
 * import { storageRegistry } from "sluice/registry";
 * const files = new FileManager(storageRegistry, { ifExists: "replace" });
 * await files.save({ wells: 384 }, "plate.json", "memory");
 * ```
 */
export class FileManager {
  /** Overwrite policy of saves and transfers that name none; `undefined` leaves it to each backend. */
  readonly ifExists: IfExists | undefined;
  readonly #backends: BackendSet;
  /** Backends of this manager alone: a set may be shared, and registering here does not change it. */
  readonly #own = new BackendSet(new Registry());

  /**
   * @param backends - A backend set, or live backends by key. The manager owns none of them.
   * @throws A {@link StorageError} `INVALID_DATA` without backends.
   */
  constructor(backends: Backends, options: FileManagerOptions = {}) {
    if (typeof backends !== "object" || backends === null) {
      throw new StorageError("INVALID_DATA", "A FileManager needs its backends: a BackendSet, or backends by key");
    }
    this.ifExists = options.ifExists;
    this.#backends = isSet(backends) ? backends : new BackendSet(new Registry());
    if (isSet(backends)) return;
    for (const [key, backend] of backends instanceof Map ? backends : Object.entries(backends)) {
      this.#backends.set(key, backend);
    }
  }

  /**
   * Adds a live backend to this manager.
   *
   * @throws A {@link StorageError}: `ALREADY_EXISTS` for a known key, unless `override` is set; `INVALID_DATA` for what
   * is no backend; `CONFIG_INVALID` for an empty key.
   */
  registerBackend(key: string, backend: BackendBase, options: RegisterOptions = {}): void {
    if (!options.override && this.#backends.has(key)) {
      throw new StorageError("ALREADY_EXISTS", `There is a backend "${key}" already; pass override: true`, {
        operation: "registerBackend",
        identifier: key,
      });
    }
    this.#own.set(key, backend, options);
  }

  /** Keys of all backends. */
  keys(): string[] {
    return [...new Set([...this.#backends.keys(), ...this.#own.keys()])];
  }

  /** The backends for another thread or process, see {@link BackendSetDescriptor}; those of this manager alone stay. */
  toDescriptor(): BackendSetDescriptor {
    const own = this.#own.toDescriptor().unavailable;
    const set = this.#backends.toDescriptor();
    const instances = Object.fromEntries(Object.entries(set.instances).filter(([name]) => !Object.hasOwn(own, name)));
    return { ...set, instances, unavailable: { ...set.unavailable, ...own } };
  }

  /**
   * The backend of a key.
   *
   * @throws A {@link StorageResolutionError} `UNKNOWN_BACKEND` that lists the known ones; or what opening it threw.
   */
  async backend(key: string): Promise<BackendBase> {
    if (this.#own.has(key)) return this.#own.get(key);
    const known = this.#own.keys().length === 0 || this.#backends.has(key);
    if (known) return this.#backends.get(key);
    throw unknownName("backend", key, this.keys());
  }

  /** Loads one value. See {@link DataSource.load}. */
  async load<Context extends object = object>(
    path: string,
    backend: string,
    options?: WithContext<LoadOptions, NoInfer<Context>>,
  ): Promise<unknown> {
    return (await this.#with("load", backend)).load(path, options);
  }

  /** Loads several values, concurrently, in the order of the paths. See {@link DataSource.loadBatch}. */
  async loadBatch<Context extends object = object>(
    paths: readonly string[],
    backend: string,
    options?: WithContext<LoadOptions, NoInfer<Context>> & BatchOptions,
  ): Promise<unknown[]> {
    return (await this.#with("loadBatch", backend)).loadBatch(paths, options);
  }

  /**
   * Loads one value that is an array.
   *
   * @throws A {@link StorageError}: as {@link DataSource.load}; `INVALID_DATA` if the value is something else.
   */
  async loadArray<Context extends object = object>(
    path: string,
    backend: string,
    options?: WithContext<LoadOptions, NoInfer<Context>>,
  ): Promise<NdArray> {
    const context = { backend, operation: "load", identifier: path };
    return checkNdArray(await this.load<Context>(path, backend, options), context);
  }

  /** Loads several values that are arrays, concurrently, in the order of the paths. The first failure fails all. */
  async loadArrays<Context extends object = object>(
    paths: readonly string[],
    backend: string,
    options?: WithContext<LoadArraysOptions, NoInfer<Context>>,
  ): Promise<NdArray[]> {
    const values = await this.loadBatch<Context>(paths, backend, options);
    return values.map((value, i) => checkNdArray(value, { backend, operation: "load", identifier: paths[i] }));
  }

  /** Reads a box of an array at one of its resolutions, with a record of what was read. See {@link sampleRegion}. */
  async sample(path: string, backend: string, request: RegionRequest, options?: SampleOptions): Promise<RegionSample> {
    return sampleRegion(await this.#with("load", backend), path, request, options);
  }

  /** Saves one value. See {@link DataSink.save}. */
  async save<Context extends object = object>(
    data: unknown,
    path: string,
    backend: string,
    options?: WithContext<SaveOptions, NoInfer<Context>>,
  ): Promise<SaveResult> {
    return (await this.#with("save", backend)).save(data, path, this.#policy(options));
  }

  /** Saves several values, concurrently; all paths are checked before the first write. See {@link DataSink.saveBatch}. */
  async saveBatch<Context extends object = object>(
    dataList: readonly unknown[],
    paths: readonly string[],
    backend: string,
    options?: WithContext<SaveOptions, NoInfer<Context>> & BatchOptions,
  ): Promise<SaveResult[]> {
    return (await this.#with("saveBatch", backend)).saveBatch(dataList, paths, this.#policy(options));
  }

  /** Lists files in natural order. See {@link DataSource.listFiles}. */
  async listFiles<Context extends object = object>(
    directory: string,
    backend: string,
    options?: WithContext<ListFilesOptions, NoInfer<Context>>,
  ): Promise<string[]> {
    return naturalSort(await (await this.#with("listFiles", backend)).listFiles(directory, options));
  }

  /** Lists image files in natural order: those with {@link imageExtensions}, unless the options name others. */
  async listImageFiles<Context extends object = object>(
    directory: string,
    backend: string,
    options?: WithContext<ListFilesOptions, NoInfer<Context>>,
  ): Promise<string[]> {
    const extensions = options?.extensions ?? imageExtensions;
    return naturalSort(await (await this.#with("listFiles", backend)).listFiles(directory, { ...options, extensions }));
  }

  /** Names of the immediate entries of a directory, broken links included, in natural order. */
  async listDir(path: string, backend: string, options?: OperationOptions): Promise<string[]> {
    return naturalSort(await (await this.#with("listDir", backend)).listDir(path, options));
  }

  /**
   * The first file of a name in or below a directory.
   *
   * @param name - The whole name, letter by letter; brackets and stars are ordinary.
   * @returns Its path, first in natural order; `undefined` if there is none.
   */
  async findFileRecursive(
    directory: string,
    name: string,
    backend: string,
    options?: OperationOptions,
  ): Promise<string | undefined> {
    const found = await this.listFiles(directory, backend, {
      ...options,
      recursive: true,
      pattern: escapeGlob(name),
    });
    return found.find((path) => baseName(path) === name);
  }

  /** Directories and files below a directory, each once, in natural order, as paths that begin with `directory`. */
  async collectDirsAndFiles(directory: string, backend: string, options?: CollectOptions): Promise<DirectoryTree> {
    const tree = await collectTree(await this.#with("listDir", backend), directory, options);
    return {
      directories: tree.directories.map((path) => joinKey(directory, path)),
      files: tree.files.map((path) => joinKey(directory, path)),
    };
  }

  /** True if the path leads to a file or a directory. */
  async exists(path: string, backend: string, options?: OperationOptions): Promise<boolean> {
    return (await this.#with("exists", backend)).exists(path, options);
  }

  /** True if the path leads to a file. */
  async isFile(path: string, backend: string, options?: OperationOptions): Promise<boolean> {
    return (await this.#with("isFile", backend)).isFile(path, options);
  }

  /** True if the path leads to a directory. */
  async isDir(path: string, backend: string, options?: OperationOptions): Promise<boolean> {
    return (await this.#with("isDir", backend)).isDir(path, options);
  }

  /** True if the path is itself a symbolic link, broken or not. */
  async isSymlink(path: string, backend: string, options?: OperationOptions): Promise<boolean> {
    return (await this.stat(path, backend, options)).kind === "symlink";
  }

  /** Describes a path; a missing one is described as such. See {@link DataSource.stat}. */
  async stat(path: string, backend: string, options?: OperationOptions): Promise<EntryStat> {
    return (await this.#with("stat", backend)).stat(path, options);
  }

  /** Makes a directory and those above it. Idempotent. */
  async ensureDirectory(path: string, backend: string, options?: OperationOptions): Promise<void> {
    await (await this.#with("ensureDirectory", backend)).ensureDirectory(path, options);
  }

  /** Removes a file, a link or an empty directory. */
  async delete(path: string, backend: string, options?: OperationOptions): Promise<void> {
    await (await this.#with("delete", backend)).delete(path, options);
  }

  /** Removes a file, a link, or a directory with all it holds. */
  async deleteAll(path: string, backend: string, options?: OperationOptions): Promise<void> {
    await (await this.#with("deleteAll", backend)).deleteAll(path, options);
  }

  /** Copies a file or a directory tree within a backend. The parent of the target must exist. */
  async copy(from: string, to: string, backend: string, options?: TransferOptions): Promise<void> {
    await (await this.#with("copy", backend)).copy(from, to, options);
  }

  /** Moves a file, a link or a directory tree within a backend. The parent of the target must exist. */
  async move(from: string, to: string, backend: string, options: MoveOptions = {}): Promise<void> {
    const { replaceSymlinks = false, ifExists, signal } = options;
    const storage = await this.#with("move", backend);
    const isLinkInTheWay = replaceSymlinks && (await storage.stat(to, { signal })).kind === "symlink";
    if (!isLinkInTheWay) return storage.move(from, to, { ifExists, signal });
    const { kind } = await storage.stat(from, { signal });
    if (kind !== "directory") return storage.move(from, to, { ifExists: "replace", signal });
    // A directory replaces nothing in one step, so the link steps aside, and comes back if the move is refused.
    const aside = `${to}.replaced-${crypto.randomUUID()}`;
    await storage.move(to, aside, { signal });
    try {
      await storage.move(from, to, { signal });
    } catch (error) {
      await storage.move(aside, to);
      throw error;
    }
    await storage.delete(aside);
  }

  /**
   * Makes a symbolic link at `link` that leads to `source`, which must exist.
   *
   * @param options - `ifExists: "replace"` replaces an existing link, never a file or a directory.
   */
  async createSymlink(source: string, link: string, backend: string, options?: TransferOptions): Promise<void> {
    await (await this.#with("createSymlink", backend)).createSymlink(source, link, options);
  }

  /**
   * Rebuilds a directory tree with a symbolic link in place of each file. Directories are made, empty ones too.
   *
   * @param options - `recursive: false` links the files of the directory itself only.
   * @returns Number of links made.
   * @throws A {@link StorageError}: `ALREADY_EXISTS` where something is in the way; links made so far stay.
   */
  async mirrorDirectoryWithSymlinks(
    source: string,
    target: string,
    backend: string,
    options: MirrorOptions = {},
  ): Promise<number> {
    const { recursive = true, replaceSymlinks = false, signal } = options;
    const storage = await this.#with("createSymlink", backend);
    // Collected before anything is made: the target may lie inside the source.
    const { directories, files } = await collectTree(storage, source, { recursive, signal });
    await storage.ensureDirectory(target, { signal });
    if (recursive) for (const path of directories) await storage.ensureDirectory(joinKey(target, path), { signal });
    for (const path of files) {
      await storage.createSymlink(joinKey(source, path), joinKey(target, path), {
        signal,
        ifExists: replaceSymlinks ? "replace" : "error",
      });
    }
    return files.length;
  }

  /**
   * Copies a file or a directory tree from one backend to another (or within one). Directories above the target are
   * made.
   *
   * - Both ends file-like (disk, an object store): bytes are copied as they are, in bounded memory, and never decoded.
   *   The suffixes may differ; the bytes do not follow.
   * - Otherwise values: each file is loaded and saved, so that `a.npy` in memory becomes whatever the suffix at the
   *   target says. `as: "values"` asks for this between file-like ends too, to change the format.
   *
   * @returns One result a file; identifiers are those of the target.
   * @throws A {@link StorageError}: `NOT_FOUND`, `ALREADY_EXISTS`, `UNSUPPORTED`, or what a backend threw; several
   * failures as an `AggregateError`, once every file was tried.
   */
  async transfer(from: TransferEnd, to: TransferEnd, options: BetweenOptions = {}): Promise<SaveResult[]> {
    return transferBetween(await this.#ends(from, to), this.#policy(options));
  }

  /**
   * Copies a file or a tree from one backend to another, or continues a copy: equal files are not written again. Each
   * copy is verified; links to directories are left out. See {@link CopyTreeOptions}.
   */
  async copyTree(from: TransferEnd, to: TransferEnd, options?: CopyTreeOptions): Promise<TreeItem[]> {
    const { copyTree } = await import("./tree-transfer.ts");
    return copyTree(await this.#ends(from, to), this.#policy(options));
  }

  /** As {@link FileManager.copyTree}; then removes the source, once every copy was read back and found right. */
  async moveTree(from: TransferEnd, to: TransferEnd, options?: CopyTreeOptions): Promise<TreeItem[]> {
    const { moveTree } = await import("./tree-transfer.ts");
    return moveTree(await this.#ends(from, to), this.#policy(options));
  }

  /**
   * Makes a tree in one backend hold what a tree in another holds; with `delete`, nothing else. See
   * {@link SyncOptions}.
   */
  async sync(from: TransferEnd, to: TransferEnd, options?: SyncOptions): Promise<TreeItem[]> {
    const { syncTree } = await import("./tree-transfer.ts");
    return syncTree(await this.#ends(from, to), options);
  }

  async #ends(from: TransferEnd, to: TransferEnd): Promise<Ends> {
    const [source, target] = [await this.backend(from.backend), await this.backend(to.backend)];
    return { source, from: from.path, target, to: to.path };
  }

  async #with(operation: Operation, key: string): Promise<StorageBackend> {
    return needOperation(await this.backend(key), operation);
  }

  #policy<Options extends { readonly ifExists?: IfExists | undefined }>(options: Options | undefined): Options {
    return { ...options, ifExists: options?.ifExists ?? this.ifExists } as Options;
  }
}

/** A set, of this copy of the package or of another. */
function isSet(backends: Backends): backends is BackendSet {
  return typeof (backends as BackendSet).openWriter === "function" && !(backends instanceof BackendBase);
}
