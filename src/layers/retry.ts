/** Repeats calls that failed and may succeed. */

import { resolveRange } from "../core/byte-range.ts";
import type {
  ByteStore,
  DeleteResult,
  ListEntry,
  ListOptions,
  ObjectStat,
  OperationOptions,
  ReadOptions,
  TransferOptions,
  WriteOptions,
} from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { isStorageError, type StorageErrorCode } from "../core/errors.ts";
import { followVersions } from "./follow-versions.ts";
import { Retrier, type RetryOptions } from "./retrier.ts";
import { type StoreCall, WrappedStore } from "./wrapped-store.ts";

/**
 * Repeats what fails with a `retryable` error, as a {@link Retrier} does.
 *
 * - Reads, listings, plain writes and deletes can be repeated as they are. A listing goes on after the last entry it
 *   gave, a stream after the last byte, bound to the version that it began with; a store without etags has streams that
 *   are only retried until they are open. A delete whose answer was lost is made again, and may so remove what somebody
 *   else has written in between.
 * - A conditional write, a copy, a rename or a removal whose answer was lost may have happened. If the next attempt then
 *   says `ALREADY_EXISTS`, `PRECONDITION_FAILED` or `NOT_FOUND`, nobody knows whose work that is: it becomes `CONFLICT`,
 *   never a success and never the claim that nothing changed.
 * - Chunks of a byte writer are not repeated, because the layer would have to keep them; a store that sends parts
 *   repeats them itself. Opening a writer is.
 * - `deleteMany` repeats the keys that failed, and no others.
 */
export class RetryStore extends WrappedStore {
  readonly #retrier: Retrier;

  constructor(inner: ByteStore, options: RetryOptions = {}) {
    super("retry", inner);
    this.#retrier = new Retrier(options);
  }

  override async readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return followVersions(options, () => this.#openStream(key, options));
  }

  async #openStream(key: string, options: ReadOptions): Promise<ReadableStream<Uint8Array>> {
    const bound = await this.#bind(key, options);
    if (bound === undefined) return super.readStream(key, options);
    const { etag, offset, end } = bound;
    // Leaving the stream ends what it waits for: a read, or the pause before the next attempt.
    const left = new AbortController();
    const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
    let position = offset;
    const open = async () => {
      const range = { offset: position, length: end - position };
      return (await super.readStream(key, { ...options, signal, range, ifMatch: etag })).getReader();
    };
    let reader: ReadableStreamDefaultReader<Uint8Array> = await open();
    let isBroken = false;
    const call = { backend: this.name, operation: "readStream", identifier: key, signal };
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const next = await this.#retrier.run(call, async () => {
            checkAborted(signal, call);
            if (isBroken) reader = await open();
            isBroken = true;
            const chunk = await reader.read();
            isBroken = false;
            return chunk;
          });
          if (left.signal.aborted) return;
          if (next.done) return controller.close();
          position += next.value.byteLength;
          controller.enqueue(next.value);
        },
        cancel: async (reason) => {
          const done = reader.cancel(reason);
          left.abort();
          // The failure of one that was to be opened anew is nobody's any more.
          await (isBroken ? done.catch(() => {}) : done);
        },
      },
      { highWaterMark: 0 },
    );
  }

  override async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    this.checkOpen("list");
    const call = { backend: this.name, operation: "list", identifier: options.prefix ?? "", signal: options.signal };
    let startAfter = options.startAfter;
    let entries: AsyncIterator<ListEntry> | undefined;
    try {
      for (;;) {
        const next = await this.#retrier.run(call, async () => {
          const from = entries ?? this.inner.list({ ...options, startAfter })[Symbol.asyncIterator]();
          entries = undefined;
          const step = await from.next();
          entries = from;
          return step;
        });
        if (next.done) {
          entries = undefined;
          return;
        }
        const { key, kind } = next.value;
        startAfter = kind === "directory" ? `${key}/` : key;
        yield next.value;
        this.checkOpen("list");
        checkAborted(options.signal, call);
      }
    } finally {
      await entries?.return?.();
    }
  }

  override async deleteMany(keys: readonly string[], options: OperationOptions = {}): Promise<DeleteResult[]> {
    const results = await super.deleteMany(keys, options);
    const again = results.flatMap(({ error }, index) => (error?.retryable ? [index] : []));
    const call = { backend: this.name, operation: "deleteMany", signal: options.signal };
    await Promise.all(
      again.map(async (index) => {
        const key = keys[index] as string;
        try {
          await this.#retrier.run({ ...call, identifier: key }, async (number) => {
            if (number === 1) throw results[index]?.error;
            await this.inner.delete(key, options);
          });
          results[index] = { key };
        } catch (error) {
          if (!isStorageError(error) || error.code === "ABORTED") throw error;
          results[index] = { key, error };
        }
      }),
    );
    return results;
  }

  protected override around<T>(call: StoreCall, run: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    const { operation, key, signal } = call;
    const doubtful = doubtfulCodes(call);
    const retried = { backend: this.name, operation, identifier: key, signal, doubtful };
    return this.#retrier.run(retried, () => run(signal));
  }

  /** The version and the bytes that a stream is bound to; `undefined` if there is nothing to bind it to. */
  async #bind(key: string, options: ReadOptions) {
    const { signal } = options;
    let stat: ObjectStat;
    try {
      stat = await this.stat(key, { signal });
    } catch (error) {
      // A store may read what it cannot describe; reading says itself what is wrong.
      if (isStorageError(error, "UNSUPPORTED", "NOT_FOUND")) return undefined;
      throw error;
    }
    if (stat.kind !== "file" || stat.etag === undefined) return undefined;
    const etag = options.ifMatch ?? stat.etag;
    if (etag !== stat.etag) return undefined;
    const { offset, length } = resolveRange(options.range, stat.byteLength, { backend: this.name, identifier: key });
    return { etag, offset, end: offset + length };
  }
}

/** Answers that an attempt with a lost answer may have caused itself. */
function doubtfulCodes({ operation, options }: StoreCall): readonly StorageErrorCode[] {
  const { ifExists, ifAbsent, ifMatch } = options as TransferOptions & WriteOptions;
  const mayCollide = ifExists !== "replace";
  switch (operation) {
    case "write":
      if (ifMatch !== undefined) return ["PRECONDITION_FAILED"];
      return ifAbsent === true ? ["ALREADY_EXISTS", "PRECONDITION_FAILED"] : [];
    case "copy":
    case "symlink":
      return mayCollide ? ["ALREADY_EXISTS"] : [];
    case "rename":
      return mayCollide ? ["NOT_FOUND", "ALREADY_EXISTS"] : ["NOT_FOUND"];
    case "renameDirectory":
      return ["NOT_FOUND", "ALREADY_EXISTS"];
    case "removeDirectory":
      return ["NOT_FOUND"];
    default:
      return [];
  }
}
