/** Writers that are open, so that closing a layer can discard them. */
import type { ByteWriter } from "../core/byte-store.ts";

/** For layers over stores that stay open when they close. */
export class WriterSet {
  readonly #open = new Set<ByteWriter>();

  /** The same writer, remembered until it has closed. */
  track(writer: ByteWriter): ByteWriter {
    this.#open.add(writer);
    return withClose(writer, async (options) => {
      const result = await writer.close(options);
      this.#open.delete(writer);
      return result;
    });
  }

  /** Discards what was not closed. */
  async abort(): Promise<void> {
    await Promise.all([...this.#open].map((writer) => writer.abort()));
    this.#open.clear();
  }
}

/** A writer that closes in another way. */
export function withClose(writer: ByteWriter, close: ByteWriter["close"]): ByteWriter {
  return {
    get byteLength() {
      return writer.byteLength;
    },
    write: (chunk, options) => writer.write(chunk, options),
    close,
    abort: () => writer.abort(),
    [Symbol.asyncDispose]: async () => writer[Symbol.asyncDispose](),
  };
}
