/** What is left of a time to wait. */
import { type Clock, systemClock } from "../core/clock.ts";

/** Milliseconds that are left, as `timeoutMs` takes them: `undefined` for ever, never below 0. */
export type RemainingMs = () => number | undefined;

/** Counts from now. */
export function deadline(timeoutMs: number | undefined, clock: Clock = systemClock): RemainingMs {
  if (timeoutMs === undefined) return () => undefined;
  const end = clock.now() + timeoutMs;
  return () => Math.max(0, end - clock.now());
}
