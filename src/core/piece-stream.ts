/** Streams of bytes that are fetched piece by piece. */

/**
 * A stream whose pieces are made one by one, as they are asked for.
 *
 * Leaving an async generator takes effect at its next `yield` only: one that waits for a medium that has gone silent
 * would wait for ever, and hold its connection. So the pieces get a signal that fires then, too.
 *
 * @param open - Begins; rejects for what is wrong from the start. Obeys the signal it gets, as its pieces do.
 * @param signal - The caller's.
 */
export async function pieceStream(
  open: (signal: AbortSignal) => AsyncGenerator<Uint8Array> | Promise<AsyncGenerator<Uint8Array>>,
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Uint8Array>> {
  const left = new AbortController();
  const pieces = await open(signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]));
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => {
        left.abort();
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
