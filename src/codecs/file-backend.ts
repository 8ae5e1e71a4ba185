/** The one backend above every byte store: keys are files, and codecs turn them into values. */
import type { BackendOptions, DirectoryEntry } from "../core/backend.ts";
import {
  type ByteStore,
  type DirectoryStore,
  isDirectoryStore,
  type ObjectStat,
  type OperationOptions,
  type TransferOptions,
  type WriteResult,
} from "../core/byte-store.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { checkAborted } from "../core/checks.ts";
import type { SaveResult } from "../core/data-sink.ts";
import type { LoadOptions } from "../core/data-source.ts";
import { type ErrorContext, isStorageError, StorageError, throwFailures } from "../core/errors.ts";
import { baseName, joinKey } from "../core/key.ts";
import type { BackendStat, DoStatOptions } from "../core/readable-backend.ts";
import { type DoSaveOptions, StorageBackend } from "../core/storage-backend.ts";
import type { CodecSet } from "./codec-set.ts";
import { createCodecs } from "./default-codecs.ts";

/** Options of {@link FileBackend}. */
export interface FileBackendOptions extends BackendOptions {
  /** Key of the backend that the store belongs to, for example `"disk"`. */
  readonly key: string;
  /** Codecs by suffix. Default: a new {@link createCodecs}. */
  readonly codecs?: CodecSet | undefined;
}

/** Keys that go into one `deleteMany`, the limit of S3. */
const DELETE_PAGE = 1000;

const MISSING: BackendStat = { kind: "missing", exists: false };

/**
 * A {@link ByteStore} as a backend: values go through the codec of the longest registered suffix, or of the `format`
 * option.
 *
 * - Saves are atomic, as the store's single-key writes are. `ifExists: "error"` and `"skip"` are conditional writes, so
 *   two savers cannot both win.
 * - Arrays in C order are written from the caller's own memory, which is borrowed until the save resolves; loaded arrays
 *   are views of the bytes that were read where the format allows it. Neither aliases the caller.
 * - Bytes are copied and moved within the store and never decoded.
 * - A store without real directories has implied ones: a directory is there while a key is below it.
 *
 * @see OpenHCS `io/disk.py`
 */
export class FileBackend extends StorageBackend {
  readonly key: string;
  readonly capabilities: Capabilities;
  /** Where the bytes are; closed with the backend. */
  readonly store: ByteStore;
  /** The codecs of this backend. */
  readonly codecs: CodecSet;
  readonly #directories: DirectoryStore | undefined;

  constructor(store: ByteStore, options: FileBackendOptions) {
    super(options);
    this.key = options.key;
    this.store = store;
    this.codecs = options.codecs ?? createCodecs();
    this.#directories = isDirectoryStore(store) ? store : undefined;
    this.capabilities = capabilitiesOf(store);
  }

  protected override resolveKey(identifier: string): string {
    return this.store.resolve ? this.store.resolve(identifier) : super.resolveKey(identifier);
  }

  protected override async doLoad(key: string, options: LoadOptions, context: ErrorContext): Promise<unknown> {
    // Absence and directories are told before a missing codec: the suffix of a directory means nothing.
    if (options.format === undefined && this.codecs.find(key) === undefined)
      await this.#needFile(key, options, context);
    const identifier = asTyped(key, context);
    const codec = this.codecs.forIdentifier(identifier, options.format);
    const bytes = await this.#read(key, options, context);
    return codec.decode(bytes, { identifier, options: options.codecOptions ?? {}, signal: options.signal });
  }

  protected override async doSave(
    data: unknown,
    key: string,
    options: DoSaveOptions,
    context: ErrorContext,
  ): Promise<SaveResult> {
    const { ifExists, signal } = options;
    const canRefuse = this.store.capabilities.ifAbsent !== "none";
    // The policy "error" needs no look beforehand where the write itself refuses; the others answer what was there.
    const there = ifExists === "error" && canRefuse ? "missing" : await this.#targetKind(key, options, context);
    if (there !== "missing") {
      if (ifExists === "skip") return { status: "skipped", identifier: key };
      if (ifExists === "error") throw this.#alreadyExists(context);
    }
    const identifier = asTyped(key, context);
    const codec = this.codecs.forValue(data, identifier, options.format);
    const bytes = await codec.encode(data, { identifier, options: options.codecOptions ?? {}, signal });
    checkAborted(signal, context);
    try {
      const ifAbsent = canRefuse && ifExists !== "replace";
      const result = await this.store.write(key, bytes, { signal, ifAbsent });
      return saved(there === "missing" ? "created" : "replaced", key, result);
    } catch (error) {
      if (!isStorageError(error, "ALREADY_EXISTS")) throw error;
      if (ifExists === "skip") return { status: "skipped", identifier: key };
      throw this.#alreadyExists(context, error);
    }
  }

  protected override async doStat(key: string, options: DoStatOptions): Promise<BackendStat> {
    if (key === "") return { kind: "directory", exists: true };
    const stat = await this.#statOrUndefined(key, options);
    if (stat === undefined)
      return (await this.#isImplied(key, options)) ? { kind: "directory", exists: true } : MISSING;
    if (stat.kind !== "symlink") return backendStat(stat, true);
    // The store describes a broken link as a link even when it follows.
    if (options.followSymlinks) return MISSING;
    const led = await this.#statOrUndefined(key, { ...options, followSymlinks: true });
    return backendStat(stat, led !== undefined && led.kind !== "symlink");
  }

  protected override async *doList(key: string, options: OperationOptions): AsyncIterable<DirectoryEntry> {
    const prefix = directoryPrefix(key);
    for await (const entry of this.store.list({ prefix, delimiter: "/", signal: options.signal })) {
      yield { name: entry.key.slice(prefix.length), kind: entry.kind };
    }
  }

  protected override async doListWhole(key: string, options: OperationOptions): Promise<readonly DirectoryEntry[]> {
    // Without a look at each file, which costs more than everything else.
    return (await this.#directories?.readDirectory?.(key, options)) ?? super.doListWhole(key, options);
  }

  protected override async doRealKey(key: string, options: OperationOptions): Promise<string> {
    return this.#directories ? this.#directories.realKey(key, options) : key;
  }

  protected override async doDelete(key: string, kind: BackendStat["kind"], options: OperationOptions): Promise<void> {
    if (kind !== "directory") await this.store.delete(key, options);
    else if (this.#directories) await this.#directories.removeDirectory(key, options);
  }

  protected override async doDeleteAll(key: string, options: OperationOptions): Promise<void> {
    if (this.#directories && key === "") return super.doDeleteAll(key, options);
    if (this.#directories) return this.#directories.removeDirectory(key, { ...options, recursive: true });
    let page: string[] = [];
    for await (const entry of this.store.list({ prefix: directoryPrefix(key), signal: options.signal })) {
      page.push(entry.key);
      if (page.length < DELETE_PAGE) continue;
      await this.#deletePage(page, options);
      page = [];
    }
    await this.#deletePage(page, options);
  }

  protected override async doCreateDirectory(key: string, options: OperationOptions): Promise<void> {
    if (this.#directories) await this.#directories.createDirectory(key, options);
  }

  protected override async doSymlink(target: string, key: string, options: TransferOptions): Promise<void> {
    if (!this.#directories) throw this.unsupported("createSymlink");
    await this.#directories.symlink(target, key, options);
  }

  /** Links are followed: the copy holds what they lead to. All of the source is looked at before anything is written. */
  protected override async doCopy(from: string, to: string, options: TransferOptions): Promise<void> {
    const plan: CopyPlan = { directories: [], files: [] };
    if (this.#directories) await this.#planCopy(from, to, [], plan, options);
    else await this.#planFlatCopy(from, to, plan, options);
    for (const directory of plan.directories) await this.doCreateDirectory(directory, options);
    for (const [source, target] of plan.files) await this.store.copy(source, target, options);
  }

  protected override async doMove(from: string, to: string, options: TransferOptions): Promise<void> {
    const { kind } = await this.doStat(from, { ...options, followSymlinks: false });
    if (kind !== "directory") return this.store.rename(from, to, options);
    if (this.#directories) return this.#directories.renameDirectory(from, to, options);
    // All copies before the first delete, so that a failure leaves the source whole.
    await this.doCopy(from, to, options);
    await this.doDeleteAll(from, options);
  }

  protected override async doClose(): Promise<void> {
    await this.store.close();
  }

  async #read(key: string, options: OperationOptions, context: ErrorContext): Promise<Uint8Array> {
    try {
      return await this.store.read(key, { signal: options.signal });
    } catch (error) {
      // The store knows the key, not the path that was asked for; and where directories are implied, nothing of them.
      if (isStorageError(error, "NOT_FOUND")) await this.#needFile(key, options, context, error);
      throw error;
    }
  }

  /** Rejects with `NOT_FOUND` or `IS_A_DIRECTORY` unless the key leads to a file. */
  async #needFile(key: string, options: OperationOptions, context: ErrorContext, cause?: unknown): Promise<void> {
    const { kind } = await this.doStat(key, { ...options, followSymlinks: true });
    if (kind === "file") return;
    const { identifier } = context;
    const details = cause === undefined ? context : { ...context, cause };
    if (kind === "directory") throw new StorageError("IS_A_DIRECTORY", `"${identifier}" is a directory`, details);
    throw new StorageError("NOT_FOUND", `No "${identifier}" in "${this.name}"`, details);
  }

  /** What a save would write over. */
  async #targetKind(key: string, options: OperationOptions, context: ErrorContext): Promise<BackendStat["kind"]> {
    const { kind } = await this.doStat(key, { ...options, followSymlinks: true });
    if (kind !== "directory") return kind;
    if (this.capabilities.flatKeys && key !== "") return "missing";
    throw new StorageError("IS_A_DIRECTORY", `"${context.identifier}" in "${this.name}" is a directory`, context);
  }

  async #statOrUndefined(key: string, options: DoStatOptions): Promise<ObjectStat | undefined> {
    try {
      return await this.store.stat(key, options);
    } catch (error) {
      if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return undefined;
      throw error;
    }
  }

  /** True if a store without real directories has a key below this one. */
  async #isImplied(key: string, options: OperationOptions): Promise<boolean> {
    if (this.#directories || !this.store.capabilities.list) return false;
    for await (const _ of this.store.list({ prefix: directoryPrefix(key), signal: options.signal })) return true;
    return false;
  }

  async #deletePage(keys: readonly string[], options: OperationOptions): Promise<void> {
    if (keys.length === 0) return;
    const results = await this.store.deleteMany(keys, options);
    const failures = results.flatMap((result) => result.error ?? []);
    throwFailures(failures, `Some of ${keys.length} keys could not be removed`);
  }

  /** As {@link FileBackend.#planCopy} without real directories: what lies below is one listing. */
  async #planFlatCopy(from: string, to: string, plan: CopyPlan, options: OperationOptions): Promise<void> {
    const { kind } = await this.doStat(from, { ...options, followSymlinks: true });
    if (kind === "file") {
      plan.files.push([from, to]);
      return;
    }
    const prefix = directoryPrefix(from);
    for await (const { key } of this.store.list({ prefix, signal: options.signal })) {
      plan.files.push([key, joinKey(to, key.slice(prefix.length))]);
    }
  }

  /** Collects what a copy has to make; `above` holds the real directories that lead here, to find links in a circle. */
  async #planCopy(
    from: string,
    to: string,
    above: readonly string[],
    plan: CopyPlan,
    options: OperationOptions,
  ): Promise<void> {
    checkAborted(options.signal, { backend: this.name, operation: "copy", identifier: from });
    const { kind } = await this.doStat(from, { ...options, followSymlinks: true });
    const context = { backend: this.name, operation: "copy", identifier: from };
    if (kind === "missing") {
      throw new StorageError("NOT_FOUND", `"${from}" in "${this.name}" leads to nothing and cannot be copied`, context);
    }
    if (kind !== "directory") {
      plan.files.push([from, to]);
      return;
    }
    const real = await this.doRealKey(from, options);
    if (above.includes(real)) {
      throw new StorageError("INVALID_DATA", `"${from}" in "${this.name}" is a link to a directory above it`, context);
    }
    plan.directories.push(to);
    for await (const entry of this.doList(from, options)) {
      await this.#planCopy(joinKey(from, entry.name), joinKey(to, entry.name), [...above, real], plan, options);
    }
  }

  #alreadyExists(context: ErrorContext, cause?: unknown): StorageError {
    return new StorageError(
      "ALREADY_EXISTS",
      `"${context.identifier}" exists in "${this.name}"; pass ifExists: "replace" or "skip", or choose another key`,
      { ...context, ...(cause === undefined ? {} : { cause }) },
    );
  }
}

interface CopyPlan {
  readonly directories: string[];
  readonly files: [from: string, to: string][];
}

function capabilitiesOf(store: ByteStore): Capabilities {
  const { write, list, directories, flatKeys, symlinks, persistent } = store.capabilities;
  return {
    read: true,
    write,
    list,
    directories,
    ...(flatKeys ? { flatKeys } : {}),
    symlinks,
    // An implied directory cannot be missing, so there is nothing to check where directories are not real.
    requiresFilesystemValidation: directories,
    values: "any",
    // A store that resolves addresses has a place in a larger tree, where "/a" and "a" differ.
    absoluteKeys: store.resolve ? "distinct" : "rooted",
    persistent,
    frames: false,
  };
}

function backendStat(stat: ObjectStat, exists: boolean): BackendStat {
  const { kind, byteLength, modifiedMs, etag, target } = stat;
  return {
    kind,
    exists,
    ...(kind === "file" ? { byteLength } : {}),
    ...(modifiedMs === undefined ? {} : { modifiedMs }),
    ...(etag === undefined ? {} : { etag }),
    ...(target === undefined ? {} : { target }),
  };
}

function saved(status: "created" | "replaced", identifier: string, { byteLength, etag }: WriteResult): SaveResult {
  return { status, identifier, byteLength, etag };
}

/** Prefix of the keys below a directory. */
function directoryPrefix(key: string): string {
  return key === "" ? "" : `${key}/`;
}

/** The path as it was asked for, unless its end is written in another way than that of the key, which decides the codec. */
function asTyped(key: string, { identifier }: ErrorContext): string {
  return identifier !== undefined && baseName(identifier) === baseName(key) ? identifier : key;
}
