/** Where frames lie: places, and runs of frames that are neighbours there. */
import type { OperationOptions } from "../core/byte-store.ts";
import type { StreamResource } from "../core/documents.ts";
import type { DType } from "../core/dtype.ts";
import type { NdArray } from "../core/nd-array.ts";

/** MIME type of frames that are an array of a Zarr hierarchy. */
export const ZARR_FRAMES = "application/x-zarr";

/** A place with frames, numbered from 0. */
export interface FramePlace {
  /** URI of the store; `undefined` is one that the reader knows: the store beside the database. */
  readonly uri: string | undefined;
  /** Path of the frames in the store. */
  readonly path: string;
  /** What lies there; `undefined` is a Zarr array whose first axis counts the frames. */
  readonly mimetype: string | undefined;
  /** What a reader of this MIME type needs to know besides. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Frames that lie one behind the other in one place. */
export interface FrameRun {
  readonly place: FramePlace;
  /** Number of the first frame in its place. */
  readonly first: number;
  readonly count: number;
}

/** Reads frames that lie next to each other in one place. */
export interface FrameReader {
  /**
   * Reads frames `run.first` to `run.first + run.count`.
   *
   * @returns Shape `[count, y, x]`; memory of the caller.
   */
  read(run: FrameRun, options: OperationOptions): Promise<NdArray>;
}

/** The frames of one field. */
export interface Frames {
  /** `[y, x]`; `[0, 0]` without frames. */
  readonly shape: readonly number[];
  readonly dtype: DType | undefined;
  readonly count: number;
  /** In the order of the frames. */
  readonly runs: readonly FrameRun[];
}

/** Where the frames of a resource lie. */
export function placeOfResource(
  resource: Pick<StreamResource, "uri" | "mimetype" | "parameters">,
): FramePlace & { readonly uri: string } {
  const { uri, mimetype, parameters } = resource;
  const { store_uri: store, path } = parameters;
  // A writer of a hierarchy names the array's own URI, and beside it the store and the path in it.
  if (mimetype === ZARR_FRAMES && typeof store === "string" && typeof path === "string") {
    return { uri: store, path, mimetype, parameters };
  }
  return { uri, path: "", mimetype, parameters };
}

/** Puts a run behind others, as part of the last one where it continues it. */
export function appendRun(runs: FrameRun[], next: FrameRun): void {
  const last = runs.at(-1);
  if (last !== undefined && last.place === next.place && last.first + last.count === next.first) {
    runs[runs.length - 1] = { ...last, count: last.count + next.count };
  } else runs.push(next);
}

/** The run of one frame. The index must be inside. */
export function frameAt({ runs }: Frames, index: number): FrameRun {
  let before = 0;
  for (const run of runs) {
    if (index < before + run.count) return { ...run, first: run.first + index - before, count: 1 };
    before += run.count;
  }
  throw new RangeError(`frame ${index} of ${before}`);
}

/** Every `step`th of `count` frames from `start` on. All of them must be inside. */
export function sliceRuns(frames: Frames, start: number, count: number, step: number): Frames {
  const runs: FrameRun[] = [];
  if (step === 1) {
    let before = 0;
    for (const run of frames.runs) {
      const from = Math.max(start - before, 0);
      const to = Math.min(start + count - before, run.count);
      if (to > from) runs.push({ ...run, first: run.first + from, count: to - from });
      before += run.count;
    }
  } else {
    for (let i = 0; i < count; i++) appendRun(runs, frameAt(frames, start + i * step));
  }
  return { ...frames, count, runs };
}
