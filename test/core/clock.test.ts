/** The clock of the machine: delays that `setTimeout` alone cannot do. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";

const DAY = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a delay of months is waited for whole, and can be cancelled in any part of it", () => {
  let calls = 0;
  systemClock.after(60 * DAY, () => calls++);
  vi.advanceTimersByTime(60 * DAY - 1);
  expect(calls).toBe(0);
  vi.advanceTimersByTime(1);
  expect(calls).toBe(1);
  const cancel = systemClock.after(60 * DAY, () => calls++);
  vi.advanceTimersByTime(30 * DAY);
  cancel();
  vi.advanceTimersByTime(60 * DAY);
  expect([calls, vi.getTimerCount()]).toEqual([1, 0]);
});

test("a delay without end never ends, and one below 0 ends at once", () => {
  let calls = 0;
  const cancel = systemClock.after(Number.POSITIVE_INFINITY, () => calls++);
  vi.advanceTimersByTime(1000 * DAY);
  expect(calls).toBe(0);
  cancel();
  systemClock.after(-5, () => calls++);
  vi.advanceTimersByTime(0);
  expect([calls, vi.getTimerCount()]).toEqual([1, 0]);
});
