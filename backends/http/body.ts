/** Bodies of answers: exactly the bytes that were announced. */
import type { ResolvedRange } from "../../src/core/byte-range.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import type { HttpClient } from "./client.ts";

/** A body with what its errors need. */
export interface Body {
  readonly response: Response;
  readonly key: string;
  readonly client: HttpClient;
  readonly signal: AbortSignal | undefined;
  readonly context: ErrorContext;
}

/**
 * Some bytes of a body, in pieces. Leaving early, or all that is wanted having come, cancels the request.
 *
 * @param wanted - From the start of the body; a length of infinity takes all that comes.
 * @param expected - Bytes of the whole body; `undefined` if unknown.
 */
export async function* sliceBody(
  { response, key, client, signal, context }: Body,
  wanted: ResolvedRange,
  expected: number | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  const end = wanted.offset + wanted.length;
  let position = 0;
  try {
    while (reader !== undefined) {
      checkAborted(signal, context);
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw client.wayError(error, { key, signal }, context);
      });
      if (done) break;
      const from = Math.max(wanted.offset - position, 0);
      const to = Math.min(end - position, value.byteLength);
      if (from < to) yield value.subarray(from, to);
      position += value.byteLength;
      if (position >= end && expected !== end) return;
      if (expected !== undefined && position > expected) throw wrongLength(key, "more", context);
    }
    if (expected !== undefined && position < expected) throw wrongLength(key, "fewer", context);
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

/**
 * Everything that comes, in one buffer of its own.
 *
 * @throws A {@link StorageError} `OUT_OF_RANGE` if more is announced than one buffer can hold.
 */
export async function collectBody(
  pieces: AsyncIterable<Uint8Array>,
  byteLength: number | undefined,
  context: ErrorContext,
): Promise<Uint8Array> {
  if (byteLength !== undefined) {
    // Not before something comes: leaving the loop is what ends the request.
    let bytes: Uint8Array | undefined;
    let position = 0;
    for await (const piece of pieces) {
      bytes ??= memoryFor(byteLength, context);
      bytes.set(piece, position);
      position += piece.byteLength;
    }
    return bytes ?? new Uint8Array(0);
  }
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(Buffer.concat(parts));
}

function memoryFor(byteLength: number, context: ErrorContext): Uint8Array {
  try {
    return new Uint8Array(byteLength);
  } catch (cause) {
    const message = `"${context.identifier}" in "${context.backend}" has ${byteLength} bytes, more than memory takes at once; read it as a stream`;
    throw new StorageError("OUT_OF_RANGE", message, { ...context, cause });
  }
}

/** How many bytes a body has. */
export async function countBody(body: Body): Promise<number> {
  let count = 0;
  const all = { offset: 0, length: Number.POSITIVE_INFINITY };
  for await (const piece of sliceBody(body, all, undefined)) count += piece.byteLength;
  return count;
}

/** Cut off on the way, most likely, so that it may come whole at another time. */
function wrongLength(key: string, more: "more" | "fewer", context: ErrorContext): StorageError {
  return new StorageError("UNEXPECTED", `"${key}" came with ${more} bytes than "${context.backend}" announced`, {
    ...context,
    retryable: true,
  });
}
