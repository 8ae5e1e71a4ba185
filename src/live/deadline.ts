/** What is left of a time to wait. */
import { type Clock, systemClock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";

/** Milliseconds that are left, as `timeoutMs` takes them: `undefined` for ever, never below 0. */
export type RemainingMs = () => number | undefined;

/**
 * Counts from now.
 *
 * @throws A {@link StorageError} as {@link checkTimeout}.
 */
export function deadline(timeoutMs: number | undefined, clock: Clock = systemClock): RemainingMs {
  checkTimeout(timeoutMs);
  if (timeoutMs === undefined) return () => undefined;
  const end = clock.now() + timeoutMs;
  return () => Math.max(0, end - clock.now());
}

/**
 * Refuses a time that is no number: it would be over at once here, and never there.
 *
 * @throws A {@link StorageError} `INVALID_DATA`.
 */
export function checkTimeout(timeoutMs: number | undefined): void {
  if (!Number.isNaN(timeoutMs)) return;
  throw new StorageError("INVALID_DATA", "timeoutMs must be a number of milliseconds, got NaN. Left out: for ever");
}
