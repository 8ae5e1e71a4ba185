/** Which calls go wrong, and how. */
import { checkInteger } from "../core/checks.ts";
import { StorageError, type StorageErrorCode } from "../core/errors.ts";
import { type Random, seededRandom } from "./clock.ts";
import type { StoreCall, StoreOperation } from "./wrapped-store.ts";

/** What a fault does. */
export type FaultKind =
  /** Fails before anything is done. */
  | "refuse"
  /** Fails after it was done: the answer is lost. */
  | "lose"
  /** Never answers, until the signal fires. */
  | "hang"
  /** Changes one bit of the bytes that come up. */
  | "corrupt"
  /** Leaves out the second half of the bytes that come up. */
  | "truncate";

/** One fault. Without `after`, `times` and `probability` it hits every call that it is about. Plain data. */
export interface Fault {
  /** Default `"refuse"`. */
  readonly kind?: FaultKind | undefined;
  /** Operations that it is about. Default: all. */
  readonly on?: StoreOperation | readonly StoreOperation[] | undefined;
  /** Only keys that begin so. Default: all. */
  readonly key?: string | undefined;
  /** Lets so many calls pass first. Default 0. */
  readonly after?: number | undefined;
  /** Hits so many calls and then no more. Default: no limit. */
  readonly times?: number | undefined;
  /** Chance of each call to be hit, from 0 to 1. Default 1. */
  readonly probability?: number | undefined;
  /** Code of the error. Default `UNEXPECTED`. */
  readonly code?: StorageErrorCode | undefined;
  /** Default `true`. */
  readonly retryable?: boolean | undefined;
  /** As in `StorageError`. */
  readonly retryAfterMs?: number | undefined;
}

/** A fault that hit, for tests to look at. */
export interface FaultHit {
  readonly kind: FaultKind;
  readonly operation: StoreOperation;
  readonly key: string;
}

/**
 * Faults in the order in which they are asked: the first that applies to a call hits it. The same seed and the same
 * calls give the same faults.
 *
 * @see flystorage, `TriggeredErrors`, for `after` and `times`
 */
export class FaultScript {
  /** Every fault that hit, in order. */
  readonly hits: FaultHit[] = [];
  readonly #faults: { readonly fault: Fault; passed: number; hit: number }[];
  readonly #random: Random;

  /** @param seed - Of the faults with a probability. Default 1. */
  constructor(faults: readonly Fault[], seed = 1) {
    for (const { after = 0, times = 0, probability = 1 } of faults) {
      checkInteger(after, "after", 0);
      checkInteger(times, "times", 0);
      if (probability >= 0 && probability <= 1) continue;
      throw new StorageError("INVALID_DATA", `probability must be from 0 to 1, got ${String(probability)}`);
    }
    this.#faults = faults.map((fault) => ({ fault, passed: 0, hit: 0 }));
    this.#random = seededRandom(seed);
  }

  /** The fault of this call, if one hits it. */
  next(call: StoreCall): Fault | undefined {
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (!isAbout(fault, call)) continue;
      if (entry.passed < (fault.after ?? 0)) {
        entry.passed++;
        continue;
      }
      if (entry.hit >= (fault.times ?? Number.POSITIVE_INFINITY)) continue;
      if (fault.probability !== undefined && this.#random() >= fault.probability) continue;
      entry.hit++;
      this.hits.push({ kind: fault.kind ?? "refuse", operation: call.operation, key: call.key });
      return fault;
    }
    return undefined;
  }
}

function isAbout({ on, key = "" }: Fault, call: StoreCall): boolean {
  if (!call.key.startsWith(key)) return false;
  return on === undefined || (typeof on === "string" ? on === call.operation : on.includes(call.operation));
}
