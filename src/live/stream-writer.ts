/** Writes one stream. */
import { checkAborted } from "../core/checks.ts";
import { fromTypestr } from "../core/dtype.ts";
import { type ErrorContext, isStorageError, StorageError } from "../core/errors.ts";
import { byteLengthOf } from "../core/nd-array.ts";
import type { BlobTier } from "./blobs/blob-tier.ts";
import type { FrameKind } from "./encoding/frames.ts";
import { checkDType, countPoints, toArray } from "./encoding/numeric.ts";
import type { EncodedPoints, PointCodec } from "./encoding/point-codec.ts";
import type { Bounds, CallOptions, LiveEngine } from "./engine.ts";
import { IndexConflictError } from "./errors.ts";
import { FrameLine, type FramesInLine } from "./frame-line.ts";
import type { FramesEncoding, StreamHeader } from "./header.ts";
import { checkIndex } from "./point-reader.ts";

/** Bytes that are appended in one call at most; one batch always goes. */
const APPEND_BYTES = 4 * 2 ** 20;
/** Batches that are appended in one call: a server that takes more at once keeps all others waiting. */
const APPEND_ENTRIES = 1024;

/** What happens once more bytes wait than may. */
export type BackPressure = "block" | "dropOldest" | "error";

/** Options of a {@link StreamWriter}. */
export interface StreamWriterOptions {
  /** Bytes that may wait to be acknowledged. Default 64 MiB. */
  readonly highWaterBytes?: number | undefined;
  /**
   * `"block"`: who sends waits. `"dropOldest"`: what has waited longest is dropped, before it gets an index.
   * `"error"`: what is sent is refused. Default `"block"`.
   */
  readonly backPressure?: BackPressure | undefined;
  /**
   * Where frames go that are too large for an event, which refers to them then. It stays its owner's. Streams of anything
   * else have no use for it.
   */
  readonly blobs?: BlobTier | undefined;
}

type Settle = (error?: unknown) => void;

interface Waiting extends EncodedPoints {
  readonly settle: Settle;
}

/**
 * The one writer of a stream. Points get their index when they are appended, in the order in which they were sent; what
 * was dropped or refused takes no index.
 */
export class StreamWriter {
  readonly name: string;
  readonly key: string;
  readonly #engine: LiveEngine;
  readonly #codec: PointCodec;
  readonly #claim: string | undefined;
  readonly #highWater: number;
  readonly #policy: BackPressure;
  readonly #blobs: { readonly tier: BlobTier; readonly kind: FrameKind } | undefined;
  readonly #line = new FrameLine();
  /** What is being stored before its event, one after the other. */
  #storing: Promise<void> | undefined;
  /** Points that were sent, those that were dropped included. */
  #sent: number;
  readonly #queue: Waiting[] = [];
  readonly #blocked: (() => void)[] = [];
  #lastBlocked: Promise<void> | undefined;
  #length: number;
  #bytes = 0;
  #dropped = 0;
  #appending: Promise<void> | undefined;
  /** Why nothing more can be written: another writer, a seal. */
  #broken: unknown;
  /** Failures of what nobody waited for. */
  #failures: unknown[] = [];

  /**
   * @param length - Points that the stream has now.
   * @param claim - What the stream was claimed as, for this writer; left out if it was not.
   */
  constructor(
    engine: LiveEngine,
    header: StreamHeader,
    codec: PointCodec,
    length: number,
    options: StreamWriterOptions = {},
    claim?: string,
  ) {
    this.#claim = claim;
    this.name = header.name;
    this.key = header.key;
    this.#engine = engine;
    this.#codec = codec;
    this.#length = length;
    this.#sent = length;
    this.#blobs = options.blobs && blobsFor(header, options.blobs);
    this.#highWater = options.highWaterBytes ?? 64 * 2 ** 20;
    this.#policy = options.backPressure ?? "block";
  }

  /** Points that were acknowledged. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that wait to be acknowledged, those of frames included that wait to be stored before their event. */
  get waitingBytes(): number {
    return this.#bytes + this.#line.bytes;
  }

  /** Points that were dropped because too much was waiting. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Sends a point or a batch.
   *
   * @param data - Borrowed until the promise settles.
   * @returns When every reader can have it.
   * @throws A {@link StorageError} for exactly these points: `DTYPE_MISMATCH`, `SHAPE_MISMATCH`, `INVALID_DATA`,
   * `CONFLICT` (somebody else writes the stream), `NOT_OPEN` (it is sealed), `NO_SPACE`, `CAPACITY_EXCEEDED` (dropped or
   * refused by the policy).
   */
  async send(data: unknown, options: CallOptions = {}): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown) => (error === undefined ? resolve() : reject(error));
      this.#submit(data, settle, options, (payload) => payload).catch(reject);
    });
  }

  /**
   * Sends without waiting for the answer; {@link flush} has it.
   *
   * @param data - Copied: free once this has returned, unless it waits for room.
   * @returns When the points are in the queue: at once, unless the policy is `"block"` and there is no room, or frames
   * are stored before their event.
   * @throws A {@link StorageError}: as `send` for what is known before the points are on their way.
   */
  async sendNoWait(data: unknown, options: CallOptions = {}): Promise<void> {
    const settle = (error?: unknown) => {
      if (error !== undefined) this.#failures.push(error);
    };
    await this.#submit(data, settle, options, (payload) => Uint8Array.from(payload));
  }

  /**
   * Waits until everything that was sent is acknowledged.
   *
   * @throws What became of points that nobody waited for: one failure as it is, several as an `AggregateError`. They are
   * told once.
   */
  async flush(): Promise<void> {
    while (this.#storing !== undefined || this.#appending !== undefined) {
      await this.#storing;
      await this.#appending;
    }
    const failures = this.#failures;
    this.#failures = [];
    if (failures.length > 1) throw new AggregateError(failures, `${failures.length} sends to "${this.name}" failed`);
    if (failures.length === 1) throw failures[0];
  }

  /**
   * Says that points below an index are safely in a store: retention may let them go. Those that are still to come are
   * not among them.
   *
   * @throws A {@link StorageError} `INVALID_DATA` for what is no index.
   */
  async setDurable(index: number, options: CallOptions = {}): Promise<void> {
    checkIndex(index);
    await this.#engine.setDurable(this.key, index, options);
  }

  /**
   * Asks the engine how long the stream is, and goes on from there: for who knows that nobody else writes it, after an
   * append that was not answered and may have been made all the same. To be called while nothing waits.
   *
   * @returns The length.
   * @throws A {@link StorageError}: what the engine says.
   */
  async resume(options: CallOptions = {}): Promise<number> {
    await this.#appending;
    const [bounds] = await this.#engine.bounds([this.key], options);
    const { length } = bounds as Bounds;
    this.#length = length;
    this.#sent = length;
    // Who was replaced by another writer stays so.
    if (this.#broken instanceof IndexConflictError) this.#broken = undefined;
    return length;
  }

  /** Ends the stream after everything that was sent. Answers its final length; any number of times. */
  async seal(options: CallOptions = {}): Promise<number> {
    await this.flush();
    const length = await this.#engine.seal(this.key, options);
    await this.release();
    return length;
  }

  /** Gives back what is held for writing: nothing more will be sent. Called by who ends the scan. */
  async release(): Promise<void> {
    await this.#blobs?.tier.end(this.key);
  }

  /** Encodes points, large frames after they were stored, and puts them into the queue in the order of the calls. */
  async #submit(
    data: unknown,
    settle: Settle,
    options: CallOptions,
    keep: (payload: Uint8Array) => Uint8Array,
  ): Promise<void> {
    const accept = (encoded: EncodedPoints) => {
      this.#sent += encoded.length;
      return this.#accept({ length: encoded.length, payload: keep(encoded.payload), settle }, options);
    };
    const blobs = this.#blobs;
    if (blobs === undefined) return await accept(this.#codec.encode(data));
    const frames = this.#joinLine(data, blobs.kind, settle);
    const before = this.#storing;
    const turn = (async () => {
      await before;
      if (!this.#line.begin(frames)) return;
      try {
        checkAborted(options.signal, { operation: "send", identifier: this.name });
        if (this.#broken !== undefined) throw this.#broken;
        const stored = await blobs.tier.put(this.key, data, blobs.kind, this.#sent, options);
        await accept(this.#codec.encode(stored));
      } finally {
        this.#line.leave(frames);
      }
    })();
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#storing === settled) this.#storing = undefined;
      });
    this.#storing = settled;
    return await turn;
  }

  /** Makes room for frames that wait to be stored, or refuses. */
  #joinLine(data: unknown, kind: FrameKind, settle: Settle): FramesInLine {
    const array = checkDType(toArray(data, kind.dtype), kind.dtype);
    const frames = { length: countPoints(array, kind.shape), bytes: byteLengthOf(array), settle };
    const isFull = () => this.waitingBytes > 0 && this.waitingBytes + frames.bytes > this.#highWater;
    if (this.#policy === "error" && isFull()) throw this.#refused(frames.length);
    while (this.#policy === "dropOldest" && isFull()) {
      const oldest = this.#line.dropOldest();
      if (oldest === undefined) break;
      this.#tellDropped(oldest);
    }
    this.#line.join(frames);
    return frames;
  }

  /** Waits for room, makes some, or refuses; then the points are in the queue, in the order of the calls. */
  async #accept(waiting: Waiting, { signal }: CallOptions): Promise<void> {
    const { payload, length } = waiting;
    const context = { operation: "send", identifier: this.name };
    checkAborted(signal, context);
    if (this.#broken !== undefined) throw this.#broken;
    const isFull = () => this.#bytes > 0 && this.#bytes + payload.length > this.#highWater;
    if (this.#policy === "error" && isFull()) throw this.#refused(length);
    while (this.#policy === "dropOldest" && isFull() && this.#dropOldest());
    if (this.#policy === "block" && (this.#lastBlocked !== undefined || isFull())) {
      return await this.#enqueueInTurn(waiting, isFull, signal, context);
    }
    this.#enqueue(waiting);
  }

  /** After those who have waited longer, once there is room. */
  async #enqueueInTurn(
    waiting: Waiting,
    isFull: () => boolean,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<void> {
    const before = this.#lastBlocked;
    let leave = () => {};
    const mine = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.#lastBlocked = mine;
    try {
      await before;
      while (isFull() && this.#broken === undefined) {
        checkAborted(signal, context);
        await this.#room(signal);
      }
      checkAborted(signal, context);
      if (this.#broken !== undefined) throw this.#broken;
      this.#enqueue(waiting);
    } finally {
      leave();
      if (this.#lastBlocked === mine) this.#lastBlocked = undefined;
    }
  }

  /** Resolves after the next append, or when the signal fires. */
  #room(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal?.removeEventListener("abort", done);
        resolve();
      };
      signal?.addEventListener("abort", done);
      this.#blocked.push(done);
    });
  }

  /** False if nothing waits that is not on its way already. */
  #dropOldest(): boolean {
    const oldest = this.#queue.shift();
    if (oldest === undefined) return false;
    this.#bytes -= oldest.payload.length;
    this.#tellDropped(oldest);
    return true;
  }

  #tellDropped({ length, settle }: { readonly length: number; readonly settle: Settle }): void {
    this.#dropped += length;
    const message = `${length} points of "${this.name}" were dropped: newer ones came faster than they could go`;
    settle(new StorageError("CAPACITY_EXCEEDED", message, { operation: "send", identifier: this.name }));
  }

  #refused(length: number): StorageError {
    const message = `${this.waitingBytes} bytes of "${this.name}" wait already: these ${length} points were refused`;
    const context = { operation: "send", identifier: this.name };
    return new StorageError("CAPACITY_EXCEEDED", message, { ...context, retryable: true });
  }

  #enqueue(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#bytes += waiting.payload.length;
    this.#appending ??= this.#appendAll();
  }

  /** One append at a time, of all that has come meanwhile. Never rejects: each send is told for itself. */
  async #appendAll(): Promise<void> {
    // Whoever sends several points in one turn finds them in one append.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      const error = await this.#append(batch);
      for (const { payload, settle } of batch) {
        this.#bytes -= payload.length;
        settle(error);
      }
      for (const resolve of this.#blocked.splice(0)) resolve();
    }
    this.#appending = undefined;
  }

  #takeBatch(): Waiting[] {
    let bytes = 0;
    const next = this.#queue.findIndex(({ payload }, i) => {
      bytes += payload.length;
      return i === APPEND_ENTRIES || (i > 0 && bytes > APPEND_BYTES);
    });
    return this.#queue.splice(0, next < 0 ? this.#queue.length : next);
  }

  async #append(batch: readonly Waiting[]): Promise<unknown> {
    if (this.#broken !== undefined) return this.#broken;
    let index = this.#length;
    const entries = batch.map(({ length, payload }) => {
      const entry = { index, length, payload };
      index += length;
      return entry;
    });
    try {
      await this.#engine.append(this.key, entries, { writer: this.#claim });
      this.#length = index;
      return undefined;
    } catch (error) {
      // A store that was busy for too long is no other writer.
      if (isStorageError(error, "CONFLICT", "NOT_OPEN") && !error.retryable) this.#broken = error;
      return error;
    }
  }
}

/** The tier, for a stream of frames. */
function blobsFor({ encoding }: StreamHeader, tier: BlobTier): { tier: BlobTier; kind: FrameKind } | undefined {
  if (encoding.type !== "frames") return undefined;
  const { dtype, shape } = encoding as FramesEncoding;
  return { tier, kind: { shape, ...fromTypestr(dtype) } };
}
