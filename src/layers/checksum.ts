/** Notices when stored bytes have changed by themselves. */
import { createHash, hash as hashOf } from "node:crypto";
import { resolveRange } from "../core/byte-range.ts";
import type {
  ByteRange,
  ByteSource,
  ByteStore,
  ByteWriter,
  ReadOptions,
  TransferOptions,
  WriteOptions,
  WriteResult,
} from "../core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";
import type { OpenByteWriterOptions } from "../core/resumable-write.ts";
import { followVersions } from "./follow-versions.ts";
import { SummingWriter } from "./summing-writer.ts";
import { WrappedStore } from "./wrapped-store.ts";

/** Options of a {@link ChecksumStore}. */
export interface ChecksumOptions {
  /** Where the sums are kept; belongs to the caller, and to this layer alone. */
  readonly sums: ByteStore;
  /**
   * What becomes of a value that no sum is known of, because it was written past this layer: `"pass"` reads it as it is,
   * `"refuse"` rejects with `CORRUPT`. Default `"pass"`.
   */
  readonly unknown?: "pass" | "refuse" | undefined;
}

/**
 * Keeps the SHA-256 of every version that is written, and verifies each read by it: damage is `CORRUPT`, and retryable,
 * since it may have happened on the way.
 *
 * A sum stands in the store `sums` under `<key>/<etag>` (percent-encoded), apart from the values, so that no key of a
 * user can meet it and other programs find the values as they are. It is bound to the etag: a value that was written
 * past this layer has another etag, is unknown and not damaged, and a crash between a value and its sum leaves an unknown
 * value too. Sums of versions that were replaced or deleted stay until {@link ChecksumStore.prune}.
 *
 * A range is verified by reading the whole value. A writer's chunks are summed as they pass when they come in order, and
 * read once more after `close` when they do not.
 */
export class ChecksumStore extends WrappedStore {
  readonly #sums: ByteStore;
  readonly #refusesUnknown: boolean;

  /** @throws A {@link StorageError} `CONFIG_INVALID` for sums that take no writes around a store that does. */
  constructor(inner: ByteStore, options: ChecksumOptions) {
    super("checksum", inner);
    const { sums } = options;
    if (inner.capabilities.write && !sums.capabilities.write) {
      const message = `Values of "${this.name}" would be written without sums: its sums "${sums.name}" take no writes; make the store read-only too`;
      throw new StorageError("CONFIG_INVALID", message, {
        backend: this.name,
        operation: "checksum",
        identifier: "sums",
      });
    }
    this.#sums = sums;
    this.#refusesUnknown = options.unknown === "refuse";
  }

  override async read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const value = await this.#verified("read", key, options);
    if (value === undefined) return super.read(key, options);
    const { offset, length } = resolveRange(options.range, value.byteLength, this.#context("read", key));
    return offset === 0 && length === value.byteLength ? value : value.slice(offset, offset + length);
  }

  override async readRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions = {},
  ): Promise<Uint8Array[]> {
    const value = await this.#verified("readRanges", key, options);
    if (value === undefined) return super.readRanges(key, ranges, options);
    return ranges.map((range) => {
      const { offset, length } = resolveRange(range, value.byteLength, this.#context("readRanges", key));
      return value.slice(offset, offset + length);
    });
  }

  override async readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return followVersions(options, () => this.#openStream(key, options));
  }

  async #openStream(key: string, options: ReadOptions): Promise<ReadableStream<Uint8Array>> {
    const context = this.#context("readStream", key);
    const { etag, sum } = await this.#version(key, options, context);
    if (sum === undefined) return super.readStream(key, options);
    if (options.range !== undefined) {
      // A part alone proves nothing. It is cut from the verified whole.
      const part = await this.read(key, options);
      return new Blob([part as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>;
    }
    const hash = createHash("sha256");
    const stream = await super.readStream(key, { ...options, ifMatch: etag });
    const reader = stream.getReader();
    // One chunk is held back: the last one is given only after the whole was found right.
    let held: Uint8Array | undefined;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          for (;;) {
            const next = await reader.read();
            if (next.done) break;
            hash.update(next.value);
            const ready = held;
            held = next.value;
            if (ready !== undefined) return controller.enqueue(ready);
          }
          check(hash.digest("hex"), sum, context);
          if (held !== undefined) controller.enqueue(held);
          controller.close();
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }

  override async write(key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> {
    const hash = createHash("sha256");
    for (const part of bytes instanceof Uint8Array ? [bytes] : bytes) hash.update(part);
    const result = await super.write(key, bytes, options);
    await this.#afterwards("write", key, () => this.#keep(key, result.etag, hash.digest("hex")));
    return result;
  }

  override async openWriter(key: string, options: OpenByteWriterOptions = {}): Promise<ByteWriter> {
    // The sum is made of bytes that pass by, and those that an earlier writer left would not.
    const writer = await super.openWriter(key, { ...options, resume: undefined });
    return new SummingWriter(writer, async (result, sum) => {
      await this.#keep(key, result.etag, sum ?? (await this.#sumOf(key, result.etag)));
    });
  }

  override async copy(from: string, to: string, options: TransferOptions = {}): Promise<WriteResult> {
    const { sum } = await this.#version(from, options, this.#context("copy", from));
    const result = await super.copy(from, to, options);
    if (sum === undefined) return result;
    await this.#afterwards("copy", to, async () => {
      // The store copied by itself: read once what it made, or damage of the source would be a right value from now on.
      check(await this.#sumOf(to, result.etag), sum, this.#context("copy", to));
      await this.#keep(to, result.etag, sum);
    });
    return result;
  }

  override async rename(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    const { sum } = await this.#version(from, options, this.#context("rename", from));
    await super.rename(from, to, options);
    if (sum === undefined) return;
    await this.#afterwards("rename", to, async () => {
      const { etag } = await this.inner.stat(to);
      if (etag !== undefined) await this.#keep(to, etag, sum);
    });
  }

  /** Removes the sums of versions that are no more. Answers how many. Not beside writers: their newest sum may go. */
  async prune(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    let pruned = 0;
    for await (const { key } of this.#sums.list(options)) {
      const slash = key.lastIndexOf("/");
      const value = key.slice(0, slash).split("/").map(decodeSegment).join("/");
      try {
        const { etag } = await this.inner.stat(value, options);
        if (etag !== undefined && sumKey(value, etag) === key) continue;
      } catch (error) {
        if (!isStorageError(error, "NOT_FOUND")) throw error;
      }
      await this.#sums.delete(key, options);
      pruned++;
    }
    return pruned;
  }

  /** The whole value, verified; `undefined` if there is no sum to verify it by. */
  async #verified(operation: string, key: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    const context = this.#context(operation, key);
    return followVersions(options, async () => {
      const { etag, sum } = await this.#version(key, options, context);
      if (sum === undefined) return undefined;
      const value = await super.read(key, { ...options, range: undefined, ifMatch: etag });
      check(hashOf("sha256", value, "hex"), sum, context);
      return value;
    });
  }

  async #version(key: string, options: ReadOptions, context: ErrorContext) {
    const { signal, ifMatch } = options;
    const { kind, etag } = await this.stat(key, { signal });
    if (kind !== "file" || etag === undefined) return {};
    if (ifMatch !== undefined && ifMatch !== etag) return {};
    try {
      const sum = new TextDecoder().decode(await this.#sums.read(sumKey(normalizeKey(key), etag), { signal }));
      return { etag, sum };
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND")) throw error;
      if (!this.#refusesUnknown) return {};
      throw new StorageError("CORRUPT", `No sum is known of "${key}" in "${this.name}"`, { ...context, cause: error });
    }
  }

  async #keep(key: string, etag: string, sum: string): Promise<void> {
    await this.#sums.write(sumKey(normalizeKey(key), etag), new TextEncoder().encode(sum));
  }

  async #sumOf(key: string, etag: string): Promise<string> {
    const hash = createHash("sha256");
    const reader = (await this.inner.readStream(key, { ifMatch: etag })).getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) hash.update(next.value);
    return hash.digest("hex");
  }

  /**
   * What follows a change. A service that refuses this has not refused the change: whoever repeats the call would take
   * the value that is there now for somebody else's.
   */
  async #afterwards(operation: string, key: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isStorageError(error, "RATE_LIMITED")) throw error;
      const message = `${operation} of "${key}" in "${this.name}" was done, but its sum was not kept: ${error.message}`;
      const { retryAfterMs } = error;
      throw new StorageError("UNEXPECTED", message, {
        ...this.#context(operation, key),
        retryable: true,
        retryAfterMs,
        cause: error,
      });
    }
  }

  #context(operation: string, key: string): ErrorContext {
    return { backend: this.name, operation, identifier: key };
  }
}

/** Percent-encoded twice over dots too, so that a segment `..` of an etag is a name. */
function sumKey(key: string, etag: string): string {
  return `${key.split("/").map(encodeSegment).join("/")}/${encodeSegment(etag)}`;
}

/** No value's name ends so: a value and what is below it must not meet as file and folder. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll(".", "%2E");
}

function decodeSegment(segment: string): string {
  return decodeURIComponent(segment);
}

function check(actual: string, expected: string, context: ErrorContext): void {
  if (actual === expected) return;
  const message = `"${context.identifier}" in "${context.backend}" is damaged: its SHA-256 is not that of what was written`;
  throw new StorageError("CORRUPT", message, { ...context, retryable: true });
}
