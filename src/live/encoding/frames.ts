/**
 * Frames: inside the event while they are small, else by reference, so that a reader who does not want a frame never
 * moves it, and the engine never holds it.
 *
 * The first byte of a payload says which: 0 for the frames in C order, 1 for JSON text, a list of a reference a frame.
 */
import { type DType, type Endian, fromTypestr } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { isNdArray, type NdArray } from "../../core/nd-array.ts";
import type { CallOptions, Entry } from "../engine.ts";
import { NumericCodec, type NumericPoint } from "./numeric.ts";
import type { EncodedPoints, EntryPart, PointCodec } from "./point-codec.ts";

/** Where a frame is. What the members beside `kind` and `uri` mean is up to who wrote it. */
export interface FrameReference {
  /**
   * Names who can read it: `"bytes"` for a range of a file that has the frame as it is, in C order; `"array"` for a frame
   * of an array in a store, or one of a sequence of image files.
   */
  readonly kind: string;
  /** The file or the store. */
  readonly uri: string;
  /** First byte. */
  readonly offset?: number;
  /** Number of bytes. */
  readonly length?: number;
  /** Checksum of those bytes, CRC-32 as in gzip, which Node has as machine code. */
  readonly crc32?: number;
  /** Checksum of those bytes, CRC-32C, for those who have that one; not looked at where the other is there. */
  readonly crc32c?: number;
  /** Path of the array in its store. */
  readonly path?: string;
  /** Index of the frame in that array. */
  readonly index?: number;
  /** What lies there, if not an array of a Zarr hierarchy: `"multipart/related;type=image/tiff"`. */
  readonly mimetype?: string;
  /** What the files of a sequence are called, a format string of Python: `"camera_{:06d}.tif"`. */
  readonly template?: string;
}

/** What the frames of a stream are. */
export interface FrameKind {
  /** Shape of one frame, slowest axis first. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Byte order of frames that are kept as they are. */
  readonly endian: Endian;
}

/**
 * Reads frames that are somewhere else: one array `[n, …frame]`, in the order of their references. It is told what the
 * frames of the stream are, and rejects if those it finds are others.
 */
export type ReadFrames = (
  references: readonly FrameReference[],
  kind: FrameKind,
  options: CallOptions,
) => Promise<NdArray>;

/** Frames of one dtype and one shape. */
export class FramesCodec implements PointCodec<NdArray, NumericPoint> {
  readonly #inline: NumericCodec;
  readonly #kind: FrameKind;
  readonly #read: ReadFrames | undefined;

  /**
   * @param typestr - NumPy type string with the byte order of frames that are kept as they are.
   * @param shape - Shape of one frame.
   * @param read - Reads frames by reference; absent: only frames inside the event can be read.
   */
  constructor(typestr: string, shape: readonly number[], read?: ReadFrames) {
    this.#inline = new NumericCodec(typestr, shape);
    this.#kind = { shape, ...fromTypestr(typestr) };
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

  decode(entry: Entry, from: number, to: number, options: CallOptions = {}): Promise<NdArray> {
    return this.decodeAll([{ entry, from, to }], options);
  }

  /** References of neighbouring parts are read together. */
  async decodeAll(parts: readonly EntryPart[], options: CallOptions = {}): Promise<NdArray> {
    const frames: NdArray[] = [];
    let references: FrameReference[] = [];
    const readReferences = async () => {
      if (references.length > 0) frames.push(await this.#fetch(references, options));
      references = [];
    };
    for (const { entry, from, to } of parts) {
      const isInside = entry.payload[0] === 0;
      if (!isInside) references.push(...referencesOf(entry).slice(from, to));
      else {
        await readReferences();
        frames.push(this.#inline.decode({ ...entry, payload: entry.payload.subarray(1) }, from, to));
      }
    }
    await readReferences();
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

  async #fetch(references: readonly FrameReference[], options: CallOptions): Promise<NdArray> {
    const [first] = references;
    const where = `${references.length === 1 ? "A frame" : `${references.length} frames, the first`} in ${first?.uri}`;
    if (this.#read === undefined) {
      const message = `${where}: frames by reference, and nothing was given that reads them (readFrames)`;
      throw new StorageError("UNSUPPORTED", message);
    }
    const { shape, dtype } = this.#kind;
    const frames = await this.#read(references, this.#kind, options);
    const wanted = [references.length, ...shape];
    if (!isNdArray(frames) || frames.shape.join() !== wanted.join()) {
      const message = `${where}: an array [${wanted.join(", ")}] was expected, got [${frames.shape.join(", ")}]`;
      throw new StorageError("SHAPE_MISMATCH", message);
    }
    if (frames.dtype === dtype) return frames;
    throw new StorageError("DTYPE_MISMATCH", `${where}: the stream holds ${dtype}, found ${frames.dtype}`);
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
