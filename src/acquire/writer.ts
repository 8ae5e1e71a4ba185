/**
 * The base of all frame writers.
 *
 * @see sunflare `storage/_base.py` and redsun `storage/_base.py` (rc1), whose life cycles it joins
 */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkInteger } from "../core/checks.ts";
import type { DataKey, StreamAsset } from "../core/documents.ts";
import type { DType } from "../core/dtype.ts";
import { type ErrorContext, StorageError, throwFailures, toStorageError } from "../core/errors.ts";
import type { FrameSink, FrameWriter, ObserveOptions, PathProvider, SourceInfo } from "../core/frame-writer.ts";
import type { NdArray } from "../core/nd-array.ts";
import { FrameQueue } from "./frame-queue.ts";
import { type SinkOwner, WriterFrameSink } from "./frame-sink.ts";
import { IndexObservers, systemTimers, type Timers } from "./index-observer.ts";
import { checkUri, publicUri, storeLocation } from "./location.ts";
import { MapView } from "./map-view.ts";
import { type JsonObject, toJson } from "./metadata.ts";
import { isInsideHook, runHook } from "./reentry.ts";
import { Source } from "./source.ts";
import { announce, dataKeyOf } from "./stream-docs.ts";

/** Options of every {@link Writer}. */
export interface WriterOptions {
  /** Asked once for each opening, unless a URI was set: `(undefined, { group: <writer name> })`. */
  readonly pathProvider?: PathProvider | undefined;
  /** Where the first acquisition goes; see {@link Writer.setUri}. */
  readonly uri?: string | undefined;
  /** Clock of timeouts. Default: the machine's. */
  readonly timers?: Timers | undefined;
}

type Phase = "closed" | "opening" | "open" | "closing";

/**
 * Writes the frames of several devices into one store: one array for each source, frames in order, every frame counted.
 *
 * Life of one acquisition: sources are registered while the writer is closed (`updateSource` or `register`), each is
 * prepared, `kickoff` opens the store once for all, frames are written, each source ends (`sink.close` or `complete`)
 * and the last one closes the store. Sources stay registered and the writer is ready for the next acquisition. `open`
 * prepares every registered source and opens; `close` ends all of them at once.
 *
 * A backend extends it with `mimetype`, `doWriteFrame` and `finalize`, and, where it has to, overrides `prepare` and
 * `kickoff` and calls `super`. The overrides need no guards: concurrent calls of `kickoff` run the override once, and
 * not while the writer is open; `prepare` runs its override only when preparing is allowed; the writer counts as open
 * when the whole override has succeeded. An override that fails leaves the writer closed and may be tried again: it
 * cleans up what it made itself.
 *
 * Frames are handed to `doWriteFrame` in call order, also when calls are not awaited. Nothing is copied here: a frame is
 * borrowed until its promise settles, so frames that wait occupy the caller's memory and no other. A caller that does
 * not await bounds what it has under way itself.
 *
 * Calls from inside a hook that would wait for that hook (writing, ending or closing the same writer) are refused with
 * `CONFLICT`, directly or after any number of awaits. What cannot be seen, and would hang, is a hook that waits for
 * something outside of it that in turn waits for this writer.
 *
 * @example
 * ```ts
 * import { Writer } from "sluice/acquire";
 * class CountingWriter extends Writer {
 *   bytes = 0;
 *   get mimetype() { return "application/x-count"; }
 *   protected doWriteFrame(_name: string, frame: NdArray) { this.bytes += frame.data.byteLength; }
 *   protected async finalize() {}
 * }
 * ```
 * @see sunflare storage guide, "Implementing a custom backend"
 */
export abstract class Writer implements FrameWriter {
  readonly name: string;
  readonly sources: ReadonlyMap<string, SourceInfo>;
  readonly #sources = new Map<string, Source>();
  readonly #queue: FrameQueue;
  readonly #observers: IndexObservers;
  readonly #pathProvider: PathProvider | undefined;
  #uri: string | undefined;
  #storeUri: string | undefined;
  #locating: Promise<string> | undefined;
  #phase: Phase = "closed";
  #opening: Promise<void> | undefined;
  #joining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #metadata: JsonObject = {};
  #metadataAtOpen: JsonObject = this.#metadata;
  readonly #sinkOwner: SinkOwner = {
    write: (sink, frame, signal) => this.#write(this.#sources.get(sink.name), sink, frame, signal),
    end: async (sink) => {
      const source = this.#sources.get(sink.name);
      if (source?.sink === sink || source?.ending !== undefined) await this.complete(sink.name);
    },
  };

  /** @param name - Name of the writer, and of its store within a folder; the group in a session. */
  constructor(name: string, options: WriterOptions = {}) {
    this.name = name;
    this.sources = new MapView(this.#sources);
    this.#pathProvider = options.pathProvider;
    if (options.uri !== undefined) this.#uri = checkUri(options.uri);
    this.#observers = new IndexObservers(options.timers ?? systemTimers);
    this.#queue = new FrameQueue(
      this,
      () => this.writeConcurrency,
      (source, frame, index) => this.doWriteFrame(source, frame, index),
      () => this.#observers.notify(),
      (source) => this.#context("write", source.name),
    );
    this.#guardOverrides();
  }

  /** MIME type of what it makes, for documents. */
  abstract get mimetype(): string;

  /** Stores one frame of a prepared source. See {@link FrameSink.write} for what has been checked.
   *
   * @param frame - Borrowed until the hook has returned, or its promise has settled.
   * @param index - Index of the frame within its source. When the hook fails, the next frame gets the same index.
   */
  protected abstract doWriteFrame(name: string, frame: NdArray, index: number): void | Promise<void>;

  /**
   * Closes the store, once for each opening, after the last frame. Metadata may have come since the store was opened:
   * where {@link Writer.metadataChanged} says so, it is to be stored again. If it fails, the writer is closed all the
   * same, and the error reaches whoever closed it.
   */
  protected abstract finalize(): void | Promise<void>;

  /** Ending of a store's name, with its dot: a URI that has it is the store itself. Default `""`: every URI is. */
  get extension(): string {
    return "";
  }

  /** How many `doWriteFrame` may be under way at once; they start in call order. Default 1. */
  protected get writeConcurrency(): number {
    return 1;
  }

  /** True if registered sources may be prepared while the store is open. Default `false`. */
  protected get supportsLateSources(): boolean {
    return false;
  }

  /** True between opening and the close of the last source. */
  get isOpen(): boolean {
    return this.#phase === "open" || this.#phase === "closing";
  }

  /** URI of the store of the current acquisition, or of the last; `undefined` before the first. */
  get storeUri(): string | undefined {
    return this.#storeUri;
  }

  /** What the store is to keep beside the frames: a snapshot, plain JSON. */
  protected get metadata(): JsonObject {
    return this.#metadata;
  }

  /** True if metadata came, or was cleared, since the store was opened. */
  protected get metadataChanged(): boolean {
    return this.#metadata !== this.#metadataAtOpen;
  }

  /** The sources of this acquisition: prepared and not ended. A snapshot. */
  protected get preparedSources(): readonly SourceInfo[] {
    return [...this.#sources.values()].filter((source) => source.sink !== undefined);
  }

  updateSource(
    name: string,
    dtype: DType,
    shape: readonly number[],
    extra: Readonly<Record<string, unknown>> = {},
  ): void {
    this.#addSource("updateSource", name, dtype, shape, 0, extra);
  }

  register(name: string, dtype: DType, shape: readonly number[], capacity = 0): void {
    this.#addSource("register", name, dtype, shape, capacity, {});
  }

  clearSource(name: string, options: { readonly raiseIfMissing?: boolean } = {}): void {
    this.#checkClosed("clearSource", name);
    if (!this.#sources.delete(name) && options.raiseIfMissing) throw this.#notRegistered("clearSource", name);
  }

  clearSources(): void {
    this.#checkClosed("clearSources");
    this.#sources.clear();
  }

  /**
   * Where the next acquisitions go; wins over the path provider. A URI that ends with {@link Writer.extension} is the
   * store itself, any other is the folder for it.
   *
   * @throws A {@link StorageError}: `ALREADY_OPEN` while open, `INVALID_KEY` for what is no URI.
   */
  setUri(uri: string): void {
    this.#checkClosed("setUri");
    this.#uri = checkUri(uri);
  }

  /**
   * Prepares a source for one acquisition: its counters start at 0 and it gets a new stream.
   *
   * @param capacity - Frames that may be written; 0 is unlimited. Default: as registered.
   * @throws A {@link StorageError}: `NOT_FOUND` if it is not registered; `ALREADY_OPEN` if the store is open and this
   * source takes frames already; `CONFLICT` if the store is open and takes no late sources.
   */
  async prepare(name: string, capacity?: number): Promise<FrameSink> {
    const source = this.#source("prepare", name);
    const limit = capacity ?? source.capacity;
    checkInteger(limit, "capacity", 0, this.#context("prepare", name));
    const sink = new WriterFrameSink(name, this.#sinkOwner);
    source.begin(sink, limit);
    return sink;
  }

  /**
   * Opens the store. Concurrent calls open once; when it is open, does nothing. The base finds the location; overrides
   * call it first, then open their store at {@link Writer.storeUri}.
   *
   * @throws A {@link StorageError}: `CONFLICT` without a location, `ALREADY_EXISTS` if something is stored there, or
   * what the backend threw. The writer is closed then, keeps sources and metadata, and can be tried again.
   */
  async kickoff(options: OperationOptions = {}): Promise<void> {
    await this.locate(options);
  }

  /** The URI of the store of this opening, found once; for overrides of `kickoff` that need it before `super.kickoff`. */
  protected locate(options: OperationOptions = {}): Promise<string> {
    this.#locating ??= this.#findLocation(options);
    return this.#locating;
  }

  async open(name: string, framesPerEvent = 1, options: OperationOptions = {}): Promise<Record<string, DataKey>> {
    const source = this.#source("open", name);
    checkInteger(framesPerEvent, "framesPerEvent", 1, this.#context("open", name));
    if (this.#phase !== "open") {
      // One call prepares for all: a second one must not prepare anew what the first is opening.
      this.#joining ??= this.#openAll(options).finally(() => {
        this.#joining = undefined;
      });
      await this.#joining;
    }
    if (source.sink === undefined && source.ending === undefined) await this.prepare(name);
    if (source.collectionCounter > 0 && source.framesPerEvent !== framesPerEvent) {
      const message = `Source "${name}" was announced with ${source.framesPerEvent} frames an event`;
      throw new StorageError("CONFLICT", message, this.#context("open", name));
    }
    source.framesPerEvent = framesPerEvent;
    return { [source.dataKey]: dataKeyOf(source, publicUri(this.resourceUri(source)), framesPerEvent) };
  }

  writeFrame(name: string, frame: NdArray, options?: OperationOptions): Promise<number> {
    const source = this.#sources.get(name);
    if (source === undefined) return Promise.reject(this.#notRegistered("write", name));
    return this.#write(source, source.sink, frame, options?.signal);
  }

  async complete(name: string): Promise<void> {
    this.#refuseInsideHook("complete", name);
    if (this.#phase === "opening") await this.#opening?.catch(() => {});
    const source = this.#sources.get(name);
    if (source === undefined) return;
    if (source.sink !== undefined) source.ending = this.#end(source);
    await source.ending;
  }

  async close(): Promise<void> {
    this.#refuseInsideHook("close");
    if (this.#phase === "opening") await this.#opening?.catch(() => {});
    // Sources that were prepared for a store that never opened are let go: the next one must not wait for them.
    if (this.#phase === "closed") for (const source of this.#sources.values()) source.sink = undefined;
    if (this.#phase === "closed") return;
    this.#closing ??= this.#closeStore();
    await this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  getIndicesWritten(name?: string): number {
    if (name !== undefined) return this.#source("getIndicesWritten", name).eventsWritten;
    let least = this.#sources.size === 0 ? 0 : Number.POSITIVE_INFINITY;
    for (const source of this.#sources.values()) least = Math.min(least, source.eventsWritten);
    return least;
  }

  observeIndicesWritten(options: ObserveOptions = {}): AsyncGenerator<number, void, undefined> {
    const { name } = options;
    if (name !== undefined) this.#source("observeIndicesWritten", name);
    const source = name === undefined ? undefined : this.#sources.get(name);
    return this.#observers.watch(
      () => source?.eventsWritten ?? this.getIndicesWritten(),
      () => this.#phase !== "closed" || this.preparedSources.length > 0,
      options,
      this.#context("observeIndicesWritten", name),
    );
  }

  collectStreamDocs(name: string, indicesWritten: number): StreamAsset[] {
    const source = this.#source("collectStreamDocs", name);
    return announce(source, indicesWritten, () => ({
      uri: publicUri(this.resourceUri(source)),
      parameters: this.resourceParameters(source),
    }));
  }

  /** Announces a source from its first frame again, as a new stream. */
  resetCollectionState(name: string): void {
    this.#source("resetCollectionState", name).resetCollection();
  }

  /**
   * Merges metadata, key by key, into what the store keeps. Copied at once. What comes while the store is open reaches
   * it at its close.
   */
  updateMetadata(metadata: Readonly<Record<string, unknown>>): void {
    const context = this.#context("updateMetadata");
    if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
      throw new StorageError("INVALID_DATA", "Metadata is an object of names and values", context);
    }
    this.#metadata = { ...this.#metadata, ...(toJson(metadata, "metadata", context) as JsonObject) };
  }

  clearMetadata(): void {
    this.#metadata = {};
  }

  /** URI of one source's array, for documents. Default: its name below the store. Called once the store was located. */
  protected resourceUri(source: SourceInfo): string {
    return `${this.#storeUri}/${encodeURIComponent(source.name)}`;
  }

  /** What readers of this MIME type need to know besides the URI. Default: nothing. */
  protected resourceParameters(_source: SourceInfo): Record<string, unknown> {
    return {};
  }

  /**
   * Declares the store broken: frames that have not been started, and all that come, are refused with this cause, and
   * closing reports it. For failures that no later write can make good.
   */
  protected fail(error: unknown): void {
    this.#queue.fail(toStorageError(error, this.#context("write")));
  }

  /**
   * Corrects the counts of a source whose frames were accepted into a buffer and then could not be stored. Call it with
   * {@link Writer.fail}: indices are not given out again.
   *
   * @param framesStored - Frames that are really there, from the first on; the rest count as rejected.
   */
  protected lose(name: string, framesStored: number): void {
    this.#sources.get(name)?.lose(framesStored);
  }

  #addSource(
    operation: string,
    name: string,
    dtype: DType,
    shape: readonly number[],
    capacity: number,
    extra: Readonly<Record<string, unknown>>,
  ): void {
    this.#checkClosed(operation, name);
    const registration = { name, dtype, shape, capacity, extra, mimetype: this.mimetype };
    this.#sources.set(name, new Source(registration, this.#context(operation, name)));
  }

  /**
   * Puts guards around whatever `prepare` and `kickoff` the subclass has. Own properties, because a base class has no
   * other way to come before an override; the alternative, guards in every backend, is what goes wrong in upstream.
   */
  #guardOverrides(): void {
    const prepare = this.prepare.bind(this);
    const kickoff = this.kickoff.bind(this);
    const guarded = {
      prepare: (name: string, capacity?: number) => this.#prepareGuarded(prepare, name, capacity),
      kickoff: (options?: OperationOptions) => this.#kickoffGuarded(kickoff, options),
    };
    for (const [key, value] of Object.entries(guarded)) {
      Object.defineProperty(this, key, { value, writable: true, configurable: true, enumerable: false });
    }
  }

  async #prepareGuarded(prepare: Writer["prepare"], name: string, capacity?: number): Promise<FrameSink> {
    await this.#settled();
    const source = this.#source("prepare", name);
    const context = this.#context("prepare", name);
    if (this.#phase === "open") {
      if (source.sink !== undefined) {
        throw new StorageError("ALREADY_OPEN", `Source "${name}" takes frames already; close its sink first`, context);
      }
      if (!this.supportsLateSources || source.ending !== undefined) {
        const why = source.ending === undefined ? "takes no late sources" : `has all of "${name}"`;
        const message = `The open store of writer "${this.name}" ${why}; prepare it when the store is closed`;
        throw new StorageError("CONFLICT", message, context);
      }
    }
    try {
      const sink = await prepare(name, capacity);
      if (source.sink === undefined)
        throw new StorageError("UNEXPECTED", `prepare did not call super.prepare`, context);
      return sink;
    } catch (error) {
      source.sink = undefined;
      throw toStorageError(error, context);
    }
  }

  async #kickoffGuarded(kickoff: Writer["kickoff"], options: OperationOptions = {}): Promise<void> {
    if (this.#phase === "open") return;
    this.#refuseInsideHook("kickoff");
    if (this.#phase === "closing") await this.#closing?.catch(() => {});
    this.#opening ??= this.#openStore(kickoff, options).finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async #openStore(kickoff: Writer["kickoff"], options: OperationOptions): Promise<void> {
    this.#phase = "opening";
    this.#queue.reset();
    this.#metadataAtOpen = this.#metadata;
    try {
      await runHook(this, () => kickoff(options));
      if (this.#locating === undefined) throw new Error("kickoff did not call super.kickoff");
      this.#phase = "open";
    } catch (error) {
      this.#phase = "closed";
      throw toStorageError(error, this.#context("kickoff"));
    } finally {
      this.#locating = undefined;
    }
  }

  async #findLocation(options: OperationOptions): Promise<string> {
    let uri = this.#uri;
    if (uri === undefined && this.#pathProvider !== undefined) {
      uri = (await this.#pathProvider(undefined, { group: this.name, ...options })).storeUri;
    }
    if (uri === undefined) {
      throw new StorageError(
        "CONFLICT",
        `Writer "${this.name}" does not know where to write: call setUri(…) or give it a pathProvider`,
        this.#context("kickoff"),
      );
    }
    this.#storeUri = storeLocation(uri, this.name, this.extension);
    return this.#storeUri;
  }

  async #openAll(options: OperationOptions): Promise<void> {
    await this.#settled();
    if (this.#phase !== "open") {
      for (const source of this.#sources.values()) if (source.sink === undefined) await this.prepare(source.name);
    }
    await this.kickoff(options);
  }

  #write(
    source: Source | undefined,
    sink: FrameSink | undefined,
    frame: NdArray,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    try {
      if (source === undefined) throw this.#notRegistered("write", sink?.name ?? "");
      this.#refuseInsideHook("write", source.name);
      if (this.#phase !== "open" || sink === undefined || source.sink !== sink) throw this.#notOpen(source);
      if (signal?.aborted) throw new StorageError("ABORTED", "write was aborted", this.#context("write", source.name));
      source.check(frame, this.#context("write", source.name));
    } catch (error) {
      if (source !== undefined) source.framesRejected++;
      return Promise.reject(error);
    }
    return this.#queue.push(source, frame, signal);
  }

  async #end(source: Source): Promise<void> {
    source.sink = undefined;
    await source.idle();
    if (this.#phase === "closing") await this.#closing;
    if (this.#phase !== "open") return;
    for (const other of this.#sources.values()) if (other.sink !== undefined || other.pending > 0) return;
    this.#closing ??= this.#closeStore();
    await this.#closing;
  }

  async #closeStore(): Promise<void> {
    this.#phase = "closing";
    const failures: unknown[] = [];
    for (const source of this.#sources.values()) source.sink = undefined;
    for (const source of this.#sources.values()) await source.idle();
    if (this.#queue.failure !== undefined) failures.push(this.#queue.failure);
    try {
      await runHook(this, () => this.finalize());
    } catch (error) {
      failures.push(toStorageError(error, this.#context("close")));
    }
    this.#metadata = {};
    this.#phase = "closed";
    this.#closing = undefined;
    for (const source of this.#sources.values()) source.ending = undefined;
    this.#observers.end();
    throwFailures(failures, `Closing writer "${this.name}" failed`);
  }

  /** Waits for an opening or closing under way; its failure is reported to whoever asked for it. */
  async #settled(): Promise<void> {
    if (this.#phase === "opening" && !isInsideHook(this)) await this.#opening?.catch(() => {});
    if (this.#phase === "closing" && !isInsideHook(this)) await this.#closing?.catch(() => {});
  }

  #source(operation: string, name: string): Source {
    const source = this.#sources.get(name);
    if (source === undefined) throw this.#notRegistered(operation, name);
    return source;
  }

  #checkClosed(operation: string, identifier?: string): void {
    if (this.#phase === "closed") return;
    const message = `Writer "${this.name}" is ${this.#phase}; ${operation} is for a closed one`;
    throw new StorageError("ALREADY_OPEN", message, this.#context(operation, identifier));
  }

  #refuseInsideHook(operation: string, identifier?: string): void {
    if (!isInsideHook(this)) return;
    throw new StorageError(
      "CONFLICT",
      `${operation} on writer "${this.name}" from inside one of its own hooks: it would wait for itself`,
      this.#context(operation, identifier),
    );
  }

  #notRegistered(operation: string, name: string): StorageError {
    const known = [...this.#sources.keys()].join(", ") || "none";
    const message = `Writer "${this.name}" has no source ${JSON.stringify(name)}. Registered: ${known}`;
    return new StorageError("NOT_FOUND", message, this.#context(operation, name));
  }

  #notOpen(source: Source): StorageError {
    const why = source.sink === undefined ? "is not prepared, or has ended" : "was prepared anew, or is not open yet";
    const message = `Source "${source.name}" of writer "${this.name}" takes no frames: it ${why}`;
    return new StorageError("NOT_OPEN", message, this.#context("write", source.name));
  }

  #context(operation: string, identifier?: string): ErrorContext {
    return { backend: this.name, operation, identifier };
  }
}
