/** Reads a whole value: the first answer tells how long it is, and the rest of a long one comes in parts at once. */
import type { ByteRange } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { blankBytes, fill, notTheStored, type OpenObject } from "./object-reading.ts";
import { crcDigest, etagDigest, type ReadDigest } from "./read-digest.ts";

/** How often a value that is replaced meanwhile is begun again. */
const ATTEMPTS = 20;

/** After so many bytes it is told whether a connection is fast. */
const SAMPLE_BYTES = 2 << 20;

/** More than one connection of a large service carries (50 to 100 MB/s): several would gain nothing. */
const FAST_BYTES_PER_MS = (150 << 20) / 1000;

/** Asks for a part of the value; answers `undefined` if the part is empty. */
type Ask = (part: {
  readonly range: ByteRange | undefined;
  readonly ifMatch: string | undefined;
  readonly signal: AbortSignal | undefined;
}) => Promise<OpenObject | undefined>;

/** How to read a whole value. */
export interface WholeReading {
  readonly ask: Ask;
  readonly ifMatch: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Bytes in one part. */
  readonly partBytes: number;
  /** Parts under way at once. 1: the value is one request. */
  readonly inFlight: number;
  /** Only where one connection is slow. */
  readonly onlySlow: boolean;
  /** Compares what came with what was stored, where that can be told. */
  readonly verify: boolean;
  readonly context: ErrorContext;
}

/**
 * Reads all of a value. One of two parts or more comes in several requests at once, all of one version: a single
 * connection of a large service carries less than the network does.
 *
 * The first request asks for all: services answer small values faster when no range is asked for (Ceph by a third), and
 * nobody knows beforehand what is small. Of a long value that comes slowly its connection is dropped, and the rest asked
 * for in parts; one that comes fast is left alone.
 */
export async function readWhole(reading: WholeReading): Promise<Uint8Array> {
  const { context, ifMatch } = reading;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      return await readVersion(reading);
    } catch (error) {
      if (!isStorageError(error, "PRECONDITION_FAILED") || ifMatch !== undefined) throw error;
    }
  }
  const message = `"${context.identifier}" was replaced ${ATTEMPTS} times while it was read`;
  throw new StorageError("CONFLICT", message, { ...context, retryable: true });
}

async function readVersion(reading: WholeReading): Promise<Uint8Array> {
  const { ask, ifMatch, signal, partBytes, inFlight, onlySlow, verify, context } = reading;
  const first = await ask({ range: undefined, ifMatch, signal });
  if (first === undefined) return new Uint8Array(0);
  const { value } = first;
  const bytes = blankBytes(value.byteLength);
  const digest = verify ? (crcDigest(value) ?? etagDigest(value, context)) : undefined;
  const isLong = inFlight > 1 && value.etag !== undefined && value.byteLength >= 2 * partBytes;
  const there = await fill(first, bytes, digest, isLong ? slowness(onlySlow) : undefined);
  if (there < bytes.byteLength) await fillInParts(reading, first.value, there, bytes, digest);
  if (digest !== undefined && !digest.isRight()) checkEtag(first, bytes);
  return bytes;
}

/** The metadata may be older than the value: other programs replace the one and keep the other. The etag is its own. */
function checkEtag({ value, context }: OpenObject, bytes: Uint8Array): void {
  const digest = etagDigest(value, context);
  digest?.update(bytes);
  if (!digest?.isRight()) throw notTheStored(context);
}

/** Answers, once enough has come to tell, whether a connection is slow; at once if that does not matter. */
function slowness(onlySlow: boolean): (count: number) => boolean {
  const begin = performance.now();
  let isJudged = false;
  return (count) => {
    if (isJudged || (onlySlow && count < SAMPLE_BYTES)) return false;
    isJudged = true;
    return !onlySlow || count / (performance.now() - begin) < FAST_BYTES_PER_MS;
  };
}

/** Fills in what is missing from `there` on. */
async function fillInParts(
  { ask, signal, partBytes, inFlight, context }: WholeReading,
  { etag, byteLength }: OpenObject["value"],
  there: number,
  bytes: Uint8Array,
  digest: ReadDigest | undefined,
): Promise<void> {
  const isThere: boolean[] = [];
  let verified = 0;
  const partOf = (index: number) => bytes.subarray(there + index * partBytes, there + (index + 1) * partBytes);
  const count = Math.ceil((byteLength - there) / partBytes);
  // The first failure ends the other parts as well.
  const cut = new AbortController();
  const onAbort = () => cut.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next++;
      const target = partOf(index);
      const range = { offset: there + index * partBytes, length: target.byteLength };
      const open = await ask({ range, ifMatch: etag, signal: cut.signal });
      if (open === undefined) throw notTheStored(context);
      await fill(open, target);
      isThere[index] = true;
      // Digests want bytes in order.
      for (; isThere[verified]; verified++) digest?.update(partOf(verified));
    }
  };
  let failure: { readonly error: unknown } | undefined;
  const workers = Array.from({ length: Math.min(inFlight, count) }, () =>
    worker().catch((error: unknown) => {
      failure ??= { error };
      cut.abort();
    }),
  );
  await Promise.all(workers);
  signal?.removeEventListener("abort", onAbort);
  if (failure !== undefined) throw failure.error;
}
