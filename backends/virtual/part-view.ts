/** A part of a stored array, seen as an array of its own. */
import type { OperationOptions } from "../../src/core/byte-store.ts";
import { checkNdArray } from "../../src/core/checks.ts";
import type { DataSource, LoadOptions } from "../../src/core/data-source.ts";
import { StorageError } from "../../src/core/errors.ts";
import { type AxisSelection, copyArray, type NdArray, sliceArray } from "../../src/core/nd-array.ts";
import { type ArrayLevel, isRegionSource, type ReadRegionOptions } from "../../src/core/region.ts";
import { resolveSelection } from "../../src/core/selection.ts";

/** The shape of a part. */
export function shapeOfPart(shape: readonly number[], part: readonly AxisSelection[]): number[] {
  const { start, stop, keptAxes } = resolveSelection(part, shape);
  return keptAxes.map((axis) => (stop[axis] as number) - (start[axis] as number));
}

/** The resolutions of a part: those of the array where the source has several, and the part keeps whole axes or drops them. */
export async function levelsOfPart(
  source: DataSource,
  address: string,
  part: readonly AxisSelection[],
  options: OperationOptions,
): Promise<ArrayLevel[]> {
  const levels = await levelsOf(source, address, options);
  const [full] = levels as [ArrayLevel, ...ArrayLevel[]];
  const { start, stop, keptAxes } = resolveSelection(part, full.shape);
  return levels.map(({ shape, dtype, downsampling }) => {
    const kept = keptAxes.map((axis) => {
      const range = rangeAt(start[axis] as number, stop[axis] as number, downsampling[axis] as number);
      const [from, to] = within(range, shape[axis] as number);
      return to - from;
    });
    return { shape: kept, dtype, downsampling: keptAxes.map((axis) => downsampling[axis] as number) };
  });
}

/** Reads a selection of a part at one resolution. */
export async function readRegionOfPart(
  source: DataSource,
  address: string,
  part: readonly AxisSelection[],
  selection: readonly AxisSelection[],
  options: ReadRegionOptions,
): Promise<NdArray> {
  const { resolution = 0, ...load } = options;
  if (!isRegionSource(source)) {
    if (resolution !== 0) throw new StorageError("OUT_OF_RANGE", `There is no resolution ${resolution}`);
    return copyArray(sliceArray(sliceArray(checkNdArray(await source.load(address, load)), part), selection));
  }
  const levels = await source.levels(address, load);
  const level = levels[resolution];
  if (level === undefined) throw new StorageError("OUT_OF_RANGE", `There is no resolution ${resolution}`);
  const outer = resolveSelection(part, (levels[0] as ArrayLevel).shape);
  const ranges = level.shape.map((length, axis) => {
    const step = level.downsampling[axis] as number;
    return within(rangeAt(outer.start[axis] as number, outer.stop[axis] as number, step), length);
  });
  const inner = resolveSelection(
    selection,
    outer.keptAxes.map((axis) => (ranges[axis]?.[1] ?? 0) - (ranges[axis]?.[0] ?? 0)),
  );
  const both = ranges.map(([from], axis): AxisSelection => {
    const kept = outer.keptAxes.indexOf(axis);
    if (kept < 0) return from;
    const first = from + (inner.start[kept] as number);
    return inner.keptAxes.includes(kept) ? [first, from + (inner.stop[kept] as number)] : first;
  });
  return source.readRegion(address, both, { ...load, resolution });
}

async function levelsOf(source: DataSource, address: string, options: LoadOptions): Promise<readonly ArrayLevel[]> {
  if (isRegionSource(source)) return source.levels(address, options);
  const { dtype, shape } = await source.stat(address, options);
  if (dtype !== undefined && shape !== undefined) return [{ dtype, shape, downsampling: shape.map(() => 1) }];
  const value = checkNdArray(await source.load(address, options), { identifier: address });
  return [{ dtype: value.dtype, shape: value.shape, downsampling: value.shape.map(() => 1) }];
}

/** A range of the full array in elements of a resolution. */
function rangeAt(start: number, stop: number, step: number): [number, number] {
  const from = Math.floor(start / step);
  return [from, Math.max(Math.ceil(stop / step), from)];
}

/**
 * A range inside a resolution. One may be shorter than its step says, as lengths are rounded: what begins beyond its end
 * is its last element there.
 */
function within([from, to]: readonly [number, number], length: number): readonly [number, number] {
  const stop = Math.min(to, length);
  return [from < length ? from : Math.max(0, stop - Math.sign(to - from)), stop];
}
