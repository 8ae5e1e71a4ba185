/** Values of sources, whole or in part. */

import type { ByteBudget } from "../../src/core/byte-budget.ts";
import { describe } from "../../src/core/checks.ts";
import type { DataSource, LoadOptions } from "../../src/core/data-source.ts";
import { dtypes } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import {
  type AxisSelection,
  byteLengthOf,
  copyArray,
  isNdArray,
  type NdArray,
  sizeOf,
  sliceArray,
} from "../../src/core/nd-array.ts";
import { isRegionSource, type RegionSource } from "../../src/core/region.ts";
import { type ResolvedSelection, resolveSelection } from "../../src/core/selection.ts";
import type { WorkspaceEntry } from "./mapping.ts";
import { readRegionOfPart } from "./part-view.ts";

const WHOLE: readonly AxisSelection[] = [];

/** The part of its source that an entry shows; empty for all of it. */
export function partOf({ axes, selection }: WorkspaceEntry): readonly AxisSelection[] {
  if (axes === undefined && selection === undefined) return WHOLE;
  // Indices of the leading axes, then what to take of the axes that are left: together one selection of all axes.
  const part = [...(axes ?? []), ...(selection ?? [])];
  return part.every((entry) => entry === null) ? WHOLE : part;
}

/**
 * Loads one part of a value, or what is selected of that part, reading no more than that where the source can.
 *
 * @throws A {@link StorageError}: `INVALID_DATA` for a part of what is no array; `OUT_OF_RANGE`; or what the source threw.
 */
export async function loadPart(
  source: DataSource,
  address: string,
  part: readonly AxisSelection[],
  options: LoadOptions,
): Promise<unknown> {
  if (part.length === 0) return source.load(address, options);
  const { selection, ...load } = options;
  if (selection !== undefined) return readRegionOfPart(source, address, part, selection, load);
  if (isRegionSource(source)) return source.readRegion(address, part, load);
  return copyArray(sliceArray(arrayOf(await source.load(address, load), address), part));
}

/** What became of one part. */
export type PartOutcome = { readonly value: unknown } | { readonly error: unknown };

/**
 * Loads several parts of one value, each given once: the value is loaded once, or, where the source reads parts, no more
 * than the box around the parts, or than each part, whichever is less to read.
 *
 * @param parts - At least one; an empty part is the whole value.
 * @param budget - Counts what is held beside the results.
 * @returns In the order of the parts; memory of the caller, shared by no two of them. A part that is not there costs the
 * others nothing.
 * @throws What the source threw.
 */
export async function loadParts(
  source: DataSource,
  address: string,
  parts: readonly (readonly AxisSelection[])[],
  options: LoadOptions,
  budget: ByteBudget,
): Promise<PartOutcome[]> {
  if (isRegionSource(source) && parts.every((part) => part.length > 0)) {
    return loadRegions(source, address, parts, options, budget);
  }
  const { byteLength = 0, dtype, shape } = await source.stat(address, options);
  const expected = dtype === undefined || shape === undefined ? byteLength : byteLengthOf({ dtype, shape });
  return budget.run(expected, async (holds) => {
    const value = await source.load(address, options);
    if (isNdArray(value)) holds(value.data.byteLength);
    return parts.map((part, index) =>
      outcomeOf(() => {
        // The last of those who want it all may keep what was loaded.
        if (part.length === 0) return index === parts.length - 1 ? value : copyOf(value);
        return copyArray(sliceArray(arrayOf(value, address), part));
      }),
    );
  });
}

async function loadRegions(
  source: RegionSource,
  address: string,
  parts: readonly (readonly AxisSelection[])[],
  options: LoadOptions,
  budget: ByteBudget,
): Promise<PartOutcome[]> {
  if (parts.length === 1) {
    const [part = []] = parts;
    return [{ value: await source.readRegion(address, part, options) }];
  }
  const full = (await source.levels(address, options))[0];
  if (full === undefined) throw new StorageError("CORRUPT", `"${address}" has no resolution`);
  const boxes = parts.map((part) => outcomeOf(() => resolveSelection(part, full.shape)));
  const good = boxes.flatMap((box) => ("error" in box ? [] : [box.value]));
  // Not by spreading: the arguments of a call have their place on the stack, and a batch may be long.
  const start = full.shape.map((length, axis) =>
    good.reduce((least, box) => Math.min(least, at(box.start, axis)), length),
  );
  const stop = full.shape.map((_, axis) => good.reduce((most, box) => Math.max(most, at(box.stop, axis)), 0));
  const around = sizeOf(start.map((from, axis) => Math.max(0, at(stop, axis) - from)));
  if (good.length === 0 || around > good.reduce((sum, box) => sum + sizeOfBox(box), 0)) {
    const outcomes: PartOutcome[] = [];
    for (const [index, box] of boxes.entries()) {
      if ("error" in box) outcomes.push(box);
      else outcomes.push({ value: await source.readRegion(address, parts[index] ?? [], options) });
    }
    return outcomes;
  }
  return budget.run(around * dtypes[full.dtype].itemSize, async () => {
    const selection = start.map((from, axis) => [from, stop[axis] as number] as const);
    const array = await source.readRegion(address, selection, options);
    return boxes.map((box) => {
      if ("error" in box) return box;
      return { value: copyArray(sliceArray(array, selectionWithin(box.value, start))) };
    });
  });
}

function outcomeOf<T>(run: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
  }
}

function at(numbers: readonly number[], axis: number): number {
  return numbers[axis] as number;
}

/** The selection of a box in an array that begins elsewhere. */
function selectionWithin(box: ResolvedSelection, start: readonly number[]): AxisSelection[] {
  return box.start.map((from, axis) => {
    const first = from - (start[axis] as number);
    if (!box.keptAxes.includes(axis)) return first;
    return [first, (box.stop[axis] as number) - (start[axis] as number)] as const;
  });
}

function sizeOfBox({ start, stop }: ResolvedSelection): number {
  return sizeOf(start.map((from, axis) => (stop[axis] as number) - from));
}

function copyOf(value: unknown): unknown {
  return isNdArray(value) ? copyArray(value) : structuredClone(value);
}

function arrayOf(value: unknown, address: string): NdArray {
  if (isNdArray(value)) return value;
  throw new StorageError("INVALID_DATA", `"${address}" is ${describe(value)}, which has no axes to choose from`, {
    identifier: address,
  });
}
