/** Changes a JSON document in one step, whoever else changes it at the same time. */
import type { BackendBase } from "../core/backend.ts";
import type { ByteStore, OperationOptions, WriteOptions } from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { type ErrorContext, isStorageError, StorageError } from "../core/errors.ts";
import { type Clock, pause, type Random, systemClock } from "../layers/clock.ts";
import { keyIn, storeOf } from "./store-of.ts";

/** Options of {@link updateJson}. */
export interface UpdateJsonOptions extends OperationOptions {
  /** What the change begins with where nothing is stored yet. Without it, that is `NOT_FOUND`. Copied. */
  readonly default?: unknown;
  /** No attempt begins later than this after the first one. Default 30 000 ms. */
  readonly maxElapsedMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Default `Math.random`. */
  readonly random?: Random | undefined;
}

/** Longest pause before the second attempt; doubles from attempt to attempt. */
const BASE_DELAY_MS = 2;
const MAX_DELAY_MS = 64;

/** What {@link updateJson} left behind. */
export interface JsonUpdate<T> {
  /** The document as it is now. */
  readonly value: T;
  /** Its version. */
  readonly etag: string;
}

/**
 * Reads a JSON document, changes it, and writes it only if it is still the one that was read; otherwise begins again.
 * So of many processes that count something together none loses a step. The new document appears whole; one that is
 * damaged is an error and stays as it is.
 *
 * Each round that comes to nothing is one in which somebody else succeeded; before the next one it waits a random part of
 * a bound that doubles, 64 ms at most.
 *
 * @param target - A byte store, or a file-like backend (disk, S3, any with codecs).
 * @param change - Gets a document of its own, which it may change, and returns the new one; `undefined` keeps the old
 * one and writes nothing. Called again whenever somebody else was faster, so it does nothing but compute. `stored` is
 * the document as its bytes are, `undefined` where nothing is stored; it is not to be written into.
 * @throws A {@link StorageError}: `NOT_FOUND` (nothing there, no default), `CORRUPT` (not JSON), `INVALID_DATA` (the
 * result is not JSON: NaN, dates, `undefined` inside), `READ_ONLY`, `ABORTED`, `CONFLICT` (others were faster all the
 * time, or a lost answer leaves open whose change it was), and `UNSUPPORTED` where the store has no compare-and-set that
 * holds between processes.
 * @example
 * ```ts
 * import { updateJson } from "sluice";
 * import { getBackend } from "sluice/registry";
 * const disk = await getBackend("disk");
 * await updateJson<{ runs: number }>(disk, "/tmp/sluice-count.json", ({ runs }) => ({ runs: runs + 1 }), {
 *   default: { runs: 0 },
 * });
 * ```
 */
export async function updateJson<T = unknown>(
  target: ByteStore | BackendBase,
  key: string,
  change: (value: T, stored: Uint8Array | undefined) => T | undefined | Promise<T | undefined>,
  options: UpdateJsonOptions = {},
): Promise<JsonUpdate<T>> {
  const store = await storeOf(target, "updateJson");
  const context = { backend: target.name, operation: "updateJson", identifier: key };
  const { write, ifMatch, ifAbsent, persistent } = store.capabilities;
  if (!write) throw new StorageError("READ_ONLY", `"${store.name}" takes no writes`, context);
  // What only lives in this process needs to be safe within it only.
  const isSafe = ifMatch === "native" || (ifMatch === "emulated" && !persistent);
  if (!isSafe || ifAbsent === "none") {
    const message = `"${store.name}" has no compare-and-set that holds between processes; an update could be lost`;
    throw new StorageError("UNSUPPORTED", message, context);
  }
  const normal = keyIn(store, key);
  const { signal } = options;
  const rounds = new Rounds(options, context);
  const { jsonCodec } = await import("../codecs/json.ts");
  const decode = (bytes: Uint8Array | undefined) =>
    // Fresh each time: the change may write into it.
    bytes === undefined ? structuredClone(options.default) : jsonCodec.decode(bytes, { identifier: key, options: {} });
  for (;;) {
    checkAborted(signal, context);
    const old = await readVersion(store, normal, options, rounds);
    const next = await change((await decode(old?.bytes)) as T, old?.bytes);
    if (next === undefined && old !== undefined) {
      return { value: (await decode(old.bytes)) as T, etag: old.etag };
    }
    const bytes = await jsonCodec.encode(next, { identifier: key, options: {} });
    const condition: WriteOptions = old === undefined ? { ifAbsent: true } : { ifMatch: old.etag };
    try {
      const { etag } = await store.write(normal, bytes, { ...condition, signal });
      return { value: next as T, etag };
    } catch (error) {
      await rounds.next(error);
    }
  }
}

/** Decides whether there is another round, and waits until then. */
class Rounds {
  readonly #options: UpdateJsonOptions;
  readonly #context: ErrorContext;
  readonly #clock: Clock;
  readonly #start: number;
  #count = 0;

  constructor(options: UpdateJsonOptions, context: ErrorContext) {
    this.#options = options;
    this.#context = context;
    this.#clock = options.clock ?? systemClock;
    this.#start = this.#clock.now();
  }

  /** After a read or a write that failed. Throws what is no reason for another round, or what there is no time left for. */
  async next(error: unknown): Promise<void> {
    const wasFaster = isStorageError(error, "PRECONDITION_FAILED", "ALREADY_EXISTS");
    // A service that gets two conditional writes at once may refuse both.
    if (!wasFaster && !(isStorageError(error, "CONFLICT") && error.retryable)) throw error;
    const { maxElapsedMs = 30_000, random = Math.random, signal } = this.#options;
    const delay = random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** this.#count++);
    if (this.#clock.now() - this.#start + delay <= maxElapsedMs)
      return pause(this.#clock, delay, signal, this.#context);
    if (!wasFaster) throw error;
    const message = `"${this.#context.identifier}" was changed by others ${this.#count} times before this change could be written`;
    throw new StorageError("CONFLICT", `${message}, within ${maxElapsedMs} ms`, {
      ...this.#context,
      retryable: true,
      cause: error,
    });
  }
}

interface Version {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** The bytes of a key and the etag of just these bytes. Who was overwritten between the two has lost a round, too. */
async function readVersion(
  store: ByteStore,
  key: string,
  options: UpdateJsonOptions,
  rounds: Rounds,
): Promise<Version | undefined> {
  const { signal } = options;
  for (;;) {
    try {
      const { etag } = await store.stat(key, { signal });
      if (etag === undefined) {
        throw new StorageError("UNSUPPORTED", `"${key}" in "${store.name}" has no version to compare with`, {
          backend: store.name,
          operation: "updateJson",
          identifier: key,
        });
      }
      return { bytes: await store.read(key, { ifMatch: etag, signal }), etag };
    } catch (error) {
      // Gone between the two questions, or never there.
      if (isStorageError(error, "NOT_FOUND") && "default" in options) return undefined;
      if (!isStorageError(error, "PRECONDITION_FAILED")) throw error;
      await rounds.next(error);
    }
  }
}
