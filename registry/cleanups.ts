/** What is to be done when something closes. */
import { throwFailures } from "../src/core/errors.ts";

/** Callbacks, each once, that all run although some fail. */
export class Cleanups {
  readonly #callbacks = new Set<() => unknown>();
  readonly #done = new Set<() => unknown>();

  /** Returns the function that takes it back. One that has run does not run again: closing comes to an end. */
  add(callback: () => unknown): () => void {
    if (!this.#done.has(callback)) this.#callbacks.add(callback);
    return () => {
      this.#callbacks.delete(callback);
    };
  }

  /**
   * Runs all, the last first, also those that are added meanwhile; then closes.
   *
   * @throws What one of them threw, or closing; one `AggregateError` for several, whatever closing threw being part of it.
   */
  async thenClose(close: () => Promise<void>): Promise<void> {
    const failures: unknown[] = [];
    for (let next = [...this.#callbacks].pop(); next !== undefined; next = [...this.#callbacks].pop()) {
      this.#callbacks.delete(next);
      this.#done.add(next);
      try {
        await next();
      } catch (error) {
        failures.push(error);
      }
    }
    try {
      await close();
    } catch (error) {
      if (failures.length === 0) throw error;
      failures.push(...(error instanceof AggregateError ? (error.errors as unknown[]) : [error]));
    }
    throwFailures(failures, "Closing backends failed");
  }
}
