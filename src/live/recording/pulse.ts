/** When what has come is sent. */
import type { Clock } from "../../core/clock.ts";

interface Beat {
  readonly comes: Promise<void>;
  readonly now: () => void;
}

/**
 * Gathers what comes to many streams, so that it goes to the engine together: at once after a silence, else some
 * milliseconds after what went before. An engine has less to do with a hundred points than with a hundred calls, and so
 * has the process that writes frames.
 */
export class Pulse {
  readonly #clock: Clock;
  #intervalMs: number;
  #last = Number.NEGATIVE_INFINITY;
  #next: Beat | undefined;

  /** @param intervalMs - Time between two; 0: none. */
  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** Resolves when it is time to send: for all who ask until then at once. */
  next(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next.comes;
  }

  /** From now on it is always time. */
  hurry(): void {
    this.#intervalMs = 0;
    this.#next?.now();
  }

  #begin(): Beat {
    let resolve = () => {};
    const comes = new Promise<void>((settle) => {
      resolve = settle;
    });
    let cancel = () => {};
    const now = () => {
      if (this.#next !== beat) return;
      cancel();
      this.#last = this.#clock.now();
      this.#next = undefined;
      resolve();
    };
    const beat: Beat = { comes, now };
    const leftMs = this.#last + this.#intervalMs - this.#clock.now();
    if (leftMs > 0) cancel = this.#clock.after(leftMs, now);
    // Whoever has something to send in this turn goes along.
    else queueMicrotask(now);
    return beat;
  }
}
