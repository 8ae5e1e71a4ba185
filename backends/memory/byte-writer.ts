/** Writes one value of a memory store piece by piece. */
import type {
  ByteSource,
  ByteWriter,
  ByteWriterOptions,
  OperationOptions,
  WriteResult,
} from "../../src/core/byte-store.ts";
import { byteSourceLength } from "../../src/core/byte-store.ts";
import { checkAborted, checkInteger, checkOpen } from "../../src/core/checks.ts";
import type { ErrorContext } from "../../src/core/errors.ts";

/** What the store lends its writer. */
export interface WriterHost {
  /** Throws what forbids a value of this length now. */
  readonly check: (byteLength: number) => void;
  /** Stores the value; takes the bytes over. */
  readonly publish: (bytes: Uint8Array) => WriteResult;
  /** Called once, when the writer is done with. */
  readonly released: () => void;
  readonly context: ErrorContext;
}

/** Collects chunks in one growing buffer; gaps are zeros. Each call is done before it returns, so order is call order. */
export class MemoryByteWriter implements ByteWriter {
  readonly #host: WriterHost;
  #buffer = new Uint8Array(0);
  #byteLength = 0;
  #next = 0;
  #result: WriteResult | undefined;
  #isOpen = true;

  constructor(host: WriterHost) {
    this.#host = host;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  async write(chunk: ByteSource, options: ByteWriterOptions = {}): Promise<void> {
    const { context } = this.#host;
    checkOpen(this.#isOpen, `The writer of "${context.identifier}"`, context);
    checkAborted(options.signal, context);
    const position = options.position ?? this.#next;
    checkInteger(position, "position", 0, context);
    const end = position + byteSourceLength(chunk);
    this.#host.check(Math.max(end, this.#byteLength));
    this.#reserve(end);
    let offset = position;
    for (const part of chunk instanceof Uint8Array ? [chunk] : chunk) {
      this.#buffer.set(part, offset);
      offset += part.byteLength;
    }
    this.#next = end;
    this.#byteLength = Math.max(this.#byteLength, end);
  }

  async close(options: OperationOptions = {}): Promise<WriteResult> {
    if (this.#result !== undefined) return this.#result;
    const { context } = this.#host;
    checkOpen(this.#isOpen, `The writer of "${context.identifier}"`, context);
    checkAborted(options.signal, context);
    try {
      this.#host.check(this.#byteLength);
      this.#result = this.#host.publish(this.#buffer.slice(0, this.#byteLength));
    } finally {
      await this.abort();
    }
    return this.#result;
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#buffer = new Uint8Array(0);
    this.#host.released();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  #reserve(byteLength: number): void {
    if (byteLength <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(byteLength, 2 * this.#buffer.length, 1024));
    grown.set(this.#buffer.subarray(0, this.#byteLength));
    this.#buffer = grown;
  }
}
