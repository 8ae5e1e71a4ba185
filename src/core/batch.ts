/**
 * Runs many operations with a limit, keeping order and reporting every failure.
 */
import { checkAborted, checkInteger } from "./checks.ts";
import { type StorageError, throwFailures, toStorageError } from "./errors.ts";

/** Options of batches. */
export interface BatchOptions {
  /** How many items may be under way at once. Default 8. */
  readonly concurrency?: number | undefined;
  /**
   * `"throw"`: every item is tried, then one failure is thrown as it is and several as one `AggregateError`. An abort is
   * one failure, however many items it met.
   * `"collect"`: nothing is thrown; each failed item has its {@link StorageError} in the result. Default `"throw"`.
   */
  readonly onError?: "throw" | "collect" | undefined;
  /** Stops before the next item; items under way get it too. */
  readonly signal?: AbortSignal | undefined;
}

/** Items under way at once when a batch names no number. */
export const DEFAULT_CONCURRENCY = 8;

/**
 * Maps items concurrently.
 *
 * @param items - Results keep this order.
 * @param run - Called at most once for each item.
 * @param collect - Turns a failure into a result; only with `onError: "collect"`.
 */
export async function mapBatch<T, R>(
  items: readonly T[],
  run: (item: T, index: number) => Promise<R>,
  options: BatchOptions,
  collect: (error: StorageError, item: T, index: number) => R,
): Promise<R[]> {
  const { concurrency = DEFAULT_CONCURRENCY, onError = "throw", signal } = options;
  checkInteger(concurrency, "concurrency", 1);
  const results = new Array<R>(items.length);
  const failures: { index: number; error: StorageError }[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      try {
        checkAborted(signal, { operation: "batch" });
        results[index] = await run(items[index] as T, index);
      } catch (cause) {
        const error = toStorageError(cause, {});
        failures.push({ index, error });
        if (onError === "collect") results[index] = collect(error, items[index] as T, index);
        else if (error.code === "ABORTED") next = items.length;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (onError === "throw") {
    failures.sort((a, b) => a.index - b.index);
    const errors = failures.map((failure) => failure.error);
    const first = errors.findIndex((error) => error.code === "ABORTED");
    const distinct = signal?.aborted
      ? errors.filter((error, index) => error.code !== "ABORTED" || index === first)
      : errors;
    throwFailures(distinct, `${distinct.length} of ${items.length} items failed`);
  }
  return results;
}
