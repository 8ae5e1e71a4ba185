/** Errors that several operations of the disk store have in common. */
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { directoryInTheWay, otherVersion } from "../../src/core/store-answers.ts";
import { errnoOf } from "./errno.ts";

/** The error of a condition that does not hold. */
export function preconditionFailed(context: ErrorContext): StorageError {
  return otherVersion(context.identifier ?? "", context);
}

/** The error of a target that is taken. */
export function alreadyExists(context: ErrorContext, cause?: unknown): StorageError {
  const message = `"${context.identifier}" exists in "${context.backend}"`;
  return new StorageError("ALREADY_EXISTS", message, cause === undefined ? context : { ...context, cause });
}

/** The error of a directory where a value was needed. */
export function isDirectoryError(context: ErrorContext): StorageError {
  const { identifier = "", backend } = context;
  if (identifier !== "" && identifier !== "/") return directoryInTheWay(identifier, context);
  return new StorageError("IS_A_DIRECTORY", `The root of "${backend}" is a directory`, context);
}

/** The error of something that is neither a file nor a directory. */
export function notAFile(context: ErrorContext): StorageError {
  const message = `"${context.identifier}" in "${context.backend}" is a device, a pipe or a socket, not a file`;
  return new StorageError("UNSUPPORTED", message, context);
}

/** The error of a value that ended before its end. */
export function becameShorter(context: ErrorContext): StorageError {
  const message = `"${context.identifier}" became shorter while it was read: another program writes into it`;
  return new StorageError("CONFLICT", message, { ...context, retryable: true });
}

/** The error of a value or a link where a directory was needed. */
export function notADirectory(context: ErrorContext, cause?: unknown): StorageError {
  const message = `"${context.identifier}" in "${context.backend}" is no directory`;
  return new StorageError("NOT_A_DIRECTORY", message, cause === undefined ? context : { ...context, cause });
}

/** What some work on a key that must exist answers. Below a file there is nothing: that too is `NOT_FOUND`. */
export async function found<T>(work: Promise<T | undefined>, context: ErrorContext): Promise<T> {
  let cause: unknown;
  try {
    const answer = await work;
    if (answer !== undefined) return answer;
  } catch (error) {
    if (!isMissing(error)) throw error;
    cause = error;
  }
  throw notFound(context, cause);
}

/** True for what the system says of a path at which nothing is. */
export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "");
}

/** The error of a key under which nothing is. */
export function notFound(context: ErrorContext, cause?: unknown): StorageError {
  const message = `No "${context.identifier}" in "${context.backend}"`;
  return new StorageError("NOT_FOUND", message, cause === undefined ? context : { ...context, cause });
}
