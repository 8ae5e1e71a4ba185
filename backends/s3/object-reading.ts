/** Reads values: whole and verified, by ranges, and as streams. */
import type { Readable } from "node:stream";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { resolveRange } from "../../src/core/byte-range.ts";
import type { ByteRange, ReadOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import type { DescribedValue, ReadDigest } from "./read-digest.ts";
import { connectionLost, damaged, translateS3 } from "./s3-errors.ts";

/** One answer of the service: bytes to come. */
export interface OpenObject {
  readonly body: Readable;
  /** Bytes that the body must have. */
  readonly byteLength: number;
  /** Where the body begins in the value. */
  readonly offset: number;
  /** The whole value, of which the body may be a part. */
  readonly value: DescribedValue;
  readonly context: ErrorContext;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks for a value or a part of it.
 *
 * @returns `undefined` for a part that is empty.
 * @throws A {@link StorageError}: `NOT_FOUND`, `PRECONDITION_FAILED`, `OUT_OF_RANGE`.
 */
export async function openObject(
  bucket: Bucket,
  key: string,
  options: ReadOptions,
  context: ErrorContext,
): Promise<OpenObject | undefined> {
  const { range, ifMatch, signal } = options;
  const isEmpty = range !== undefined && ("suffix" in range ? range.suffix === 0 : range.length === 0);
  const Range = range === undefined ? undefined : rangeHeader(range);
  const IfMatch = ifMatch === undefined ? undefined : `"${ifMatch}"`;
  try {
    if (isEmpty) throw new StorageError("OUT_OF_RANGE", "an empty range is no range to HTTP", context);
    const command = new bucket.sdk.GetObjectCommand({ ...bucket.at(key), Range, IfMatch });
    const answer = await bucket.send<GetObjectCommandOutput>(command, context, signal);
    return opened(answer, range, context, signal);
  } catch (error) {
    if (range === undefined || !isStorageError(error, "OUT_OF_RANGE")) throw error;
    // HTTP has no empty ranges: what is asked for may be the end of the value, which is nothing, or lie beyond it.
    const head = new bucket.sdk.HeadObjectCommand({ ...bucket.at(key), IfMatch });
    const { ContentLength = 0 } = await bucket.send<{ ContentLength?: number }>(head, context, signal);
    const { length } = resolveRange(range, ContentLength, context);
    if (length === 0) return undefined;
    throw new StorageError("CONFLICT", `"${key}" became longer while it was read`, { ...context, retryable: true });
  }
}

/** Memory of its own, not from the pool that Buffers share, and not zeroed: to be answered when all is overwritten. */
export function blankBytes(byteLength: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer);
}

/** All bytes of an answer, in memory of their own. */
export async function collect(open: OpenObject): Promise<Uint8Array> {
  const bytes = blankBytes(open.byteLength);
  await fill(open, bytes);
  return bytes;
}

/**
 * Writes the bytes of an answer to a place of their length.
 *
 * @param digest - Adds them up as they come.
 * @param until - Asked at each piece, with the number of bytes that came: after how many the connection is dropped, and
 * the rest is not waited for.
 */
export function fill(
  open: OpenObject,
  target: Uint8Array,
  digest?: ReadDigest,
  until?: (count: number) => number,
): Promise<void> {
  const { body, byteLength, context, signal } = open;
  let count = 0;
  // By events: an iterator costs a turn of the event loop for each of the many small pieces.
  return new Promise<void>((resolve, reject) => {
    const finish = (error: unknown) => {
      signal?.removeEventListener("abort", onAbort);
      body.destroy();
      reject(translateS3(error, context, signal));
    };
    const onAbort = () => finish(new DOMException("aborted", "AbortError"));
    signal?.addEventListener("abort", onAbort, { once: true });
    body.on("error", finish);
    body.on("close", () =>
      finish(connectionLost(`the connection ended after ${count} of ${byteLength} bytes`, context)),
    );
    const onPiece = (piece: Buffer) => {
      const end = until?.(count + piece.byteLength) ?? byteLength;
      const isEnough = end < byteLength && count + piece.byteLength >= end;
      const wanted = isEnough ? piece.subarray(0, end - count) : piece;
      if (count + wanted.byteLength <= byteLength) target.set(wanted, count);
      count += wanted.byteLength;
      digest?.update(wanted);
      if (!isEnough) return;
      signal?.removeEventListener("abort", onAbort);
      body.off("data", onPiece);
      resolve();
      body.destroy();
    };
    body.on("data", onPiece);
    body.on("end", () => {
      try {
        checkLength(open, count);
        signal?.removeEventListener("abort", onAbort);
        resolve();
      } catch (error) {
        finish(error);
      }
    });
    if (signal?.aborted) onAbort();
  });
}

/** A stream of nothing. */
export function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
}

/**
 * The pieces of a body, counted and added up; ends with an error unless they are all that was announced.
 *
 * @param until - Asked at each piece, with the number of bytes that came and the milliseconds in which nobody asked for
 * any: after how many the connection is dropped, and the rest is not waited for.
 */
export async function* pieces(
  open: OpenObject,
  digest: ReadDigest | undefined,
  until?: (count: number, elsewhereMs: number) => number,
): AsyncGenerator<Uint8Array, undefined> {
  const { body, byteLength, context, signal } = open;
  const onAbort = () => body.destroy(new DOMException("aborted", "AbortError"));
  signal?.addEventListener("abort", onAbort, { once: true });
  let [count, elsewhereMs] = [0, 0];
  try {
    if (signal?.aborted) onAbort();
    for await (const piece of body as AsyncIterable<Buffer>) {
      const came = count + piece.byteLength;
      if (came > byteLength) throw damaged(`${came} bytes came, and ${byteLength} were announced`, context);
      const end = until?.(came, elsewhereMs) ?? byteLength;
      // A view of its own: a Buffer would give the caller methods that behave otherwise.
      const wanted = new Uint8Array(piece.buffer, piece.byteOffset, Math.min(piece.byteLength, end - count));
      count += wanted.byteLength;
      digest?.update(wanted);
      const handedOver = performance.now();
      yield wanted;
      elsewhereMs += performance.now() - handedOver;
      if (count === end && end < byteLength) return undefined;
    }
  } catch (error) {
    throw translateS3(error, context, signal);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    body.destroy();
  }
  if (signal?.aborted) throw translateS3(signal.reason, context, signal);
  checkLength(open, count);
  return undefined;
}

/** The error of a value that is not what was stored. */
export function notTheStored(context: ErrorContext): StorageError {
  return damaged("the bytes that came are not those that were stored", context);
}

function checkLength({ byteLength, context }: OpenObject, count: number): void {
  if (count < byteLength) throw connectionLost(`the connection ended after ${count} of ${byteLength} bytes`, context);
  if (count > byteLength) throw damaged(`${count} bytes came, and ${byteLength} were announced`, context);
}

function opened(
  answer: GetObjectCommandOutput,
  range: ByteRange | undefined,
  context: ErrorContext,
  signal: AbortSignal | undefined,
): OpenObject {
  const body = answer.Body as Readable | undefined;
  const byteLength = answer.ContentLength;
  if (body === undefined || byteLength === undefined) {
    body?.destroy();
    throw connectionLost("the answer announces no length", context);
  }
  const place = range === undefined ? { offset: 0, total: byteLength } : checkRangeOf(answer, range, context);
  const value: DescribedValue = {
    etag: bareEtag(answer.ETag),
    isOpaque: isOpaqueEtag(answer),
    metadata: answer.Metadata,
    byteLength: place.total,
  };
  return { body, byteLength, offset: place.offset, value, context, signal };
}

/** How an object is encrypted, as answers say it. */
export interface Encryption {
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}

/** True where the service encrypts by a key of its own: etags are then no digests of the bytes. */
export function isOpaqueEtag(answer: Encryption): boolean {
  return (answer.ServerSideEncryption ?? "").startsWith("aws:") || answer.SSECustomerAlgorithm !== undefined;
}

function rangeHeader(range: ByteRange): string {
  if ("suffix" in range) return `bytes=-${range.suffix}`;
  const { offset, length } = range;
  const last = length === undefined ? "" : Math.min(offset + length - 1, Number.MAX_SAFE_INTEGER);
  return `bytes=${offset}-${last}`;
}

/** A service that answers with another part than was asked for must not be believed. */
function checkRangeOf(
  answer: GetObjectCommandOutput,
  range: ByteRange,
  context: ErrorContext,
): { readonly offset: number; readonly total: number } {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? "") ?? [];
  const size = Number(total);
  let problem = `asked for ${rangeHeader(range)}, the service answered ${answer.ContentRange ?? "with no range"}`;
  let isDamaged = false;
  if (first !== undefined && Number.isSafeInteger(size)) {
    const { offset, length } = resolveRange(range, size, context);
    const isIt = Number(first) === offset && Number(last) === offset + length - 1;
    if (isIt && answer.ContentLength === length) return { offset, total: size };
    isDamaged = isIt;
    if (isIt) problem = `${answer.ContentLength} bytes were announced for a range of ${length}`;
  }
  (answer.Body as Readable | undefined)?.destroy();
  throw isDamaged ? damaged(problem, context) : connectionLost(problem, context);
}
