/**
 * Frames of an acquisition that may be under way, read by a backend that can. A backend says so by having the method of
 * {@link LiveFrameSource}.
 */
import type { OperationOptions } from "./byte-store.ts";
import type { DType } from "./dtype.ts";
import type { NdArray } from "./nd-array.ts";

/**
 * The frames of an acquisition, while it is written and afterwards. A frame is there as soon as its writer has announced
 * it (`getIndicesWritten`, observers, stream documents), also while its shard is open, and stays there when the writer is
 * killed. Reading changes nothing.
 */
export interface LiveFrames {
  /** Key of the array's node. */
  readonly path: string;
  readonly dtype: DType;
  /** Shape of one frame. */
  readonly frameShape: readonly number[];
  /** Looks how many frames can be read now. Never less than before, unless the device lost some in a power cut. */
  length(options?: OperationOptions): Promise<number>;
  /**
   * Reads one frame. A negative index counts from the end, as it is now.
   *
   * @returns Memory that belongs to the caller.
   * @throws A `StorageError` `OUT_OF_RANGE` for a frame that is not there yet, `CORRUPT`.
   */
  at(index: number, options?: OperationOptions): Promise<NdArray>;
  /**
   * Reads neighbours together, as few reads as they lie in. Looks at the metadata first, so that frames of an array that
   * was removed are `NOT_FOUND`.
   *
   * @param first - From 0.
   * @param count - From 1.
   * @returns `[count, …frame]`; memory that belongs to the caller.
   * @throws A `StorageError` `OUT_OF_RANGE` if one of them is not there yet, `NOT_FOUND`, `CORRUPT`.
   */
  read(first: number, count: number, options?: OperationOptions): Promise<NdArray>;
}

/** A backend that reads frames before their array shows them. */
export interface LiveFrameSource {
  /**
   * Opens the frames of an array.
   *
   * @throws A `StorageError`: as `load`; `UNSUPPORTED` for an array that has no chunk for each frame.
   */
  openLiveFrames(path: string, options?: OperationOptions): Promise<LiveFrames>;
}

/** True if a backend reads frames before their array shows them. */
export function isLiveFrameSource<T extends object>(backend: T): backend is T & LiveFrameSource {
  return typeof (backend as Partial<LiveFrameSource>).openLiveFrames === "function";
}
