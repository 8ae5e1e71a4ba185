/** Selections against the shape of an array. */
import { type ErrorContext, StorageError } from "./errors.ts";
import { type AxisSelection, copyArray, isNdArray, sliceArray } from "./nd-array.ts";

/** A selection, resolved: half-open ranges of every axis, and the axes that stay. */
export interface ResolvedSelection {
  readonly start: readonly number[];
  readonly stop: readonly number[];
  /** Axes that were selected by a range; an index drops its axis. */
  readonly keptAxes: readonly number[];
}

/**
 * Resolves a selection: negative numbers count from the end, axes left out are taken whole.
 *
 * @throws A {@link StorageError} `OUT_OF_RANGE`.
 */
export function resolveSelection(selection: readonly AxisSelection[], shape: readonly number[]): ResolvedSelection {
  if (selection.length > shape.length) {
    throw new StorageError("OUT_OF_RANGE", `${selection.length} selections for an array of ${shape.length} axes`);
  }
  const start: number[] = [];
  const stop: number[] = [];
  const keptAxes: number[] = [];
  shape.forEach((length, axis) => {
    const part = selection[axis] ?? null;
    if (typeof part !== "number" && part !== null && !(Array.isArray(part) && part.length === 2)) {
      throw new StorageError(
        "OUT_OF_RANGE",
        `Selection ${JSON.stringify(part)} of axis ${axis} is neither an index, nor [start, stop], nor null`,
      );
    }
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

/**
 * The selected part of a loaded value, in memory of its own: the whole is not kept alive by it.
 *
 * @param selection - `undefined`: the value as it is.
 * @throws A {@link StorageError}: `INVALID_DATA` for a part of what is no array, `OUT_OF_RANGE`.
 */
export function selectPart(
  value: unknown,
  selection: readonly AxisSelection[] | undefined,
  context: ErrorContext,
): unknown {
  if (selection === undefined) return value;
  if (isNdArray(value)) return copyArray(sliceArray(value, selection));
  throw new StorageError("INVALID_DATA", `"${context.identifier}" is no array to select a part of`, context);
}
