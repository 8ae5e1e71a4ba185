/** Attempts, pauses between them, and when to give up. */
import { checkInteger } from "../core/checks.ts";
import { type ErrorContext, isStorageError, StorageError, type StorageErrorCode } from "../core/errors.ts";
import { type Clock, pause, type Random, systemClock } from "./clock.ts";

/**
 * What all users of one service together may spend on retries: while it is down, calls fail fast instead of making it
 * worse. Each retry takes one token, each success gives a part of one back. Give one budget to several stores.
 *
 * @see gRPC, retry throttling
 */
export class RetryBudget {
  /** Retries that a full budget allows. */
  readonly capacity: number;
  readonly #perSuccess: number;
  #tokens: number;

  /**
   * @param capacity - Retries in a row without a success between them. Default 100.
   * @param perSuccess - What a success gives back. Default 0.1: in the long run one call in ten may be a retry.
   */
  constructor(capacity = 100, perSuccess = 0.1) {
    checkInteger(capacity, "capacity", 0);
    this.capacity = capacity;
    this.#perSuccess = perSuccess;
    this.#tokens = capacity;
  }

  /** Takes a token for one retry; `false` if none is left. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Notes a success. */
  give(): void {
    this.#tokens = Math.min(this.capacity, this.#tokens + this.#perSuccess);
  }
}

/** Options of a {@link Retrier}. */
export interface RetryOptions {
  /** Attempts in all, the first included. Default 5. */
  readonly attempts?: number | undefined;
  /** No attempt begins later than this after the first one. Default 180 000 ms. */
  readonly maxElapsedMs?: number | undefined;
  /** Longest pause before the second attempt; doubles from attempt to attempt. Default 100 ms. */
  readonly baseDelayMs?: number | undefined;
  /** Longest pause between two attempts, unless the service asks for more. Default 15 000 ms. */
  readonly maxDelayMs?: number | undefined;
  /** Shared with others who use the same service. Default: one of its own. */
  readonly budget?: RetryBudget | undefined;
  readonly clock?: Clock | undefined;
  /** Default `Math.random`. */
  readonly random?: Random | undefined;
}

/** How one call is to be retried. */
export interface RetryCall extends ErrorContext {
  readonly signal?: AbortSignal | undefined;
  /**
   * Answers that mean something else once an attempt was made whose outcome is unknown: `ALREADY_EXISTS` may then be
   * our own write. They become `CONFLICT`.
   */
  readonly doubtful?: readonly StorageErrorCode[] | undefined;
}

/** Errors of a request that was refused before anything was done. All others leave open what became of it. */
const refused: readonly StorageErrorCode[] = ["RATE_LIMITED"];

/**
 * Repeats what failed with a `retryable` error, with full jitter: each pause is a random part of a bound that doubles. A
 * longer wait that the service asked for (`retryAfterMs`) is kept to. What is thrown in the end has the code of the last
 * failure and is no longer `retryable`, so that whoever is above does not multiply the attempts.
 *
 * For stores as well, for the parts of an upload, which the layer does not see.
 *
 * @see "Exponential Backoff And Jitter", AWS Architecture Blog
 */
export class Retrier {
  readonly #options: RetryOptions;
  readonly #budget: RetryBudget;
  readonly #clock: Clock;

  constructor(options: RetryOptions = {}) {
    checkInteger(options.attempts ?? 1, "attempts", 1);
    this.#options = options;
    this.#budget = options.budget ?? new RetryBudget();
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Makes a call until it succeeds, fails for good, or has used up its attempts, its time or its budget.
   *
   * @param attempt - Called with its number, from 1.
   */
  async run<T>(call: RetryCall, attempt: (number: number) => Promise<T>): Promise<T> {
    const { attempts = 5, maxElapsedMs = 180_000 } = this.#options;
    const start = this.#clock.now();
    let isInDoubt = false;
    for (let number = 1; ; number++) {
      try {
        const answer = await attempt(number);
        this.#budget.give();
        return answer;
      } catch (error) {
        if (!isStorageError(error)) throw error;
        if (isInDoubt && call.doubtful?.includes(error.code)) throw inDoubt(error, call, number);
        if (!error.retryable) throw error;
        isInDoubt ||= !refused.includes(error.code);
        const delay = this.#delay(number, error);
        const left = maxElapsedMs - (this.#clock.now() - start) - delay;
        if (number >= attempts) throw givenUp(error, number, `all ${attempts} attempts failed`);
        if (left < 0) throw givenUp(error, number, `no attempt begins after ${maxElapsedMs} ms`);
        if (!this.#budget.take()) throw givenUp(error, number, "the retry budget is used up");
        await pause(this.#clock, delay, call.signal, call);
      }
    }
  }

  #delay(number: number, error: StorageError): number {
    const { baseDelayMs = 100, maxDelayMs = 15_000, random = Math.random } = this.#options;
    const bound = Math.min(maxDelayMs, baseDelayMs * 2 ** (number - 1));
    return Math.max(random() * bound, error.retryAfterMs ?? 0);
  }
}

function givenUp(error: StorageError, attempts: number, reason: string): StorageError {
  const { backend, operation, identifier, code } = error;
  const message = `${error.message} (given up after ${attempts}: ${reason})`;
  return new StorageError(code, message, { backend, operation, identifier, cause: error });
}

function inDoubt(error: StorageError, call: RetryCall, number: number): StorageError {
  const { backend, operation, identifier } = call;
  return new StorageError(
    "CONFLICT",
    `${operation} of "${identifier}": attempt ${number} got ${error.code}, and an earlier attempt whose answer was ` +
      "lost may be the reason; read what is there to know",
    { backend, operation, identifier, cause: error },
  );
}
