/** What PostgreSQL's conditions mean to callers. */
import { type ErrorContext, StorageError, type StorageErrorCode } from "../core/errors.ts";

type Meaning = readonly [code: StorageErrorCode, retryable: boolean, says: string];

const lost: Meaning = ["UNEXPECTED", true, "lost the connection"];

/**
 * Conditions by their five letters, or classes of them by two; and what the client and the system say of connections.
 *
 * @see PostgreSQL, "Error Codes"
 */
const meanings: Readonly<Record<string, Meaning>> = {
  "08": lost,
  "22": ["INVALID_DATA", false, "does not take a value"],
  "23": ["CONFLICT", false, "has a rule against it"],
  25006: ["READ_ONLY", false, "cannot be written"],
  "25P02": ["CONFLICT", false, "takes nothing more in a transaction of which a statement failed"],
  "25P03": ["TIMED_OUT", true, "ended a transaction in which nothing happened"],
  "28": ["UNAUTHENTICATED", false, "refused the user or the password"],
  "3D": ["NOT_FOUND", false, "is not there: the server has no such database"],
  "3F": ["NOT_FOUND", false, "has no such schema"],
  40: ["CONFLICT", true, "is being written by another connection"],
  42501: ["PERMISSION_DENIED", false, "may not be used so by this user"],
  53100: ["NO_SPACE", false, "cannot grow: the disk is full"],
  53300: ["RATE_LIMITED", true, "has too many connections"],
  "53": ["UNEXPECTED", true, "has no room for this now"],
  "54": ["OUT_OF_RANGE", false, "does not take so much at once"],
  "55P03": ["CONFLICT", true, "is being written by another connection"],
  57014: ["ABORTED", false, "was told to stop"],
  "57P": ["UNEXPECTED", true, "lost the connection: the server stops, or starts"],
  "58": ["UNEXPECTED", false, "has trouble with its files"],
  XX001: ["CORRUPT", false, "is damaged"],
  XX002: ["CORRUPT", false, "is damaged"],
  CONNECTION_CLOSED: lost,
  CONNECTION_ENDED: lost,
  CONNECTION_DESTROYED: lost,
  CONNECT_TIMEOUT: ["TIMED_OUT", true, "does not answer"],
  ETIMEDOUT: ["TIMED_OUT", true, "does not answer"],
  ECONNREFUSED: ["UNEXPECTED", true, "cannot be reached: nobody listens there"],
  ENOENT: ["UNEXPECTED", true, "cannot be reached: there is no such socket"],
  ECONNRESET: lost,
  EPIPE: lost,
  EAI_AGAIN: ["UNEXPECTED", true, "cannot be reached: the name service does not answer"],
  EHOSTUNREACH: ["UNEXPECTED", true, "cannot be reached"],
  ENETUNREACH: ["UNEXPECTED", true, "cannot be reached"],
  ENOTFOUND: ["UNEXPECTED", false, "cannot be reached: its host is not known"],
};

/** PostgreSQL's or the system's word for an error; `undefined` if it is none of theirs. */
export function conditionOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

/** True if two transactions stood in each other's way: the same one may succeed when it is run again. */
export function isCollision(error: unknown): boolean {
  const cause = error instanceof StorageError ? error.cause : error;
  return ["40001", "40P01"].includes(conditionOf(cause) ?? "");
}

/** The typed error for whatever the client threw. */
export function postgresError(error: unknown, location: string, operation: string): StorageError {
  if (error instanceof StorageError) return error;
  const context: ErrorContext = { operation, identifier: location };
  const condition = conditionOf(error) ?? "";
  const meaning = meanings[condition] ?? meanings[condition.slice(0, 3)] ?? meanings[condition.slice(0, 2)];
  const text = error instanceof Error ? error.message : String(error);
  if (meaning === undefined) {
    return new StorageError("UNEXPECTED", `"${location}": ${text}`, { ...context, cause: error });
  }
  const [code, retryable, says] = meaning;
  return new StorageError(code, `"${location}" ${says} (${text})`, { ...context, retryable, cause: error });
}
