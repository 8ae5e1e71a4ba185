/** Runs a kit without a test runner and counts what happens. */
import type { Runner } from "./kit.ts";

/** What became of one test. */
export interface CollectedResult {
  /** Names of the groups it is in, and its own, joined by ` › `. */
  readonly name: string;
  /** Why it failed; `undefined` if it passed. */
  readonly error?: unknown;
}

/** Options of {@link CollectingRunner.run}. */
export interface CollectOptions {
  /** A test that takes longer has failed: a mutant may hang. Default 10 000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Runs only tests whose name this accepts. Default: all. */
  readonly filter?: ((name: string) => boolean) | undefined;
  /** Stops after the first failure: enough to know that a mutant is dead. Default `false`. */
  readonly stopAtFailure?: boolean | undefined;
}

/**
 * A runner that collects tests as they are declared and runs them, one after another, when told to.
 *
 * @example
 * ```ts
 * const runner = new CollectingRunner();
 * byteStoreConformance(runner, setup);
 * const failed = (await runner.run()).filter((result) => result.error !== undefined);
 * ```
 */
export class CollectingRunner implements Runner {
  readonly #tests: { readonly name: string; readonly body: () => Promise<void> }[] = [];
  readonly #groups: string[] = [];

  describe(name: string, body: () => void): void {
    this.#groups.push(name);
    try {
      body();
    } finally {
      this.#groups.pop();
    }
  }

  test(name: string, body: () => Promise<void>): void {
    this.#tests.push({ name: [...this.#groups, name].join(" › "), body });
  }

  /** Runs what was collected, in order. Never rejects because of a failing test. */
  async run(options: CollectOptions = {}): Promise<CollectedResult[]> {
    const { timeoutMs = 10_000, filter = () => true, stopAtFailure = false } = options;
    const results: CollectedResult[] = [];
    for (const { name, body } of this.#tests) {
      if (!filter(name)) continue;
      const error = await failureOf(body, timeoutMs);
      results.push(error === undefined ? { name } : { name, error });
      if (error !== undefined && stopAtFailure) break;
    }
    return results;
  }
}

async function failureOf(body: () => Promise<void>, timeoutMs: number): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([body(), late]);
    return undefined;
  } catch (error) {
    return error ?? new Error("Failed with undefined");
  } finally {
    clearTimeout(timer);
  }
}
