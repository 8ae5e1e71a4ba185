/** The registered source of a writer, with its counters. Internal: outside, it is a read-only `SourceInfo`. */
import { checkInteger } from "../core/checks.ts";
import { type DType, dtypes, parseDType, type TypedArrayConstructor } from "../core/dtype.ts";
import { type ErrorContext, isStorageError, StorageError } from "../core/errors.ts";
import type { FrameSink, SourceInfo } from "../core/frame-writer.ts";
import { checkShape, isContiguous, isNdArray, type NdArray, sizeOf } from "../core/nd-array.ts";

/** What a {@link Source} is made of. */
export interface SourceRegistration {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly capacity?: number | undefined;
  readonly mimetype: string;
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** A frame that its hook is storing. */
export interface FrameInFlight {
  /** What became of it. */
  isStored: Promise<boolean> | undefined;
  /** The frame of the same source before it, as long as that is under way too. */
  previous: FrameInFlight | undefined;
}

/** One registered source and the state of its acquisition. */
export class Source implements SourceInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly dataKey: string;
  readonly mimetype: string;
  readonly extra: Readonly<Record<string, unknown>>;
  /** Of this acquisition. */
  capacity: number;
  /** Of acquisitions that are prepared without one of their own. */
  readonly registeredCapacity: number;
  framesWritten = 0;
  framesRejected = 0;
  collectionCounter = 0;
  /** Frames that make one event. */
  framesPerEvent = 1;
  streamResourceUid: string = crypto.randomUUID();
  /** Between `prepare` and the end of this source; writes go through this sink only. */
  sink: FrameSink | undefined;
  /** The end of this source while it is under way, so that a second close waits for the first. */
  ending: Promise<void> | undefined;
  /** Index that the next started frame gets. Runs ahead of `framesWritten` while frames are under way. */
  nextIndex = 0;
  /** The last frame under way; `undefined` when none is. */
  last: FrameInFlight | undefined;
  /** Frames that other processes can read; `undefined` while that is not told apart from being written. */
  #readable: number | undefined;
  /** Frames that are in the store for its readers, where that is less than what is announced. */
  #stored = Number.POSITIVE_INFINITY;
  /** Frames that a power cut does not take; `undefined` while that is not known. */
  #durable: number | undefined;
  /** Of the rejected frames, those that had counted as written. */
  #lost = 0;
  #pending = 0;
  #whenIdle: (() => void)[] = [];
  readonly #array: TypedArrayConstructor;
  readonly #size: number;

  constructor(registration: SourceRegistration, context: ErrorContext) {
    checkSourceName(registration.name, context);
    this.name = registration.name;
    try {
      this.dtype = parseDType(registration.dtype);
      checkShape(registration.shape);
    } catch (cause) {
      if (!isStorageError(cause)) throw cause;
      throw new StorageError(cause.code, `Source "${this.name}": ${cause.message}`, { ...context, cause });
    }
    if (registration.shape.includes(0)) {
      throw new StorageError(
        "SHAPE_MISMATCH",
        `A frame of source "${this.name}" has no elements: [${registration.shape.join(", ")}]`,
        context,
      );
    }
    this.shape = Object.freeze([...registration.shape]);
    this.capacity = registration.capacity ?? 0;
    checkInteger(this.capacity, `Capacity of source "${this.name}"`, 0, context);
    this.registeredCapacity = this.capacity;
    this.dataKey = this.name;
    this.mimetype = registration.mimetype;
    this.extra = Object.freeze({ ...registration.extra });
    this.#array = dtypes[this.dtype].array;
    this.#size = sizeOf(this.shape);
  }

  /** Frames accepted and not settled yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Frames that are announced. */
  get #framesAnnounced(): number {
    return this.#readable === undefined ? this.framesWritten : Math.min(this.framesWritten, this.#readable);
  }

  get framesReadable(): number {
    return Math.min(this.#framesAnnounced, this.#stored);
  }

  get framesDurable(): number | undefined {
    return this.#durable === undefined ? undefined : Math.min(this.framesWritten, this.#durable);
  }

  /** Events whose frames are all written, and readable by others where the backend tells. */
  get eventsWritten(): number {
    const frames = this.#framesAnnounced;
    return this.framesPerEvent === 1 ? frames : Math.floor(frames / this.framesPerEvent);
  }

  /** Starts an acquisition: counters at 0, a new stream. */
  begin(sink: FrameSink, capacity: number): void {
    this.sink = sink;
    this.ending = undefined;
    this.capacity = capacity;
    this.framesWritten = 0;
    this.framesRejected = 0;
    this.#lost = 0;
    this.nextIndex = 0;
    this.framesPerEvent = 1;
    this.#readable = undefined;
    this.#stored = Number.POSITIVE_INFINITY;
    this.#durable = undefined;
    this.resetCollection();
  }

  /** Notes how many frames other processes can read. */
  publish(frames: number): void {
    this.#readable = frames;
  }

  /** Notes how many frames the store has, and how many of them a power cut does not take. */
  store(frames: { readonly readable?: number | undefined; readonly durable?: number | undefined }): void {
    this.#stored = frames.readable ?? this.#stored;
    this.#durable = frames.durable ?? this.#durable;
  }

  /** Announces from the beginning, as a new stream. */
  resetCollection(): void {
    this.collectionCounter = 0;
    this.streamResourceUid = crypto.randomUUID();
  }

  /** Counts a frame as accepted. */
  accept(): void {
    this.#pending++;
  }

  /** Counts an accepted frame as settled. */
  settle(isStored: boolean): void {
    this.#pending--;
    if (isStored) this.framesWritten++;
    else this.framesRejected++;
    if (this.#pending > 0 || this.#whenIdle.length === 0) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /**
   * Takes back frames that counted as written and were lost: `stored` remain, the others count as rejected. A later call
   * knows better: what was still under way at a failure may have been stored after all.
   */
  lose(stored: number): void {
    const taken = this.framesWritten + this.#lost;
    const lost = Math.max(0, taken - stored);
    this.framesWritten = taken - lost;
    this.framesRejected += lost - this.#lost;
    this.#lost = lost;
  }

  /** Resolves when every accepted frame has settled. */
  idle(): Promise<void> {
    return this.#pending === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Throws unless the frame has the registered dtype and shape, and room is left for it. */
  check(frame: NdArray, context: ErrorContext): void {
    const { dtype, shape, data } = frame ?? {};
    if (dtype !== this.dtype || !(data instanceof this.#array) || !this.#hasShape(shape)) {
      throw this.#mismatch(frame, context);
    }
    // The common case needs no walk over the strides.
    const fits = isContiguous(frame) ? data.length >= this.#size : isNdArray(frame);
    if (!fits) throw this.#mismatch(frame, context);
    if (this.capacity > 0 && this.framesWritten + this.#pending >= this.capacity) {
      throw new StorageError(
        "CAPACITY_EXCEEDED",
        `Source "${this.name}" was prepared for ${this.capacity} frames; prepare it for more, or for 0 (no limit)`,
        context,
      );
    }
  }

  #hasShape(shape: readonly number[] | undefined): boolean {
    if (!Array.isArray(shape) || shape.length !== this.shape.length) return false;
    for (let axis = 0; axis < shape.length; axis++) if (shape[axis] !== this.shape[axis]) return false;
    return true;
  }

  #mismatch(frame: NdArray, context: ErrorContext): StorageError {
    const wanted = `Source "${this.name}" takes ${this.dtype} frames of shape [${this.shape.join(", ")}]`;
    if (!isNdArray(frame))
      return new StorageError("INVALID_DATA", `${wanted}; this is no array of its own dtype`, context);
    if (frame.dtype !== this.dtype) return new StorageError("DTYPE_MISMATCH", `${wanted}, got ${frame.dtype}`, context);
    return new StorageError("SHAPE_MISMATCH", `${wanted}, got [${frame.shape.join(", ")}]`, context);
  }
}

/**
 * A source is a data key in documents and a key in stores: event-model forbids dots and slashes in the one, and a slash
 * would make two levels of the other.
 */
export function checkSourceName(name: string, context: ErrorContext = {}): void {
  if (typeof name === "string" && name !== "" && !/[./\\\0]/.test(name)) return;
  throw new StorageError(
    "INVALID_KEY",
    `A source needs a name without dots, slashes and NUL (it is a data key too), got ${JSON.stringify(name)}`,
    context,
  );
}
