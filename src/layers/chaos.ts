/** Makes things go wrong on purpose. */
import type { ByteStore } from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";
import { type Fault, type FaultHit, FaultScript } from "./fault-script.ts";
import { PartwiseStore } from "./partwise-store.ts";
import type { StoreCall } from "./wrapped-store.ts";

/** Options of a {@link ChaosStore}. */
export interface ChaosOptions {
  /** Asked in order; the first that applies to a call hits it. */
  readonly faults: readonly Fault[];
  /** Of the faults with a probability. Default 1. */
  readonly seed?: number | undefined;
}

/**
 * Refuses, loses answers, hangs, damages and cuts off by a script, for testing what stands above: our own layers, and
 * the pipelines of users. The store below stays as it is; only what passes here is hit.
 *
 * @example
 * ```ts
 * const flaky = new ChaosStore(store, { faults: [{ on: "read", after: 2, times: 1, code: "RATE_LIMITED" }] });
 * ```
 */
export class ChaosStore extends PartwiseStore {
  readonly #script: FaultScript;

  constructor(inner: ByteStore, options: ChaosOptions) {
    super("chaos", inner);
    this.#script = new FaultScript(options.faults, options.seed);
  }

  /** Every fault that hit so far, in order. */
  get hits(): readonly FaultHit[] {
    return this.#script.hits;
  }

  protected override async around<T>(
    call: StoreCall,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const fault = this.#script.next(call);
    if (fault === undefined) return run(call.signal);
    switch (fault.kind ?? "refuse") {
      case "refuse":
        throw this.#error(fault, call, "was refused");
      case "lose":
        await release(await run(call.signal));
        throw this.#error(fault, call, "was done, and its answer lost");
      case "hang":
        await fired(call.signal);
        checkAborted(call.signal, { backend: this.name, operation: call.operation, identifier: call.key });
        throw this.#error(fault, call, "hung");
      case "corrupt":
        return damaged(await run(call.signal), flipped);
      case "truncate":
        return damaged(await run(call.signal), (bytes) => bytes.subarray(0, bytes.byteLength >> 1));
    }
  }

  #error({ code = "UNEXPECTED", retryable = true, retryAfterMs }: Fault, call: StoreCall, what: string): StorageError {
    const { operation, key } = call;
    const context = { backend: this.name, operation, identifier: key };
    return new StorageError(code, `${operation} of "${key}" ${what}, as the script says`, {
      ...context,
      retryable,
      retryAfterMs,
    });
  }
}

/** Waits for a signal; without one, for ever. */
function fired(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    else signal?.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The same answer with its bytes changed; one without bytes as it is. Memory of an answer belongs to us here. */
function damaged<T>(answer: T, damage: (bytes: Uint8Array) => Uint8Array): T {
  if (answer instanceof Uint8Array) return damage(answer) as T;
  if (Array.isArray(answer)) return answer.map((item) => damaged(item, damage)) as T;
  const chunk = answer as { done?: boolean; value?: unknown } | undefined;
  return chunk?.value instanceof Uint8Array ? ({ ...chunk, value: damage(chunk.value) } as T) : answer;
}

function flipped(bytes: Uint8Array): Uint8Array {
  const middle = bytes.byteLength >> 1;
  if (bytes.byteLength > 0) bytes[middle] = (bytes[middle] as number) ^ 0x10;
  return bytes;
}

/** An answer that nobody will get must not stay open. */
async function release(answer: unknown): Promise<void> {
  if (answer instanceof ReadableStream) await answer.cancel();
  else if (typeof answer === "object" && answer !== null && "abort" in answer) {
    await (answer as { abort(): Promise<void> }).abort();
  }
}
