/** What several stores may use together. */
import { checkAborted, checkInteger } from "../core/checks.ts";
import { type ErrorContext, StorageError } from "../core/errors.ts";
import { type Clock, pause, systemClock } from "./clock.ts";

/** Options of a {@link PermitPool}. */
export interface PermitPoolOptions {
  /** Calls under way at once. Default: no limit. */
  readonly concurrency?: number | undefined;
  /** Bytes per second, both ways together, after a burst of what one second allows. Default: no limit. */
  readonly bytesPerSecond?: number | undefined;
  readonly clock?: Clock | undefined;
}

interface Waiting {
  readonly grant: () => void;
}

/**
 * Permits for calls and a rate for bytes, given out in the order they are asked for. One pool may serve any number of
 * stores.
 *
 * @see OpenDAL, `ConcurrentLimitLayer`, whose permits are shared in the same way
 */
export class PermitPool {
  /** Calls that may be under way at once. */
  readonly concurrency: number;
  /** Bytes per second. */
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  readonly #queue: Waiting[] = [];
  #active = 0;
  /** Moment until which the bytes so far take up the rate. May be ahead: bytes are known only once they have come. */
  #paidUntil: number;

  constructor(options: PermitPoolOptions = {}) {
    const { concurrency = Number.POSITIVE_INFINITY, bytesPerSecond = Number.POSITIVE_INFINITY } = options;
    if (options.concurrency !== undefined) checkInteger(concurrency, "concurrency", 1);
    if (!(bytesPerSecond > 0)) {
      throw new StorageError("INVALID_DATA", `bytesPerSecond must be more than 0, got ${String(bytesPerSecond)}`);
    }
    this.concurrency = concurrency;
    this.bytesPerSecond = bytesPerSecond;
    this.#clock = options.clock ?? systemClock;
    this.#paidUntil = Number.NEGATIVE_INFINITY;
  }

  /** Calls under way now. */
  get active(): number {
    return this.#active;
  }

  /** Calls that wait for a permit. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Runs a call with a permit.
   *
   * @param call - Its signal, and the bytes that it sends down.
   * @param bytesOf - Bytes that came up; known only afterwards, the next call waits for them.
   */
  async run<T>(
    call: { readonly signal: AbortSignal | undefined; readonly bytesIn: number; readonly context: ErrorContext },
    run: () => Promise<T>,
    bytesOf: (answer: T) => number,
  ): Promise<T> {
    const { signal, context } = call;
    await this.#enter(signal, context);
    try {
      if (Number.isFinite(this.bytesPerSecond)) {
        await this.#payUp(signal, context);
        this.#charge(call.bytesIn);
      }
      const answer = await run();
      if (Number.isFinite(this.bytesPerSecond)) this.#charge(bytesOf(answer));
      return answer;
    } finally {
      this.#leave();
    }
  }

  async #enter(signal: AbortSignal | undefined, context: ErrorContext): Promise<void> {
    checkAborted(signal, context);
    if (this.#active < this.concurrency && this.#queue.length === 0) {
      this.#active++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const withdraw = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        try {
          checkAborted(signal, context);
        } catch (error) {
          reject(error);
        }
      };
      const waiting = {
        grant: () => {
          signal?.removeEventListener("abort", withdraw);
          resolve();
        },
      };
      this.#queue.push(waiting);
      signal?.addEventListener("abort", withdraw, { once: true });
    });
  }

  /** Hands the permit to the next in line, so that nobody can slip in between. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#active--;
    else next.grant();
  }

  /** Waits until what was moved before is within the rate, one second's burst aside. */
  async #payUp(signal: AbortSignal | undefined, context: ErrorContext): Promise<void> {
    for (;;) {
      const wait = this.#paidUntil - this.#clock.now() - 1000;
      if (wait <= 0) return;
      await pause(this.#clock, wait, signal, context);
    }
  }

  #charge(byteLength: number): void {
    const from = Math.max(this.#paidUntil, this.#clock.now());
    this.#paidUntil = from + (byteLength / this.bytesPerSecond) * 1000;
  }
}
