/** Reads streams without leaving a trail of memory behind. */

/** Bytes of the memory that a stream of bytes fills. */
const CHUNK_BYTES = 1 << 18;

/**
 * The chunks of a stream. A stream of bytes fills the same memory again and again: what is read for long would otherwise
 * wait by the hundred MiB to be collected. So a chunk is valid until the next one is asked for.
 *
 * Leaving the loop cancels the stream.
 */
export async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = fillingReader(stream);
  if (reader === undefined) {
    yield* stream;
    return;
  }
  let memory = new ArrayBuffer(CHUNK_BYTES);
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(memory));
      isOver = done;
      if (value === undefined || done) return;
      yield value;
      memory = value.buffer;
    }
  } catch (error) {
    isOver = true;
    throw error;
  } finally {
    if (!isOver) await reader.cancel();
  }
}

function fillingReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch (error) {
    // Not a stream of bytes: its chunks come in memory of their own.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
