/** What SQLite's result codes mean to callers. */
import { type ErrorContext, StorageError, type StorageErrorCode } from "../core/errors.ts";

/**
 * Primary result codes, by name and number: one library reports the names, the other the numbers.
 *
 * @see https://www.sqlite.org/rescode.html
 */
const results: Readonly<Record<string, number>> = {
  SQLITE_PERM: 3,
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 6,
  SQLITE_NOMEM: 7,
  SQLITE_READONLY: 8,
  SQLITE_INTERRUPT: 9,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_TOOBIG: 18,
  SQLITE_CONSTRAINT: 19,
  SQLITE_AUTH: 23,
  SQLITE_NOTADB: 26,
};

interface Meaning {
  readonly code: StorageErrorCode;
  readonly says: string;
  readonly retryable?: boolean;
}

const meanings: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [3, { code: "PERMISSION_DENIED", says: "may not be opened" }],
  [5, { code: "CONFLICT", says: "is being written by another connection", retryable: true }],
  [6, { code: "CONFLICT", says: "is in use by another statement", retryable: true }],
  [8, { code: "READ_ONLY", says: "cannot be written" }],
  [11, { code: "CORRUPT", says: "is damaged" }],
  [13, { code: "NO_SPACE", says: "cannot grow: the disk is full" }],
  [14, { code: "PERMISSION_DENIED", says: "cannot be opened" }],
  [18, { code: "INVALID_DATA", says: "does not take a value of this size" }],
  [19, { code: "CONFLICT", says: "has a rule against it" }],
  [23, { code: "PERMISSION_DENIED", says: "may not be used" }],
  [26, { code: "CORRUPT", says: "is no SQLite database" }],
]);

/** The primary result code of an error; `undefined` if it is none of SQLite's. */
export function sqliteResult(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // Extended codes carry the primary one in their lowest byte, and extended names begin with the primary name.
  if (code === "ERR_SQLITE_ERROR" && typeof errcode === "number") return errcode & 0xff;
  if (typeof code !== "string" || !code.startsWith("SQLITE_")) return undefined;
  return results[code.split("_").slice(0, 2).join("_")];
}

/** True if another connection holds the lock that a statement needs; the same statement may succeed later. */
export function isBusy(error: unknown): boolean {
  return error instanceof StorageError && [5, 6].includes(sqliteResult(error.cause) ?? 0);
}

/** The typed error for whatever a library threw. */
export function sqliteError(error: unknown, location: string, operation: string): StorageError {
  if (error instanceof StorageError) return error;
  const context: ErrorContext = { operation, identifier: location };
  const result = sqliteResult(error);
  const meaning = result === undefined ? undefined : meanings.get(result);
  const text = error instanceof Error ? error.message : String(error);
  if (meaning === undefined) {
    return new StorageError("UNEXPECTED", `"${location}": ${text}`, { ...context, cause: error });
  }
  const { code, says, retryable = false } = meaning;
  return new StorageError(code, `"${location}" ${says} (${text})`, { ...context, retryable, cause: error });
}
