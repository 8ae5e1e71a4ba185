/** Reads a value as a stream: by one connection, and ahead by several where one is slow. */
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { LinkSpeed } from "./link-speed.ts";
import { collect, notTheStored, type OpenObject, pieces } from "./object-reading.ts";
import { etagDigest } from "./read-digest.ts";
import type { PartReading } from "./whole-reading.ts";

/** Parts of a stream are kept in memory until they are asked for. */
const MAX_PART = 4 << 20;

/**
 * The bytes of an answer as a stream that reads when it is asked to. Of a long value whose connection turns out to be
 * slow, further parts are read ahead, all of one version: at most `inFlight` parts are in memory, with the one that was
 * answered last. A value that is replaced meanwhile ends such a stream with `CONFLICT`.
 *
 * A whole value ends with an error unless its etag says that it is right, if `verify` asks for that.
 */
export function streamOf(open: OpenObject, reading: PartReading): ReadableStream<Uint8Array> {
  const cut = new AbortController();
  const source = inOrder(open, reading, cut);
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { value, done } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => {
        cut.abort();
        open.body.destroy();
        await source.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

async function* inOrder(
  open: OpenObject,
  reading: PartReading,
  cut: AbortController,
): AsyncGenerator<Uint8Array, undefined> {
  const { value, byteLength, context } = open;
  const { ask, ifMatch, signal, partBytes, inFlight, onlySlow, verify } = reading;
  // The etag, not a sum in the metadata: other programs may replace a value and keep its metadata, and a stream cannot
  // be looked at twice.
  const digest = verify && byteLength === value.byteLength ? etagDigest(value, context) : undefined;
  const length = Math.min(partBytes, MAX_PART);
  const ahead: Promise<Uint8Array>[] = [];
  let next = byteLength;
  const fetchPart = async (offset: number): Promise<Uint8Array> => {
    const range = { offset: open.offset + offset, length: Math.min(length, byteLength - offset) };
    const part = await ask({ range, ifMatch: value.etag, signal: cut.signal });
    if (part === undefined) throw notTheStored(context);
    return collect(part);
  };
  const begin = () => {
    if (next >= byteLength) return;
    const part = fetchPart(next);
    part.catch(() => {}); // Whoever comes to it hears of the failure.
    ahead.push(part);
    next += length;
  };
  const isLong = inFlight > 1 && value.etag !== undefined && byteLength >= 2 * partBytes;
  const speed = new LinkSpeed(onlySlow);
  let end = byteLength;
  const until = (count: number, elsewhereMs: number) => {
    if (end < byteLength || !speed.isSlow(count, elsewhereMs)) return end;
    end = Math.min(count + length, byteLength);
    next = end;
    for (let i = 1; i < inFlight; i++) begin();
    return end;
  };
  const onAbort = () => cut.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    yield* pieces(open, digest, isLong ? until : undefined);
    begin();
    for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
      const bytes = await part;
      digest?.update(bytes);
      yield bytes;
      begin();
    }
  } catch (error) {
    if (!isStorageError(error, "PRECONDITION_FAILED") || ifMatch !== undefined) throw error;
    const message = `"${context.identifier}" was replaced while it was read`;
    throw new StorageError("CONFLICT", message, { ...context, retryable: true, cause: error });
  } finally {
    signal?.removeEventListener("abort", onAbort);
    cut.abort();
    await Promise.allSettled(ahead);
  }
  if (digest?.isRight() === false) throw notTheStored(context);
  return undefined;
}
