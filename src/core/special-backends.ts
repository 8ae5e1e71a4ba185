/** Backends that are not plain storage: read-only, virtual, and streaming ones. */
import { BackendBase } from "./backend.ts";
import { type BatchOptions, mapBatch } from "./batch.ts";
import { brand, hasBrand } from "./brand.ts";
import { checkSameLength } from "./checks.ts";
import type { DataSink, SaveOptions, SaveResult } from "./data-sink.ts";
import type { ListFilesOptions, LoadOptions } from "./data-source.ts";
import { type ErrorContext, StorageError } from "./errors.ts";
import { ReadableBackend } from "./readable-backend.ts";

/**
 * The base of backends that only read: archives, mounts, views. An author writes `doLoad`, `doStat` and `doList`.
 *
 * @see OpenHCS `io/base.py`, `ReadOnlyBackend`
 */
export abstract class ReadOnlyBackend extends ReadableBackend {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(this, ReadOnlyBackend, "ReadOnlyBackend", value);
  }
}

brand(ReadOnlyBackend, "ReadOnlyBackend");

/** Options of a virtual backend: the ordinary ones and its own context. */
export type WithContext<Options, Context extends object> = Options & Partial<Context>;

/**
 * The base of backends with paths but no files: listings are made on demand from something else, a plate's structure,
 * an object store, a web service. They need not be writable: `doSave` rejects with `READ_ONLY` unless overridden.
 *
 * @typeParam Context - What calls must say besides the path, for example `{ plateId: number }`. Each name in
 * {@link VirtualBackend.requiredContext} is checked before a hook runs, and a missing one is an `INVALID_DATA` that
 * names it.
 * @see OpenHCS `io/base.py`, `VirtualBackend`
 */
export abstract class VirtualBackend<Context extends object = object> extends ReadableBackend implements DataSink {
  /** Names that every load, save and listing must pass in its options. */
  readonly requiredContext: readonly (keyof Context & string)[] = [];

  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(this, VirtualBackend, "VirtualBackend", value);
  }

  override async load(path: string, options: WithContext<LoadOptions, Context> = {}): Promise<unknown> {
    this.#checkContext("load", options);
    return super.load(path, options);
  }

  override async listFiles(directory: string, options: WithContext<ListFilesOptions, Context> = {}): Promise<string[]> {
    this.#checkContext("listFiles", options);
    return super.listFiles(directory, options);
  }

  async save(data: unknown, identifier: string, options: WithContext<SaveOptions, Context> = {}): Promise<SaveResult> {
    this.#checkContext("save", options);
    return this.perform("save", identifier, options, async (key) => {
      return { ...(await this.doSave(data, key, options)), identifier };
    });
  }

  async saveBatch(
    dataList: readonly unknown[],
    identifiers: readonly string[],
    options: WithContext<SaveOptions, Context> & BatchOptions = {},
  ): Promise<SaveResult[]> {
    checkSameLength(dataList, identifiers, { backend: this.name, operation: "saveBatch" });
    return saveEach(this, dataList, identifiers, options);
  }

  /** Loads the value of a key; the context is in the options. */
  protected abstract override doLoad(
    key: string,
    options: WithContext<LoadOptions, Context>,
    context: ErrorContext,
  ): Promise<unknown>;

  /** Stores a value, where the virtual backend can. */
  protected async doSave(
    _data: unknown,
    key: string,
    _options: WithContext<SaveOptions, Context>,
  ): Promise<SaveResult> {
    throw new StorageError("READ_ONLY", `Virtual backend "${this.name}" takes no writes`, {
      backend: this.name,
      operation: "save",
      identifier: key,
    });
  }

  #checkContext(operation: string, options: object): void {
    const missing = this.requiredContext.filter((name) => (options as Record<string, unknown>)[name] === undefined);
    if (missing.length === 0) return;
    throw new StorageError(
      "INVALID_DATA",
      `Virtual backend "${this.name}" needs ${missing.map((name) => `"${name}"`).join(", ")} in the options of ${operation}`,
      { backend: this.name, operation },
    );
  }
}

brand(VirtualBackend, "VirtualBackend", "DataSink");

/**
 * The base of sinks that nothing can be loaded from: viewers, message buses. An author writes `doSend`, which resolves
 * when the receiver has acknowledged.
 *
 * @see OpenHCS `io/streaming`, `StreamingBackend`
 */
export abstract class StreamingBackend extends BackendBase implements DataSink {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(this, StreamingBackend, "StreamingBackend", value);
  }

  save(data: unknown, identifier: string, options: SaveOptions = {}): Promise<SaveResult> {
    return this.perform("save", identifier, options, async (key) => {
      await this.doSend(data, key, options);
      return { status: "created", identifier };
    });
  }

  async saveBatch(
    dataList: readonly unknown[],
    identifiers: readonly string[],
    options: SaveOptions & BatchOptions = {},
  ): Promise<SaveResult[]> {
    checkSameLength(dataList, identifiers, { backend: this.name, operation: "saveBatch" });
    return saveEach(this, dataList, identifiers, options);
  }

  /** Sends one value and waits for its acknowledgement. */
  protected abstract doSend(data: unknown, key: string, options: SaveOptions): Promise<void>;
}

brand(StreamingBackend, "StreamingBackend", "DataSink");

function saveEach(
  sink: DataSink,
  dataList: readonly unknown[],
  identifiers: readonly string[],
  options: SaveOptions & BatchOptions,
): Promise<SaveResult[]> {
  return mapBatch<string, SaveResult>(
    identifiers,
    (identifier, index) => sink.save(dataList[index], identifier, options),
    options,
    (error, identifier) => ({ status: "failed", identifier, error }),
  );
}
