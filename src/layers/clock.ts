/** Time and chance as layers see them, so that tests can hold both in their hands. */
import { checkAborted } from "../core/checks.ts";
import type { ErrorContext } from "../core/errors.ts";

/** Longest delay that `setTimeout` takes; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Where layers get the time from. */
export interface Clock {
  /** Milliseconds from some fixed moment; never goes back. */
  now(): number;
  /** Calls once after so many milliseconds. Answers what cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), LONGEST_MS));
    return () => clearTimeout(timer);
  },
};

/** A number from 0 up to and without 1. */
export type Random = () => number;

/**
 * Numbers that look random and are the same for the same seed: what makes a failed chaos run repeatable.
 *
 * @param seed - Any whole number.
 * @see "mulberry32" by Tommy Ettinger, public domain
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Waits, unless the signal fires: then it rejects with `ABORTED` at once. */
export async function pause(
  clock: Clock,
  delayMs: number,
  signal: AbortSignal | undefined,
  context: ErrorContext,
): Promise<void> {
  checkAborted(signal, context);
  if (delayMs <= 0) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener("abort", done);
  });
  checkAborted(signal, context);
}
