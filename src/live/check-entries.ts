import { StorageError } from "../core/errors.ts";
import type { Entry } from "./engine.ts";
import { IndexConflictError } from "./errors.ts";

/**
 * Checks entries that are to be appended: some, each with a point or more, each where the one before ended.
 *
 * @param length - Points that the stream has; left out where it is not known yet.
 * @returns Points that the stream will have.
 * @throws A {@link StorageError} `INVALID_DATA`, or `CONFLICT` if they do not begin at `length`.
 */
export function checkEntries(entries: readonly Pick<Entry, "index" | "length">[], length?: number): number {
  const [first] = entries;
  if (first === undefined) throw new StorageError("INVALID_DATA", "At least one entry was expected");
  let next = first.index;
  for (const entry of entries) {
    if (
      !Number.isSafeInteger(entry.index) ||
      entry.index < 0 ||
      !Number.isSafeInteger(entry.length) ||
      entry.length < 1
    ) {
      throw new StorageError("INVALID_DATA", `An entry of ${entry.length} points from ${entry.index} cannot be`);
    }
    if (entry.index !== next) {
      throw new StorageError(
        "INVALID_DATA",
        `Entries must follow each other: ${next} was expected, got ${entry.index}`,
      );
    }
    next += entry.length;
  }
  if (length !== undefined && first.index !== length) throw new IndexConflictError(first.index, length);
  return next;
}
