/**
 * Argument checks that every plane shares. They live here once; backends get clean arguments.
 */
import { type ErrorContext, StorageError } from "./errors.ts";
import { isNdArray, type NdArray } from "./nd-array.ts";

/** Rejects with `ABORTED` if the signal has fired. */
export function checkAborted(signal: AbortSignal | undefined, context: ErrorContext = {}): void {
  if (!signal?.aborted) return;
  throw new StorageError("ABORTED", `${context.operation ?? "Operation"} was aborted`, {
    ...context,
    cause: signal.reason,
  });
}

/** Rejects with `NOT_OPEN` once something is closed. */
export function checkOpen(isOpen: boolean, what: string, context: ErrorContext = {}): void {
  if (!isOpen) throw new StorageError("NOT_OPEN", `${what} is closed`, context);
}

/** Rejects with `INVALID_DATA` if two lists that go together have different lengths. */
export function checkSameLength(
  data: readonly unknown[],
  identifiers: readonly unknown[],
  context: ErrorContext,
): void {
  if (!Array.isArray(data) || !Array.isArray(identifiers)) {
    throw new StorageError("INVALID_DATA", "A batch takes two arrays: values and identifiers", context);
  }
  if (data.length === identifiers.length) return;
  throw new StorageError("INVALID_DATA", `${data.length} values for ${identifiers.length} identifiers`, context);
}

/** Rejects with `INVALID_DATA` unless the number is a whole one of at least `minimum`. */
export function checkInteger(value: number, name: string, minimum: number, context: ErrorContext = {}): void {
  if (Number.isSafeInteger(value) && value >= minimum) return;
  throw new StorageError("INVALID_DATA", `${name} must be a whole number ≥ ${minimum}, got ${String(value)}`, context);
}

/**
 * The value as an {@link NdArray}, or `INVALID_DATA` that says what came instead.
 *
 * @param context - Where the value came from. A number says nothing: that is what `values.map(checkNdArray)` passes.
 */
export function checkNdArray(value: unknown, context: ErrorContext | number = {}): NdArray {
  if (isNdArray(value)) return value;
  const where = typeof context === "number" ? {} : context;
  const what = where.identifier === undefined ? "" : `"${where.identifier}": `;
  throw new StorageError(
    "INVALID_DATA",
    `${what}Expected an array { data, shape, stride, dtype }, got ${describe(value)}`,
    where,
  );
}

/** A short description of a value for messages: its kind, never its contents. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (isNdArray(value)) return `a ${value.dtype} array of shape [${value.shape.join(", ")}]`;
  if (typeof value !== "object") return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
  const type = value.constructor?.name;
  if (!type || type === "Object") return "a plain object";
  return `${/^[AEIO]/.test(type) ? "an" : "a"} ${type}`;
}
