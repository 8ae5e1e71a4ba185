/** Where a page of runs ended. */
import { createHash } from "node:crypto";
import { StorageError } from "../core/errors.ts";

/** The last run of a page, in the order of the listing. */
export interface RunPosition {
  /** `time_start` of the run. */
  readonly time: number;
  readonly uid: string;
}

/**
 * Writes a position as text that says nothing to its reader. A page that begins behind it neither repeats nor leaves out
 * a run that was there all along, however many are added in the meantime: it is a place in the order, not a count.
 *
 * @param filter - What was searched for; the cursor is good for the same only.
 */
export function encodeCursor({ time, uid }: RunPosition, filter: object): string {
  return Buffer.from(JSON.stringify([1, time, uid, digest(filter)])).toString("base64url");
}

/**
 * Reads what {@link encodeCursor} wrote.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for anything else, and for a cursor of another search.
 */
export function decodeCursor(cursor: string, filter: object): RunPosition {
  const [version, time, uid, made] = parts(cursor);
  if (version !== 1 || typeof time !== "number" || typeof uid !== "string") {
    throw unusable(cursor, "it is none that a search has answered");
  }
  if (made !== digest(filter)) throw unusable(cursor, "it belongs to a search for something else");
  return { time, uid };
}

function parts(cursor: unknown): unknown[] {
  if (typeof cursor !== "string") throw unusable(cursor, "it is no text");
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return Array.isArray(value) ? value : [];
  } catch (cause) {
    throw unusable(cursor, "it is none that a search has answered", cause);
  }
}

function digest(filter: object): string {
  const entries = Object.entries(filter).filter(([, value]) => value !== undefined);
  return createHash("sha256")
    .update(JSON.stringify(entries.sort(byName)))
    .digest("base64url")
    .slice(0, 12);
}

/** By names alone: values need not be such as a text can be made of. No two names are equal. */
function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

function unusable(cursor: unknown, why: string, cause?: unknown): StorageError {
  const shown = String(cursor).slice(0, 80);
  const message = `"${shown}" cannot be used as a cursor: ${why}. Begin again without one`;
  return new StorageError("INVALID_DATA", message, { operation: "search", identifier: shown, cause });
}
