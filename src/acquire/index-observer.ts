/** Tells of new frames without polling. */
import { checkAborted } from "../core/checks.ts";
import { type ErrorContext, StorageError } from "../core/errors.ts";
import type { ObserveOptions } from "../core/frame-writer.ts";

/** The clock of a timeout; tests give their own. */
export interface Timers {
  /** Calls back once, after a time in milliseconds. */
  set(callback: () => void, delayMs: number): unknown;
  /** Forgets a call that has not come. */
  clear(handle: unknown): void;
}

/** The clock of the machine. */
export const systemTimers: Timers = {
  set: (callback, delayMs) => setTimeout(callback, delayMs),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** Those who watch a writer. */
export class IndexObservers {
  readonly #timers: Timers;
  readonly #watching = new Set<{ update(): void; end(): void }>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Frames were stored. */
  notify(): void {
    if (this.#watching.size === 0) return;
    for (const watcher of this.#watching) watcher.update();
  }

  /** The writer has closed. */
  end(): void {
    for (const watcher of this.#watching) watcher.end();
  }

  /**
   * Yields the count each time it has grown.
   *
   * @param isActive - False: nothing can come any more, so yield what is there and end.
   */
  async *watch(
    count: () => number,
    isActive: () => boolean,
    options: ObserveOptions,
    context: ErrorContext,
  ): AsyncGenerator<number, void, undefined> {
    const { signal, timeoutMs } = options;
    let seen = 0;
    let current = count();
    let hasEnded = !isActive();
    let wake: () => void = () => {};
    // Counts are taken here, while they are true: the next acquisition may have reset them when the reader comes back.
    const watcher = {
      update: () => {
        current = Math.max(current, count());
        wake();
      },
      end: () => {
        hasEnded = true;
        this.#watching.delete(watcher);
        wake();
      },
    };
    const onAbort = () => wake();
    if (!hasEnded) this.#watching.add(watcher);
    signal?.addEventListener("abort", onAbort);
    try {
      for (;;) {
        checkAborted(signal, context);
        if (current > seen) {
          seen = current;
          yield seen;
        } else if (hasEnded) {
          return;
        } else if (!(await this.#next((resolve) => (wake = resolve), timeoutMs)) && current === seen && !hasEnded) {
          throw new StorageError("TIMED_OUT", `No frame came within ${timeoutMs} ms after frame ${seen}`, context);
        }
      }
    } finally {
      this.#watching.delete(watcher);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** True when woken, false when the time is over. */
  #next(onWake: (resolve: () => void) => void, timeoutMs: number | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const handle = timeoutMs === undefined ? undefined : this.#timers.set(() => resolve(false), timeoutMs);
      onWake(() => {
        if (timeoutMs !== undefined) this.#timers.clear(handle);
        resolve(true);
      });
    });
  }
}
