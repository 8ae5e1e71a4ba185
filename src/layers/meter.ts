/** Counts what passes through. */
import { channel } from "node:diagnostics_channel";
import type { ByteStore } from "../core/byte-store.ts";
import { isStorageError } from "../core/errors.ts";
import { type Clock, systemClock } from "./clock.ts";
import { bytesOut, PartwiseStore } from "./partwise-store.ts";
import type { StoreCall, StoreOperation } from "./wrapped-store.ts";

/** Name of the diagnostics channel on which every meter publishes its {@link MeterEvent}s. */
export const METER_CHANNEL = "sluice:store";

/** One call that has ended. Published on {@link METER_CHANNEL}. */
export interface MeterEvent {
  /** Name of the meter; by default that of the store. */
  readonly store: string;
  readonly operation: StoreOperation;
  /** The key, or the prefix of a listing. */
  readonly key: string;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** Bytes that went down. */
  readonly bytesIn: number;
  /** Bytes that came up. */
  readonly bytesOut: number;
  /** Code of its failure; `UNEXPECTED` for one that is no `StorageError`. */
  readonly error: string | undefined;
}

/** What a meter has counted of one operation. */
export interface OperationCount {
  /** Calls that have ended. */
  readonly count: number;
  /** Those of them that failed. */
  readonly failed: number;
  /** Bytes that went down. */
  readonly bytesIn: number;
  /** Bytes that came up. */
  readonly bytesOut: number;
  /** Time of all calls together, in milliseconds. */
  readonly totalMs: number;
  /** The longest call, in milliseconds. */
  readonly maxMs: number;
  /** Calls by duration: `[i]` has those from 2^(i-1) up to 2^i ms, `[0]` those below 1 ms. */
  readonly histogram: readonly number[];
}

/** Options of a {@link MeterStore}. */
export interface MeterOptions {
  /** Name in events. Default: the name of the store. */
  readonly name?: string | undefined;
  readonly clock?: Clock | undefined;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] extends readonly number[] ? number[] : T[Name] };

/**
 * Counts calls, bytes, failures and latencies, and publishes each call on a diagnostics channel: nothing is formatted
 * and no object is made while nobody listens. Around `retry` it sees what callers see, inside it each attempt.
 *
 * @see unstorage, which traces on `diagnostics_channel` too
 */
export class MeterStore extends PartwiseStore {
  /** Name in events. */
  readonly meterName: string;
  readonly #clock: Clock;
  readonly #channel = channel(METER_CHANNEL);
  readonly #counts = new Map<StoreOperation, Mutable<OperationCount>>();

  constructor(inner: ByteStore, options: MeterOptions = {}) {
    super("meter", inner);
    this.meterName = options.name ?? inner.name;
    this.#clock = options.clock ?? systemClock;
  }

  /** Counts so far, by operation; a copy. */
  counts(): ReadonlyMap<StoreOperation, OperationCount> {
    return new Map(
      [...this.#counts].map(([operation, count]) => [operation, { ...count, histogram: [...count.histogram] }]),
    );
  }

  /** Starts again from nothing. */
  reset(): void {
    this.#counts.clear();
  }

  protected override async around<T>(
    call: StoreCall,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const start = this.#clock.now();
    try {
      const answer = await run(call.signal);
      this.#note(call, start, bytesOut(answer), undefined);
      return answer;
    } catch (error) {
      this.#note(call, start, 0, isStorageError(error) ? error.code : "UNEXPECTED");
      throw error;
    }
  }

  #note({ operation, key, bytesIn }: StoreCall, start: number, out: number, error: string | undefined): void {
    const durationMs = this.#clock.now() - start;
    let count = this.#counts.get(operation);
    if (count === undefined) {
      count = { count: 0, failed: 0, bytesIn: 0, bytesOut: 0, totalMs: 0, maxMs: 0, histogram: [] };
      this.#counts.set(operation, count);
    }
    count.count++;
    if (error !== undefined) count.failed++;
    else count.bytesIn += bytesIn;
    count.bytesOut += out;
    count.totalMs += durationMs;
    count.maxMs = Math.max(count.maxMs, durationMs);
    const place = durationMs < 1 ? 0 : Math.floor(Math.log2(durationMs)) + 1;
    while (count.histogram.length <= place) count.histogram.push(0);
    count.histogram[place] = (count.histogram[place] as number) + 1;
    if (!this.#channel.hasSubscribers) return;
    const event: MeterEvent = { store: this.meterName, operation, key, durationMs, bytesIn, bytesOut: out, error };
    this.#channel.publish(event);
  }
}
