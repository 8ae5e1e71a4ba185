/** Gives every attempt a time limit. */
import type { ByteStore, ByteWriter } from "../core/byte-store.ts";
import { checkInteger } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";
import { type Clock, systemClock } from "./clock.ts";
import { PartwiseStore } from "./partwise-store.ts";
import type { StoreCall } from "./wrapped-store.ts";

/** Options of a {@link TimeoutStore}. */
export interface TimeoutOptions {
  /** What one call, one chunk of a stream or of a writer, or one step of a listing may take. Default 30 000 ms. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Rejects with `TIMED_OUT`, which is retryable, when an attempt takes too long, and aborts it. The caller is answered in
 * time also by a store that does not listen to its signal; what such a store hands over later is thrown away.
 *
 * A write that timed out may have happened: that is what a lost answer means.
 */
export class TimeoutStore extends PartwiseStore {
  readonly #timeoutMs: number;
  readonly #clock: Clock;

  constructor(inner: ByteStore, options: TimeoutOptions = {}) {
    super("timeout", inner);
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#clock = options.clock ?? systemClock;
    checkInteger(this.#timeoutMs, "timeoutMs", 1, { backend: this.name });
  }

  protected override async around<T>(
    call: StoreCall,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const { operation, key, signal } = call;
    const controller = new AbortController();
    // Streams and writers keep the signal that they were opened with, and may outlive many others of one caller: nothing
    // of them may stay behind on the caller's signal. Other calls are freed here, which costs less.
    const isKept = operation === "readStream" || operation === "openWriter";
    const follow = () => controller.abort(signal?.reason);
    if (signal?.aborted) follow();
    else if (!isKept) signal?.addEventListener("abort", follow, { once: true });
    const given = isKept && signal !== undefined ? AbortSignal.any([controller.signal, signal]) : controller.signal;
    let isLate = false;
    let cancel = () => {};
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.after(this.#timeoutMs, () => {
        isLate = true;
        const message = `${operation} of "${key}" in "${this.name}" took longer than ${this.#timeoutMs} ms`;
        const context = { backend: this.name, operation, identifier: key };
        const error = new StorageError("TIMED_OUT", message, { ...context, retryable: true });
        reject(error);
        controller.abort(error);
      });
    });
    const attempt = run(given);
    attempt.then(
      (answer) => (isLate ? discard(answer) : undefined),
      () => {},
    );
    try {
      return await Promise.race([attempt, late]);
    } finally {
      cancel();
      signal?.removeEventListener("abort", follow);
    }
  }
}

/** Frees what nobody waits for any more. */
function discard(answer: unknown): void {
  if (typeof answer !== "object" || answer === null) return;
  const ignore = () => {};
  // What an earlier writer left is worth more than the one that went on with it too late.
  if ("suspend" in answer) (answer as Required<Pick<ByteWriter, "suspend">>).suspend().catch(ignore);
  else if ("abort" in answer) (answer as { abort(): Promise<void> }).abort().catch(ignore);
  else if (answer instanceof ReadableStream) answer.cancel().catch(ignore);
}
