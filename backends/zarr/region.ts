/** Parts of chunked arrays: from a selection to chunks and back. */
import { contiguousStride, type NdArray } from "../../src/core/nd-array.ts";

/** A box within an array: half-open ranges of every axis. */
export interface Box {
  readonly start: readonly number[];
  readonly stop: readonly number[];
}

/** Coordinates of every chunk that a box touches, in C order. */
export function* chunksOf(box: Box, chunkShape: readonly number[]): Generator<number[]> {
  if (box.start.some((from, axis) => from >= (box.stop[axis] as number))) return;
  const first = box.start.map((from, axis) => Math.floor(from / (chunkShape[axis] as number)));
  const last = box.stop.map((to, axis) => Math.floor((to - 1) / (chunkShape[axis] as number)));
  const at = [...first];
  for (;;) {
    yield [...at];
    let axis = at.length - 1;
    while (axis >= 0 && at[axis] === last[axis]) at[axis] = first[axis--] as number;
    if (axis < 0) return;
    at[axis] = (at[axis] as number) + 1;
  }
}

/** True if a box is exactly one whole chunk. */
export function isWholeChunk(box: Box, chunk: readonly number[], chunkShape: readonly number[]): boolean {
  return chunkShape.every((length, axis) => {
    const from = (chunk[axis] as number) * length;
    return box.start[axis] === from && box.stop[axis] === from + length;
  });
}

/** The box of one chunk, which may lead beyond the array. */
export function chunkBox(chunk: readonly number[], chunkShape: readonly number[]): Box {
  const start = chunk.map((at, axis) => at * (chunkShape[axis] as number));
  return { start, stop: start.map((from, axis) => from + (chunkShape[axis] as number)) };
}

/** What two boxes have in common; of length 0 along the axes where that is nothing. */
export function intersect(a: Box, b: Box): Box {
  const start = a.start.map((from, axis) => Math.max(from, b.start[axis] as number));
  const stop = a.stop.map((to, axis) => Math.max(start[axis] as number, Math.min(to, b.stop[axis] as number)));
  return { start, stop };
}

/** True if `outer` has all of `inner`. */
export function contains(outer: Box, inner: Box): boolean {
  return inner.start.every(
    (from, axis) =>
      from >= (outer.start[axis] as number) && (inner.stop[axis] as number) <= (outer.stop[axis] as number),
  );
}

/**
 * Copies what a chunk and a box have in common.
 *
 * @param out - The box, in C order.
 */
export function copyChunk(source: NdArray, chunk: readonly number[], out: NdArray, box: Box): void {
  copyBox(source, chunkBox(chunk, source.shape).start, out, box.start);
}

/** Copies what two arrays have in common that lie somewhere in the same space. Any strides. */
export function copyBox(
  source: NdArray,
  sourceStart: readonly number[],
  target: NdArray,
  targetStart: readonly number[],
): void {
  const runs: Run[] = [];
  let from = 0;
  let to = 0;
  for (let axis = 0; axis < source.shape.length; axis++) {
    const [a, b] = [sourceStart[axis] as number, targetStart[axis] as number];
    const begin = Math.max(a, b);
    const count = Math.min(a + (source.shape[axis] as number), b + (target.shape[axis] as number)) - begin;
    if (count <= 0) return;
    const [read, write] = [source.stride[axis] as number, target.stride[axis] as number];
    from += (begin - a) * read;
    to += (begin - b) * write;
    const last = runs.at(-1);
    // An axis that continues the one before it, in both arrays, makes one longer run with it.
    if (last !== undefined && last.read === count * read && last.write === count * write) {
      runs[runs.length - 1] = { count: last.count * count, read, write };
    } else {
      runs.push({ count, read, write });
    }
  }
  copyRuns(source.data as Float64Array, from, target.data as Float64Array, to, runs, 0);
}

/** Elements along an axis, and the steps between them in both arrays. */
interface Run {
  readonly count: number;
  readonly read: number;
  readonly write: number;
}

function copyRuns(
  source: Float64Array,
  from: number,
  target: Float64Array,
  to: number,
  runs: readonly Run[],
  axis: number,
): void {
  const run = runs[axis];
  if (run === undefined) {
    target[to] = source[from] as number;
    return;
  }
  const { count, read, write } = run;
  const isLast = axis === runs.length - 1;
  if (isLast && read === 1 && write === 1) {
    target.set(source.subarray(from, from + count), to);
  } else if (isLast && read === 0 && write === 1) {
    target.fill(source[from] as number, to, to + count);
  } else if (isLast) {
    for (let i = 0, a = from, b = to; i < count; i++, a += read, b += write) target[b] = source[a] as number;
  } else {
    for (let i = 0; i < count; i++) copyRuns(source, from + i * read, target, to + i * write, runs, axis + 1);
  }
}

/** The array with only some of its axes; the others have length 1. */
export function keepAxes(array: NdArray, axes: readonly number[]): NdArray {
  const shape = axes.map((axis) => array.shape[axis] as number);
  return { ...array, shape, stride: contiguousStride(shape) };
}

/** Elements between the first and the last one of a box, both included; 1 for a scalar. */
export function reach(shape: readonly number[], stride: readonly number[]): number {
  return shape.reduce((sum, length, axis) => sum + (length - 1) * (stride[axis] as number), 1);
}

/** Where the first element of a box is, in an array that starts elsewhere. */
export function placeIn(start: readonly number[], origin: readonly number[], stride: readonly number[]): number {
  return start.reduce((sum, at, axis) => sum + (at - (origin[axis] as number)) * (stride[axis] as number), 0);
}
