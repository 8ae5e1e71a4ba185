/** The base of layers that see every part: chunks of streams, chunks of writers, entries of listings. */
import {
  type ByteSource,
  type ByteWriter,
  type ByteWriterOptions,
  byteSourceLength,
  type ListEntry,
  type ListOptions,
  type OperationOptions,
  type ReadOptions,
  type WriteResult,
} from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { isStorageError } from "../core/errors.ts";
import type { KeptBytes, OpenByteWriterOptions } from "../core/resumable-write.ts";
import { type StoreCall, type StoreOperation, WrappedStore } from "./wrapped-store.ts";

/** What sends a call of a part through the layer. */
type Around = <T>(call: StoreCall, run: (signal: AbortSignal | undefined) => Promise<T>) => Promise<T>;

/**
 * A layer whose `around` gets, besides whole operations, each chunk that a stream gives (`streamChunk`), each that a
 * writer takes (`writeChunk`), each end of a writer (`closeWriter`) and each step of a listing (`list`).
 */
export abstract class PartwiseStore extends WrappedStore {
  override async readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const stream = await super.readStream(key, options);
    const reader = stream.getReader();
    const call = partOf("streamChunk", key, options.signal);
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const next = await this.around(call, () => reader.read());
            if (next.done) controller.close();
            else controller.enqueue(next.value);
          } catch (error) {
            // Not waited for: what hangs would hang here too. Its own failure says less than the first one.
            reader.cancel(error).catch(() => {});
            throw error;
          }
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }

  override async openWriter(key: string, options: OpenByteWriterOptions = {}): Promise<ByteWriter> {
    const writer = await super.openWriter(key, options);
    return new PartwiseWriter(writer, key, (call, run) => this.around(call, run));
  }

  override async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    this.checkOpen("list");
    const context = { backend: this.name, operation: "list" };
    checkAborted(options.signal, context);
    const controller = new AbortController();
    const stop = () => controller.abort(options.signal?.reason);
    options.signal?.addEventListener("abort", stop);
    const entries = this.inner.list({ ...options, signal: controller.signal })[Symbol.asyncIterator]();
    let isOver = false;
    try {
      for (;;) {
        const next = await this.around(partOf("list", options.prefix ?? "", options.signal), async (signal) => {
          const cut = () => controller.abort(signal?.reason);
          signal?.addEventListener("abort", cut);
          try {
            return await entries.next();
          } finally {
            signal?.removeEventListener("abort", cut);
          }
        });
        if (next.done) {
          isOver = true;
          return;
        }
        yield next.value;
        this.checkOpen("list");
        checkAborted(options.signal, context);
      }
    } finally {
      options.signal?.removeEventListener("abort", stop);
      // Not waited for: a generator answers only when its step under way has ended, and that one may hang.
      if (!isOver) entries.return?.().catch(() => {});
    }
  }
}

/** Passes chunks on in call order, however long each is held up in the layer. */
class PartwiseWriter implements ByteWriter {
  readonly kept: KeptBytes | undefined;
  readonly journal: ByteWriter["journal"];
  /** There if the writer below has it. */
  readonly suspend?: () => Promise<void>;
  readonly #inner: ByteWriter;
  readonly #key: string;
  readonly #around: Around;
  /** Chunks that have not reached the writer below, in call order. */
  readonly #waiting = new Set<{ readonly length: number; readonly position: number | undefined }>();
  readonly #pending = new Set<Promise<void>>();
  /** Resolves when the last chunk so far has been handed down, or never will be. */
  #handedDown: Promise<void> = Promise.resolve();
  #next = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(inner: ByteWriter, key: string, around: Around) {
    this.#inner = inner;
    this.#key = key;
    this.#around = around;
    this.kept = inner.kept;
    this.journal = inner.journal;
    this.#next = inner.byteLength;
    if (inner.suspend === undefined) return;
    this.suspend = async () => {
      await Promise.allSettled(this.#pending);
      await inner.suspend?.();
    };
  }

  get byteLength(): number {
    let end = this.#inner.byteLength;
    let next = this.#next;
    for (const { length, position } of this.#waiting) {
      next = (position ?? next) + length;
      end = Math.max(end, next);
    }
    return end;
  }

  write(chunk: ByteSource, options: ByteWriterOptions = {}): Promise<void> {
    const work = this.#watched(chunk, options);
    this.#pending.add(work);
    const over = () => this.#pending.delete(work);
    work.then(over, over);
    return work;
  }

  async #watched(chunk: ByteSource, options: ByteWriterOptions): Promise<void> {
    checkAborted(options.signal, { operation: "write", identifier: this.#key });
    try {
      await this.#write(chunk, options);
    } catch (error) {
      // Without this chunk the value would have a hole. Chunks that were called off or never valid leave none.
      if (!isStorageError(error, "ABORTED", "INVALID_DATA", "NOT_OPEN", "UNSUPPORTED")) this.#failure ??= { error };
      throw error;
    }
  }

  async close(options: OperationOptions = {}): Promise<WriteResult> {
    // Before the call, so that a layer that counts calls under way does not count this one against its own chunks.
    await Promise.allSettled(this.#pending);
    if (this.#failure !== undefined) {
      await this.#inner.abort();
      throw this.#failure.error;
    }
    const call = partOf("closeWriter", this.#key, options.signal);
    return this.#around(call, (signal) => this.#inner.close({ ...options, signal }));
  }

  abort(): Promise<void> {
    this.#giveUp();
    return this.#inner.abort();
  }

  /** Chunks under way fail because of their caller; that nobody looks at them any more is no mistake. */
  #giveUp(): void {
    for (const work of this.#pending) work.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#giveUp();
    await this.#inner[Symbol.asyncDispose]();
  }

  async #write(chunk: ByteSource, options: ByteWriterOptions): Promise<void> {
    const length = byteSourceLength(chunk);
    const { position, signal } = options;
    const entry = { length, position };
    this.#waiting.add(entry);
    const before = this.#handedDown;
    let release = () => {};
    this.#handedDown = new Promise<void>((resolve) => {
      release = () => resolve();
    });
    try {
      await this.#around(partOf("writeChunk", this.#key, signal, length), async (given) => {
        await before;
        const sizeBefore = this.#inner.byteLength;
        this.#waiting.delete(entry);
        const work = this.#inner.write(chunk, { ...options, signal: given });
        const end = (position ?? this.#next) + length;
        // A chunk that was refused at once has moved nothing.
        if (this.#inner.byteLength >= end || this.#inner.byteLength !== sizeBefore) this.#next = end;
        release();
        return work;
      });
    } finally {
      this.#waiting.delete(entry);
      before.then(release);
    }
  }
}

/** A call of one part. */
function partOf(operation: StoreOperation, key: string, signal: AbortSignal | undefined, bytesIn = 0): StoreCall {
  return { operation, key, signal, bytesIn, options: {} };
}

/** Bytes that came up with the answer of a call. */
export function bytesOut(answer: unknown): number {
  if (answer instanceof Uint8Array) return answer.byteLength;
  if (Array.isArray(answer)) return answer.reduce<number>((sum, item) => sum + bytesOut(item), 0);
  if (typeof answer === "object" && answer !== null && "done" in answer && "value" in answer)
    return bytesOut(answer.value);
  return 0;
}
