/** What all layers have in common: they are stores, and pass on what they do not change. */
import {
  type ByteRange,
  type ByteSource,
  type ByteStore,
  type ByteWriter,
  byteSourceLength,
  type DeleteResult,
  type DirectoryStore,
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
import type { StoreCapabilities } from "../core/capabilities.ts";
import { checkAborted, checkOpen } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";
import type { OpenByteWriterOptions } from "../core/resumable-write.ts";
import { checkOrder, type LayerKind } from "./order.ts";

/** Everything that a layer can see pass by. The last three are the parts of streams and writers. */
export type StoreOperation =
  | Exclude<keyof DirectoryStore, "name" | "capabilities" | "uri" | "resolve" | "readDirectory" | "close" | symbol>
  | "streamChunk"
  | "writeChunk"
  | "closeWriter";

/** One call on its way down. */
export interface StoreCall {
  readonly operation: StoreOperation;
  /** The key, or the prefix of a listing, as it was given. */
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  /** Bytes that the call brings along. */
  readonly bytesIn: number;
  /** The options of the call, for layers that depend on them. */
  readonly options: object;
}

/**
 * A store around another store. Alone it changes nothing. A layer overrides the operations that it is about, or
 * {@link WrappedStore.around}, which all of them go through.
 *
 * Closing a layer closes the store that it wraps. Other stores that a layer was given (the medium of a cache, the upper
 * store of an overlay) belong to whoever made them.
 *
 * @see OpenDAL, layers; zarr-python, `WrapperStore`
 */
export abstract class WrappedStore implements DirectoryStore {
  /** Which layer this is. */
  readonly kind: LayerKind;
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  /** The store below. */
  readonly inner: ByteStore;
  /** As in `ByteStore`; there if the store below has it. */
  declare resolve?: (address: string) => string;
  #isOpen = true;

  /**
   * @param capabilities - Default: those of the store below.
   * @throws A {@link StorageError} `CONFIG_INVALID` if the layer does not belong around those below it.
   */
  constructor(kind: LayerKind, inner: ByteStore, capabilities: StoreCapabilities = inner.capabilities) {
    checkOrder(kind, layersOf(inner), inner.name);
    this.kind = kind;
    this.name = inner.name;
    this.inner = inner;
    this.capabilities = capabilities;
    if (inner.resolve !== undefined) this.resolve = (address) => (inner.resolve as (a: string) => string)(address);
  }

  uri(key: string): string {
    return this.inner.uri(key);
  }

  stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    return this.call("stat", key, options, (given) => this.inner.stat(key, given));
  }

  read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.call("read", key, options, (given) => this.inner.read(key, given));
  }

  readRanges(key: string, ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    return this.call("readRanges", key, options, (given) => this.inner.readRanges(key, ranges, given));
  }

  readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.call("readStream", key, options, (given) => this.inner.readStream(key, given));
  }

  write(key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> {
    const length = byteSourceLength(bytes);
    return this.call("write", key, options, (given) => this.inner.write(key, bytes, given), length);
  }

  openWriter(key: string, options: OpenByteWriterOptions = {}): Promise<ByteWriter> {
    return this.call("openWriter", key, options, (given) => this.inner.openWriter(key, given));
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    this.checkOpen("list");
    for await (const entry of this.inner.list(options)) {
      yield entry;
      this.checkOpen("list");
      checkAborted(options.signal, { backend: this.name, operation: "list" });
    }
  }

  delete(key: string, options: OperationOptions = {}): Promise<void> {
    return this.call("delete", key, options, (given) => this.inner.delete(key, given));
  }

  deleteMany(keys: readonly string[], options: OperationOptions = {}): Promise<DeleteResult[]> {
    return this.call("deleteMany", "", options, (given) => this.inner.deleteMany(keys, given));
  }

  copy(from: string, to: string, options: TransferOptions = {}): Promise<WriteResult> {
    return this.call("copy", from, options, (given) => this.inner.copy(from, to, given));
  }

  rename(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.call("rename", from, options, (given) => this.inner.rename(from, to, given));
  }

  createDirectory(key: string, options: OperationOptions = {}): Promise<void> {
    return this.call("createDirectory", key, options, (given) => this.#directories().createDirectory(key, given));
  }

  removeDirectory(key: string, options: OperationOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    return this.call("removeDirectory", key, options, (given) => this.#directories().removeDirectory(key, given));
  }

  renameDirectory(from: string, to: string, options: OperationOptions = {}): Promise<void> {
    return this.call("renameDirectory", from, options, (given) => this.#directories().renameDirectory(from, to, given));
  }

  symlink(target: string, key: string, options: TransferOptions = {}): Promise<void> {
    return this.call("symlink", key, options, (given) => this.#directories().symlink(target, key, given));
  }

  readLink(key: string, options: OperationOptions = {}): Promise<string> {
    return this.call("readLink", key, options, (given) => this.#directories().readLink(key, given));
  }

  realKey(key: string, options: OperationOptions = {}): Promise<string> {
    return this.call("realKey", key, options, (given) => this.#directories().realKey(key, given));
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.inner.close();
  }

  /** Closes the store. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Every call but listings goes through here.
   *
   * @param run - Makes the call below; more than once if need be. Takes the signal that it is to obey.
   */
  protected around<T>(call: StoreCall, run: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    return run(call.signal);
  }

  /** Checks that the layer is open, then sends one call through {@link WrappedStore.around}. */
  protected async call<T, Options extends OperationOptions>(
    operation: StoreOperation,
    key: string,
    options: Options,
    run: (options: Options) => Promise<T>,
    bytesIn = 0,
  ): Promise<T> {
    this.checkOpen(operation, key);
    const call = { operation, key, signal: options.signal, bytesIn, options };
    return this.around(call, (signal) => run(signal === options.signal ? options : { ...options, signal }));
  }

  /** Rejects with `NOT_OPEN` once the layer is closed. */
  protected checkOpen(operation: string, key?: string): void {
    checkOpen(this.#isOpen, `Store "${this.name}"`, { backend: this.name, operation, identifier: key });
  }

  #directories(): DirectoryStore {
    if (isDirectoryStore(this.inner) && this.capabilities.directories) return this.inner;
    throw new StorageError("UNSUPPORTED", `"${this.name}" has no real directories`, { backend: this.name });
  }
}

/** The layers of a store, outermost first. */
export function layersOf(store: ByteStore): LayerKind[] {
  const kinds: LayerKind[] = [];
  for (let at = store; at instanceof WrappedStore; at = at.inner) kinds.push(at.kind);
  return kinds;
}
