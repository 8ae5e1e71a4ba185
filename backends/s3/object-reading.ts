/** Reads values: whole and verified, by ranges, and as streams. */
import { createHash, type Hash } from "node:crypto";
import type { Readable } from "node:stream";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { resolveRange } from "../../src/core/byte-range.ts";
import type { ByteRange, ReadOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import { PartDigest } from "./part-digest.ts";
import { connectionLost, damaged, translateS3 } from "./s3-errors.ts";

/** One answer of the service: bytes to come. */
export interface OpenObject {
  readonly body: Readable;
  /** Bytes that the body must have. */
  readonly byteLength: number;
  readonly etag: string | undefined;
  /** Adds the bytes up and tells, at the end, whether they are the stored ones; absent where nothing can tell. */
  readonly digest: PartDigest | Hash | undefined;
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
  verify: boolean,
): Promise<OpenObject | undefined> {
  const { range, ifMatch, signal } = options;
  const isEmpty = range !== undefined && ("suffix" in range ? range.suffix === 0 : range.length === 0);
  const Range = range === undefined ? undefined : rangeHeader(range);
  const IfMatch = ifMatch === undefined ? undefined : `"${ifMatch}"`;
  try {
    if (isEmpty) throw new StorageError("OUT_OF_RANGE", "an empty range is no range to HTTP", context);
    const command = new bucket.sdk.GetObjectCommand({ ...bucket.at(key), Range, IfMatch });
    const answer = await bucket.send<GetObjectCommandOutput>(command, context, signal);
    return opened(answer, range, context, signal, verify);
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

/** All bytes of an answer, in memory of their own. */
export function collect(open: OpenObject): Promise<Uint8Array> {
  const { body, byteLength, digest, context, signal } = open;
  // Not from the pool that Buffers share, and not zeroed: it is answered only when every byte was overwritten.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer);
  let count = 0;
  // By events: an iterator costs a turn of the event loop for each of the many small pieces.
  return new Promise<Uint8Array>((resolve, reject) => {
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
    body.on("data", (piece: Buffer) => {
      if (count + piece.byteLength <= byteLength) bytes.set(piece, count);
      count += piece.byteLength;
      digest?.update(piece);
    });
    body.on("end", () => {
      try {
        checkWhole(open, count);
        signal?.removeEventListener("abort", onAbort);
        resolve(bytes);
      } catch (error) {
        finish(error);
      }
    });
    if (signal?.aborted) onAbort();
  });
}

/** The bytes of an answer as a stream that reads when it is asked to. */
export function streamOf(open: OpenObject): ReadableStream<Uint8Array> {
  const source = pieces(open);
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { value, done } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => {
        open.body.destroy();
        await source.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** A stream of nothing. */
export function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
}

/** The pieces of a body, counted and added up; ends with an error unless they are all of what is stored. */
async function* pieces(open: OpenObject): AsyncGenerator<Uint8Array, undefined> {
  const { body, byteLength, digest, context, signal } = open;
  const onAbort = () => body.destroy(new DOMException("aborted", "AbortError"));
  signal?.addEventListener("abort", onAbort, { once: true });
  let count = 0;
  try {
    if (signal?.aborted) onAbort();
    for await (const piece of body as AsyncIterable<Buffer>) {
      count += piece.byteLength;
      if (count > byteLength) throw damaged(`${count} bytes came, and ${byteLength} were announced`, context);
      digest?.update(piece);
      // A view of its own: a Buffer would give the caller methods that behave otherwise.
      yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
    }
  } catch (error) {
    throw translateS3(error, context, signal);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    body.destroy();
  }
  if (signal?.aborted) throw translateS3(signal.reason, context, signal);
  checkWhole(open, count);
  return undefined;
}

/** Rejects what is not all of the value, or not the value. */
function checkWhole({ byteLength, digest, etag, context }: OpenObject, count: number): void {
  if (count < byteLength) throw connectionLost(`the connection ended after ${count} of ${byteLength} bytes`, context);
  if (count > byteLength) throw damaged(`${count} bytes came, and ${byteLength} were announced`, context);
  if (digest === undefined || digestText(digest) === etag) return;
  throw damaged("the bytes that came are not those that were stored", context);
}

function opened(
  answer: GetObjectCommandOutput,
  range: ByteRange | undefined,
  context: ErrorContext,
  signal: AbortSignal | undefined,
  verify: boolean,
): OpenObject {
  const body = answer.Body as Readable | undefined;
  const byteLength = answer.ContentLength;
  if (body === undefined || byteLength === undefined) {
    body?.destroy();
    throw connectionLost("the answer announces no length", context);
  }
  if (range !== undefined) checkRangeOf(answer, range, context);
  const etag = bareEtag(answer.ETag);
  const digest = verify && range === undefined ? digestFor(answer, etag, byteLength, context) : undefined;
  return { body, byteLength, etag, digest, context, signal };
}

/** What can tell whether a whole value came as it was stored: its etag, where that is made of MD5 digests. */
function digestFor(
  answer: GetObjectCommandOutput,
  etag: string | undefined,
  byteLength: number,
  context: ErrorContext,
): PartDigest | Hash | undefined {
  if (etag === undefined || isOpaqueEtag(answer)) return undefined;
  if (/^[0-9a-f]{32}$/.test(etag)) return createHash("md5");
  const partBytes = Number(answer.Metadata?.[PART_BYTES]);
  const parts = Number(/^[0-9a-f]{32}-(\d+)$/.exec(etag)?.[1]);
  // Of uploads by others nobody knows how long their parts were.
  if (!Number.isSafeInteger(partBytes) || partBytes <= 0 || Number.isNaN(parts)) return undefined;
  if (Math.ceil(byteLength / partBytes) === parts) return new PartDigest(partBytes);
  (answer.Body as Readable | undefined)?.destroy();
  throw damaged(`${byteLength} bytes were announced, and that is no length of ${parts} parts`, context);
}

/** Name of the metadata that says how long the parts of an upload were: with it, its etag can be computed again. */
export const PART_BYTES = "sluice-part-bytes";

/** How an object is encrypted, as answers say it. */
export interface Encryption {
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}

/** True where the service encrypts by a key of its own: etags are then no digests of the bytes. */
export function isOpaqueEtag(answer: Encryption): boolean {
  return (answer.ServerSideEncryption ?? "").startsWith("aws:") || answer.SSECustomerAlgorithm !== undefined;
}

function digestText(digest: PartDigest | Hash): string {
  return digest instanceof PartDigest ? digest.etag() : digest.digest("hex");
}

function rangeHeader(range: ByteRange): string {
  if ("suffix" in range) return `bytes=-${range.suffix}`;
  const { offset, length } = range;
  const last = length === undefined ? "" : Math.min(offset + length - 1, Number.MAX_SAFE_INTEGER);
  return `bytes=${offset}-${last}`;
}

/** A service that answers with another part than was asked for must not be believed. */
function checkRangeOf(answer: GetObjectCommandOutput, range: ByteRange, context: ErrorContext): void {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? "") ?? [];
  const size = Number(total);
  if (first !== undefined && Number.isSafeInteger(size)) {
    const { offset, length } = resolveRange(range, size, context);
    const isIt = Number(first) === offset && Number(last) === offset + length - 1 && answer.ContentLength === length;
    if (isIt) return;
  }
  (answer.Body as Readable | undefined)?.destroy();
  const problem = `asked for ${rangeHeader(range)}, the service answered ${answer.ContentRange ?? "with no range"}`;
  throw connectionLost(problem, context);
}
