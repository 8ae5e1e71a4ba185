/** Ranges as Python and NumPy write them. */
import { StorageError } from "../core/errors.ts";

/** Indexes `start`, `start + step`, … before `stop` is reached. */
export interface SliceRange {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/**
 * What a slice means for so many points: bounds that are left out or outside are moved to the end, negative ones count
 * from it.
 *
 * @see Python `slice.indices`
 */
export function sliceRange(
  start: number | undefined,
  stop: number | undefined,
  step: number,
  length: number,
): SliceRange {
  for (const [value, name] of [
    [start, "start"],
    [stop, "stop"],
    [step, "step"],
  ] as const) {
    if (value !== undefined && !Number.isSafeInteger(value)) {
      throw new StorageError("INVALID_DATA", `The ${name} of a slice must be a whole number, got ${value}`);
    }
  }
  if (step === 0) throw new StorageError("INVALID_DATA", "The step of a slice cannot be 0");
  const [lowest, highest] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (value: number) => Math.min(Math.max(value < 0 ? value + length : value, lowest), highest);
  const from = start === undefined ? (step > 0 ? lowest : highest) : clamp(start);
  const to = stop === undefined ? (step > 0 ? highest : lowest) : clamp(stop);
  return { start: from, step, count: Math.max(0, Math.ceil((to - from) / step)) };
}
