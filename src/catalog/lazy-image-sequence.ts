/** Frames of one field of a run, read when they are asked for. */
import type { OperationOptions } from "../core/byte-store.ts";
import type { DType } from "../core/dtype.ts";
import { StorageError } from "../core/errors.ts";
import { type NdArray, ndArray } from "../core/nd-array.ts";
import { type FrameReader, type Frames, frameAt, sliceRuns } from "../io/frame-runs.ts";
import { loadFrames } from "../io/load-frames.ts";

/**
 * The frames of one field of a run, in the order of the events. Knows how many there are and how large;
 * reads only what is asked for, each time it is asked for. Does not grow while the run goes on: ask the run again.
 *
 * @example
 * ```ts
 * const images = await run.images("detector_image");
 * console.log(images.shape); // [frames, y, x]
 * const last = await images.at(-1); // [y, x]
 * const everyTenth = await images.slice(0, undefined, 10).load(); // [frames / 10, y, x]
 * for await (const image of images) console.log(image.shape);
 * ```
 * @see resonance `catalog.py`, `LazyImageSequence`
 */
export class LazyImageSequence implements AsyncIterable<NdArray> {
  /** Name of the field. */
  readonly field: string;
  /** Number of frames. */
  readonly length: number;
  /** `[frames, y, x]` in pixels; `[0, 0, 0]` if there are none. */
  readonly shape: readonly number[];
  /** Type of the pixels; `undefined` if there are no frames. */
  readonly dtype: DType | undefined;
  readonly #frames: Frames;
  readonly #reader: FrameReader;

  /** @internal */
  constructor(field: string, frames: Frames, reader: FrameReader) {
    this.field = field;
    this.length = frames.count;
    this.shape = [frames.count, ...frames.shape];
    this.dtype = frames.dtype;
    this.#frames = frames;
    this.#reader = reader;
  }

  /**
   * Where the frames lie: the URI of each array or folder, in their order. In the store beside the file, or in one that the
   * catalogue is told of, only the path.
   */
  get places(): string[] {
    const places = this.#frames.runs.map(({ place: { uri, path } }) => {
      if (uri === undefined) return path;
      return path === "" ? uri : `${uri.replace(/\/+$/, "")}/${path}`;
    });
    return [...new Set(places)];
  }

  /**
   * One frame.
   *
   * @param index - From 0; negative numbers count from the end.
   * @returns Shape `[y, x]`; memory of the caller.
   * @throws A {@link StorageError}: `OUT_OF_RANGE`; `NOT_FOUND` if the store no longer has the frame; or what the store threw.
   */
  async at(index: number, options: OperationOptions = {}): Promise<NdArray> {
    const at = index < 0 ? index + this.length : index;
    if (!Number.isSafeInteger(at) || at < 0 || at >= this.length) {
      const message = `Image ${index} is outside the ${this.length} images of "${this.field}"`;
      throw new StorageError("OUT_OF_RANGE", message, { operation: "at", identifier: this.field });
    }
    const piece = await this.#reader.read(frameAt(this.#frames, at), options);
    return ndArray(piece.data, piece.shape.slice(1), piece.dtype);
  }

  /**
   * Part of the sequence, as a sequence: reads nothing. As with lists, what lies outside is left out and negative
   * numbers count from the end.
   *
   * @param start - First image. Default: the first, or the last for a negative step.
   * @param stop - Image to stop before. Default: behind the last, or before the first for a negative step.
   * @param step - Takes every so manieth; negative goes backwards. Default 1.
   * @throws A {@link StorageError} `OUT_OF_RANGE` for a step of 0 and for what is no whole number.
   */
  slice(start?: number, stop?: number, step = 1): LazyImageSequence {
    const given = [start, stop, step].find((value) => value !== undefined && !Number.isSafeInteger(value));
    if (given !== undefined || step === 0) {
      const what = given === undefined ? "a step of 0" : `${String(given)}, which is no whole number`;
      const message = `The images of "${this.field}" cannot be sliced with ${what}`;
      throw new StorageError("OUT_OF_RANGE", message, { operation: "slice", identifier: this.field });
    }
    const [first, last] = step > 0 ? [0, this.length] : [-1, this.length - 1];
    const bound = (value: number | undefined, otherwise: number) =>
      value === undefined ? otherwise : Math.min(Math.max(value < 0 ? value + this.length : value, first), last);
    const from = bound(start, step > 0 ? first : last);
    const to = bound(stop, step > 0 ? last : first);
    const count = Math.max(0, Math.ceil((to - from) / step));
    return new LazyImageSequence(this.field, sliceRuns(this.#frames, from, count, step), this.#reader);
  }

  /**
   * All frames of the sequence as one array.
   *
   * @returns Shape `[frames, y, x]`; memory of the caller.
   * @throws A {@link StorageError}: `SHAPE_MISMATCH` or `DTYPE_MISMATCH` for frames that do not fit together; otherwise as
   * {@link LazyImageSequence.at}.
   */
  async load(options: OperationOptions = {}): Promise<NdArray> {
    const { dtype = "float64", shape } = this;
    const read = this.#reader.read.bind(this.#reader);
    return loadFrames(this.#frames.runs, read, { shape: shape.slice(1), dtype }, this.field, options);
  }

  /** The frames one after the other, one in memory at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<NdArray> {
    for (let index = 0; index < this.length; index++) yield await this.at(index);
  }
}
