/**
 * Frames: inside the event while they are small, else by reference, so that a reader who does not want a frame never
 * moves it, and the engine never holds it.
 *
 * The first byte of a payload says which: 0 for the frames in C order, 1 for JSON text, a list of a reference a frame.
 */
import { StorageError } from "../../core/errors.ts";
import { isNdArray, type NdArray } from "../../core/nd-array.ts";
import type { CallOptions, Entry } from "../engine.ts";
import { NumericCodec, type NumericPoint } from "./numeric.ts";
import type { EncodedPoints, PointCodec } from "./point-codec.ts";

/** Where a frame is. What the members beside `kind` and `uri` mean is up to who wrote it. */
export interface FrameReference {
  /** Names who can read it: `"bytes"` for a range of a file, `"array"` for a frame of an array in a store. */
  readonly kind: string;
  /** The file or the store. */
  readonly uri: string;
  /** First byte. */
  readonly offset?: number;
  /** Number of bytes. */
  readonly length?: number;
  /** Checksum of those bytes, CRC-32C. */
  readonly crc32c?: number;
  /** Path of the array in its store. */
  readonly path?: string;
  /** Index of the frame in that array. */
  readonly index?: number;
}

/** Reads a frame that is somewhere else. */
export type ReadFrame = (reference: FrameReference, options: CallOptions) => Promise<NdArray>;

/** Frames of one dtype and one shape. */
export class FramesCodec implements PointCodec<NdArray, NumericPoint> {
  readonly #inline: NumericCodec;
  readonly #shape: readonly number[];
  readonly #read: ReadFrame | undefined;

  /**
   * @param typestr - NumPy type string with the byte order of frames inside the event.
   * @param shape - Shape of one frame.
   * @param read - Reads frames by reference; absent: only frames inside the event can be read.
   */
  constructor(typestr: string, shape: readonly number[], read?: ReadFrame) {
    this.#inline = new NumericCodec(typestr, shape);
    this.#shape = shape;
    this.#read = read;
  }

  /**
   * Frames as bytes, or their references as text.
   *
   * @param data - Frames, or a list with the reference of each.
   */
  encode(data: unknown): EncodedPoints {
    if (isReferences(data)) {
      return { length: data.length, payload: withKind(1, new TextEncoder().encode(JSON.stringify(data))) };
    }
    const { length, payload } = this.#inline.encode(data);
    return { length, payload: withKind(0, payload) };
  }

  async decode(entry: Entry, from: number, to: number, options: CallOptions = {}): Promise<NdArray> {
    if (entry.payload[0] === 0) return this.#inline.decode({ ...entry, payload: entry.payload.subarray(1) }, from, to);
    const frames: NdArray[] = [];
    for (const reference of referencesOf(entry).slice(from, to)) frames.push(await this.#fetch(reference, options));
    return this.concat(frames);
  }

  concat(parts: readonly NdArray[]): NdArray {
    return this.#inline.concat(parts);
  }

  pick(points: NdArray, indexes: readonly number[]): NdArray {
    return this.#inline.pick(points, indexes);
  }

  at(points: NdArray, index: number): NumericPoint {
    return this.#inline.at(points, index);
  }

  count(points: NdArray): number {
    return this.#inline.count(points);
  }

  locate(entry: Entry, index: number): FrameReference | undefined {
    return referencesOf(entry)[index];
  }

  async #fetch(reference: FrameReference, options: CallOptions): Promise<NdArray> {
    if (this.#read === undefined) {
      throw new StorageError(
        "UNSUPPORTED",
        `A frame is in ${reference.uri}, and nothing was given that reads it there`,
      );
    }
    const frame = await this.#read(reference, options);
    if (!isNdArray(frame) || frame.shape.join() !== this.#shape.join()) {
      const what = `The frame in ${reference.uri} has shape [${frame.shape.join(", ")}]`;
      throw new StorageError("SHAPE_MISMATCH", `${what}, the stream has [${this.#shape.join(", ")}]`);
    }
    return { ...frame, shape: [1, ...frame.shape], stride: [frame.data.length, ...frame.stride] };
  }
}

/**
 * The references that an entry holds; none if its frames are inside.
 *
 * @throws A {@link StorageError} `CORRUPT`.
 */
export function referencesOf(entry: Entry): FrameReference[] {
  if (entry.payload[0] === 0) return [];
  let references: unknown;
  try {
    if (entry.payload[0] === 1) references = JSON.parse(new TextDecoder().decode(entry.payload.subarray(1)));
  } catch (cause) {
    throw new StorageError("CORRUPT", `Entry ${entry.index} of a stream of frames cannot be read`, { cause });
  }
  if (isReferences(references) && references.length === entry.length) return [...references];
  throw new StorageError("CORRUPT", `Entry ${entry.index} has no references for its ${entry.length} frames`);
}

function isReferences(data: unknown): data is readonly FrameReference[] {
  if (!Array.isArray(data) || data.length === 0) return false;
  return data.every(
    (item: unknown) =>
      typeof item === "object" && item !== null && "kind" in item && "uri" in item && typeof item.uri === "string",
  );
}

function withKind(kind: 0 | 1, bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(bytes.length + 1);
  payload[0] = kind;
  payload.set(bytes, 1);
  return payload;
}
