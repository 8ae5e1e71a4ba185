/**
 * Strategies for file names, without extension.
 *
 * @see sunflare storage guide, "Path providers"; ophyd-async `_providers.py`
 */
import { checkInteger } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";
import { CallableFilenameProvider } from "./callable.ts";

/** Always the same name. */
export class StaticFilenameProvider extends CallableFilenameProvider {
  readonly filename: string;

  constructor(filename: string) {
    super();
    this.filename = filename;
  }

  /** What a call answers. */
  protected provide(): string {
    return this.filename;
  }
}

/** A new random UUID (version 4) with each call. */
export class UUIDFilenameProvider extends CallableFilenameProvider {
  /** What a call answers. */
  protected provide(): string {
    return crypto.randomUUID();
  }
}

/** Options of {@link AutoIncrementFilenameProvider}. */
export interface AutoIncrementOptions {
  /** Comes before the number. Default `""`: the number alone. */
  readonly base?: string | undefined;
  /** Digits of the number, filled up with zeros. Default 5. */
  readonly maxDigits?: number | undefined;
  /** First number. Default 0. */
  readonly start?: number | undefined;
  /** Added after each call. Default 1. */
  readonly step?: number | undefined;
  /** Between base and number. Default `_`. */
  readonly delimiter?: string | undefined;
}

/** A number that grows with each call: `scan_00000`, `scan_00001`. Counts in memory; see `SessionPathProvider` for disk. */
export class AutoIncrementFilenameProvider extends CallableFilenameProvider {
  readonly #base: string;
  readonly #maxDigits: number;
  readonly #step: number;
  readonly #delimiter: string;
  #next: number;

  constructor(options: AutoIncrementOptions = {}) {
    super();
    const { base = "", maxDigits = 5, start = 0, step = 1, delimiter = "_" } = options;
    checkInteger(maxDigits, "maxDigits", 1);
    checkInteger(start, "start", 0);
    checkInteger(step, "step", 1);
    this.#base = base;
    this.#maxDigits = maxDigits;
    this.#step = step;
    this.#delimiter = delimiter;
    this.#next = start;
  }

  /**
   * What a call answers.
   *
   * @throws A {@link StorageError} `CAPACITY_EXCEEDED` when the number has more digits than allowed.
   */
  protected provide(): string {
    const digits = paddedNumber(this.#next, this.#maxDigits);
    this.#next += this.#step;
    return this.#base === "" ? digits : this.#base + this.#delimiter + digits;
  }
}

/**
 * A number filled up with zeros.
 *
 * @throws A {@link StorageError} `CAPACITY_EXCEEDED` if it has more digits.
 */
export function paddedNumber(value: number, maxDigits: number): string {
  const digits = String(value).padStart(maxDigits, "0");
  if (digits.length <= maxDigits) return digits;
  throw new StorageError("CAPACITY_EXCEEDED", `Counter ${value} exceeded its maximum of ${maxDigits} digits`);
}
