/** Reads a whole value: the first answer tells how long it is, and the rest of a long one comes in parts at once. */
import type { ByteRange } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { LinkSpeed } from "./link-speed.ts";
import { blankBytes, fill, notTheStored, type OpenObject } from "./object-reading.ts";
import { crcDigest, etagDigest, type ReadDigest } from "./read-digest.ts";

/** How often a value that is replaced meanwhile is begun again. */
const ATTEMPTS = 20;

/** Shorter ranges are not worth a request of their own. */
const MIN_PART = 1 << 20;

/** Asks for a part of the value; answers `undefined` if the part is empty. */
type Ask = (part: {
  readonly range: ByteRange | undefined;
  readonly ifMatch: string | undefined;
  readonly signal: AbortSignal | undefined;
}) => Promise<OpenObject | undefined>;

/** How to read a long value. */
export interface PartReading {
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
 * nobody knows beforehand what is small. Of a long value that comes slowly it brings one part, while others bring those
 * that follow; one that comes fast is left alone.
 */
export async function readWhole(reading: PartReading): Promise<Uint8Array> {
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

async function readVersion(reading: PartReading): Promise<Uint8Array> {
  const { ask, ifMatch, signal, partBytes, inFlight, onlySlow, verify, context } = reading;
  const first = await ask({ range: undefined, ifMatch, signal });
  if (first === undefined) return new Uint8Array(0);
  const { value } = first;
  const bytes = blankBytes(value.byteLength);
  const digest = verify ? (crcDigest(value) ?? etagDigest(value, context)) : undefined;
  const isLong = inFlight > 1 && value.etag !== undefined && value.byteLength >= 2 * partBytes;
  const speed = new LinkSpeed(onlySlow);
  let rest: FollowingParts | undefined;
  const until = (count: number) => {
    if (rest === undefined && speed.isSlow(count)) rest = new FollowingParts(reading, value, bytes, count, digest);
    return rest?.begin ?? value.byteLength;
  };
  try {
    await fill(first, bytes, digest, isLong ? until : undefined);
  } catch (error) {
    rest?.fail(error);
    if (rest === undefined) throw error;
  }
  await rest?.finish();
  if (digest !== undefined && !digest.isRight()) checkEtag(first, bytes);
  return bytes;
}

/** The metadata may be older than the value: other programs replace the one and keep the other. The etag is its own. */
function checkEtag({ value, context }: OpenObject, bytes: Uint8Array): void {
  const digest = etagDigest(value, context);
  digest?.update(bytes);
  if (!digest?.isRight()) throw notTheStored(context);
}

/** What follows the first part of a value, in parts: each is fetched by whoever is free. */
class FollowingParts {
  /** Where they begin in the value, and the first connection may stop. */
  readonly begin: number;
  readonly #reading: PartReading;
  readonly #etag: string | undefined;
  readonly #bytes: Uint8Array;
  readonly #digest: ReadDigest | undefined;
  readonly #partBytes: number;
  readonly #workers: Promise<void>[] = [];
  readonly #isThere: boolean[] = [];
  /** The first failure ends the other parts as well. */
  readonly #cut = new AbortController();
  #failure: { readonly error: unknown } | undefined;
  #next = 0;
  #verified = 0;
  #isFirstThere = false;

  /** @param count - Bytes that are there already. */
  constructor(
    reading: PartReading,
    { etag }: OpenObject["value"],
    bytes: Uint8Array,
    count: number,
    digest: ReadDigest | undefined,
  ) {
    this.#reading = reading;
    this.#etag = etag;
    this.#bytes = bytes;
    this.#digest = digest;
    const share = Math.max(MIN_PART, Math.ceil((bytes.byteLength - count) / reading.inFlight));
    this.#partBytes = Math.min(reading.partBytes, share);
    this.begin = Math.min(bytes.byteLength, count + this.#partBytes);
    reading.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (reading.signal?.aborted) this.#onAbort();
    for (let i = 1; i < reading.inFlight; i++) this.#workers.push(this.#work());
  }

  /** Calls all of them off. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#cut.abort();
  }

  /** To be called when the first part is there, whose connection is then free for one more. */
  async finish(): Promise<void> {
    this.#isFirstThere = true;
    this.#workers.push(this.#work());
    await Promise.all(this.#workers);
    this.#reading.signal?.removeEventListener("abort", this.#onAbort);
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#verify();
  }

  readonly #onAbort = () => this.#cut.abort(this.#reading.signal?.reason);

  async #work(): Promise<void> {
    try {
      while (this.#failure === undefined && this.#offsetOf(this.#next) < this.#bytes.byteLength) {
        await this.#fetch(this.#next++);
        this.#verify();
      }
    } catch (error) {
      this.fail(error);
    }
  }

  async #fetch(index: number): Promise<void> {
    const target = this.#partOf(index);
    const range = { offset: this.#offsetOf(index), length: target.byteLength };
    const open = await this.#reading.ask({ range, ifMatch: this.#etag, signal: this.#cut.signal });
    if (open === undefined) throw notTheStored(this.#reading.context);
    await fill(open, target);
    this.#isThere[index] = true;
  }

  /** Digests want bytes in order. */
  #verify(): void {
    if (!this.#isFirstThere) return;
    for (; this.#isThere[this.#verified]; this.#verified++) this.#digest?.update(this.#partOf(this.#verified));
  }

  #offsetOf(index: number): number {
    return this.begin + index * this.#partBytes;
  }

  #partOf(index: number): Uint8Array {
    return this.#bytes.subarray(this.#offsetOf(index), this.#offsetOf(index + 1));
  }
}
