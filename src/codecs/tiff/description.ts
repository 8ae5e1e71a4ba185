/** What our files say of themselves, so that they load as the array that was saved. */
import { type DType, isDType } from "../../core/dtype.ts";

/** The array behind the pages of a file. */
export interface ArrayDescription {
  /** Full shape, the axes of pages first. */
  readonly shape: readonly number[];
  /** Tells `bool` from `uint8`. */
  readonly dtype: DType;
}

/** The name of this package in files. */
export const SOFTWARE = "sluice";

/**
 * A line of JSON. Its keys `shape` and `axes` are those that tifffile looks for, so that Python sees the full shape too.
 *
 * @see tifffile, "shaped" series
 */
export function writeDescription({ shape, dtype }: ArrayDescription, axes: string): string {
  return JSON.stringify({ shape, axes: axes.toUpperCase(), dtype, software: SOFTWARE });
}

/**
 * The array that a text of ours tells of, an ImageDescription or (behind the name) a Software tag; `undefined` for texts
 * of other programs.
 */
export function readDescription(tagged: string): ArrayDescription | undefined {
  const text = tagged.startsWith(`${SOFTWARE} `) ? tagged.slice(SOFTWARE.length + 1) : tagged;
  if (!text.startsWith('{"shape":') || !text.includes(`"software":"${SOFTWARE}"`)) return undefined;
  let found: Partial<Record<keyof ArrayDescription, unknown>>;
  try {
    found = JSON.parse(text) as typeof found;
  } catch {
    // Cut or edited by another program: then the file is that program's, and its tags say what is in it.
    return undefined;
  }
  const { shape, dtype } = found;
  const isShape = Array.isArray(shape) && shape.every((length) => Number.isSafeInteger(length) && length > 0);
  return isShape && isDType(dtype) ? { shape: shape as number[], dtype } : undefined;
}
