/** Errors on their way to another program. */
import { isStorageError, StorageError, type StorageErrorCode, storageErrorCodes } from "../core/errors.ts";
import { corrupt, isFields } from "./message-frame.ts";

/** Longest text of an error on its way. */
const MAX_ERROR_CHARACTERS = 2000;

/** What was wrong, as it travels: a code of {@link storageErrorCodes} and a sentence. */
export interface WireError {
  readonly code: StorageErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** An error as it travels: code and message, no stack, no cause. */
export function toWireError(error: unknown): WireError {
  const code = isStorageError(error) ? error.code : "UNEXPECTED";
  const message = error instanceof Error ? error.message : String(error);
  return { code, message: message.slice(0, MAX_ERROR_CHARACTERS), retryable: isStorageError(error) && error.retryable };
}

/**
 * The error in a message.
 *
 * @throws A {@link StorageError} `CORRUPT`.
 */
export function readWireError(value: unknown): WireError {
  const { code, message, retryable } = isFields(value) ? value : {};
  if (typeof message !== "string") throw corrupt("an error does not say what went wrong");
  const isKnown = typeof code === "string" && Object.hasOwn(storageErrorCodes, code);
  return {
    code: isKnown ? (code as StorageErrorCode) : "UNEXPECTED",
    message: message.slice(0, MAX_ERROR_CHARACTERS),
    retryable: retryable === true,
  };
}

/** The error that arrived, to be thrown. */
export function fromWireError({ code, message, retryable }: WireError): StorageError {
  return new StorageError(code, message, { retryable });
}
