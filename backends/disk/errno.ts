/** What the operating system's errors mean here. */
import { type ErrorContext, StorageError, type StorageErrorCode, toStorageError } from "../../src/core/errors.ts";

const codes: Readonly<Record<string, readonly [code: StorageErrorCode, what: string, retryable?: "retryable"]>> = {
  ENOENT: ["NOT_FOUND", "is not there"],
  EEXIST: ["ALREADY_EXISTS", "exists already"],
  ENOTDIR: ["NOT_A_DIRECTORY", "lies below something that is no directory"],
  EISDIR: ["IS_A_DIRECTORY", "is a directory"],
  EACCES: ["PERMISSION_DENIED", "may not be accessed by this user; check owner and mode"],
  EPERM: ["PERMISSION_DENIED", "may not be changed by this user; check owner, mode and attributes"],
  ENOSPC: ["NO_SPACE", "does not fit on the device; the old value is kept"],
  EDQUOT: ["NO_SPACE", "does not fit in the user's quota; the old value is kept"],
  EFBIG: ["NO_SPACE", "is larger than a file may be here; the old value is kept"],
  ELOOP: ["NOT_FOUND", "leads nowhere: its links go in a circle"],
  ENAMETOOLONG: ["INVALID_KEY", "has a name too long for this file system"],
  EILSEQ: ["INVALID_KEY", "has a name that this file system cannot hold"],
  EROFS: ["READ_ONLY", "is on a file system mounted read-only"],
  ENOTEMPTY: ["CONFLICT", "is a directory that is not empty; pass recursive: true"],
  EBUSY: ["CONFLICT", "is in use", "retryable"],
  ETXTBSY: ["CONFLICT", "is a program that is running", "retryable"],
  ESTALE: ["CONFLICT", "was replaced on the file server meanwhile", "retryable"],
  EMFILE: ["RATE_LIMITED", "cannot be opened: this process has too many files open", "retryable"],
  ENFILE: ["RATE_LIMITED", "cannot be opened: this machine has too many files open", "retryable"],
  EAGAIN: ["RATE_LIMITED", "cannot be reached right now", "retryable"],
};

/** The typed error of something that `node:fs` threw; what is not known stays `UNEXPECTED`, with its cause. */
export function translateErrno(error: unknown, context: ErrorContext): StorageError {
  const known = codes[errnoOf(error) ?? ""];
  if (known === undefined) return toStorageError(error, context);
  const [code, what, retryable] = known;
  const message = `${context.operation}: "${context.identifier}" in "${context.backend}" ${what}`;
  return new StorageError(code, message, { ...context, cause: error, retryable: retryable !== undefined });
}

/** The `code` of a system error: `"ENOENT"`; `undefined` for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("errno" in error) || !("code" in error)) return undefined;
  return String(error.code);
}

/** The result of some work, or `undefined` if the system answered with one of the given codes. */
export async function unlessErrno<T>(work: Promise<T>, ...accepted: readonly string[]): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (accepted.includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
