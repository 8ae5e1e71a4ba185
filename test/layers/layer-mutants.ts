/** Layers with planted bugs, each made of the real one by changing one thing, and the law that finds it. */
import { createHash } from "node:crypto";
import type { ByteStore, ListOptions, ReadOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { type CacheOptions, CacheStore } from "../../src/layers/cache.ts";
import { systemClock } from "../../src/layers/clock.ts";
import { LimitStore } from "../../src/layers/limit.ts";
import { PermitPool, type PermitPoolOptions } from "../../src/layers/permit-pool.ts";
import { RetryBudget, type RetryOptions } from "../../src/layers/retrier.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { TimeoutStore } from "../../src/layers/timeout.ts";
import type { StoreCall } from "../../src/layers/wrapped-store.ts";
import { override } from "../../src/testing/mutants.ts";
import type { LayerMutant } from "./layer-mutant.ts";
import { viewMutants } from "./view-mutants.ts";

type Run<T> = (signal: AbortSignal | undefined) => Promise<T>;

/** The errors of reads of a store, changed. */
function withErrors(store: ByteStore, change: (error: StorageError) => StorageError): ByteStore {
  const read: ByteStore["read"] = (key, options) =>
    store.read(key, options).catch((error: unknown) => Promise.reject(change(error as StorageError)));
  return override(store, { read });
}

const changed = (error: StorageError, changes: { readonly retryable?: boolean; readonly retryAfterMs?: undefined }) =>
  new StorageError(error.code, error.message, { retryable: error.retryable, ...changes });

const retry: readonly LayerMutant[] = [
  {
    name: "retry repeats what is not retryable",
    killedBy: "retry repeats what may succeed, and nothing else",
    layers: {
      RetryStore: class extends RetryStore {
        constructor(inner: ByteStore, options: RetryOptions = {}) {
          super(
            withErrors(inner, (error) => changed(error, { retryable: true })),
            options,
          );
        }
      },
    },
  },
  {
    name: "retry repeats conditional writes without a doubt",
    killedBy: "retry never says of its own write that it was somebody else's",
    layers: {
      RetryStore: class extends RetryStore {
        protected override around<T>(call: StoreCall, run: Run<T>): Promise<T> {
          return super.around({ ...call, operation: "read" }, run);
        }
      },
    },
  },
  {
    name: "retry begins a stream anew",
    killedBy: "retry goes on with a stream where it broke off",
    layers: {
      RetryStore: class extends RetryStore {
        override async readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
          let reader = (await this.inner.readStream(key, options)).getReader();
          return new ReadableStream<Uint8Array>({
            pull: async (controller) => {
              const next = await reader.read().catch(async () => {
                reader = (await this.inner.readStream(key, options)).getReader();
                return reader.read();
              });
              if (next.done) controller.close();
              else controller.enqueue(next.value);
            },
          });
        }
      },
    },
  },
  {
    name: "retry begins a listing anew",
    killedBy: "retry goes on with a listing where it broke off",
    layers: {
      RetryStore: class extends RetryStore {
        override async *list(options: ListOptions = {}) {
          try {
            yield* this.inner.list(options);
          } catch {
            yield* this.inner.list(options);
          }
        }
      },
    },
  },
  {
    name: "retry has no budget",
    killedBy: "retry stops when the budget is used up",
    layers: {
      RetryStore: class extends RetryStore {
        constructor(inner: ByteStore, options: RetryOptions = {}) {
          super(inner, { ...options, budget: new RetryBudget(1e6) });
        }
      },
    },
  },
  {
    name: "retry does not look at Retry-After",
    killedBy: "retry waits as long as the service asks",
    layers: {
      RetryStore: class extends RetryStore {
        constructor(inner: ByteStore, options: RetryOptions = {}) {
          super(
            withErrors(inner, (error) => changed(error, { retryAfterMs: undefined })),
            options,
          );
        }
      },
    },
  },
  {
    name: "what retry has given up may be retried",
    killedBy: "retry gives its attempts to one call only",
    layers: {
      RetryStore: class extends RetryStore {
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          return super
            .read(key, options)
            .catch((error: StorageError) => Promise.reject(changed(error, { retryable: true })));
        }
      },
    },
  },
  {
    name: "retry deletes all again when one failed",
    killedBy: "retry deletes again what failed, and no other key",
    layers: {
      RetryStore: class extends RetryStore {
        override async deleteMany(keys: readonly string[]) {
          const results = await this.inner.deleteMany(keys);
          if (results.every(({ error }) => error === undefined)) return results;
          for (const key of keys) await this.inner.delete(key);
          return keys.map((key) => ({ key }));
        }
      },
    },
  },
];

const limits: readonly LayerMutant[] = [
  {
    name: "timeout leaves the attempt running, to a late success",
    killedBy: "timeout answers in time, and calls the attempt off",
    layers: {
      TimeoutStore: class extends TimeoutStore {
        protected override around<T>(call: StoreCall, run: Run<T>): Promise<T> {
          return super.around(call, () => run(call.signal));
        }
      },
    },
  },
  {
    name: "timeout leaves its timers",
    killedBy: "timeout frees its timer",
    layers: {
      TimeoutStore: class extends TimeoutStore {
        constructor(inner: ByteStore, options: ConstructorParameters<typeof TimeoutStore>[1] = {}) {
          const { clock = systemClock } = options;
          const after = (delayMs: number, run: () => void) => {
            clock.after(delayMs, run);
            return () => {};
          };
          super(inner, { ...options, clock: { now: () => clock.now(), after } });
        }
      },
    },
  },
  {
    name: "limit loses a permit when a call fails",
    killedBy: "a permit comes back from every call, also from one that fails or is called off",
    layers: {
      LimitStore: class extends LimitStore {
        protected override async around<T>(call: StoreCall, run: Run<T>): Promise<T> {
          try {
            return await super.around(call, run);
          } catch (error) {
            const forever = { signal: undefined, bytesIn: 0, context: {} };
            this.pool.run(
              forever,
              () => new Promise(() => {}),
              () => 0,
            );
            throw error;
          }
        }
      },
    },
  },
  {
    name: "each call has a limit of its own",
    killedBy: "a limit is kept",
    layers: {
      LimitStore: class extends LimitStore {
        readonly #options: PermitPoolOptions;
        constructor(inner: ByteStore, options: PermitPool | PermitPoolOptions) {
          super(inner, options);
          this.#options = options;
        }
        protected override around<T>(call: StoreCall, run: Run<T>): Promise<T> {
          const pool = new PermitPool(this.#options);
          return pool.run(
            { ...call, context: {} },
            () => run(call.signal),
            () => 0,
          );
        }
      },
    },
  },
];

/** A medium whose entries are always taken for whole. */
function believed(medium: ByteStore): ByteStore {
  return override(medium, {
    read: async (key, options) => {
      const entry = await medium.read(key, options);
      const mark = new TextEncoder().encode("sluice-cache-v1\n");
      const value = entry.subarray(mark.length + 32);
      const digest = createHash("sha256").update(value).digest();
      return new Uint8Array([...mark, ...digest, ...value]);
    },
  });
}

const caches: readonly LayerMutant[] = [
  {
    name: "the cache gives an old version",
    killedBy: "a cache never gives an old version",
    layers: {
      CacheStore: class extends CacheStore {
        constructor(inner: ByteStore, options: CacheOptions) {
          super(inner, { ...options, bind: "content" });
        }
      },
    },
  },
  {
    name: "the cache gives a value that is gone",
    killedBy: "a cache never gives an old version",
    layers: {
      CacheStore: class extends CacheStore {
        readonly #last = new Map<string, Uint8Array>();
        override async read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          try {
            const value = await super.read(key, options);
            this.#last.set(key, value);
            return value;
          } catch (error) {
            const last = this.#last.get(key);
            if (last === undefined) throw error;
            return last;
          }
        }
      },
    },
  },
  {
    name: "the cache does not look at what its medium gives back",
    killedBy: "a cache never gives a part, or bytes that were damaged in it",
    layers: {
      CacheStore: class extends CacheStore {
        constructor(inner: ByteStore, options: CacheOptions) {
          super(inner, { ...options, medium: believed(options.medium) });
        }
      },
    },
  },
  {
    name: "the cache keeps a range as the value",
    killedBy: "a cache never gives a part, or bytes that were damaged in it",
    layers: {
      CacheStore: class extends CacheStore {
        readonly #parts = new Map<string, Uint8Array>();
        override async read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
          const part = this.#parts.get(key) ?? (await super.read(key, options));
          this.#parts.set(key, part);
          return part;
        }
      },
    },
  },
  {
    name: "the cache has no bound",
    killedBy: "a cache keeps to its bound",
    layers: {
      CacheStore: class extends CacheStore {
        constructor(inner: ByteStore, options: CacheOptions) {
          super(inner, { ...options, maxBytes: 1e9 });
        }
      },
    },
  },
  {
    name: "each reader has a download of its own",
    killedBy: "a cache asks once for what many want at the same time",
    layers: {
      CacheStore: class extends CacheStore {
        readonly #options: CacheOptions;
        constructor(inner: ByteStore, options: CacheOptions) {
          super(inner, options);
          this.#options = options;
        }
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          return new CacheStore(this.inner, this.#options).read(key, options);
        }
      },
    },
  },
  {
    name: "those who share a download share its memory",
    killedBy: "what a cache gives belongs to the caller",
    layers: {
      CacheStore: class extends CacheStore {
        #shared: Promise<Uint8Array> | undefined;
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          this.#shared ??= super.read(key, options);
          return this.#shared;
        }
      },
    },
  },
];

/** All of them. */
export const layerMutants: readonly LayerMutant[] = [...retry, ...limits, ...caches, ...viewMutants];
