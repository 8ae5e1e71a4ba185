/** The results of a batch, in the order in which they were asked for. */
import { type StorageError, throwFailures } from "../../src/core/errors.ts";

/** Collects results and failures by their place. */
export class Batch {
  readonly results: unknown[];
  readonly #failures: { readonly index: number; readonly error: StorageError }[] = [];
  readonly #collects: boolean;

  /** @param collects - Failures become results, instead of being thrown at the end. */
  constructor(length: number, collects: boolean) {
    this.results = new Array(length);
    this.#collects = collects;
  }

  fail(index: number, error: StorageError): void {
    this.#failures.push({ index, error });
    if (this.#collects) this.results[index] = error;
  }

  /**
   * The results.
   *
   * @throws One failure as it is, several as one `AggregateError` in the order of the batch.
   */
  finish(): unknown[] {
    if (this.#collects || this.#failures.length === 0) return this.results;
    const errors = this.#failures.sort((a, b) => a.index - b.index).map(({ error }) => error);
    throwFailures(errors, `${errors.length} of ${this.results.length} items failed`);
    return this.results;
  }
}
