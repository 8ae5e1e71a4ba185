/** Writes one value of a bucket piece by piece, as an upload in parts. */
import type {
  CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommandOutput,
  HeadObjectCommandOutput,
  UploadPartCommandOutput,
} from "@aws-sdk/client-s3";
import { crc32c, crc32cHex } from "../../src/codecs/crc32c.ts";
import {
  type ByteSource,
  type ByteWriter,
  type ByteWriterOptions,
  byteSourceLength,
  type OperationOptions,
  type WriteOptions,
  type WriteResult,
} from "../../src/core/byte-store.ts";
import { checkAborted, checkOpen } from "../../src/core/checks.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import type { KeptBytes, OpenByteWriterOptions } from "../../src/core/resumable-write.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import type { Service } from "./condition-probe.ts";
import { conditionError, sendBody } from "./object-writing.ts";
import { etagOfParts } from "./part-digest.ts";
import { abortUpload, type StoredPart } from "./pending-uploads.ts";
import { crcText, PART_BYTES, VALUE_CRC32 } from "./read-digest.ts";
import type { ResumedUpload } from "./resume-upload.ts";
import { translateS3 } from "./s3-errors.ts";
import { crc32Of, UploadBody } from "./upload-body.ts";
import { checkKept, digestInput } from "./upload-check.ts";

/** Parts that one upload may have. */
const MAX_PARTS = 10_000;

/** What the store lends its writer. */
export interface UploadHost {
  readonly bucket: Bucket;
  readonly key: string;
  readonly options: OpenByteWriterOptions;
  readonly context: ErrorContext;
  readonly partBytes: number;
  readonly partsInFlight: number;
  readonly service: Service;
  /** Writes a value that fits into one request. */
  readonly putWhole: (bytes: Uint8Array, options: WriteOptions) => Promise<WriteResult>;
  /** Called once, when the writer is done with. */
  readonly released: () => void;
}

/**
 * A writer that fills parts and sends several at once. It holds one part more than may be under way, so a caller that
 * is faster than the service waits in `write`. A value that fits into one part is sent in one request.
 *
 * The service shows nothing of an upload before it is finished. A failure, an abort, and closing the store give it up.
 */
export class UploadWriter implements ByteWriter {
  readonly kept: KeptBytes | undefined;
  /** There if the writer was asked to go on with an earlier one. */
  readonly suspend?: () => Promise<void>;
  readonly #host: UploadHost;
  readonly #cut = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  readonly #spare: Uint8Array[] = [];
  readonly #parts: (StoredPart | undefined)[] = [];
  #uploadId: Promise<string> | undefined;
  #part: Uint8Array | undefined;
  #inPart = 0;
  #byteLength = 0;
  #crc: number | undefined;
  /** CRC-32 of a value that was there as a whole before it was sent. */
  #whole: string | undefined;
  #tail: Promise<void> = Promise.resolve();
  #failure: unknown;
  #closing: Promise<WriteResult> | undefined;
  #isOpen = true;

  constructor(host: UploadHost, resumed?: ResumedUpload) {
    this.#host = host;
    this.kept = resumed?.kept;
    if (host.options.resume !== undefined) this.suspend = () => this.#suspend();
    this.#crc = host.options.checksum === undefined ? undefined : (this.kept?.crc32c ?? 0);
    if (resumed === undefined) return;
    this.#uploadId = Promise.resolve(resumed.uploadId);
    this.#parts.push(...resumed.parts);
    this.#byteLength = resumed.parts.reduce((sum, part) => sum + part.byteLength, 0);
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** Name of the upload at the service once parts are sent: what `resumeWriter` wants. */
  get uploadId(): Promise<string> | undefined {
    return this.#uploadId;
  }

  async write(chunk: ByteSource, options: ByteWriterOptions = {}): Promise<void> {
    const { context } = this.#host;
    checkOpen(this.#isOpen && this.#closing === undefined, `The writer of "${context.identifier}"`, context);
    checkAborted(options.signal, context);
    if (options.position !== undefined && options.position !== this.#byteLength) {
      throw new StorageError("UNSUPPORTED", `"${context.backend}" writes values from beginning to end only`, context);
    }
    this.#byteLength += byteSourceLength(chunk);
    if (this.#crc !== undefined) this.#crc = crcOf(chunk, this.#crc);
    // Not aborted from here on: later chunks stand after this one.
    const work = this.#tail.then(() => this.#append(chunk));
    this.#tail = work.catch(() => {});
    await work;
  }

  /**
   * Sends all of a value that lies in memory, from where it lies. To be called once, before anything is written.
   *
   * @param bytes - Borrowed until the writer is closed or aborted.
   */
  async writeWhole(bytes: ByteSource, { signal }: OperationOptions): Promise<void> {
    const { partBytes, context } = this.#host;
    const parts = bytes instanceof Uint8Array ? [bytes] : bytes;
    this.#whole = crcText(crc32Of(parts));
    this.#byteLength = byteSourceLength(bytes);
    if (this.#crc !== undefined) this.#crc = crcOf(bytes, this.#crc);
    this.#checkParts();
    const onAbort = () => this.#cut.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for (const part of splitSource(parts, partBytes)) {
        checkAborted(signal, context);
        await this.#send(part, () => {});
      }
      await Promise.all(this.#sending);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(options: OperationOptions = {}): Promise<WriteResult> {
    if (this.#closing !== undefined) return this.#closing;
    const closing = this.#close(options);
    this.#closing = closing;
    // Aborting the close leaves things as they were: the writer can be closed again, or aborted.
    closing.catch((error) => {
      if (this.#isOpen && isStorageError(error, "ABORTED")) this.#closing = undefined;
    });
    return closing;
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#failure ??= new StorageError("NOT_OPEN", "The writer was aborted", this.#host.context);
    this.#cut.abort();
    // The service may have the value already: closing says what becomes of it.
    if (this.#closing !== undefined) await Promise.allSettled([this.#closing]);
    await this.#giveUp();
  }

  async #giveUp(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      await this.#tail;
      // A part that arrives after the upload was given up would be kept, and paid for.
      await Promise.allSettled(this.#sending);
      const uploadId = await this.#uploadId?.catch(() => undefined);
      if (uploadId !== undefined) await abortUpload(this.#host.bucket, this.#host.key, uploadId, this.#host.context);
    } finally {
      this.#spare.length = 0;
      this.#part = undefined;
      this.#host.released();
    }
  }

  /** Ends the writer and leaves the parts that the service has. What was not yet a whole part is lost. */
  async #suspend(): Promise<void> {
    if (this.#closing !== undefined) await Promise.allSettled([this.#closing]);
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#tail;
    await Promise.allSettled(this.#sending);
    const uploadId = await this.#uploadId?.catch(() => undefined);
    this.#spare.length = 0;
    this.#part = undefined;
    try {
      // Without a part there is nothing to go on with.
      const isEmpty = uploadId !== undefined && this.#parts[0] === undefined;
      if (isEmpty) await abortUpload(this.#host.bucket, this.#host.key, uploadId, this.#host.context);
    } finally {
      this.#host.released();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing !== undefined) await Promise.allSettled([this.#closing]);
    await this.abort();
  }

  /** Copies a chunk into parts, and sends those that are full. */
  async #append(chunk: ByteSource): Promise<void> {
    const { partBytes } = this.#host;
    for (const piece of chunk instanceof Uint8Array ? [chunk] : chunk) {
      for (let at = 0; at < piece.byteLength; ) {
        // Sent only when more comes: the last part is the one that closing sends.
        if (this.#inPart === partBytes) await this.#sendFull();
        if (this.#failure !== undefined) throw this.#failure;
        this.#part ??= this.#spare.pop() ?? new Uint8Array(new ArrayBuffer(partBytes));
        const end = Math.min(piece.byteLength, at + partBytes - this.#inPart);
        this.#part.set(piece.subarray(at, end), this.#inPart);
        this.#inPart += end - at;
        at = end;
      }
    }
  }

  async #sendFull(): Promise<void> {
    const part = this.#part as Uint8Array;
    this.#checkParts();
    await this.#send(part, () => this.#spare.push(part));
    this.#part = undefined;
    this.#inPart = 0;
  }

  /** Parts cannot be written under conditions that the service forgets in the end. */
  #checkParts(): void {
    const { context, options, service } = this.#host;
    const isConditional = options.ifAbsent === true || options.ifMatch !== undefined;
    if (isConditional && !service.conditions.onComplete) {
      this.#failure ??= new StorageError(
        "UNSUPPORTED",
        `"${context.backend}" keeps ifAbsent and ifMatch for values in one request only, and "${context.identifier}" ` +
          "is longer than one part: write it whole, raise partBytes, or leave the condition out",
        context,
      );
      throw this.#failure;
    }
  }

  /** Begins to send a part as soon as there is room for it. */
  async #send(part: ByteSource, sent: () => void): Promise<void> {
    while (this.#sending.size >= this.#host.partsInFlight) await Promise.race(this.#sending);
    if (this.#failure !== undefined) throw this.#failure;
    const index = this.#parts.push(undefined) - 1;
    const work: Promise<void> = this.#sendPart(index, part)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#sending.delete(work);
        sent();
      });
    this.#sending.add(work);
  }

  async #sendPart(index: number, bytes: ByteSource): Promise<void> {
    const { bucket, key, context, service } = this.#host;
    if (index >= MAX_PARTS) {
      throw new StorageError("INVALID_DATA", `"${key}" needs more than ${MAX_PARTS} parts; raise partBytes`, context);
    }
    const body = new UploadBody(bytes);
    const command = new bucket.sdk.UploadPartCommand({
      ...bucket.at(key),
      UploadId: await this.#begin(),
      PartNumber: index + 1,
      Body: body.stream(),
      ContentLength: body.byteLength,
      ...digestInput(body, service.check),
    });
    const answer = await bucket.send<UploadPartCommandOutput>(command, context, this.#cut.signal);
    const etag = bareEtag(answer.ETag);
    checkKept(etag, body, service.check, answer, context);
    this.#parts[index] = { etag, byteLength: body.byteLength };
  }

  #begin(): Promise<string> {
    this.#uploadId ??= this.#create();
    return this.#uploadId;
  }

  async #create(): Promise<string> {
    const { bucket, key, context, partBytes } = this.#host;
    const Metadata = { [PART_BYTES]: String(partBytes), ...(this.#whole && { [VALUE_CRC32]: this.#whole }) };
    const command = new bucket.sdk.CreateMultipartUploadCommand({ ...bucket.at(key), Metadata });
    const { UploadId } = await bucket.send<CreateMultipartUploadCommandOutput>(command, context);
    return UploadId as string;
  }

  async #close({ signal }: OperationOptions): Promise<WriteResult> {
    const { context } = this.#host;
    try {
      checkOpen(this.#isOpen, `The writer of "${context.identifier}"`, context);
      checkAborted(signal, context);
      await this.#tail;
      if (this.#failure !== undefined) throw this.#failure;
      const isSmall = this.#parts.length === 0 && this.#uploadId === undefined;
      const result = isSmall ? await this.#putWhole(signal) : await this.#finish(signal);
      this.#isOpen = false;
      this.#part = undefined;
      this.#spare.length = 0;
      this.#host.released();
      if (this.#crc === undefined) return result;
      return { ...result, checksum: { algorithm: "crc32c", value: crc32cHex(this.#crc) } };
    } catch (error) {
      if (this.#isOpen && !isStorageError(error, "ABORTED")) {
        // What went wrong first is what the caller must hear; an upload that cannot be given up can be found later.
        this.#cut.abort();
        await this.#giveUp().catch(() => {});
      }
      throw error;
    }
  }

  #putWhole(signal: AbortSignal | undefined): Promise<WriteResult> {
    const { ifAbsent, ifMatch } = this.#host.options;
    const bytes = this.#part?.subarray(0, this.#inPart) ?? new Uint8Array(0);
    return this.#host.putWhole(bytes, { ifAbsent, ifMatch, signal });
  }

  async #finish(signal: AbortSignal | undefined): Promise<WriteResult> {
    const { bucket, key, context, options } = this.#host;
    await Promise.all(this.#sending);
    if (this.#failure !== undefined) throw this.#failure;
    checkAborted(signal, context);
    // Kept in memory as well, so that an aborted close can be followed by more chunks: the part is then sent again.
    const parts = [...this.#parts];
    if (this.#inPart > 0) {
      await this.#sendPart(parts.length, (this.#part as Uint8Array).subarray(0, this.#inPart));
      parts.push(this.#parts.pop());
    }
    checkAborted(signal, context);
    const stored = parts as StoredPart[];
    const expected = etagOfParts(stored.map(({ etag }) => Buffer.from(etag, "hex")));
    const command = new bucket.sdk.CompleteMultipartUploadCommand({
      ...bucket.at(key),
      UploadId: await this.#begin(),
      MultipartUpload: { Parts: stored.map(({ etag }, i) => ({ PartNumber: i + 1, ETag: `"${etag}"` })) },
      ...(options.ifAbsent ? { IfNoneMatch: "*" } : {}),
      ...(options.ifMatch === undefined ? {} : { IfMatch: `"${options.ifMatch}"` }),
    });
    try {
      const how = { signal: undefined, isRepeatable: true };
      const sent = { isHandedOver: true };
      const answer = await sendBody<CompleteMultipartUploadCommandOutput>(bucket, command, sent, context, how);
      const etag = bareEtag(answer.ETag) || expected;
      return { byteLength: this.#byteLength, etag, ...(answer.VersionId ? { version: answer.VersionId } : {}) };
    } catch (error) {
      if (await this.#wasFinished(expected, error)) return { byteLength: this.#byteLength, etag: expected };
      throw conditionError(error, options, context);
    }
  }

  /** After an answer that was lost: whether the value is there although nobody said so. */
  async #wasFinished(expected: string, error: unknown): Promise<boolean> {
    const { bucket, key, context } = this.#host;
    if (!isStorageError(error) || (!error.retryable && error.code !== "NOT_FOUND")) return false;
    try {
      const head = new bucket.sdk.HeadObjectCommand(bucket.at(key));
      const { ETag, ContentLength } = await bucket.sendRaw<HeadObjectCommandOutput>(head);
      return bareEtag(ETag) === expected && ContentLength === this.#byteLength;
    } catch (cause) {
      translateS3(cause, context);
      return false; // The first failure is the one to report.
    }
  }
}

/** The checksum of a source, after the bytes before it. */
export function crcOf(bytes: ByteSource, seed = 0): number {
  if (bytes instanceof Uint8Array) return crc32c(bytes, seed);
  return bytes.reduce((crc, part) => crc32c(part, crc), seed);
}

/** Cuts parts into pieces of one length (the last may be shorter) without copying. */
export function* splitSource(parts: readonly Uint8Array[], byteLength: number): Generator<Uint8Array[]> {
  let piece: Uint8Array[] = [];
  let left = byteLength;
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; ) {
      const view = part.subarray(at, at + left);
      piece.push(view);
      at += view.byteLength;
      left -= view.byteLength;
      if (left > 0) continue;
      yield piece;
      [piece, left] = [[], byteLength];
    }
  }
  if (piece.length > 0) yield piece;
}
