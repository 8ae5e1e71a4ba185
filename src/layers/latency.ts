/** Makes a near store feel far away. */
import type { ByteStore } from "../core/byte-store.ts";
import { type Clock, pause, type Random, seededRandom, systemClock } from "./clock.ts";
import { bytesOut, PartwiseStore } from "./partwise-store.ts";
import type { StoreCall } from "./wrapped-store.ts";

/** Options of a {@link LatencyStore}. */
export interface LatencyOptions {
  /** Delay of every call, every chunk and every step of a listing. Default 0 ms. */
  readonly delayMs?: number | undefined;
  /** A random part of this comes on top. Default 0 ms. */
  readonly jitterMs?: number | undefined;
  /** Bytes that one call moves in a second; calls do not slow each other down. Default: no limit. */
  readonly bytesPerSecond?: number | undefined;
  /** Of the random parts. Default 1. */
  readonly seed?: number | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Delays what passes through, for tests and for trying a pipeline at the pace of a network. Nothing else changes.
 *
 * @see zarr-python, `LatencyStore`; object_store, `ThrottledStore`
 */
export class LatencyStore extends PartwiseStore {
  readonly #options: LatencyOptions;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(inner: ByteStore, options: LatencyOptions = {}) {
    super("latency", inner);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = seededRandom(options.seed ?? 1);
  }

  protected override async around<T>(
    call: StoreCall,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const { delayMs = 0, jitterMs = 0 } = this.#options;
    const context = { backend: this.name, operation: call.operation, identifier: call.key };
    const before = delayMs + this.#random() * jitterMs + this.#transferMs(call.bytesIn);
    await pause(this.#clock, before, call.signal, context);
    const answer = await run(call.signal);
    // No signal: a read that has happened may be called off, a chunk that has left its stream would be lost.
    await pause(this.#clock, this.#transferMs(bytesOut(answer)), undefined, context);
    return answer;
  }

  #transferMs(byteLength: number): number {
    const { bytesPerSecond } = this.#options;
    return bytesPerSecond === undefined ? 0 : (byteLength / bytesPerSecond) * 1000;
  }
}
