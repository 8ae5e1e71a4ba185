/** Time as a value, so that tests can hold it in their hands. */
import { checkAborted } from "./checks.ts";
import type { ErrorContext } from "./errors.ts";

/** Longest delay that `setTimeout` takes, 24 days; a longer one would fire at once, and is made of several. */
const LONGEST_MS = 2 ** 31 - 1;

/** Where those who wait get the time from. */
export interface Clock {
  /** Milliseconds from some fixed moment; never goes back. */
  now(): number;
  /**
   * Calls once after so many milliseconds. Answers what cancels it.
   *
   * @param options - `isBackground`: the process may end before; for what is only done while other things go on.
   */
  after(delayMs: number, run: () => void, options?: { readonly isBackground?: boolean | undefined }): () => void;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, run, options) => {
    let timer: ReturnType<typeof setTimeout>;
    const wait = (leftMs: number) => {
      const part = Math.min(leftMs, LONGEST_MS);
      timer = setTimeout(() => (leftMs > part ? wait(leftMs - part) : run()), part);
      if (options?.isBackground) timer.unref();
    };
    wait(Math.max(delayMs, 0));
    return () => clearTimeout(timer);
  },
};

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
