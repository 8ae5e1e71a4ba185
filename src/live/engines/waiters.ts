/** Those who wait in this process, by what they wait for. */
import { checkAborted } from "../../core/checks.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type ErrorContext, StorageError } from "../../core/errors.ts";
import { checkTimeout } from "../deadline.ts";
import type { WaitOptions } from "../engine.ts";

/** Waits without polling: whoever changes something wakes those who wait for it. */
export class Waiters {
  readonly #clock: Clock;
  readonly #byTopic = new Map<string, Set<() => void>>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** How many wait, each counted once for each topic: 0 when nobody does. */
  get size(): number {
    return [...this.#byTopic.values()].reduce((sum, waiting) => sum + waiting.size, 0);
  }

  /** Lets all who wait for one of these look again. */
  wake(...topics: readonly string[]): void {
    // A copy: those who find what they want leave the set.
    for (const topic of topics) for (const look of [...(this.#byTopic.get(topic) ?? [])]) look();
  }

  /** Lets everybody look again. */
  wakeAll(): void {
    this.wake(...this.#byTopic.keys());
  }

  /**
   * Looks now, and whenever one of the topics is woken, until there is something.
   *
   * @param look - Answers `undefined` while there is nothing; what it throws rejects the wait.
   * @returns `undefined` when the time is over.
   * @throws A {@link StorageError} `ABORTED`.
   */
  async until<T>(
    topics: Iterable<string>,
    look: () => T | undefined,
    options: WaitOptions,
    context: ErrorContext,
  ): Promise<T | undefined> {
    checkTimeout(options.timeoutMs);
    checkAborted(options.signal, context);
    const found = look();
    if (found !== undefined || options.timeoutMs === 0) return found;
    return await this.#wait([...topics], look, options, context);
  }

  #wait<T>(
    topics: readonly string[],
    look: () => T | undefined,
    { timeoutMs, signal }: WaitOptions,
    context: ErrorContext,
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        cancel?.();
        signal?.removeEventListener("abort", onAbort);
        for (const topic of topics) {
          const waiting = this.#byTopic.get(topic);
          waiting?.delete(onWake);
          if (waiting?.size === 0) this.#byTopic.delete(topic);
        }
      };
      const onWake = () => {
        try {
          const found = look();
          if (found === undefined) return;
          leave();
          resolve(found);
        } catch (error) {
          leave();
          reject(error);
        }
      };
      const onAbort = () => {
        leave();
        const message = `${context.operation ?? "Waiting"} was aborted`;
        reject(new StorageError("ABORTED", message, { ...context, cause: signal?.reason }));
      };
      const onTimeout = () => {
        leave();
        resolve(undefined);
      };
      for (const topic of topics) this.#join(topic, onWake);
      const cancel = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, onTimeout);
      signal?.addEventListener("abort", onAbort);
    });
  }

  #join(topic: string, look: () => void): void {
    const waiting = this.#byTopic.get(topic);
    if (waiting === undefined) this.#byTopic.set(topic, new Set([look]));
    else waiting.add(look);
  }
}
