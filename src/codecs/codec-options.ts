/** The check that every codec makes of its options. */
import { nearest, StorageError } from "../core/errors.ts";
import type { CodecContext } from "./codec.ts";

/**
 * Refuses options that a codec does not know.
 *
 * @throws A {@link StorageError} `INVALID_DATA` that names the option and those there are.
 */
export function checkCodecOptions(format: string, context: CodecContext, known: readonly string[]): void {
  const unknown = Object.keys(context.options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  const hint = near ? ` Did you mean "${near}"?` : "";
  const list = known.length > 0 ? `Options: ${known.join(", ")}` : "It has none";
  throw new StorageError("INVALID_DATA", `Codec "${format}" has no option "${unknown}".${hint} ${list}`, {
    identifier: context.identifier,
  });
}

/** An `INVALID_DATA` about the value or the options of one codec call. */
export function invalidData(context: CodecContext, message: string, cause?: unknown): StorageError {
  return new StorageError("INVALID_DATA", `"${context.identifier}": ${message}`, {
    identifier: context.identifier,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A `DTYPE_MISMATCH` about an array that a format cannot keep. */
export function dtypeMismatch(context: CodecContext, message: string): StorageError {
  return new StorageError("DTYPE_MISMATCH", `"${context.identifier}": ${message}`, { identifier: context.identifier });
}

/** A `CORRUPT` about stored bytes that are not what they claim to be. */
export function corrupt(context: CodecContext, message: string, cause?: unknown): StorageError {
  return new StorageError("CORRUPT", `"${context.identifier}": ${message}`, {
    identifier: context.identifier,
    ...(cause === undefined ? {} : { cause }),
  });
}
