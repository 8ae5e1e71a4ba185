/** Values of any length that are mostly zeros, in little memory. */
import { resolveRange } from "../../src/core/byte-range.ts";
import type {
  ByteRange,
  ByteSource,
  ByteWriter,
  ListEntry,
  ObjectStat,
  ReadOptions,
} from "../../src/core/byte-store.ts";
import type { ErrorContext } from "../../src/core/errors.ts";
import { pieceStream } from "../../src/core/piece-stream.ts";
import { ReadableStore, readOnlyCapabilities } from "../../src/core/readable-store.ts";
import { missingKey } from "../../src/core/store-answers.ts";

const PIECE = 1 << 20;
const zeros = Buffer.alloc(PIECE);

/** Bytes by offset; between them are zeros. */
class SparseValue {
  readonly #parts: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  byteLength = 0;

  append(bytes: Uint8Array): void {
    const isZero =
      bytes.byteLength > 0 && bytes.byteLength <= PIECE && zeros.subarray(0, bytes.byteLength).equals(bytes);
    if (!isZero) this.#parts.push({ offset: this.byteLength, bytes: bytes.slice() });
    this.byteLength += bytes.byteLength;
  }

  read(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (const part of this.#parts) {
      const from = Math.max(part.offset, offset);
      const to = Math.min(part.offset + part.bytes.byteLength, offset + length);
      if (from < to) out.set(part.bytes.subarray(from - part.offset, to - part.offset), from - offset);
    }
    return out;
  }
}

/** A store of such values. Takes only what a writer is given in order. */
export class SparseStore extends ReadableStore {
  readonly capabilities = { ...readOnlyCapabilities, list: false };
  /** Whole reads and ranges so far, in bytes: what a reader has moved. */
  moved = 0;
  readonly #values = new Map<string, SparseValue>();

  constructor() {
    super("sparse");
  }

  uri(key: string): string {
    return `sparse:${key}`;
  }

  /** Puts a value that begins with so many zeros and ends with these bytes. */
  put(key: string, zeroCount: number, bytes: Uint8Array): void {
    const value = new SparseValue();
    value.byteLength = zeroCount;
    value.append(bytes);
    this.#values.set(key, value);
  }

  /** @param zeroCount - Zeros that the value has before anything is written. */
  override async openWriter(key: string, _options?: object, zeroCount = 0): Promise<ByteWriter> {
    const value = new SparseValue();
    value.byteLength = zeroCount;
    const write = async (chunk: ByteSource) => {
      for (const part of chunk instanceof Uint8Array ? [chunk] : chunk) value.append(part);
    };
    return {
      get byteLength() {
        return value.byteLength;
      },
      write,
      close: async () => {
        this.#values.set(key, value);
        return { byteLength: value.byteLength, etag: "1" };
      },
      abort: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
  }

  protected override async doStat(key: string, _: object, context: ErrorContext): Promise<ObjectStat> {
    const { byteLength } = this.#value(key, context);
    return { key, kind: "file", byteLength, modifiedMs: undefined, etag: "1" };
  }

  protected override async doRead(key: string, { range }: ReadOptions, context: ErrorContext): Promise<Uint8Array> {
    const value = this.#value(key, context);
    const { offset, length } = resolveRange(range, value.byteLength, context);
    this.moved += length;
    return value.read(offset, length);
  }

  protected override doReadRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<Uint8Array[]> {
    return Promise.all(ranges.map((range) => this.doRead(key, { ...options, range }, context)));
  }

  protected override async doReadStream(
    key: string,
    { range, signal }: ReadOptions,
    context: ErrorContext,
  ): Promise<ReadableStream<Uint8Array>> {
    const value = this.#value(key, context);
    const { offset, length } = resolveRange(range, value.byteLength, context);
    async function* pieces() {
      for (let at = offset; at < offset + length; at += PIECE) {
        yield value.read(at, Math.min(PIECE, offset + length - at));
      }
    }
    this.moved += length;
    return pieceStream(pieces, signal);
  }

  protected override async *doList(): AsyncGenerator<ListEntry> {}

  #value(key: string, context: ErrorContext): SparseValue {
    const value = this.#values.get(key);
    if (value === undefined) throw missingKey(key, context);
    return value;
  }
}

/** Zeros in pieces, of one buffer. */
export async function* zeroPieces(byteLength: number): AsyncGenerator<Uint8Array> {
  for (let left = byteLength; left > 0; left -= PIECE) yield zeros.subarray(0, Math.min(left, PIECE));
}
