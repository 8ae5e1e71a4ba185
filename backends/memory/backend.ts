/** Values in the memory of this process. */
import type { BackendOptions, DirectoryEntry as ListedEntry } from "../../src/core/backend.ts";
import type { OperationOptions, TransferOptions } from "../../src/core/byte-store.ts";
import { checkAborted, checkInteger, checkOpen } from "../../src/core/checks.ts";
import type { SaveResult } from "../../src/core/data-sink.ts";
import type { LoadOptions } from "../../src/core/data-source.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { isInside, joinKey } from "../../src/core/key.ts";
import { isNdArray } from "../../src/core/nd-array.ts";
import type { BackendStat, DoStatOptions } from "../../src/core/readable-backend.ts";
import { type DoSaveOptions, StorageBackend } from "../../src/core/storage-backend.ts";
import { copyValue, walkValue } from "./copy-value.ts";
import type { MemoryOptions } from "./index.ts";
import { memoryCapabilities } from "./memory-capabilities.ts";
import { bytesIn, type Entry, type FileEntry, MemoryTree, newDirectory } from "./memory-tree.ts";

const MISSING: BackendStat = { kind: "missing", exists: false };

/**
 * A backend that keeps values as they are, in memory.
 *
 * - A save stores a deep copy and a load gives one, so nobody aliases anybody; `transfer: true` stores the caller's own
 *   memory. Arrays come back in C order. Class instances and functions are refused.
 * - Absolute and relative keys are different keys. Directories are real; links are followed, and may be broken.
 * - Listing a directory costs as much as it has entries, moving a directory costs nothing.
 * - Every operation is one step: no other call sees half of it.
 * - Nothing outlives the process, and nothing is shared with the bytes of `MemoryStore`.
 *
 * @see OpenHCS `io/memory.py`
 */
export class MemoryBackend extends StorageBackend {
  readonly key = "memory";
  readonly capabilities = memoryCapabilities;
  readonly #tree: MemoryTree;
  readonly #ownsTree: boolean;
  readonly #quotaBytes: number;
  #version = 0;

  /**
   * @param tree - A tree to share with others, which outlives this backend. Default: a new one.
   * @throws A {@link StorageError} `INVALID_DATA` for a quota that is no whole number.
   */
  constructor(options: BackendOptions & MemoryOptions = {}, tree?: MemoryTree) {
    super(options);
    this.#tree = tree ?? new MemoryTree();
    this.#ownsTree = tree === undefined;
    if (options.quotaBytes !== undefined) checkInteger(options.quotaBytes, "quotaBytes", 0);
    this.#quotaBytes = options.quotaBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Bytes that the stored values take, as the quota counts them. */
  get byteLength(): number {
    return this.#tree.byteLength;
  }

  /**
   * Removes every file and link and keeps all directories. Harmless when empty.
   *
   * @throws A {@link StorageError} `NOT_OPEN`.
   * @see OpenHCS `io/memory.py`, `clear_files_only`
   */
  clearFilesOnly(): void {
    checkOpen(this.isOpen, `Backend "${this.name}"`, { backend: this.name, operation: "clearFilesOnly" });
    this.#tree.clearFiles();
  }

  protected override async doLoad(key: string, _options: LoadOptions): Promise<unknown> {
    const entry = this.#tree.entry(key);
    const context = { backend: this.name, operation: "load", identifier: key };
    if (entry === undefined) throw new StorageError("NOT_FOUND", `No "${key}" in "${this.name}"`, context);
    if (entry.kind === "directory") throw new StorageError("IS_A_DIRECTORY", `"${key}" is a directory`, context);
    return copyValue(entry.value);
  }

  protected override async doStat(key: string, options: DoStatOptions): Promise<BackendStat> {
    const entry = options.followSymlinks ? this.#tree.entry(key) : this.#tree.find(key, false)?.entry;
    if (entry === undefined) return MISSING;
    if (entry.kind === "directory") return { kind: "directory", exists: true };
    if (entry.kind === "symlink") {
      return { kind: "symlink", exists: this.#tree.entry(key) !== undefined, target: entry.target };
    }
    const { value, byteLength, modifiedMs, etag } = entry;
    const array = isNdArray(value) ? { dtype: value.dtype, shape: [...value.shape] } : {};
    return { kind: "file", exists: true, byteLength, modifiedMs, etag, ...array };
  }

  protected override async *doList(key: string, _options: OperationOptions): AsyncIterable<ListedEntry> {
    const directory = this.#tree.entry(key);
    if (directory?.kind !== "directory") return;
    // A snapshot: what others do while the caller looks at an entry does not change the listing.
    for (const [name, { kind }] of [...directory.children]) yield { name, kind };
  }

  protected override async doRealKey(key: string, _options: OperationOptions): Promise<string> {
    return this.#tree.find(key, true)?.realKey ?? key;
  }

  protected override async doSave(
    data: unknown,
    key: string,
    options: DoSaveOptions,
    context: ErrorContext,
  ): Promise<SaveResult> {
    // Nothing below awaits: the check and the write are one step.
    const { entry: there, parent, name } = this.#tree.target(key, true, context);
    if (there?.kind === "directory") throw new StorageError("IS_A_DIRECTORY", `"${key}" is a directory`, context);
    if (there !== undefined && options.ifExists === "skip") return { status: "skipped", identifier: key };
    if (there !== undefined && options.ifExists === "error") {
      throw new StorageError("ALREADY_EXISTS", `"${key}" exists in "${this.name}"; pass ifExists: "replace"`, context);
    }
    const { value, byteLength } = walkValue(data, options.transfer !== true);
    this.#reserve(byteLength - (there === undefined ? 0 : bytesIn(there)), context);
    const entry = this.#file(value, byteLength);
    parent.children.set(name, entry);
    return { status: there === undefined ? "created" : "replaced", identifier: key, byteLength, etag: entry.etag };
  }

  protected override async doDelete(
    key: string,
    _kind: BackendStat["kind"],
    _options: OperationOptions,
  ): Promise<void> {
    this.#detach(key);
  }

  protected override async doDeleteAll(key: string, _options: OperationOptions): Promise<void> {
    const place = this.#tree.find(key, false);
    if (place?.parent !== undefined) return void this.#detach(key);
    if (place?.entry?.kind !== "directory") return;
    this.#tree.byteLength -= bytesIn(place.entry);
    place.entry.children.clear();
  }

  protected override async doCreateDirectory(key: string, _options: OperationOptions): Promise<void> {
    this.#tree.makeDirectory(key);
  }

  protected override async doSymlink(target: string, key: string, _options: TransferOptions): Promise<void> {
    const { parent, name } = this.#tree.target(key, false, { backend: this.name, operation: "createSymlink" });
    parent.children.set(name, { kind: "symlink", target });
  }

  /** Links are followed: the copy holds what they lead to. It is made whole before it is hung into the tree. */
  protected override async doCopy(from: string, to: string, options: TransferOptions): Promise<void> {
    const context = { backend: this.name, operation: "copy", identifier: to };
    const { parent, name, entry: there } = this.#target(from, to, context);
    const copy = this.#copyEntry(from, [], options);
    this.#reserve(bytesIn(copy) - (there === undefined ? 0 : bytesIn(there)), context);
    parent.children.set(name, copy);
  }

  /** One step, however much is below. A link is moved itself and keeps its target. */
  protected override async doMove(from: string, to: string, _options: TransferOptions): Promise<void> {
    const context = { backend: this.name, operation: "move", identifier: to };
    const { parent, name, entry: there } = this.#target(from, to, context);
    const source = this.#tree.target(from, false, context);
    if (source.entry === undefined) throw new StorageError("NOT_FOUND", `No "${from}" in "${this.name}"`, context);
    if (there !== undefined) this.#tree.byteLength -= bytesIn(there);
    source.parent.children.delete(source.name);
    parent.children.set(name, source.entry);
  }

  protected override async doClose(): Promise<void> {
    if (this.#ownsTree) this.#tree.clear();
  }

  /** The place of a copy or move; links on the way may lead into the source, which the keys alone do not show. */
  #target(from: string, to: string, context: ErrorContext): ReturnType<MemoryTree["target"]> {
    const target = this.#tree.target(to, false, context);
    const source = this.#tree.find(from, false);
    if (source?.entry?.kind === "directory" && isInside(target.realKey, source.realKey)) {
      throw new StorageError("INVALID_KEY", `Cannot ${context.operation} "${from}" into itself ("${to}")`, context);
    }
    return target;
  }

  #copyEntry(key: string, above: readonly string[], options: OperationOptions): Entry {
    const context = { backend: this.name, operation: "copy", identifier: key };
    checkAborted(options.signal, context);
    const place = this.#tree.find(key, true);
    if (place?.entry === undefined || place.entry.kind === "symlink") {
      throw new StorageError("NOT_FOUND", `"${key}" in "${this.name}" leads to nothing and cannot be copied`, context);
    }
    if (place.entry.kind === "file") return this.#file(copyValue(place.entry.value), place.entry.byteLength);
    if (above.includes(place.realKey)) {
      throw new StorageError("INVALID_DATA", `"${key}" in "${this.name}" is a link to a directory above it`, context);
    }
    const copy = newDirectory();
    for (const name of place.entry.children.keys()) {
      copy.children.set(name, this.#copyEntry(joinKey(key, name), [...above, place.realKey], options));
    }
    return copy;
  }

  #detach(key: string): void {
    const place = this.#tree.find(key, false);
    if (place?.entry === undefined || place.parent === undefined) return;
    place.parent.children.delete(place.name);
    this.#tree.byteLength -= bytesIn(place.entry);
  }

  #file(value: unknown, byteLength: number): FileEntry {
    return { kind: "file", value, byteLength, modifiedMs: Date.now(), etag: String(++this.#version) };
  }

  #reserve(more: number, context: ErrorContext): void {
    const total = this.#tree.byteLength + more;
    if (more > 0 && total > this.#quotaBytes) {
      throw new StorageError(
        "NO_SPACE",
        `"${this.name}" may hold ${this.#quotaBytes} bytes, has ${this.#tree.byteLength}, and needs ${more} more`,
        context,
      );
    }
    this.#tree.byteLength = total;
  }
}
