/** A writer that knows the sum of what went through it. */
import { createHash, type Hash } from "node:crypto";
import type { ByteSource, ByteWriter, ByteWriterOptions, OperationOptions, WriteResult } from "../core/byte-store.ts";

/** Sums chunks (SHA-256) as they pass, as long as they come in order. */
export class SummingWriter implements ByteWriter {
  readonly #inner: ByteWriter;
  readonly #closed: (result: WriteResult, sum: string | undefined) => Promise<void>;
  #hash: Hash | undefined = createHash("sha256");
  #result: WriteResult | undefined;

  /** @param closed - Told of the value and its sum once it is published; of no sum if chunks came out of order. */
  constructor(inner: ByteWriter, closed: (result: WriteResult, sum: string | undefined) => Promise<void>) {
    this.#inner = inner;
    this.#closed = closed;
  }

  get byteLength(): number {
    return this.#inner.byteLength;
  }

  write(chunk: ByteSource, options: ByteWriterOptions = {}): Promise<void> {
    const before = this.#inner.byteLength;
    const work = this.#inner.write(chunk, options);
    // One that fails later may have been counted: then the value is read once more instead.
    work.catch(() => {
      this.#hash = undefined;
    });
    // A chunk that was refused at once has not moved the end, and is no part of the value.
    const grown = this.#inner.byteLength - before;
    const parts = chunk instanceof Uint8Array ? [chunk] : chunk;
    const isNext = (options.position ?? before) === before;
    if (!isNext) this.#hash = undefined;
    else if (grown > 0) for (const part of parts) this.#hash?.update(part);
    return work;
  }

  async close(options?: OperationOptions): Promise<WriteResult> {
    const result = await this.#inner.close(options);
    if (this.#result === undefined) {
      this.#result = result;
      const sum = this.#hash?.digest("hex");
      this.#hash = undefined;
      await this.#closed(result, sum);
    }
    return result;
  }

  abort(): Promise<void> {
    return this.#inner.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}
