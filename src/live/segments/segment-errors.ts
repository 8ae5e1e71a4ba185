import { type ErrorContext, StorageError, type StorageErrorCode } from "../../core/errors.ts";

const codes: Readonly<Record<string, readonly [code: StorageErrorCode, says: string]>> = {
  ENOENT: ["NOT_FOUND", "is not there"],
  EEXIST: ["ALREADY_EXISTS", "is there already"],
  ENOSPC: ["NO_SPACE", "cannot grow: the disk is full"],
  EDQUOT: ["NO_SPACE", "cannot grow: the quota is used up"],
  EACCES: ["PERMISSION_DENIED", "may not be opened"],
  EPERM: ["PERMISSION_DENIED", "may not be opened"],
  EROFS: ["READ_ONLY", "lies on a file system that cannot be written"],
  ENOTDIR: ["NOT_A_DIRECTORY", "is below a file"],
  EISDIR: ["IS_A_DIRECTORY", "is a directory"],
};

/** The typed error for what a call of `node:fs` threw. */
export function fileError(error: unknown, path: string, operation: string): StorageError {
  if (error instanceof StorageError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const context: ErrorContext & { cause: unknown } = { operation, identifier: path, cause: error };
  const known = code === undefined ? undefined : codes[code];
  if (known === undefined) return new StorageError("UNEXPECTED", `"${path}": ${message}`, context);
  return new StorageError(known[0], `"${path}" ${known[1]}`, context);
}
