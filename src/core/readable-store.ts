/** The part that all read-only byte stores share. */
import { checkRange } from "./byte-range.ts";
import type {
  ByteRange,
  ByteStore,
  ByteWriter,
  DeleteResult,
  ListEntry,
  ListOptions,
  ObjectStat,
  OperationOptions,
  ReadOptions,
  StatOptions,
  WriteResult,
} from "./byte-store.ts";
import type { StoreCapabilities } from "./capabilities.ts";
import { checkAborted, checkOpen } from "./checks.ts";
import { type ErrorContext, StorageError } from "./errors.ts";
import { normalizeKey } from "./key.ts";

/** Capabilities of a store that takes no writes and keeps them elsewhere; spread and override. */
export const readOnlyCapabilities: StoreCapabilities = {
  write: false,
  list: true,
  ifAbsent: "none",
  ifMatch: "none",
  ranges: "native",
  streamingWrite: "none",
  positionalWrite: false,
  directories: false,
  symlinks: false,
  rename: "none",
  persistent: true,
};

/**
 * A byte store that only reads. The public methods check (open? aborted? key and range valid?) and answer every write
 * with `READ_ONLY`; authors write the `do…` methods, which get normalised keys and throw typed errors.
 */
export abstract class ReadableStore implements ByteStore {
  readonly name: string;
  abstract readonly capabilities: StoreCapabilities;
  #isOpen = true;

  constructor(name: string) {
    this.name = name;
  }

  abstract uri(key: string): string;

  stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    return this.#perform("stat", key, options, (normal, context) => this.doStat(normal, options, context));
  }

  read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#perform("read", key, options, (normal, context) => {
      checkRange(options.range, context);
      return this.doRead(normal, options, context);
    });
  }

  readRanges(key: string, ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    return this.#perform("readRanges", key, options, (normal, context) => {
      for (const range of ranges) checkRange(range, context);
      return this.doReadRanges(normal, ranges, options, context);
    });
  }

  readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#perform("readStream", key, options, (normal, context) => {
      checkRange(options.range, context);
      return this.doReadStream(normal, options, context);
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    const context = { backend: this.name, operation: "list" };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    if (!this.capabilities.list) {
      throw new StorageError("UNSUPPORTED", `"${this.name}" cannot be listed`, context);
    }
    for await (const entry of this.doList(options, context)) {
      checkOpen(this.#isOpen, `Store "${this.name}"`, context);
      checkAborted(options.signal, context);
      yield entry;
    }
  }

  write(key: string): Promise<WriteResult> {
    return this.#refuse("write", key);
  }

  openWriter(key: string): Promise<ByteWriter> {
    return this.#refuse("openWriter", key);
  }

  delete(key: string): Promise<void> {
    return this.#refuse("delete", key);
  }

  deleteMany(keys: readonly string[]): Promise<DeleteResult[]> {
    return this.#refuse("deleteMany", keys[0] ?? "");
  }

  copy(_from: string, to: string): Promise<WriteResult> {
    return this.#refuse("copy", to);
  }

  rename(_from: string, to: string): Promise<void> {
    return this.#refuse("rename", to);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.doClose();
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Describes a key; directories too, where the store knows them. */
  protected abstract doStat(key: string, options: StatOptions, context: ErrorContext): Promise<ObjectStat>;
  /** Reads a value or a range of it, of the version that `ifMatch` names. Gives memory that is the caller's. */
  protected abstract doRead(key: string, options: ReadOptions, context: ErrorContext): Promise<Uint8Array>;
  /** Reads several ranges of one version, in the order asked for. */
  protected abstract doReadRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<Uint8Array[]>;
  /** Opens a stream; rejects for what is wrong from the start. */
  protected abstract doReadStream(
    key: string,
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<ReadableStream<Uint8Array>>;
  /** Lists by the rules of {@link ByteStore.list}; called only where the store declares `list`. */
  protected abstract doList(options: ListOptions, context: ErrorContext): AsyncIterable<ListEntry>;
  /** Frees what the store holds. Default: nothing. */
  protected async doClose(): Promise<void> {}

  async #perform<T>(
    operation: string,
    key: string,
    options: OperationOptions,
    run: (key: string, context: ErrorContext) => Promise<T>,
  ): Promise<T> {
    const context = { backend: this.name, operation, identifier: String(key) };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    return run(normalizeKey(key), context);
  }

  /** Refused before any I/O; a closed store says so first. */
  #refuse<T>(operation: string, key: string): Promise<T> {
    return this.#perform(operation, key, {}, async (_, context) => {
      throw new StorageError("READ_ONLY", `"${this.name}" takes no writes`, context);
    });
  }
}
