/**
 * The base of all frame writers.
 *
 * @see sunflare `storage/_base.py` and redsun `storage/_base.py` (rc1), whose life cycles it joins
 */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted, checkInteger } from "../core/checks.ts";
import type { DataKey, StreamAsset, StreamResource } from "../core/documents.ts";
import type { DType } from "../core/dtype.ts";
import { StorageError, throwFailures, toStorageError } from "../core/errors.ts";
import type { FrameSink, FrameWriter, ObserveOptions, PathProvider, SourceInfo } from "../core/frame-writer.ts";
import type { NdArray } from "../core/nd-array.ts";
import { FrameQueue } from "./frame-queue.ts";
import { type SinkOwner, WriterFrameSink } from "./frame-sink.ts";
import { IndexObservers, systemTimers, type Timers } from "./index-observer.ts";
import { publicUri, StoreLocator } from "./location.ts";
import { type JsonObject, toJson } from "./metadata.ts";
import { isInsideHook, runHook } from "./reentry.ts";
import type { Source } from "./source.ts";
import { SourceRegistry } from "./source-registry.ts";
import { announce, dataKeyOf } from "./stream-docs.ts";
import { WriterLife } from "./writer-life.ts";

/** Options of every {@link Writer}. */
export interface WriterOptions {
  /** Asked once for each opening, unless a URI was set: `(undefined, { group: <writer name> })`. */
  readonly pathProvider?: PathProvider | undefined;
  /** Where the first acquisition goes; see {@link Writer.setUri}. */
  readonly uri?: string | undefined;
  /** Clock of timeouts. Default: the machine's. */
  readonly timers?: Timers | undefined;
}

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
  readonly #sources: SourceRegistry;
  readonly #life: WriterLife;
  readonly #queue: FrameQueue;
  readonly #observers: IndexObservers;
  readonly #locator: StoreLocator;
  #joining: Promise<void> | undefined;
  #metadata: JsonObject = {};
  #metadataAtOpen: JsonObject = this.#metadata;
  readonly #sinkOwner: SinkOwner = {
    write: (sink, frame, signal) => this.#write(sink.name, this.#sources.find(sink.name), sink, frame, signal),
    end: async (sink) => {
      const source = this.#sources.find(sink.name);
      const isCurrent = source?.sink === sink || source?.ending !== undefined || this.#life.phase === "closing";
      if (isCurrent) await this.complete(sink.name);
    },
  };

  /** @param name - Name of the writer, and of its store within a folder; the group in a session. */
  constructor(name: string, options: WriterOptions = {}) {
    this.name = name;
    this.#sources = new SourceRegistry(name);
    this.sources = this.#sources.view;
    this.#locator = new StoreLocator(name, options.uri, options.pathProvider);
    this.#observers = new IndexObservers(options.timers ?? systemTimers);
    this.#life = new WriterLife(this, () => this.#observers.end());
    this.#queue = new FrameQueue(
      this,
      () => this.writeConcurrency,
      (source, frame, index) => this.doWriteFrame(source, frame, index),
      () => this.#observers.notify(),
      (source) => this.#sources.context("write", source.name),
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
    return this.#life.phase === "open" || this.#life.phase === "closing";
  }

  /** URI of the store of the current acquisition, or of the last; `undefined` before the first. */
  get storeUri(): string | undefined {
    return this.#locator.storeUri;
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
    return this.#sources.prepared;
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
    if (!this.#sources.delete(name) && options.raiseIfMissing) throw this.#sources.missing("clearSource", name);
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
    this.#locator.set(uri);
  }

  /**
   * Prepares a source for one acquisition: its counters start at 0 and it gets a new stream.
   *
   * @param capacity - Frames that may be written; 0 is unlimited. Default: as registered.
   * @throws A {@link StorageError}: `NOT_FOUND` if it is not registered; `ALREADY_OPEN` if the store is open and this
   * source takes frames already; `CONFLICT` if the store is open and takes no late sources.
   */
  async prepare(name: string, capacity?: number): Promise<FrameSink> {
    const source = this.#sources.get("prepare", name);
    const limit = capacity ?? source.registeredCapacity;
    checkInteger(limit, "capacity", 0, this.#sources.context("prepare", name));
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
    return this.#locator.locate(this.extension, options);
  }

  async open(name: string, framesPerEvent = 1, options: OperationOptions = {}): Promise<Record<string, DataKey>> {
    const source = this.#sources.get("open", name);
    checkInteger(framesPerEvent, "framesPerEvent", 1, this.#sources.context("open", name));
    if (this.#life.phase !== "open") {
      // One call prepares for all: a second one must not prepare anew what the first is opening.
      this.#joining ??= this.#openAll(options).finally(() => {
        this.#joining = undefined;
      });
      await this.#joining;
    }
    if (source.sink === undefined && source.ending === undefined) await this.prepare(name);
    if (source.collectionCounter > 0 && source.framesPerEvent !== framesPerEvent) {
      const message = `Source "${name}" was announced with ${source.framesPerEvent} frames an event`;
      throw new StorageError("CONFLICT", message, this.#sources.context("open", name));
    }
    source.framesPerEvent = framesPerEvent;
    return { [source.dataKey]: dataKeyOf(source, publicUri(this.resourceUri(source)), framesPerEvent) };
  }

  writeFrame(name: string, frame: NdArray, options?: OperationOptions): Promise<number> {
    const source = this.#sources.find(name);
    return this.#write(name, source, source?.sink, frame, options?.signal);
  }

  async complete(name: string): Promise<void> {
    this.#refuseInsideHook("complete", name);
    await this.#life.opened();
    const source = this.#sources.find(name);
    if (source?.sink !== undefined) source.ending = this.#end(source);
    await source?.ending;
    await this.#life.closed();
  }

  async close(): Promise<void> {
    this.#refuseInsideHook("close");
    await this.#life.opened();
    if (this.#life.phase !== "closed") return this.#life.close(() => this.#closeStore());
    // Sources that were prepared for a store that never opened are let go: the next one must not wait for them.
    for (const source of this.#sources) source.sink = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  getIndicesWritten(name?: string): number {
    if (name !== undefined) return this.#sources.get("getIndicesWritten", name).eventsWritten;
    return this.#sources.leastEvents;
  }

  observeIndicesWritten(options: ObserveOptions = {}): AsyncGenerator<number, void, undefined> {
    const { name, count = "events" } = options;
    const context = this.#sources.context("observeIndicesWritten", name);
    const source = name === undefined ? undefined : this.#sources.get("observeIndicesWritten", name);
    if (source === undefined && count !== "events") {
      throw new StorageError(
        "INVALID_DATA",
        `Frames that are ${count} are counted for one source: pass its name`,
        context,
      );
    }
    const counts = {
      events: () => source?.eventsWritten ?? this.getIndicesWritten(),
      readable: () => source?.framesReadable ?? 0,
      durable: () => source?.framesDurable ?? 0,
    };
    return this.#observers.watch(
      counts[count],
      () => this.#life.phase !== "closed" || this.#sources.prepared.length > 0,
      options,
      context,
    );
  }

  collectStreamDocs(name: string, indicesWritten: number): StreamAsset[] {
    const source = this.#sources.get("collectStreamDocs", name);
    return announce(source, indicesWritten, () => this.resourceOf(name));
  }

  resourceOf(name: string): Pick<StreamResource, "uri" | "mimetype" | "parameters"> {
    const source = this.#sources.get("resourceOf", name);
    const { mimetype } = source;
    return { uri: publicUri(this.resourceUri(source)), mimetype, parameters: this.resourceParameters(source) };
  }

  /** Announces a source from its first frame again, as a new stream. */
  resetCollectionState(name: string): void {
    this.#sources.get("resetCollectionState", name).resetCollection();
  }

  /**
   * Merges metadata, key by key, into what the store keeps. Copied at once. What comes while the store is open reaches
   * it at its close.
   */
  updateMetadata(metadata: Readonly<Record<string, unknown>>): void {
    const context = this.#sources.context("updateMetadata");
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
    return `${this.storeUri}/${encodeURIComponent(source.name)}`;
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
    this.#queue.fail(toStorageError(error, this.#sources.context("write")));
  }

  /**
   * Corrects the counts of a source whose frames were accepted into a buffer and then could not be stored. Call it with
   * {@link Writer.fail}: indices are not given out again.
   *
   * @param framesStored - Frames that are really there, from the first on; the rest count as rejected.
   */
  protected lose(name: string, framesStored: number): void {
    this.#sources.find(name)?.lose(framesStored);
  }

  /**
   * Says how many frames of a source other processes can read. From the first call of an acquisition on (with 0, in
   * `kickoff`), {@link Writer.getIndicesWritten}, observers and stream documents tell of no others: what is announced can
   * be read. A backend that never calls it announces a frame when `doWriteFrame` is done with it.
   */
  protected publish(name: string, frames: number): void {
    this.#sources.find(name)?.publish(frames);
    this.#observers.notify();
  }

  /**
   * Says what of a source is in the store, for those who need more than what is announced: `readable`, how many frames
   * its readers find there (for a store that gets groups of frames, in `kickoff` first with 0); `durable`, how many a power
   * cut does not take. `Infinity`: all that are written. A backend that never says it makes no claim to durability.
   */
  protected noteStored(
    name: string,
    frames: { readonly readable?: number | undefined; readonly durable?: number | undefined },
  ): void {
    this.#sources.find(name)?.store(frames);
    this.#observers.notify();
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
    this.#sources.add(operation, registration);
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
    await this.#life.settled();
    const source = this.#sources.get("prepare", name);
    const context = this.#sources.context("prepare", name);
    if (this.#life.phase === "open") {
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
      // An override may declare a default of its own, 0 in the seed guide, and would pass that to super.
      const sink = await prepare(name, capacity ?? source.registeredCapacity);
      if (source.sink === undefined)
        throw new StorageError("UNEXPECTED", `prepare did not call super.prepare`, context);
      return sink;
    } catch (error) {
      source.sink = undefined;
      throw toStorageError(error, context);
    }
  }

  async #kickoffGuarded(kickoff: Writer["kickoff"], options: OperationOptions = {}): Promise<void> {
    if (this.#life.phase === "open") return;
    this.#refuseInsideHook("kickoff");
    checkAborted(options.signal, this.#sources.context("kickoff"));
    await this.#life.open(() => this.#openStore(kickoff, options));
  }

  async #openStore(kickoff: Writer["kickoff"], options: OperationOptions): Promise<void> {
    this.#queue.reset();
    this.#metadataAtOpen = this.#metadata;
    try {
      await kickoff(options);
      if (!this.#locator.isAsked) throw new Error("kickoff did not call super.kickoff");
    } catch (error) {
      throw toStorageError(error, this.#sources.context("kickoff"));
    } finally {
      this.#locator.forget();
    }
  }

  async #openAll(options: OperationOptions): Promise<void> {
    await this.#life.settled();
    if (this.#life.phase !== "open") {
      for (const source of this.#sources) if (source.sink === undefined) await this.prepare(source.name);
    }
    await this.kickoff(options);
  }

  #write(
    name: string,
    source: Source | undefined,
    sink: FrameSink | undefined,
    frame: NdArray,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    try {
      if (source === undefined) throw this.#sources.missing("write", name);
      this.#refuseInsideHook("write", name);
      if (this.#life.phase !== "open" || sink === undefined || source.sink !== sink) throw this.#notOpen(source);
      const context = this.#sources.context("write", name);
      checkAborted(signal, context);
      source.check(frame, context);
    } catch (error) {
      if (source !== undefined) source.framesRejected++;
      return Promise.reject(error);
    }
    return this.#queue.push(source, frame, signal);
  }

  async #end(source: Source): Promise<void> {
    source.sink = undefined;
    await source.idle();
    if (this.#life.phase !== "open") return;
    for (const other of this.#sources) if (other.sink !== undefined || other.pending > 0) return;
    await this.#life.close(() => this.#closeStore());
  }

  async #closeStore(): Promise<void> {
    for (const source of this.#sources) source.sink = undefined;
    for (const source of this.#sources) await source.idle();
    const failures: unknown[] = [];
    if (this.#queue.failure !== undefined) failures.push(this.#queue.failure);
    try {
      await runHook(this, () => this.finalize());
    } catch (error) {
      failures.push(toStorageError(error, this.#sources.context("close")));
    }
    this.#metadata = {};
    for (const source of this.#sources) source.ending = undefined;
    throwFailures(failures, `Closing writer "${this.name}" failed`);
  }

  #checkClosed(operation: string, identifier?: string): void {
    const { phase } = this.#life;
    if (phase === "closed") return;
    const message = `Writer "${this.name}" is ${phase}; ${operation} is for a closed one`;
    throw new StorageError("ALREADY_OPEN", message, this.#sources.context(operation, identifier));
  }

  #refuseInsideHook(operation: string, identifier?: string): void {
    if (!isInsideHook(this)) return;
    throw new StorageError(
      "CONFLICT",
      `${operation} on writer "${this.name}" from inside one of its own hooks: it would wait for itself`,
      this.#sources.context(operation, identifier),
    );
  }

  #notOpen(source: Source): StorageError {
    const why = source.sink === undefined ? "is not prepared, or has ended" : "was prepared anew, or is not open yet";
    const message = `Source "${source.name}" of writer "${this.name}" takes no frames: it ${why}`;
    return new StorageError("NOT_OPEN", message, this.#sources.context("write", source.name));
  }
}
