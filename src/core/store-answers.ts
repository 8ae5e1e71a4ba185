/** What stores answer alike: directories that are implied by keys, and the errors of keys. */
import type { ObjectStat } from "./byte-store.ts";
import { type ErrorContext, StorageError } from "./errors.ts";

/** The description of a directory that is nothing but keys below it. */
export function directoryStat(key: string): ObjectStat {
  return { key, kind: "directory", byteLength: 0, modifiedMs: undefined, etag: undefined };
}

/** The error of a key that nothing is stored under. */
export function missingKey(key: string, context: ErrorContext): StorageError {
  return new StorageError("NOT_FOUND", `No "${key}" in "${context.backend}"`, context);
}

/** The error of what cannot be done to a directory. */
export function directoryInTheWay(key: string, context: ErrorContext): StorageError {
  return new StorageError("IS_A_DIRECTORY", `"${key}" in "${context.backend}" is a directory`, context);
}

/** The error of an `ifMatch` that does not hold. */
export function otherVersion(key: string, context: ErrorContext): StorageError {
  const message = `"${key}" in "${context.backend}" is not the version asked for`;
  return new StorageError("PRECONDITION_FAILED", message, context);
}
