/** Which calls go wrong, and how. */
import { StorageError, type StorageErrorCode, storageErrorCodes } from "../core/errors.ts";
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

/** The kinds at run time; faults come from configurations, too. */
const faultKinds: Readonly<Record<FaultKind, true>> = {
  refuse: true,
  lose: true,
  hang: true,
  corrupt: true,
  truncate: true,
};

/** All that a fault can be about. */
const operations: Readonly<Record<StoreOperation, true>> = {
  stat: true,
  read: true,
  readRanges: true,
  readStream: true,
  write: true,
  openWriter: true,
  list: true,
  delete: true,
  deleteMany: true,
  copy: true,
  rename: true,
  createDirectory: true,
  removeDirectory: true,
  renameDirectory: true,
  symlink: true,
  readLink: true,
  realKey: true,
  streamChunk: true,
  writeChunk: true,
  closeWriter: true,
};

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
    const mistake = faultMistake(faults);
    if (mistake !== undefined) throw new StorageError("INVALID_DATA", `The faults must be ${mistake}`);
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

/** What a list of faults should be, where it is none; `undefined` if it is one. A fault that never hits tests nothing. */
export function faultMistake(faults: unknown): string | undefined {
  if (!Array.isArray(faults)) return "a list of faults";
  for (const [index, fault] of faults.entries()) {
    if (typeof fault !== "object" || fault === null) return `a list of faults, and [${index}] is none`;
    for (const [name, value] of Object.entries(fault)) {
      const check = Object.hasOwn(fieldChecks, name) ? fieldChecks[name as keyof Fault] : undefined;
      if (check === undefined) return `a list of faults, and [${index}] has an unknown option "${name}"`;
      if (value !== undefined && !check(value)) return `a list of faults, and [${index}].${name} is wrong`;
    }
  }
  return undefined;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isOperation = (value: unknown) => typeof value === "string" && Object.hasOwn(operations, value);

const fieldChecks: Readonly<Record<keyof Fault, (value: unknown) => boolean>> = {
  kind: (value) => typeof value === "string" && Object.hasOwn(faultKinds, value),
  on: (value) => isOperation(value) || (Array.isArray(value) && value.every(isOperation)),
  key: (value) => typeof value === "string",
  after: isCount,
  times: isCount,
  probability: (value) => typeof value === "number" && value >= 0 && value <= 1,
  code: (value) => typeof value === "string" && Object.hasOwn(storageErrorCodes, value),
  retryable: (value) => typeof value === "boolean",
  retryAfterMs: (value) => typeof value === "number" && value >= 0,
};

function isAbout({ on, key = "" }: Fault, call: StoreCall): boolean {
  if (!call.key.startsWith(key)) return false;
  return on === undefined || (typeof on === "string" ? on === call.operation : on.includes(call.operation));
}
