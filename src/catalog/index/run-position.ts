/** The place of a run in the index: one number that grows with the time at which runs started. */
import { StorageError } from "../../core/errors.ts";

/** So many runs may start in the same millisecond. */
const SLOTS = 2n ** 21n;
/** The last millisecond whose positions are integers of 64 bits, in the year 2109. */
const LAST_MS = 2 ** 42 - 1;

/**
 * The first position of the millisecond in which a time lies. Later times never have lower positions.
 *
 * The full text of SQLite is read in the order of row numbers. With positions as row numbers it comes out newest first,
 * and a page costs what is on it and not what was found: nothing is sorted.
 *
 * @param time - Seconds since 1970. What is earlier than 1830 or later than 2109 counts as that.
 */
export function positionAt(time: number): bigint {
  const ms = Math.floor(Math.min(Math.max(time * 1000, -LAST_MS), LAST_MS));
  return BigInt(ms) * SLOTS;
}

/** The last position of the same millisecond. */
export function lastPositionAt(time: number): bigint {
  return positionAt(time) + SLOTS - 1n;
}

/** The position after one that is taken, for a run of the same millisecond. */
export function nextPosition(taken: bigint, time: number): bigint {
  if (taken < lastPositionAt(time)) return taken + 1n;
  throw new StorageError("CAPACITY_EXCEEDED", `More than ${SLOTS} runs start in the same millisecond, at ${time}`);
}
