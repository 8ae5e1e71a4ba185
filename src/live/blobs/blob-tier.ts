/** Keeps large frames beside the engine, so that an event is a reference to them. */
import { StorageError } from "../../core/errors.ts";
import type { NdArray } from "../../core/nd-array.ts";
import { arrayToBytes, byteLengthOf, sliceArray } from "../../core/nd-array.ts";
import type { FrameKind, FrameReference } from "../encoding/frames.ts";
import { checkDType, countPoints, toArray } from "../encoding/numeric.ts";
import type { CallOptions } from "../engine.ts";

/** Frames up to so many bytes are inside their event, unless something else is said. */
const INLINE_BYTES = 64 * 1024;

/** Frames of one stream that are to be stored. */
export interface BlobFrames {
  /** Key of the stream. */
  readonly stream: string;
  /**
   * Counts the frames of the stream in the order in which they are stored. Never below the index that the first of them
   * will have: frames that are dropped before they get one are counted too.
   */
  readonly sequence: number;
  readonly kind: FrameKind;
  /** Each `[…frame]`; borrowed until the promise settles. */
  readonly frames: readonly NdArray[];
}

/** Where frames are stored: segment files, a byte store, arrays of a backend. */
export interface BlobPlace extends AsyncDisposable {
  /**
   * Stores frames. Calls for one stream come one after the other.
   *
   * @returns A reference for each, once every process that can read the place can read them, also if this one is killed.
   */
  put(frames: BlobFrames, options?: CallOptions): Promise<FrameReference[]>;
  /** The least sequence that a new writer of a stream may begin with: what an earlier one has left stays as it is. */
  nextSequence(stream: string, options?: CallOptions): Promise<number>;
  /** Says that nothing more will be stored for a stream by this process. */
  end(stream: string): Promise<void>;
  /** See {@link BlobTier.trim}. */
  trim(stream: string, beforeIndex: number, options?: CallOptions): Promise<void>;
  /** See {@link BlobTier.streams}. Absent: the place cannot say. */
  streams?(options?: CallOptions): AsyncIterable<{ readonly stream: string; readonly modifiedMs: number | undefined }>;
}

/** Options of a {@link BlobTier}. */
export interface BlobTierOptions {
  /** Frames up to so many bytes stay inside their event. Default 64 KiB. */
  readonly inlineBytes?: number | undefined;
}

/**
 * Keeps frames above a limit in a place of their own. A stream of frames that is created with it sends references to
 * them, without its producer doing anything else. A frame is stored before the event that refers to it: whoever has the
 * event has the frame. A producer that is killed in between leaves bytes that nothing refers to, which leave with the
 * rest.
 *
 * @example
 * ```ts
 * import { DataStore, frameReader, MemoryEngine, openBlobTier } from "sluice/live";
 * await using blobs = await openBlobTier({ root: "/data/live/blobs" });
 * await using store = new DataStore(new MemoryEngine(), { readFrames: frameReader() });
 * const scan = await store.createScan({ name: "loop" });
 * const definition = { type: "frames", dtype: "uint16", shape: [2048, 2048] } as const;
 * const camera = await scan.createStream("camera", definition, { blobs });
 * ```
 */
export class BlobTier implements AsyncDisposable {
  readonly inlineBytes: number;
  readonly #place: BlobPlace;
  readonly #sequences = new Map<string, number>();

  /** @param place - Closed with the tier. */
  constructor(place: BlobPlace, { inlineBytes = INLINE_BYTES }: BlobTierOptions = {}) {
    this.#place = place;
    this.inlineBytes = inlineBytes;
  }

  /**
   * What is to be encoded for some frames: the frames themselves while they are small, else references to them. One call
   * at a time for each stream.
   *
   * @param data - A frame or a batch; borrowed until the promise settles.
   * @param length - Frames that the stream has, those included that are on their way.
   * @throws A `StorageError`: `DTYPE_MISMATCH`, `SHAPE_MISMATCH`, or what the place throws; nothing is to be sent then.
   */
  async put(
    stream: string,
    data: unknown,
    kind: FrameKind,
    length: number,
    options: CallOptions = {},
  ): Promise<NdArray | readonly FrameReference[]> {
    const array = checkDType(toArray(data, kind.dtype), kind.dtype);
    const count = countPoints(array, kind.shape);
    if (byteLengthOf(array) / count <= this.inlineBytes) return array;
    const isBatch = array.shape.length > kind.shape.length;
    const frames = isBatch ? Array.from({ length: count }, (_, i) => sliceArray(array, [i])) : [array];
    const least = this.#sequences.get(stream) ?? (await this.#place.nextSequence(stream, options));
    const sequence = Math.max(least, length);
    this.#sequences.set(stream, sequence + count);
    return await this.#place.put({ stream, sequence, kind, frames }, options);
  }

  /** Says that this process stores nothing more for a stream. Harmless when repeated. */
  async end(stream: string): Promise<void> {
    this.#sequences.delete(stream);
    await this.#place.end(stream);
  }

  /**
   * Removes what only points below an index refer to, as far as that can be removed by itself: whole segment files, whole
   * values; of an array that is a store of its own, nothing. Knows nothing of the engine, and works from any process.
   *
   * @param beforeIndex - `Number.MAX_SAFE_INTEGER`: everything, also what nothing refers to.
   */
  async trim(stream: string, beforeIndex: number, options: CallOptions = {}): Promise<void> {
    await this.#place.trim(stream, beforeIndex, options);
  }

  /**
   * Streams of which the place has frames, with the time of the newest, in milliseconds since 1970. None if the place cannot
   * say: arrays are stores of their own.
   */
  async *streams(
    options: CallOptions = {},
  ): AsyncGenerator<{ readonly stream: string; readonly modifiedMs: number | undefined }> {
    yield* this.#place.streams?.(options) ?? [];
  }

  /** Closes what it has open. What is stored stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place[Symbol.asyncDispose]();
  }
}

/** A frame as it is stored. */
export function frameBytes(frame: NdArray, { endian }: FrameKind): Uint8Array {
  return arrayToBytes(frame, endian);
}

/**
 * The name of what belongs to a stream: the key, with what no file name may have percent-encoded. Keys come from whoever
 * writes into the engine, and none leads out of the place.
 *
 * @throws A {@link StorageError} `INVALID_KEY` for a key that can have no name.
 */
export function blobFolder(stream: string): string {
  if (stream === "" || /\p{Surrogate}/u.test(stream)) {
    throw new StorageError("INVALID_KEY", `${JSON.stringify(stream)} is no key of a stream`, { identifier: stream });
  }
  return /^\.+$/.test(stream) ? "%2E".repeat(stream.length) : encodeURIComponent(stream);
}

/** The stream that such a name belongs to; `undefined` for what is no such name. */
export function streamOfFolder(name: string): string | undefined {
  let stream: string;
  try {
    stream = decodeURIComponent(name);
  } catch {
    return undefined;
  }
  return stream !== "" && blobFolder(stream) === name ? stream : undefined;
}

/** A sequence as part of a name: names sort as the numbers do. */
export function sequenceName(sequence: number): string {
  return String(sequence).padStart(16, "0");
}
