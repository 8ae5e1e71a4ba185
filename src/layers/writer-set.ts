/** Writers that are open, so that closing a layer can discard them. */
import type { ByteWriter } from "../core/byte-store.ts";
import { runAll } from "../core/errors.ts";

/** For layers over stores that stay open when they close. */
export class WriterSet {
  readonly #open = new Set<ByteWriter>();

  /** The same writer, remembered until it has ended. */
  track(writer: ByteWriter): ByteWriter {
    this.#open.add(writer);
    return withClose(
      writer,
      (options) => writer.close(options),
      () => this.#open.delete(writer),
    );
  }

  /** Discards what was not closed; all of it, although some fails. */
  async abort(): Promise<void> {
    const aborts = [...this.#open].map((writer) => () => writer.abort());
    this.#open.clear();
    await runAll(aborts, "Not everything that was being written could be discarded");
  }
}

/**
 * A writer that closes in another way.
 *
 * @param ended - Called when it was closed, aborted or suspended; again if it was before.
 */
export function withClose(writer: ByteWriter, close: ByteWriter["close"], ended: () => void = () => {}): ByteWriter {
  const { kept, suspend } = writer;
  const last = async <T>(end: PromiseLike<T>): Promise<T> => {
    const result = await end;
    ended();
    return result;
  };
  return {
    get byteLength() {
      return writer.byteLength;
    },
    kept,
    write: (chunk, options) => writer.write(chunk, options),
    close: (options) => last(close(options)),
    abort: () => last(writer.abort()),
    // Whoever was told nothing of what is kept would write it once more, behind itself.
    ...(suspend === undefined ? {} : { suspend: () => last(suspend.call(writer)) }),
    [Symbol.asyncDispose]: () => last(writer[Symbol.asyncDispose]()),
  };
}
