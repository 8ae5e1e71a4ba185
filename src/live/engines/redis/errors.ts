/** What Redis and its client say, as errors of Sluice. */
import { type ErrorContext, isStorageError, StorageError, type StorageErrorCode } from "../../../core/errors.ts";

/** The connection broke, or the server cannot answer yet: whether the command took effect is not known. */
export class LinkLostError extends Error {
  constructor(cause: unknown) {
    super("The connection to Redis was lost", { cause });
    this.name = "LinkLostError";
  }
}

/** Beginnings of what the server or the socket says, and what each means. */
const meanings: readonly (readonly [RegExp, StorageErrorCode, string])[] = [
  [/^OOM /, "NO_SPACE", "Redis is full: its maxmemory is reached, and nothing was added"],
  [/^(?:NOAUTH|WRONGPASS) /, "UNAUTHENTICATED", "Redis wants another user or password"],
  [/^NOPERM /, "PERMISSION_DENIED", "Redis does not allow this user to do that"],
  [/^READONLY /, "READ_ONLY", "This Redis is a replica and takes no writes"],
  [/^MISCONF /, "NO_SPACE", "Redis cannot write its own file and takes no writes until it can"],
  [
    /\bE(?:CONNREFUSED|NOTFOUND|HOSTUNREACH|AI_AGAIN|PIPE|CONNRESET)\b|timeout|socket closed/i,
    "TIMED_OUT",
    "Redis cannot be reached",
  ],
];

/** The error as one of Sluice. */
export function redisError(error: unknown, context: ErrorContext): StorageError {
  if (isStorageError(error)) return error;
  const cause = error instanceof LinkLostError ? error.cause : error;
  const said = textOf(cause);
  const about = { ...context, backend: "redis", cause };
  for (const [pattern, code, message] of meanings) {
    if (!pattern.test(said)) continue;
    const place = context.identifier === undefined ? "" : ` (${context.identifier})`;
    return new StorageError(code, `${message}${place}`, {
      ...about,
      retryable: code === "NO_SPACE" || code === "TIMED_OUT",
    });
  }
  return new StorageError("UNEXPECTED", `Redis: ${said}`, about);
}

/** An aggregate of failed attempts, one for each address of a host, says nothing of itself. */
function textOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(textOf).join("; ");
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  return code === undefined || cause.message.includes(code) ? cause.message : `${cause.message} ${code}`;
}
