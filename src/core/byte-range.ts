/** The arithmetic of byte ranges, which every store shares. */
import type { ByteRange } from "./byte-store.ts";
import { checkInteger } from "./checks.ts";
import { type ErrorContext, StorageError } from "./errors.ts";

/** A range in a value of known length: it lies within the value. */
export interface ResolvedRange {
  readonly offset: number;
  readonly length: number;
}

/** Several ranges that are read as one. */
export interface RangeGroup extends ResolvedRange {
  /** The ranges within, with their places in the list they came from. */
  readonly parts: readonly (ResolvedRange & { readonly index: number })[];
}

/**
 * The part of a value that a range stands for.
 *
 * @param range - `undefined` is the whole value.
 * @param byteLength - Length of the value.
 * @returns What lies beyond the end is left out; a range that starts exactly at the end is empty.
 * @throws A {@link StorageError} `OUT_OF_RANGE` for a start beyond the end, `INVALID_DATA` for numbers that are no
 * counts of bytes.
 */
export function resolveRange(
  range: ByteRange | undefined,
  byteLength: number,
  context: ErrorContext = {},
): ResolvedRange {
  if (range === undefined) return { offset: 0, length: byteLength };
  if ("suffix" in range) {
    checkInteger(range.suffix, "suffix", 0, context);
    const length = Math.min(range.suffix, byteLength);
    return { offset: byteLength - length, length };
  }
  const { offset, length = Number.MAX_SAFE_INTEGER } = range;
  checkInteger(offset, "offset", 0, context);
  checkInteger(length, "length", 0, context);
  if (offset > byteLength) {
    const where = context.identifier === undefined ? "the value" : `"${context.identifier}"`;
    throw new StorageError(
      "OUT_OF_RANGE",
      `The range starts at byte ${offset}, and ${where} has ${byteLength}`,
      context,
    );
  }
  return { offset, length: Math.min(length, byteLength - offset) };
}

/** Rejects ranges that no value can have, before any I/O. */
export function checkRange(range: ByteRange | undefined, context: ErrorContext = {}): void {
  const whole = range !== undefined && "offset" in range ? range.offset : 0;
  resolveRange(range, Number.isSafeInteger(whole) ? Math.max(whole, 0) : 0, context);
}

/** How near ranges must be to be read as one. */
export interface GroupLimits {
  /** Bytes between two ranges that may be read for nothing. */
  readonly maxGap: number;
  /** Bytes that one group may have, unless a single range has more. */
  readonly maxLength: number;
}

/** Puts ranges that are near each other into groups, ordered by offset. Ranges may overlap and come in any order. */
export function groupRanges(ranges: readonly ResolvedRange[], limits: GroupLimits): RangeGroup[] {
  const sorted = ranges.map((range, index) => ({ ...range, index })).sort((a, b) => a.offset - b.offset);
  const groups: { offset: number; length: number; parts: (ResolvedRange & { index: number })[] }[] = [];
  for (const part of sorted) {
    const last = groups.at(-1);
    const end = part.offset + part.length;
    if (last !== undefined && part.offset - (last.offset + last.length) <= limits.maxGap) {
      const length = Math.max(last.offset + last.length, end) - last.offset;
      if (length <= limits.maxLength) {
        last.length = length;
        last.parts.push(part);
        continue;
      }
    }
    groups.push({ offset: part.offset, length: part.length, parts: [part] });
  }
  return groups;
}
