/** The reading half that storage, read-only and virtual backends share. */
import { BackendBase, type DirectoryEntry } from "./backend.ts";
import { type BatchOptions, mapBatch } from "./batch.ts";
import { brand } from "./brand.ts";
import type { OperationOptions } from "./byte-store.ts";
import { checkAborted, checkNdArray } from "./checks.ts";
import type { DataSource, EntryStat, ListFilesOptions, LoadOptions } from "./data-source.ts";
import { type ErrorContext, StorageError } from "./errors.ts";
import { globMatcher } from "./glob.ts";
import { compareKeys, joinKey } from "./key.ts";
import type { NdArray } from "./nd-array.ts";
import { selectPart } from "./selection.ts";

/** What `doStat` answers; the base adds the path. */
export type BackendStat = Omit<EntryStat, "path">;

/** Options of `loadArrays`. */
export interface LoadArraysOptions extends LoadOptions {
  /** As in {@link BatchOptions}. */
  readonly concurrency?: number | undefined;
}

/** Options of `doStat`. */
export interface DoStatOptions extends OperationOptions {
  /** True: describe what a link leads to, `missing` if nothing. False: describe the link. */
  readonly followSymlinks: boolean;
}

/**
 * Implements {@link DataSource} above three hooks: `doLoad`, `doStat` and `doList`. Not used as a type of its own: take
 * `DataSource` for parameters, and extend `ReadOnlyBackend`, `StorageBackend` or `VirtualBackend`.
 */
export abstract class ReadableBackend extends BackendBase implements DataSource {
  /**
   * True: `doLoad` heeds the `selection` of its options and reads no more than that. False, the default: it never sees
   * one; what it loads is cut by the base.
   */
  protected readonly loadsParts: boolean = false;

  load(path: string, options: LoadOptions = {}): Promise<unknown> {
    return this.perform("load", path, options, async (key, context) => {
      if (options.selection === undefined || this.loadsParts) return this.doLoad(key, options, context);
      const { selection, ...whole } = options;
      return selectPart(await this.doLoad(key, whole, context), selection, context);
    });
  }

  loadBatch(paths: readonly string[], options: LoadOptions & BatchOptions = {}): Promise<unknown[]> {
    return mapBatch<string, unknown>(
      paths,
      (path) => this.load(path, options),
      options,
      (error) => error,
    );
  }

  /**
   * Loads one value that is an array.
   *
   * @throws A {@link StorageError}: as {@link DataSource.load}; `INVALID_DATA` if the value is something else.
   */
  async loadArray(path: string, options: LoadOptions = {}): Promise<NdArray> {
    return checkNdArray(await this.load(path, options), { backend: this.name, operation: "load", identifier: path });
  }

  /** Loads several values that are arrays, concurrently, in the order of the paths. The first failure fails all. */
  async loadArrays(paths: readonly string[], options: LoadArraysOptions = {}): Promise<NdArray[]> {
    const values = await this.loadBatch(paths, options);
    const context = { backend: this.name, operation: "load" };
    return values.map((value, i) => checkNdArray(value, { ...context, identifier: paths[i] }));
  }

  listFiles(directory: string, options: ListFilesOptions = {}): Promise<string[]> {
    return this.perform("listFiles", directory, options, async (key, context) => {
      if (!this.capabilities.list) throw this.unsupported("listFiles");
      await this.#checkDirectory(key, options, context);
      const found = await this.#filesBelow(key, options);
      return found.map((path) => joinKey(directory, path));
    });
  }

  listDir(path: string, options: OperationOptions = {}): Promise<string[]> {
    return this.perform("listDir", path, options, async (key, context) => {
      if (!this.capabilities.list) throw this.unsupported("listDir");
      await this.#checkDirectory(key, options, context);
      const names = new Set<string>();
      for (const entry of await this.doListWhole(key, options)) names.add(entry.name);
      return [...names].sort(compareKeys);
    });
  }

  async exists(path: string, options: OperationOptions = {}): Promise<boolean> {
    return (await this.#follow("exists", path, options)).exists;
  }

  async isFile(path: string, options: OperationOptions = {}): Promise<boolean> {
    return (await this.#follow("isFile", path, options)).kind === "file";
  }

  isDir(path: string, options: OperationOptions = {}): Promise<boolean> {
    return this.perform("isDir", path, options, async (key) => {
      const { kind } = await this.doStat(key, { ...options, followSymlinks: true });
      return kind === "directory" || (kind === "file" && (await this.#isAboveOthers(key, options)));
    });
  }

  /** True if the path is itself a symbolic link, broken or not. */
  async isSymlink(path: string, options: OperationOptions = {}): Promise<boolean> {
    return (await this.stat(path, options)).kind === "symlink";
  }

  /** Describes a path without following a link at its end; `exists` says whether the link leads anywhere. */
  stat(path: string, options: OperationOptions = {}): Promise<EntryStat> {
    return this.perform("stat", path, options, async (key) => {
      const stat = await this.doStat(key, { ...options, followSymlinks: false });
      return { path, ...stat };
    });
  }

  /**
   * Loads the value of a key. Throw anything for a missing one; `NOT_FOUND` is best.
   *
   * @param options - With a `selection` only where {@link loadsParts} is true.
   * @param context - Has the path as it was asked for, for messages.
   */
  protected abstract doLoad(key: string, options: LoadOptions, context: ErrorContext): Promise<unknown>;

  /** Describes a key; `{ kind: "missing", exists: false }` where nothing is. Must not throw for absence. */
  protected abstract doStat(key: string, options: DoStatOptions): Promise<BackendStat>;

  /** Yields the immediate entries of a directory that exists, in any order. */
  protected abstract doList(key: string, options: OperationOptions): AsyncIterable<DirectoryEntry>;

  /** All that {@link doList} yields. Override where many entries are to be had at once. */
  protected async doListWhole(key: string, options: OperationOptions): Promise<readonly DirectoryEntry[]> {
    const entries: DirectoryEntry[] = [];
    for await (const entry of this.doList(key, options)) {
      entries.push(entry);
      checkAborted(options.signal, { backend: this.name, operation: "listFiles" });
    }
    return entries;
  }

  /** Identity of a directory once links are followed, to visit each once. Override where there are links. */
  protected async doRealKey(key: string, _options: OperationOptions): Promise<string> {
    return key;
  }

  #follow(operation: string, path: string, options: OperationOptions): Promise<BackendStat> {
    return this.perform(operation, path, options, (key) => this.doStat(key, { ...options, followSymlinks: true }));
  }

  async #checkDirectory(key: string, options: OperationOptions, context: ErrorContext): Promise<void> {
    const { kind } = await this.doStat(key, { ...options, followSymlinks: true });
    if (kind === "directory") return;
    if (kind === "missing") {
      throw new StorageError("NOT_FOUND", `No directory "${context.identifier}" in "${this.name}"`, context);
    }
    if (await this.#isAboveOthers(key, options)) return;
    throw new StorageError("NOT_A_DIRECTORY", `"${context.identifier}" in "${this.name}" is a file`, context);
  }

  /** True for a file that is a directory as well, which only flat keys allow. */
  async #isAboveOthers(key: string, options: OperationOptions): Promise<boolean> {
    if (!this.capabilities.flatKeys || !this.capabilities.list) return false;
    for await (const _ of this.doList(key, options)) return true;
    return false;
  }

  /** Paths of the files that are asked for, relative to `root`, breadth first, each level ordered by path. */
  async #filesBelow(root: string, options: ListFilesOptions): Promise<string[]> {
    const keep = fileFilter(options);
    const visited = new Set(options.followSymlinks ? [await this.doRealKey(root, options)] : []);
    const found: string[] = [];
    for (let level = [""]; level.length > 0; ) {
      const files: string[] = [];
      const below: string[] = [];
      for (const directory of level) {
        checkAborted(options.signal, { backend: this.name, operation: "listFiles" });
        const at = directory === "" ? root : joinKey(root, directory);
        for (const entry of await this.doListWhole(at, options)) {
          const path = joinKey(directory, entry.name);
          const isLink = entry.kind === "symlink";
          const kind = isLink ? await this.#kindBehind(joinKey(root, path), options) : entry.kind;
          if (kind === "file" && keep(path)) files.push(path);
          if (kind !== "directory" || !options.recursive || (isLink && !options.followSymlinks)) continue;
          if (options.followSymlinks) {
            const real = await this.doRealKey(joinKey(root, path), options);
            if (visited.has(real)) continue;
            visited.add(real);
          }
          below.push(path);
        }
      }
      for (const path of files.sort(compareKeys)) found.push(path);
      level = below;
    }
    return found;
  }

  /** What a link leads to. */
  async #kindBehind(key: string, options: OperationOptions): Promise<BackendStat["kind"]> {
    return (await this.doStat(key, { ...options, followSymlinks: true })).kind;
  }
}

brand(ReadableBackend, "DataSource");

/** A test for paths by the pattern and extensions of a listing. */
export function fileFilter(options: Pick<ListFilesOptions, "pattern" | "extensions">): (path: string) => boolean {
  const matches = options.pattern === undefined ? () => true : globMatcher(options.pattern);
  if (options.extensions === undefined) return matches;
  const endings = [...options.extensions].map((ending) => `.${ending.replace(/^\./, "").toLowerCase()}`);
  return (path) => {
    const lower = path.toLowerCase();
    return endings.some((ending) => lower.endsWith(ending)) && matches(path);
  };
}
