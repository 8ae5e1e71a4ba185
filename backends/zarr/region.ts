/** Parts of chunked arrays: from a selection to chunks and back. */
import { StorageError } from "../../src/core/errors.ts";
import { type AxisSelection, contiguousStride, type NdArray } from "../../src/core/nd-array.ts";

/** A box within an array: half-open ranges of every axis. */
export interface Box {
  readonly start: readonly number[];
  readonly stop: readonly number[];
}

/** A selection, resolved: the box to read, and the axes that stay. */
export interface Region extends Box {
  readonly keptAxes: readonly number[];
}

/**
 * Resolves a selection against a shape.
 *
 * @throws A {@link StorageError} `OUT_OF_RANGE`.
 */
export function resolveSelection(selection: readonly AxisSelection[], shape: readonly number[]): Region {
  if (selection.length > shape.length) {
    throw new StorageError("OUT_OF_RANGE", `${selection.length} selections for an array of ${shape.length} axes`);
  }
  const start: number[] = [];
  const stop: number[] = [];
  const keptAxes: number[] = [];
  shape.forEach((length, axis) => {
    const part = selection[axis] ?? null;
    const [first, last] = typeof part === "number" ? [part, part] : (part ?? [0, length]);
    const from = first < 0 ? first + length : first;
    const to = typeof part === "number" ? from + 1 : last < 0 ? last + length : last;
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to > length || from > to) {
      throw new StorageError(
        "OUT_OF_RANGE",
        `Selection ${JSON.stringify(part)} is outside axis ${axis} of length ${length}`,
      );
    }
    start.push(from);
    stop.push(to);
    if (typeof part !== "number") keptAxes.push(axis);
  });
  return { start, stop, keptAxes };
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

/**
 * Copies what a chunk and a box have in common.
 *
 * @param out - The box, in C order.
 */
export function copyChunk(source: NdArray, chunk: readonly number[], out: NdArray, box: Box): void {
  const counts: number[] = [];
  let from = 0;
  let to = 0;
  source.shape.forEach((length, axis) => {
    const origin = (chunk[axis] as number) * length;
    const begin = Math.max(origin, box.start[axis] as number);
    counts.push(Math.min(origin + length, box.stop[axis] as number) - begin);
    from += (begin - origin) * (source.stride[axis] as number);
    to += (begin - (box.start[axis] as number)) * (out.stride[axis] as number);
  });
  copyStrided(source, from, out, to, counts, 0);
}

/** The array with only some of its axes; the others have length 1. */
export function keepAxes(array: NdArray, axes: readonly number[]): NdArray {
  const shape = axes.map((axis) => array.shape[axis] as number);
  return { ...array, shape, stride: contiguousStride(shape) };
}

function copyStrided(
  source: NdArray,
  from: number,
  out: NdArray,
  to: number,
  counts: readonly number[],
  axis: number,
): void {
  if (axis === counts.length) {
    (out.data as Float64Array)[to] = (source.data as Float64Array)[from] as number;
    return;
  }
  const count = counts[axis] as number;
  const read = source.stride[axis] as number;
  const write = out.stride[axis] as number;
  if (axis === counts.length - 1 && read === 1 && write === 1) {
    (out.data as Float64Array).set(source.data.subarray(from, from + count) as Float64Array, to);
    return;
  }
  for (let i = 0; i < count; i++) {
    copyStrided(source, from + i * read, out, to + i * write, counts, axis + 1);
  }
}
