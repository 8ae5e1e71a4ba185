/**
 * The one error model of Sluice.
 *
 * Every failure that Sluice can name is a {@link StorageError} with a stable `code`. Callers branch on the code, never
 * on the class or the message: two copies of the package may be installed side by side, and messages improve.
 */

/** What each code means and what a caller can do about it. The single list; {@link StorageErrorCode} is made from it. */
export const storageErrorCodes = {
  NOT_FOUND: "Nothing is stored under this identifier. Check the key, or list its directory.",
  ALREADY_EXISTS: 'Something is stored there already. Pass ifExists: "replace" or "skip", or choose another key.',
  NOT_A_DIRECTORY: "A directory was needed and a file was found.",
  IS_A_DIRECTORY: "A file was needed and a directory was found.",
  INVALID_KEY: "The key is malformed or leaves the root of its backend.",
  INVALID_DATA: "The value cannot be stored in this format, or the arguments contradict each other.",
  SHAPE_MISMATCH: "An array has another shape than was registered or asked for.",
  DTYPE_MISMATCH: "An array has another dtype than was registered, or one that the format cannot keep exactly.",
  OUT_OF_RANGE: "An index, a byte range or a number is outside what exists.",
  READ_ONLY: "The backend does not take writes.",
  UNSUPPORTED: "The backend does not have this operation; its capabilities say so.",
  PERMISSION_DENIED: "The operating system or the service refused access.",
  UNAUTHENTICATED: "The service wants credentials, or refused those it got.",
  CONFLICT: "Somebody else changed the same thing at the same time, or the state does not allow the operation now.",
  PRECONDITION_FAILED: "ifMatch or ifAbsent did not hold; the stored value is unchanged.",
  RATE_LIMITED: "The service asks for a slower pace. Retryable.",
  NO_SPACE: "The device or quota is full. The old value is kept.",
  TIMED_OUT: "The operation took longer than it may.",
  ABORTED: "The caller's AbortSignal fired.",
  NOT_OPEN: "The object is not open: never opened, or closed already.",
  ALREADY_OPEN: "The object is open, and this is only allowed while it is closed.",
  CAPACITY_EXCEEDED:
    "Fewer frames were prepared for, a filename counter ran out of digits, or an array exceeds memory.",
  EXPIRED: "The data was there and has been removed by retention.",
  NOT_YET: "The index is not written yet. Wait for it, or follow the stream with a cursor.",
  END_OF_STREAM: "Everything was read and the stream is sealed: nothing more will come.",
  WRITER_LOST: "The writer went away without ending its scan. What it had sent can be read.",
  CORRUPT: "Stored bytes are damaged or are not what they claim to be. Nothing was changed.",
  CONFIG_INVALID: "A configuration is wrong; the message names each mistake with its path.",
  UNKNOWN_BACKEND: "No backend is registered under this key; the message lists those that are.",
  MISSING_DEPENDENCY: "An optional package is not installed; the message has the command that installs it.",
  UNEXPECTED: "A failure that no backend has translated; the cause has the original error.",
} as const;

/** A stable error code. See {@link storageErrorCodes} for when each is thrown. */
export type StorageErrorCode = keyof typeof storageErrorCodes;

/**
 * The exceptions that the seed systems name (Python) and the code that stands for each here. `TypeError` and
 * `ValueError` of the seeds fan out: the code says what was wrong with the value.
 *
 * @see OpenHCS `io/base.py`, the `Raises` sections; OpenHCS `io/exceptions.py`.
 */
export const seedExceptions = {
  FileNotFoundError: ["NOT_FOUND"],
  FileExistsError: ["ALREADY_EXISTS"],
  NotADirectoryError: ["NOT_A_DIRECTORY"],
  IsADirectoryError: ["IS_A_DIRECTORY"],
  PermissionError: ["PERMISSION_DENIED", "READ_ONLY"],
  KeyError: ["UNKNOWN_BACKEND", "NOT_FOUND"],
  TypeError: ["INVALID_KEY", "INVALID_DATA", "DTYPE_MISMATCH"],
  ValueError: ["INVALID_DATA", "SHAPE_MISMATCH", "OUT_OF_RANGE", "CAPACITY_EXCEEDED", "CONFIG_INVALID"],
  RuntimeError: ["NOT_OPEN", "ALREADY_OPEN", "CONFLICT", "UNEXPECTED"],
  ImportError: ["MISSING_DEPENDENCY"],
  StorageResolutionError: ["UNKNOWN_BACKEND"],
} as const satisfies Record<string, readonly StorageErrorCode[]>;

const BRAND = Symbol.for("sluice.StorageError");

/** Where an error happened. */
export interface ErrorContext {
  /** Key or instance name of the backend, store or writer. */
  readonly backend?: string | undefined;
  /** The public operation, for example `"load"`. */
  readonly operation?: string | undefined;
  /** The key, path, source or field that the operation was about. */
  readonly identifier?: string | undefined;
}

/** Everything beside code and message that a {@link StorageError} carries. */
export interface StorageErrorOptions extends ErrorContext {
  /** True if the same call may succeed later without anything else changing. Default `false`. */
  readonly retryable?: boolean;
  /** How long the service asks callers to wait before they try again, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The error underneath. Always pass it on. */
  readonly cause?: unknown;
}

/**
 * The base of all errors that Sluice throws.
 *
 * @example
 * ```ts
 * import { isStorageError } from "sluice";
 * try {
 *   await files.load("missing.npy", "memory");
 * } catch (error) {
 *   if (!isStorageError(error, "NOT_FOUND")) throw error;
 * }
 * ```
 */
export class StorageError extends Error implements ErrorContext {
  /** What went wrong, from the closed list {@link storageErrorCodes}. */
  readonly code: StorageErrorCode;
  /** Key or instance name of the backend, store or writer; `undefined` where none is involved. */
  readonly backend: string | undefined;
  /** The public operation that failed, for example `"load"`. */
  readonly operation: string | undefined;
  /** The key, path, source or field that the operation was about. */
  readonly identifier: string | undefined;
  /** True if the same call may succeed later without anything else changing. */
  readonly retryable: boolean;
  /** How long the service asks callers to wait before they try again, in milliseconds; `undefined` if it named no time. */
  readonly retryAfterMs: number | undefined;

  constructor(code: StorageErrorCode, message: string, options: StorageErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "StorageError";
    this.code = code;
    this.backend = options.backend;
    this.operation = options.operation;
    this.identifier = options.identifier;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Recognises errors of another installed copy of this package too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== "object" || value === null || !(BRAND in value)) return false;
    return this === StorageError || Function.prototype[Symbol.hasInstance].call(this, value);
  }

  /** A plain object for logs and `--json` output. Never holds more than the message says. */
  toJSON(): Record<string, unknown> {
    const { name, code, message, backend, operation, identifier, retryable } = this;
    return { name, code, message, backend, operation, identifier, retryable };
  }
}

/**
 * A backend key or storage reference that resolves to nothing.
 *
 * @see OpenHCS `io/exceptions.py`, `StorageResolutionError`
 */
export class StorageResolutionError extends StorageError {
  constructor(message: string, options: StorageErrorOptions = {}) {
    super("UNKNOWN_BACKEND", message, options);
    this.name = "StorageResolutionError";
  }
}

/**
 * True if `error` is a {@link StorageError}, and, where codes are given, has one of them.
 *
 * @param error - Anything that was thrown.
 * @param codes - Accepted codes; none given accepts all.
 */
export function isStorageError(error: unknown, ...codes: readonly StorageErrorCode[]): error is StorageError {
  if (!(error instanceof StorageError)) return false;
  return codes.length === 0 || codes.includes((error as StorageError).code);
}

/**
 * The given error if it is a {@link StorageError} already, otherwise an `UNEXPECTED` one that carries it as its cause.
 * The last step of every translation, so that nothing untyped leaves a backend.
 */
export function toStorageError(error: unknown, context: ErrorContext): StorageError {
  if (isStorageError(error)) return error;
  const what = error instanceof Error ? error.message : String(error);
  const where = [context.backend, context.operation, context.identifier].filter((part) => part !== undefined).join(" ");
  return new StorageError("UNEXPECTED", where ? `${where}: ${what}` : what, { ...context, cause: error });
}

/**
 * The error with the place where it happened, if it does not name one itself: a codec knows no backend. Otherwise, and
 * for the classes derived from {@link StorageError}, the error itself.
 */
export function located(error: StorageError, context: ErrorContext): StorageError {
  const { code, message, backend, operation, identifier = context.identifier, retryable, retryAfterMs } = error;
  if (backend !== undefined || error.constructor !== StorageError) return error;
  const cause = "cause" in error ? { cause: error.cause } : {};
  const copy = new StorageError(code, message, {
    backend: context.backend,
    operation: operation ?? context.operation,
    identifier,
    retryable,
    retryAfterMs,
    ...cause,
  });
  if (error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

/**
 * Runs every step although some fail, then throws: one failure as it is, several as one `AggregateError`. For closing
 * things in order without leaking the later ones.
 *
 * @param steps - Run one after the other, in order.
 * @param message - Message of the `AggregateError`.
 */
export async function runAll(steps: Iterable<() => unknown>, message: string): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  throwFailures(failures, message);
}

/** Throws nothing for an empty list, the failure itself for one, an `AggregateError` for several. */
export function throwFailures(failures: readonly unknown[], message: string): void {
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, `${message} (${failures.length} failures)`);
}

/** The known name nearest to a mistyped one, for "did you mean"; `undefined` if none is near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    // A guess that shares no character with the name is none: "" is not near to "s3".
    if (distance < bestDistance && distance < candidate.length) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1);
    }
    row = next;
  }
  return row[b.length] as number;
}
