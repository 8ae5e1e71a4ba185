/** Reads frames of many places into one array, in pieces of bounded size. */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { type DType, dtypes } from "../core/dtype.ts";
import { StorageError } from "../core/errors.ts";
import { copyInto, type NdArray, ndArray, sizeOf } from "../core/nd-array.ts";

/** Most bytes of one read of several frames: what is under way beside the array that is being filled. */
const PIECE_BYTES = 64 * 2 ** 20;

/** Neighbours that can be read together. */
export interface CountedRun {
  /** Number of the first frame in its place. */
  readonly first: number;
  readonly count: number;
}

/** What frames must be to fit together. */
export interface FrameKind {
  /** Shape of one frame, slowest axis first. */
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * All frames of some runs as one array `[frames, …frame]`.
 *
 * @param read - Reads a run, or a part of one: an array `[count, …frame]`. Needs little memory beside it.
 * @param what - What they are frames of, for messages: `"camera"`.
 * @returns Memory of the caller.
 * @throws A {@link StorageError}: `SHAPE_MISMATCH` or `DTYPE_MISMATCH` for frames that do not fit; or what `read` throws.
 */
export async function loadFrames<Run extends CountedRun>(
  runs: readonly Run[],
  read: (run: Run, options: OperationOptions) => Promise<NdArray>,
  { shape, dtype }: FrameKind,
  what: string,
  options: OperationOptions,
): Promise<NdArray> {
  const [only] = runs;
  // Its reader makes the array, and there is nothing beside it.
  if (only !== undefined && runs.length === 1) return checked(await read(only, options), { shape, dtype }, what);
  const frameBytes = sizeOf(shape) * dtypes[dtype].itemSize;
  const pieces = piecesOf(runs, Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, frameBytes))));
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  const out = new dtypes[dtype].array(count * sizeOf(shape));
  let filled = 0;
  for (const piece of pieces) {
    checkAborted(options.signal, { operation: "load", identifier: what });
    const frames = checked(await read(piece, options), { shape, dtype }, what);
    copyInto(frames, out, filled);
    filled += sizeOf(frames.shape);
  }
  return ndArray(out, [count, ...shape], dtype);
}

function* piecesOf<Run extends CountedRun>(runs: readonly Run[], most: number): Generator<Run> {
  for (const run of runs) {
    for (let done = 0; done < run.count; done += most) {
      yield { ...run, first: run.first + done, count: Math.min(most, run.count - done) };
    }
  }
}

function checked(frames: NdArray, { shape, dtype }: FrameKind, what: string): NdArray {
  const context = { operation: "load", identifier: what };
  const found = frames.shape.slice(1);
  if (found.join() !== shape.join()) {
    const message = `Images of "${what}" have different shapes: [${found}] beside [${shape}]`;
    throw new StorageError("SHAPE_MISMATCH", message, context);
  }
  if (frames.dtype === dtype) return frames;
  const message = `Images of "${what}" have different types: ${frames.dtype} beside ${dtype}`;
  throw new StorageError("DTYPE_MISMATCH", message, context);
}
