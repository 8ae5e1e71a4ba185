/**
 * Frames one at a time into an array that grows, by a backend that can. A backend says so by having the method of
 * {@link FrameStackSource}.
 */
import type { OperationOptions } from "./byte-store.ts";
import type { DType } from "./dtype.ts";
import type { NdArray } from "./nd-array.ts";

/**
 * An array `[t, …frame]` that one writer makes longer. A frame that was appended is stored as durably as the store
 * writes, and no part of the array yet: readers see it, with all before it, after the next {@link FrameStack.publish}.
 */
export interface FrameStack {
  /** Key of the array within its store. */
  readonly path: string;
  /** URI of the store that the key is in. */
  readonly storeUri: string;
  /** Shape of a frame, slowest axis first: `[y, x]` for images. */
  readonly frameShape: readonly number[];
  readonly dtype: DType;
  /** How frames are compressed, in the words of the format: `"blosc"`, `"zstd"`, …, or `"none"`. */
  readonly codec: string;
  /** Frames appended, those before this writer included. */
  readonly length: number;
  /**
   * Stores a frame behind the last one. Calls keep their order.
   *
   * @param frame - Shape and dtype of the stack; any strides. Borrowed until the promise settles.
   * @returns Index of the frame, from 0.
   * @throws A `StorageError`: `SHAPE_MISMATCH` or `DTYPE_MISMATCH`, with nothing changed; or what the store throws: then
   * the next frame takes the place of this one.
   */
  append(frame: NdArray, options?: OperationOptions): Promise<number>;
  /** Makes the array as long as what was appended. Harmless when nothing was. */
  publish(options?: OperationOptions): Promise<void>;
}

/** What {@link FrameStackSource.openFrameStack} needs to know. */
export interface FrameStackOptions extends OperationOptions {
  /** Shape of a frame, slowest axis first. */
  readonly frameShape: readonly number[];
  readonly dtype: DType;
}

/** A backend that takes frames one at a time. */
export interface FrameStackSource {
  /**
   * Makes an empty stack, or goes on with one that is there.
   *
   * @param path - Key of the array. Nobody else may write to it meanwhile.
   * @throws A `StorageError`: `SHAPE_MISMATCH` or `DTYPE_MISMATCH` if there is an array of other frames; `IS_A_DIRECTORY`,
   * `UNSUPPORTED`, or what the store throws.
   */
  openFrameStack(path: string, options: FrameStackOptions): Promise<FrameStack>;
}

/** True if a backend takes frames one at a time. */
export function isFrameStackSource<T extends object>(backend: T): backend is T & FrameStackSource {
  return typeof (backend as Partial<FrameStackSource>).openFrameStack === "function";
}
