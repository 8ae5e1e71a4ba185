/** Ctrl-C and termination as an AbortSignal. */
import { StorageError } from "../core/errors.ts";
import { exitCodes } from "./exit-codes.ts";

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Turns the first signal into an abort, so that stores are closed properly, and leaves at once at the second.
 *
 * @see POSIX shells, which report 128 + 2 for a program that ended by SIGINT
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #say: (line: string) => void;

  /** @param say - Tells the person what is happening. */
  constructor(say: (line: string) => void) {
    this.#say = say;
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  /** Fires at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#controller.signal.aborted) process.exit(exitCodes.interrupted);
    this.#say("Interrupted: finishing what is under way. Once more leaves at once.");
    this.#controller.abort(new StorageError("ABORTED", "Interrupted"));
  };
}
