/** One piece of work for all who ask for the same thing at the same time. */
import { checkAborted } from "./checks.ts";
import type { ErrorContext } from "./errors.ts";

interface Flight<T> {
  readonly work: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/** Shares work under way by name. A caller may leave; the work is aborted only when all have left. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** @param start - Begins the work if nobody has; gets a signal that fires when nobody waits any more. */
  async run(
    name: string,
    signal: AbortSignal | undefined,
    context: ErrorContext,
    start: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    checkAborted(signal, context);
    const flight = this.#flights.get(name) ?? this.#begin(name, start);
    flight.waiting++;
    let leave = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
      signal?.addEventListener("abort", leave, { once: true });
    });
    try {
      const answer = await Promise.race([flight.work, left]);
      checkAborted(signal, context);
      return answer as T;
    } finally {
      signal?.removeEventListener("abort", leave);
      if (--flight.waiting === 0 && this.#flights.get(name) === flight) {
        // Whoever comes now begins anew: this work is being given up, or is over.
        this.#flights.delete(name);
        flight.controller.abort();
      }
    }
  }

  #begin(name: string, start: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const work = start(controller.signal);
    const flight = { work, controller, waiting: 0 };
    this.#flights.set(name, flight);
    const over = () => {
      if (this.#flights.get(name) === flight) this.#flights.delete(name);
    };
    work.then(over, over);
    return flight;
  }
}
