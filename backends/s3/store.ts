/** A byte store in a bucket. */
import { crc32cHex } from "../../src/codecs/crc32c.ts";
import { checkRange } from "../../src/core/byte-range.ts";
import {
  type ByteRange,
  type ByteSource,
  type ByteStore,
  type ByteWriter,
  byteSourceLength,
  type DeleteResult,
  type ListEntry,
  type ListOptions,
  type ObjectStat,
  type OperationOptions,
  type ReadOptions,
  type StatOptions,
  type TransferOptions,
  type WriteOptions,
  type WriteResult,
} from "../../src/core/byte-store.ts";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { checkAborted, checkOpen } from "../../src/core/checks.ts";
import { type ErrorContext, isStorageError, runAll, StorageError, toStorageError } from "../../src/core/errors.ts";
import { encodeKey, normalizeKey } from "../../src/core/key.ts";
import type { OpenByteWriterOptions } from "../../src/core/resumable-write.ts";
import type { Bucket } from "./bucket.ts";
import { capabilitiesFor, type Service } from "./condition-probe.ts";
import { connect, type OpenS3 } from "./connect.ts";
import type { PendingUpload, PresignOptions, S3Extras, S3Options, UploadOptions } from "./index.ts";
import { copyObject, deleteObjects, MAX_REQUEST, sendChange } from "./object-changes.ts";
import { hasKeysBelow, listObjects } from "./object-listing.ts";
import { collect, emptyStream, openObject } from "./object-reading.ts";
import { isDirectoryError, statObject } from "./object-stat.ts";
import { putObject } from "./object-writing.ts";
import { abortUpload, listUploads, storedParts } from "./pending-uploads.ts";
import { presign } from "./presign.ts";
import { readRangesOf } from "./range-reading.ts";
import { findUpload, type ResumedUpload, wholeParts } from "./resume-upload.ts";
import { streamOf } from "./stream-reading.ts";
import { checkPlace } from "./tree-check.ts";
import { crcOf, type UploadHost, UploadWriter } from "./upload-writer.ts";
import { type PartReading, readWhole } from "./whole-reading.ts";

const MIB = 1 << 20;

/** Uploads younger than this may belong to somebody who is still writing. */
const DAY_MS = 86_400_000;

/**
 * Keys to objects. Each value appears whole or not at all, as S3 promises: small ones go in one request, long ones in
 * parts that the service puts together at the end.
 *
 * Every request is made once (`maxAttempts` 1): errors say whether trying again can help, and the retry layer does it.
 */
export class S3Store implements ByteStore, S3Extras {
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  readonly #bucket: Bucket;
  readonly #options: S3Options;
  readonly #service: Service;
  readonly #writers = new Set<UploadWriter>();
  #isOpen = true;

  private constructor(bucket: Bucket, options: S3Options, service: Service, name: string) {
    this.name = name;
    this.#bucket = bucket;
    this.#options = options;
    this.#service = service;
    this.capabilities = capabilitiesFor(service.conditions, (options.tree ?? "flat") === "flat");
  }

  /**
   * Opens a store and finds out which conditions the service keeps.
   *
   * @throws A {@link StorageError}: `MISSING_DEPENDENCY` without the SDK, `CONFIG_INVALID`, `UNAUTHENTICATED`,
   * `PERMISSION_DENIED`, or `NOT_FOUND` without the bucket.
   */
  static async open(options: S3Options, how: OpenS3 = {}): Promise<S3Store> {
    const { bucket, service, name } = await connect(options, how);
    return new S3Store(bucket, options, service, name);
  }

  uri(key: string): string {
    return `s3://${this.#bucket.name}/${encodeKey(this.#bucket.root + normalizeKey(key))}`;
  }

  stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    return this.#perform("stat", key, options, (normal, context) => this.#stat(normal, options, context));
  }

  read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.#perform("read", key, options, async (normal, context) => {
      if (options.range === undefined) return readWhole(this.#readingOf(normal, options, context));
      const open = await this.#openObject(normal, options, context);
      return open === undefined ? new Uint8Array(0) : collect(open);
    });
  }

  readRanges(key: string, ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    return this.#perform("readRanges", key, options, async (normal, context) => {
      for (const range of ranges) checkRange(range, context);
      return readRangesOf(ranges, options, context, {
        stat: () => this.#statValue(normal, options, context),
        read: async (part) => {
          const open = await this.#openObject(normal, { ...options, ...part }, context);
          return open === undefined ? new Uint8Array(0) : collect(open);
        },
      });
    });
  }

  readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#perform("readStream", key, options, async (normal, context) => {
      const open = await this.#openObject(normal, options, context);
      return open === undefined ? emptyStream() : streamOf(open, this.#readingOf(normal, options, context));
    });
  }

  write(key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#perform("write", key, options, async (normal, context) => {
      this.#checkConditions(options, context);
      await this.#checkPlace(normal, options, context);
      const byteLength = byteSourceLength(bytes);
      const isConditional = options.ifAbsent === true || options.ifMatch !== undefined;
      const inParts = byteLength >= (this.#options.multipartFrom ?? 16 * MIB);
      if (inParts && (!isConditional || this.#service.conditions.onComplete || byteLength > MAX_REQUEST)) {
        return this.#writeInParts(normal, bytes, options, context);
      }
      const result = await this.#put(normal, bytes, options, context);
      if (options.checksum === undefined) return result;
      return { ...result, checksum: { algorithm: "crc32c", value: crc32cHex(crcOf(bytes)) } };
    });
  }

  openWriter(key: string, options: OpenByteWriterOptions = {}): Promise<ByteWriter> {
    return this.#perform("openWriter", key, options, async (normal, context) => {
      this.#checkConditions(options, context);
      await this.#checkPlace(normal, options, context);
      // Refused now rather than after hours of writing, where it can be known now.
      if (options.ifAbsent && (await statObject(this.#bucket, normal, context, options)) !== undefined) {
        throw new StorageError("ALREADY_EXISTS", `"${normal}" in "${this.name}" exists`, context);
      }
      const found = await findUpload(this.#bucket, normal, options, () => this.#ownUploads(), context);
      return this.#writer(normal, options, context, found, found?.parts[0]?.byteLength);
    });
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    const context = { backend: this.name, operation: "list", identifier: options.prefix ?? "" };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    for await (const entry of listObjects(this.#bucket, options, context)) {
      yield entry;
      checkOpen(this.#isOpen, `Store "${this.name}"`, context);
      checkAborted(options.signal, context);
    }
  }

  delete(key: string, options: OperationOptions = {}): Promise<void> {
    return this.#perform("delete", key, options, async (normal, context) => {
      if (normal === "") throw isDirectoryError(normal, context);
      const isTree = !this.capabilities.flatKeys;
      const isDirectory = isTree && (await hasKeysBelow(this.#bucket, normal, context, options));
      // Other programs may have put a value where there is a directory too; that can be removed.
      if (isDirectory && (await statObject(this.#bucket, normal, context, options)) === undefined) {
        throw isDirectoryError(normal, context);
      }
      const command = new this.#bucket.sdk.DeleteObjectCommand(this.#bucket.at(normal));
      await sendChange(this.#bucket, command, context, options.signal);
    });
  }

  async deleteMany(keys: readonly string[], options: OperationOptions = {}): Promise<DeleteResult[]> {
    const context = { backend: this.name, operation: "deleteMany" };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    return deleteObjects(this.#bucket, keys, { ...options, isTree: !this.capabilities.flatKeys }, context);
  }

  copy(from: string, to: string, options: TransferOptions = {}): Promise<WriteResult> {
    return this.#perform("copy", from, options, (source, context) =>
      this.#copy(source, normalizeKey(to), options, context),
    );
  }

  rename(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.#perform("rename", from, options, async (source, context) => {
      const target = normalizeKey(to);
      await this.#copy(source, target, options, context);
      if (source === target) return;
      await this.#bucket.send(new this.#bucket.sdk.DeleteObjectCommand(this.#bucket.at(source)), context);
    });
  }

  async *findUploads(options: UploadOptions = {}): AsyncGenerator<PendingUpload> {
    const context = { backend: this.name, operation: "findUploads", identifier: options.prefix ?? "" };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    const own = await this.#ownUploads();
    for await (const upload of listUploads(this.#bucket, options, context)) {
      if (!own.has(upload.uploadId)) yield upload;
    }
  }

  async removeUploads(options: UploadOptions = {}): Promise<PendingUpload[]> {
    const context = { backend: this.name, operation: "removeUploads", identifier: options.prefix ?? "" };
    const removed: PendingUpload[] = [];
    for await (const upload of this.findUploads({ ...options, olderThanMs: options.olderThanMs ?? DAY_MS })) {
      await abortUpload(this.#bucket, upload.key, upload.uploadId, context);
      removed.push(upload);
    }
    return removed;
  }

  resumeWriter(key: string, uploadId: string, options: WriteOptions = {}): Promise<ByteWriter> {
    return this.#perform("resumeWriter", key, options, async (normal, context) => {
      this.#checkConditions(options, context);
      if (options.checksum !== undefined) {
        const message = "A resumed writer has not seen the first parts, and knows no checksum of the whole";
        throw new StorageError("UNSUPPORTED", message, context);
      }
      const parts = wholeParts(await storedParts(this.#bucket, normal, uploadId, context));
      return this.#writer(normal, options, context, { uploadId, parts }, parts[0]?.byteLength);
    });
  }

  presign(key: string, options: PresignOptions = {}): Promise<string> {
    return this.#perform("presign", key, {}, (normal, context) => presign(this.#bucket, normal, options, context));
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const steps = [...this.#writers].map((writer) => () => writer.abort());
    try {
      await runAll(steps, `Writers of "${this.name}" could not be given up`);
    } finally {
      this.#bucket.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Uploads under way. */
  async #ownUploads(): Promise<Set<string | undefined>> {
    return new Set(await Promise.all([...this.#writers].map((writer) => writer.uploadId?.catch(() => undefined))));
  }

  async #perform<T>(
    operation: string,
    key: string,
    options: OperationOptions,
    run: (key: string, context: ErrorContext) => Promise<T>,
  ): Promise<T> {
    const context = { backend: this.name, operation, identifier: String(key) };
    checkOpen(this.#isOpen, `Store "${this.name}"`, context);
    checkAborted(options.signal, context);
    try {
      return await run(normalizeKey(key), context);
    } catch (error) {
      throw toStorageError(error, context);
    }
  }

  async #stat(key: string, options: OperationOptions, context: ErrorContext): Promise<ObjectStat> {
    const directory: ObjectStat = { key, kind: "directory", byteLength: 0, modifiedMs: undefined, etag: undefined };
    if (key === "") return directory;
    const stat = await statObject(this.#bucket, key, context, options);
    if (stat !== undefined) return stat;
    if (await hasKeysBelow(this.#bucket, key, context, options)) return directory;
    throw new StorageError("NOT_FOUND", `No "${key}" in "${this.name}"`, context);
  }

  async #statValue(key: string, options: OperationOptions, context: ErrorContext): Promise<ObjectStat> {
    const stat = await this.#stat(key, options, context);
    if (stat.kind === "directory") throw isDirectoryError(key, context);
    return stat;
  }

  async #openObject(key: string, options: ReadOptions, context: ErrorContext) {
    checkRange(options.range, context);
    if (key === "") throw isDirectoryError(key, context);
    try {
      return await openObject(this.#bucket, key, options, context);
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND")) throw error;
      if (await hasKeysBelow(this.#bucket, key, context, options)) throw isDirectoryError(key, context);
      throw error;
    }
  }

  get #verifies(): boolean {
    return this.#options.verifyReads ?? this.#options.endpoint?.startsWith("http:") ?? false;
  }

  #readingOf(key: string, { ifMatch, signal }: ReadOptions, context: ErrorContext): PartReading {
    const { checksums, readPartsInFlight } = this.#options;
    return {
      ask: (part) => this.#openObject(key, part, context),
      ifMatch,
      signal,
      partBytes: this.#options.partBytes ?? 8 * MIB,
      inFlight: readPartsInFlight ?? (checksums === "supported" ? 1 : 4),
      onlySlow: readPartsInFlight === undefined,
      verify: this.#verifies,
      context,
    };
  }

  /** Conditions that the service would ignore are refused: it would overwrite, and say that all is well. */
  #checkConditions({ ifAbsent, ifMatch }: WriteOptions, context: ErrorContext): void {
    if (ifAbsent && ifMatch !== undefined) {
      throw new StorageError("INVALID_DATA", "A write takes ifAbsent or ifMatch, not both", context);
    }
    const missing = ifAbsent && !this.#service.conditions.ifAbsent ? "ifAbsent" : undefined;
    const lacking = ifMatch !== undefined && !this.#service.conditions.ifMatch ? "ifMatch" : missing;
    if (lacking === undefined) return;
    throw new StorageError("UNSUPPORTED", `The service behind "${this.name}" does not keep ${lacking}`, context);
  }

  async #checkPlace(key: string, options: OperationOptions, context: ErrorContext): Promise<void> {
    if (key === "") throw isDirectoryError(key, context);
    if (this.capabilities.flatKeys) return;
    await checkPlace(key, context, {
      isValue: async (above) => (await statObject(this.#bucket, above, context, options)) !== undefined,
      isDirectory: (place) => hasKeysBelow(this.#bucket, place, context, options),
    });
  }

  #writer(
    key: string,
    options: OpenByteWriterOptions,
    context: ErrorContext,
    resumed?: ResumedUpload,
    partBytes = this.#options.partBytes ?? 8 * MIB,
  ): UploadWriter {
    const host: UploadHost = {
      bucket: this.#bucket,
      key,
      options,
      context,
      partBytes,
      partsInFlight: this.#options.partsInFlight ?? 4,
      service: this.#service,
      putWhole: (bytes, conditions) => this.#put(key, bytes, conditions, context),
      released: () => this.#writers.delete(writer),
    };
    const writer: UploadWriter = new UploadWriter(host, resumed);
    this.#writers.add(writer);
    return writer;
  }

  async #writeInParts(
    key: string,
    bytes: ByteSource,
    options: WriteOptions,
    context: ErrorContext,
  ): Promise<WriteResult> {
    const writer = this.#writer(key, options, context);
    try {
      await writer.writeWhole(bytes, options);
      return await writer.close({ signal: options.signal });
    } catch (error) {
      await writer.abort().catch(() => {}); // What went wrong first is what the caller must hear.
      throw error;
    }
  }

  #put(key: string, bytes: ByteSource, options: WriteOptions, context: ErrorContext): Promise<WriteResult> {
    return putObject(this.#bucket, key, bytes, options, context, this.#service);
  }

  async #copy(from: string, to: string, options: TransferOptions, context: ErrorContext): Promise<WriteResult> {
    const source = await this.#statValue(from, options, context);
    const target = { ...context, identifier: to };
    if (to === "") throw isDirectoryError(to, target);
    if (options.ifExists !== "replace" && (await statObject(this.#bucket, to, target, options)) !== undefined) {
      throw new StorageError("ALREADY_EXISTS", `"${to}" in "${this.name}" exists`, target);
    }
    if (from === to) return { byteLength: source.byteLength, etag: source.etag as string };
    await this.#checkPlace(to, options, target);
    return copyObject(this.#bucket, source, to, options, target);
  }
}
