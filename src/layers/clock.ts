/** Time and chance as layers see them, so that tests can hold both in their hands. */
export { type Clock, pause, systemClock } from "../core/clock.ts";

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
