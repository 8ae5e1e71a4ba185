/** A clock that a test holds in its hand. */
import type { Clock } from "../layers/clock.ts";

/** Turns of the event loop that let what is ready run before time goes on. */
const TURNS = 4;

/**
 * Time that passes when it is told to. Nothing waits for real.
 *
 * @example
 * ```ts
 * const clock = new FakeClock();
 * const store = new TimeoutStore(slow, { timeoutMs: 1000, clock });
 * const reading = store.read("value");
 * await clock.advance(1000);
 * ```
 */
export class FakeClock implements Clock {
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();
  readonly #isAutomatic: boolean;
  #now = 0;

  /** @param options - `automatic`: time jumps to the next timer as soon as one is set; for tests that only wait. */
  constructor(options: { readonly automatic?: boolean | undefined } = {}) {
    this.#isAutomatic = options.automatic ?? false;
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#now + delayMs, run };
    this.#timers.add(timer);
    if (this.#isAutomatic) setImmediate(() => this.#fireNext(Number.POSITIVE_INFINITY));
    return () => this.#timers.delete(timer);
  }

  /** Lets so many milliseconds pass: every timer that is due fires in its turn, and what follows from it runs. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    while (this.#fireNext(end)) await settle();
    this.#now = end;
    await settle();
  }

  #fireNext(end: number): boolean {
    const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
    if (next === undefined || next.at > end) return false;
    this.#timers.delete(next);
    this.#now = Math.max(this.#now, next.at);
    next.run();
    return true;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
