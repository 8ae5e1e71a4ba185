/** Compares the bytes of two values as they come. */
import { crc32c, crc32cHex } from "../codecs/crc32c.ts";
import type { ByteStore, OperationOptions } from "../core/byte-store.ts";
import { chunksOf } from "./chunks.ts";

/** A value in a store. */
export interface StoredValue {
  readonly store: ByteStore;
  readonly key: string;
}

/** True if both have the same bytes. Reads both at one pace, in bounded memory, and no further than they are the same. */
export async function haveSameBytes(one: StoredValue, other: StoredValue, options: OperationOptions): Promise<boolean> {
  const left = new Pieces(await one.store.readStream(one.key, options));
  try {
    const right = new Pieces(await other.store.readStream(other.key, options));
    try {
      for (;;) {
        const [a, b] = [await left.get(), await right.get()];
        const byteLength = Math.min(a.byteLength, b.byteLength);
        if (byteLength === 0) return a.byteLength === b.byteLength;
        if (Buffer.compare(a.subarray(0, byteLength), b.subarray(0, byteLength)) !== 0) return false;
        left.skip(byteLength);
        right.skip(byteLength);
      }
    } finally {
      await right.cancel();
    }
  } finally {
    await left.cancel();
  }
}

/** The CRC-32C of a value, as text. */
export async function crcOfValue({ store, key }: StoredValue, options: OperationOptions): Promise<string> {
  let crc = 0;
  for await (const chunk of chunksOf(await store.readStream(key, options))) crc = crc32c(chunk, crc);
  return crc32cHex(crc);
}

/** A stream that can be taken from in pieces of any length. */
class Pieces {
  readonly #chunks: AsyncGenerator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#chunks = chunksOf(stream);
  }

  /** What comes next; empty at the end. Valid until all of it was skipped and the next is asked for. */
  async get(): Promise<Uint8Array> {
    while (this.#piece.byteLength === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) break;
      this.#piece = value;
    }
    return this.#piece;
  }

  /** Drops what was looked at. */
  skip(byteLength: number): void {
    this.#piece = this.#piece.subarray(byteLength);
  }

  async cancel(): Promise<void> {
    await this.#chunks.return(undefined);
  }
}
