/** Read-write backends. */
import type { BatchOptions } from "./batch.ts";
import { mapBatch } from "./batch.ts";
import { brand, hasBrand } from "./brand.ts";
import type { OperationOptions, TransferOptions } from "./byte-store.ts";
import { checkSameLength } from "./checks.ts";
import type { DataSink, IfExists, SaveOptions, SaveResult } from "./data-sink.ts";
import { type ErrorContext, StorageError } from "./errors.ts";
import { isInside, joinKey, parentKey } from "./key.ts";
import { type BackendStat, ReadableBackend } from "./readable-backend.ts";

/** What `doSave` gets: every policy is decided. */
export type DoSaveOptions = SaveOptions & { readonly ifExists: IfExists };

/**
 * The base of read-write backends.
 *
 * An author writes `doLoad`, `doStat`, `doList`, `doSave` and `doDelete`; where the capabilities say so also
 * `doCreateDirectory`, `doSymlink`, and, to be faster than the defaults, `doCopy`, `doMove` and `doDeleteAll`.
 *
 * @see OpenHCS `io/base.py`, `StorageBackend`
 */
export abstract class StorageBackend extends ReadableBackend implements DataSink {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(this, StorageBackend, "StorageBackend", value);
  }

  save(data: unknown, identifier: string, options: SaveOptions = {}): Promise<SaveResult> {
    return this.#write("save", identifier, options, async (key, context) => {
      const ifExists = options.ifExists ?? this.ifExists;
      await this.#checkTarget(key, options, context);
      return { ...(await this.doSave(data, key, { ...options, ifExists }, context)), identifier };
    });
  }

  async saveBatch(
    dataList: readonly unknown[],
    identifiers: readonly string[],
    options: SaveOptions & BatchOptions = {},
  ): Promise<SaveResult[]> {
    checkSameLength(dataList, identifiers, { backend: this.name, operation: "saveBatch" });
    await this.#checkBatch(identifiers, options);
    return mapBatch<string, SaveResult>(
      identifiers,
      (identifier, index) => this.save(dataList[index], identifier, options),
      options,
      (error, identifier) => ({ status: "failed", identifier, error }),
    );
  }

  /** Removes a file, a link (never what it points to) or an empty directory. */
  delete(path: string, options: OperationOptions = {}): Promise<void> {
    return this.#write("delete", path, options, async (key, context) => {
      const { kind } = await this.#need(key, options, context);
      if (kind === "directory" && !(await this.#isEmpty(key, options))) {
        throw new StorageError("IS_A_DIRECTORY", `"${path}" is a directory that is not empty; use deleteAll`, context);
      }
      await this.doDelete(key, kind, options);
    });
  }

  /**
   * Removes a file, a link, or a directory with all it holds; where keys are flat, a file and all that lies below it.
   * Links inside are removed, never followed.
   */
  deleteAll(path: string, options: OperationOptions = {}): Promise<void> {
    return this.#write("deleteAll", path, options, async (key, context) => {
      const { kind } = await this.#need(key, options, context);
      if (kind !== "directory") await this.doDelete(key, kind, options);
      if (kind === "directory" || this.capabilities.flatKeys) await this.doDeleteAll(key, options);
    });
  }

  /** Makes a directory and those above it. Idempotent; legal everywhere, also where directories are only implied. */
  ensureDirectory(path: string, options: OperationOptions = {}): Promise<void> {
    return this.#write("ensureDirectory", path, options, async (key) => {
      if (this.capabilities.directories) await this.doCreateDirectory(key, options);
    });
  }

  /**
   * Copies a file (alone, also where keys lie below it) or a directory tree. The target must not exist unless `ifExists`
   * is `"replace"` (files only).
   */
  copy(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.#transfer("copy", from, to, options, (source, target) => this.doCopy(source, target, options));
  }

  /**
   * Moves a file (alone, as `copy`), a link or a directory tree. The target must not exist unless `ifExists` is
   * `"replace"` (files only).
   */
  move(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.#transfer("move", from, to, options, (source, target) => this.doMove(source, target, options));
  }

  /**
   * Makes a symbolic link at `link` that leads to `source`.
   *
   * @param options - `ifExists: "replace"` replaces an existing link, never a file or a directory.
   */
  createSymlink(source: string, link: string, options: TransferOptions = {}): Promise<void> {
    return this.#write("createSymlink", link, options, async (key, context) => {
      if (!this.capabilities.symlinks) throw this.unsupported("createSymlink");
      const target = this.resolveKey(source);
      const stat = await this.doStat(target, { ...options, followSymlinks: false });
      if (stat.kind === "missing") {
        throw new StorageError("NOT_FOUND", `No "${source}" in "${this.name}" to link to`, {
          ...context,
          identifier: source,
        });
      }
      const there = await this.doStat(key, { ...options, followSymlinks: false });
      const isLink = there.kind === "symlink";
      if (there.kind !== "missing" && (options.ifExists !== "replace" || !isLink)) {
        throw this.#exists(link, context, isLink ? undefined : "a link replaces only links; choose another key");
      }
      await this.#checkTarget(key, options, context);
      await this.doSymlink(target, key, options);
    });
  }

  /**
   * Stores a value under a key whose parent is a directory.
   *
   * @param options - `ifExists` is decided: honour it without a race where the medium can.
   */
  protected abstract doSave(
    data: unknown,
    key: string,
    options: DoSaveOptions,
    context: ErrorContext,
  ): Promise<SaveResult>;

  /** Removes a key that exists: a file, a link or an empty directory. */
  protected abstract doDelete(key: string, kind: BackendStat["kind"], options: OperationOptions): Promise<void>;

  /** Makes a directory and those above it. Needed where the capabilities declare directories. */
  protected async doCreateDirectory(_key: string, _options: OperationOptions): Promise<void> {
    throw this.unsupported("directories");
  }

  /** Makes a link; what was at `key`, if anything, is a link too and is replaced. */
  protected async doSymlink(_target: string, _key: string, _options: TransferOptions): Promise<void> {
    throw this.unsupported("createSymlink");
  }

  /** Removes a directory and all below it. The default walks; override where one call does it. */
  protected async doDeleteAll(key: string, options: OperationOptions): Promise<void> {
    for await (const entry of this.doList(key, options)) {
      const below = joinKey(key, entry.name);
      if (entry.kind === "directory") await this.doDeleteAll(below, options);
      else await this.doDelete(below, entry.kind, options);
    }
    if (this.capabilities.directories && key !== "" && key !== "/") await this.doDelete(key, "directory", options);
  }

  /** Copies a file or tree to a key that may be written. The default loads and saves. */
  protected async doCopy(from: string, to: string, options: TransferOptions): Promise<void> {
    const { kind } = await this.doStat(from, { ...options, followSymlinks: true });
    if (kind !== "directory") {
      const data = await this.doLoad(from, options, { backend: this.name, operation: "copy", identifier: from });
      await this.doSave(data, to, { signal: options.signal, ifExists: options.ifExists ?? "error" }, {});
      return;
    }
    if (this.capabilities.directories) await this.doCreateDirectory(to, options);
    for await (const entry of this.doList(from, options)) {
      await this.doCopy(joinKey(from, entry.name), joinKey(to, entry.name), options);
    }
  }

  /**
   * Moves a file, link or tree to a key that may be written. The default copies, then deletes. A copy follows links, so
   * a backend that has them overrides this; the default refuses to turn a link into what it leads to.
   */
  protected async doMove(from: string, to: string, options: TransferOptions): Promise<void> {
    const { kind } = await this.doStat(from, { ...options, followSymlinks: false });
    if (kind === "symlink") throw this.unsupported("moving a link");
    await this.doCopy(from, to, options);
    if (kind === "directory") await this.doDeleteAll(from, options);
    else await this.doDelete(from, kind, options);
  }

  #transfer(
    operation: string,
    from: string,
    to: string,
    options: TransferOptions,
    run: (source: string, target: string) => Promise<void>,
  ): Promise<void> {
    return this.#write(operation, from, options, async (source, context) => {
      const target = this.resolveKey(to);
      const { kind } = await this.#need(source, options, context);
      const where = { ...context, identifier: to };
      if (isInside(target, source)) {
        if (target === source) throw this.#exists(to, where, `it is what you ${operation}; choose another key`);
        if (kind === "directory") {
          throw new StorageError("INVALID_KEY", `Cannot ${operation} "${from}" into itself ("${to}")`, where);
        }
      }
      const there = await this.doStat(target, { ...options, followSymlinks: false });
      const isReplaceable = there.kind !== "directory" && kind !== "directory";
      if (there.kind !== "missing" && !(isReplaceable && options.ifExists === "replace")) {
        const advice = "only files replace files; use deleteAll first or choose another key";
        throw this.#exists(to, where, isReplaceable ? undefined : advice);
      }
      await this.#checkTarget(target, options, where);
      await run(source, target);
    });
  }

  /** As `perform`, and refused where the capabilities declare no writes. */
  #write<T>(
    operation: string,
    identifier: string,
    options: OperationOptions,
    run: (key: string, context: ErrorContext) => Promise<T>,
  ): Promise<T> {
    return this.perform(operation, identifier, options, (key, context) => {
      if (this.capabilities.write) return run(key, context);
      throw new StorageError("READ_ONLY", `Backend "${this.name}" takes no writes`, context);
    });
  }

  async #need(key: string, options: OperationOptions, context: ErrorContext): Promise<BackendStat> {
    const stat = await this.doStat(key, { ...options, followSymlinks: false });
    if (stat.kind !== "missing") return stat;
    throw new StorageError("NOT_FOUND", `No "${context.identifier}" in "${this.name}"`, context);
  }

  async #isEmpty(key: string, options: OperationOptions): Promise<boolean> {
    for await (const _ of this.doList(key, options)) return false;
    return true;
  }

  /** The path checks that `requiresFilesystemValidation` gates: the parent of a new value is a directory. */
  async #checkTarget(key: string, options: SaveOptions, context: ErrorContext): Promise<void> {
    if (key === "" || key === "/") {
      throw new StorageError("IS_A_DIRECTORY", `"${context.identifier}" is the root of "${this.name}"`, context);
    }
    if (!this.requiresFilesystemValidation) return;
    const parent = parentKey(key);
    if (parent === "" || parent === "/") return;
    const { kind } = await this.doStat(parent, { ...options, followSymlinks: true });
    if (kind === "directory") return;
    if (kind !== "missing") {
      throw new StorageError("NOT_A_DIRECTORY", `"${parent}" in "${this.name}" is a file`, context);
    }
    if (options.createParents) return this.doCreateDirectory(parent, options);
    throw new StorageError(
      "NOT_FOUND",
      `No directory "${parent}" in "${this.name}"; call ensureDirectory first or pass createParents: true`,
      context,
    );
  }

  /** Checks all identifiers before anything is written. */
  async #checkBatch(identifiers: readonly string[], options: SaveOptions): Promise<void> {
    const ifExists = options.ifExists ?? this.ifExists;
    const seen = new Set<string>();
    const sound = new Set<string>(["", "/"]);
    for (const identifier of identifiers) {
      await this.#write("saveBatch", identifier, options, async (key, context) => {
        if (seen.has(key)) {
          throw new StorageError("INVALID_DATA", `"${identifier}" occurs twice in the batch`, context);
        }
        seen.add(key);
        if (!options.createParents) await this.#checkTarget(key, options, context);
        else if (this.requiresFilesystemValidation) await this.#checkAbove(key, sound, options, context);
        const { kind } = await this.doStat(key, { ...options, followSymlinks: true });
        const isFree = kind === "missing" || (kind === "directory" && this.capabilities.flatKeys === true);
        if (isFree) return;
        if (kind === "directory") throw new StorageError("IS_A_DIRECTORY", `"${identifier}" is a directory`, context);
        if (ifExists === "error") throw this.#exists(identifier, context);
      });
    }
    if (this.capabilities.flatKeys) return;
    for (const key of seen) {
      const above = ancestors(key).find((each) => seen.has(each));
      if (above === undefined) continue;
      const context = { backend: this.name, operation: "saveBatch", identifier: key };
      throw new StorageError("NOT_A_DIRECTORY", `"${above}" and "${key}" cannot both be files`, context);
    }
  }

  /** Refuses a key below a file; what is missing above it may be made. `sound`: keys that have been looked at. */
  async #checkAbove(key: string, sound: Set<string>, options: SaveOptions, context: ErrorContext): Promise<void> {
    for (const above of ancestors(key)) {
      if (sound.has(above)) return;
      const { kind } = await this.doStat(above, { ...options, followSymlinks: true });
      if (kind !== "missing" && kind !== "directory") {
        throw new StorageError("NOT_A_DIRECTORY", `"${above}" in "${this.name}" is a file`, context);
      }
      sound.add(above);
      if (kind === "directory") return;
    }
  }

  #exists(
    identifier: string,
    context: ErrorContext,
    advice = 'pass ifExists: "replace" or choose another key',
  ): StorageError {
    return new StorageError("ALREADY_EXISTS", `"${identifier}" exists in "${this.name}"; ${advice}`, context);
  }
}

/** The directories above a key, the nearest first, without the root. */
function ancestors(key: string): string[] {
  const above: string[] = [];
  for (let at = parentKey(key); at !== "" && at !== "/"; at = parentKey(at)) above.push(at);
  return above;
}

brand(StorageBackend, "StorageBackend", "DataSink");
