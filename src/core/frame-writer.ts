/**
 * The frame plane: one shared writer per group, one array key per device, frames in order, every frame counted.
 *
 * Two generations of one idea meet here. sunflare: `updateSource → prepare → kickoff → sink.write → sink.close`.
 * redsun: `clearSources → setUri → register → open → writeFrame → collectStreamDocs → close`. They share one life cycle:
 * sources are registered while the writer is closed, it opens once for all of them, and it closes with the last.
 *
 * @see sunflare and redsun storage guides; ophyd-async, which they follow
 */
import type { OperationOptions } from "./byte-store.ts";
import type { DataKey, StreamAsset, StreamResource } from "./documents.ts";
import type { DType } from "./dtype.ts";
import type { StorageError } from "./errors.ts";
import type { NdArray } from "./nd-array.ts";

/** One registered source: a device's array within the store. */
export interface SourceInfo {
  /** Name of the source; the device's name. */
  readonly name: string;
  /** Element type of every frame. */
  readonly dtype: DType;
  /** Shape of every frame, slowest axis first: `[y, x]` for images. Pixels. */
  readonly shape: readonly number[];
  /** Key in event documents. */
  readonly dataKey: string;
  /** MIME type of what the writer makes of it. */
  readonly mimetype: string;
  /** Frames that one acquisition may write; 0 is unlimited. */
  readonly capacity: number;
  /** Frames stored since `prepare` or `register`. */
  readonly framesWritten: number;
  /** Frames that were offered and not stored, since `prepare` or `register`: refused, failed, beyond capacity. */
  readonly framesRejected: number;
  /**
   * Of the frames written, those that readers of the store find there now. Never more than were announced; fewer where
   * the store has whole groups of frames only. Absent: the writer does not tell, and all of them are meant.
   */
  readonly framesReadable?: number | undefined;
  /** Of the frames written, those that a power cut does not take. Absent: the writer does not know. */
  readonly framesDurable?: number | undefined;
  /** Frames already announced in stream documents. */
  readonly collectionCounter: number;
  /** `uid` of the stream_resource document; new with each `prepare`, `register` and reset. */
  readonly streamResourceUid: string;
  /** What the device wants its backend to know; see each writer for what it understands. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Writes the frames of one device. Made by `prepare`. */
export interface FrameSink extends AsyncDisposable {
  /** Name of the source. */
  readonly name: string;
  /**
   * Writes one frame. Frames of one source keep call order, also when calls are not awaited.
   *
   * @param frame - Shape and dtype as registered; any strides. Borrowed until the promise settles.
   * @param options - `signal` cancels before the write starts, never in the middle.
   * @returns Index of the frame within its source, from 0.
   * @throws A {@link StorageError}: `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `CAPACITY_EXCEEDED`, `NOT_OPEN`, `ABORTED`, or
   * what the store threw. The frame is counted in `framesRejected`.
   */
  write(frame: NdArray, options?: OperationOptions): Promise<number>;
  /** Ends this source; the last one to end closes the store. Waits for its frames. Harmless when repeated. */
  close(): Promise<void>;
}

/**
 * What a device sees of its writer: nothing of the concrete backend.
 *
 * @see sunflare, `StorageProxy`
 */
export interface StorageProxy {
  /**
   * Registers a source, or replaces its registration.
   *
   * @throws A {@link StorageError} `ALREADY_OPEN` while the writer is open.
   */
  updateSource(name: string, dtype: DType, shape: readonly number[], extra?: Readonly<Record<string, unknown>>): void;
  /** Prepares a source for one acquisition: counters start at 0. `capacity` 0 is unlimited. `NOT_FOUND` if unregistered. */
  prepare(name: string, capacity?: number): Promise<FrameSink>;
  /** Opens the store, once for all sources; later calls do nothing. */
  kickoff(options?: OperationOptions): Promise<void>;
  /** Ends a source; the last prepared one closes the store. */
  complete(name: string): Promise<void>;
  /**
   * Events whose frames are all written, by one source, or the smallest number over all of them (0 without any). One
   * frame is one event unless `open` said otherwise. A writer that stores frames after it has taken them counts those
   * that other processes can read, where its store tells it (the Zarr writer on a disk): they may be fewer than `write`
   * has resolved for, for a moment.
   */
  getIndicesWritten(name?: string): number;
  /** The stream documents for what was written and not yet announced, at most up to `indicesWritten`. */
  collectStreamDocs(name: string, indicesWritten: number): Iterable<StreamAsset>;
}

/** Options of {@link DataWriter.observeIndicesWritten}. */
export interface ObserveOptions extends OperationOptions {
  /** Rejects with `TIMED_OUT` when no frame came for this long; the clock starts anew at each. Default: waits for ever. */
  readonly timeoutMs?: number | undefined;
  /** One source instead of the smallest number over all. */
  readonly name?: string | undefined;
  /**
   * What is counted. `"events"`: see {@link StorageProxy.getIndicesWritten}. `"readable"` and `"durable"`: frames of the
   * source, as its {@link SourceInfo} has them; these need a `name`. Default `"events"`.
   */
  readonly count?: "events" | "readable" | "durable" | undefined;
}

/**
 * Persistence of one device.
 *
 * @see redsun, `DataWriter`
 */
export interface DataWriter {
  /** MIME type of what it makes. */
  readonly mimetype: string;
  /**
   * Opens the store on first call; later calls only describe their source.
   *
   * @param framesPerEvent - First entry of the described shape: frames that one event stands for. Default 1.
   * @returns The data keys of this source for an event descriptor.
   * @throws A {@link StorageError}: `NOT_FOUND` (not registered), `CONFLICT` (no URI).
   */
  open(name: string, framesPerEvent?: number, options?: OperationOptions): Promise<Readonly<Record<string, DataKey>>>;
  /** See {@link StorageProxy.getIndicesWritten}. */
  getIndicesWritten(name?: string): number;
  /** Yields the number of events (or frames, see the options) each time it grows, until the writer closes. */
  observeIndicesWritten(options?: ObserveOptions): AsyncIterable<number>;
  /** See {@link StorageProxy.collectStreamDocs}. */
  collectStreamDocs(name: string, indicesWritten: number): Iterable<StreamAsset>;
  /** Finishes all sources and closes the store. Does nothing if it is not open. */
  close(): Promise<void>;
}

/**
 * A writer that several devices share.
 *
 * @see redsun, `ControllableDataWriter`
 */
export interface ControllableDataWriter extends DataWriter {
  /** Registers a source with its capacity (0 is unlimited); counters start at 0. `ALREADY_OPEN` while open. */
  register(name: string, dtype: DType, shape: readonly number[], capacity?: number): void;
  /** Writes one frame of a source; see {@link FrameSink.write}. */
  writeFrame(name: string, frame: NdArray, options?: OperationOptions): Promise<number>;
  /** Where the next acquisition goes. `ALREADY_OPEN` while open. */
  setUri(uri: string): void;
  /**
   * For a writer with a store of its own: the URI there of a folder that a session has numbered. A writer that has none
   * goes to the session's own folder.
   *
   * @param path - Path of the folder, relative to the one that all runs are below.
   */
  readonly uriFor?: ((path: string) => string) | undefined;
}

/** A writer that stores metadata with its frames. */
export interface HasMetadata {
  /**
   * Merges metadata, key by key, into what is written when the store next opens. Must be JSON.
   *
   * @throws A {@link StorageError} `INVALID_DATA` for what JSON cannot keep.
   */
  updateMetadata(metadata: Readonly<Record<string, unknown>>): void;
  /** Forgets what was collected. */
  clearMetadata(): void;
}

/**
 * A device that shows its writer, so that others find it.
 *
 * @see redsun, `HasWriterLogic`
 */
export interface HasWriterLogic {
  /** The writer of this device. */
  readonly writerLogic: DataWriter;
}

/**
 * The whole contract of a frame writer, as registry and session hold it. Extend the abstract `Writer` of
 * `sluice/acquire` rather than implement this.
 */
export interface FrameWriter extends StorageProxy, ControllableDataWriter, HasMetadata, AsyncDisposable {
  /** Name of the writer; its group in a session. */
  readonly name: string;
  /** True between opening and the close of the last source. */
  readonly isOpen: boolean;
  /** The registered sources by name: a live, read-only view. */
  readonly sources: ReadonlyMap<string, SourceInfo>;
  /** URI of the store of the current acquisition, or of the last; `undefined` before the first. */
  readonly storeUri: string | undefined;
  /** Where the frames of a source are, as its stream_resource document will say it; once the store is open. */
  readonly resourceOf?: ((name: string) => Pick<StreamResource, "uri" | "mimetype" | "parameters">) | undefined;
  /** Removes a registration. `ALREADY_OPEN` while open; `NOT_FOUND` only if `raiseIfMissing`. */
  clearSource(name: string, options?: { readonly raiseIfMissing?: boolean }): void;
  /** Removes all registrations. `ALREADY_OPEN` while open. */
  clearSources(): void;
}

/**
 * How a device prepares.
 *
 * @see redsun, `PrepareInfo`
 */
export interface PrepareInfo {
  /** Frames to expect; 0 is unlimited. Default 0. */
  readonly capacity?: number | undefined;
  /** True: unlimited, whatever the capacity says. Default `false`. */
  readonly writeForever?: boolean | undefined;
  /**
   * Who starts a frame: the device itself, at its own pace after `kickoff`, or each call of `trigger`. Default
   * `internal`.
   *
   * @see ophyd-async, `TriggerInfo.trigger`
   */
  readonly trigger?: "internal" | "software" | undefined;
}

/**
 * Where one device's data of one acquisition goes.
 *
 * @see sunflare, `PathInfo`
 */
export interface PathInfo {
  /** URI of the store, or of the folder for it: `file://localhost/…`, percent-encoded. */
  readonly storeUri: string;
  /** Key of the array within the store. */
  readonly arrayKey: string;
  /** Frames to expect; 0 is unlimited. */
  readonly capacity: number;
  /** What the location is meant for. */
  readonly mimetypeHint: string;
  /** Anything else a backend understands. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Makes file names, without extension, for a device. */
export type FilenameProvider = (deviceName?: string) => string;

/** Options of a {@link PathProvider} call. */
export interface PathProviderOptions extends OperationOptions {
  /** Group of the writer; separate groups get separate paths. */
  readonly group?: string | undefined;
}

/** Answers where the data of a device (sunflare) or of a plan (redsun) goes. */
export type PathProvider = (key?: string, options?: PathProviderOptions) => PathInfo | Promise<PathInfo>;
