/** Keeps values near that come from afar. */
import { randomUUID } from "node:crypto";
import { resolveRange } from "../core/byte-range.ts";
import type { ByteRange, ByteStore, ObjectStat, ReadOptions } from "../core/byte-store.ts";
import { checkAborted, checkInteger } from "../core/checks.ts";
import { type ErrorContext, StorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";
import { SingleFlight } from "../core/single-flight.ts";
import { CachedValues } from "./cached-values.ts";
import { followVersions } from "./follow-versions.ts";
import { WrappedStore } from "./wrapped-store.ts";

/** Bytes of a stream from the cache that come at a time. */
const CHUNK = 1 << 20;

/** Options of a {@link CacheStore}. */
export interface CacheOptions {
  /** Where the values are kept; belongs to the caller, and to this cache alone: a memory store, a folder, … */
  readonly medium: ByteStore;
  /** Bytes that the cache may take in its medium. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /** Longer values are not kept, and their ranges are read one by one. Default: an eighth of `maxBytes`. */
  readonly maxValueBytes?: number | undefined;
  /**
   * `"etag"`: each read asks the store below for the etag, and an old version is never given. `"content"`: a key stands
   * for its content and never changes (names by digest, chunks of a finished run), so that a hit asks nobody. Default
   * `"etag"`.
   */
  readonly bind?: "etag" | "content" | undefined;
}

/** What a cache has done. */
export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
  /** Reads that went past: too long, without etag, or of one version where the cache knows none. */
  readonly bypassed: number;
  /** Failures of the medium. The reads themselves succeeded. */
  readonly mediumFailures: number;
  /** The last of them. */
  readonly lastMediumFailure: unknown;
}

/**
 * Reads each version of a value once, and then from its medium. Many who ask for the same at the same time share one
 * download. A medium that fails, is full or was damaged costs a download and is counted, never an answer.
 *
 * @see fsspec, `filecache`, of which this has only whole values; cloudpathlib, cache modes
 */
export class CacheStore extends WrappedStore {
  readonly #values: CachedValues;
  readonly #maxValueBytes: number;
  readonly #isContent: boolean;
  /** Which store the names are of. Etags of one that forgets its values begin anew, and must not meet older ones. */
  readonly #origin: string;
  readonly #flights = new SingleFlight<Uint8Array>();
  #counts = { hits: 0, misses: 0, bypassed: 0, mediumFailures: 0, lastMediumFailure: undefined as unknown };

  /** @throws A {@link StorageError} `CONFIG_INVALID` for a medium that takes no writes. */
  constructor(inner: ByteStore, options: CacheOptions) {
    super("cache", inner);
    const { maxBytes = 256 << 20, medium } = options;
    if (!medium.capabilities.write) {
      const message = `The cache of "${this.name}" would keep nothing: its medium "${medium.name}" takes no writes`;
      throw new StorageError("CONFIG_INVALID", message, {
        backend: this.name,
        operation: "cache",
        identifier: "medium",
      });
    }
    checkInteger(maxBytes, "maxBytes", 1, { backend: this.name });
    this.#maxValueBytes = options.maxValueBytes ?? Math.floor(maxBytes / 8);
    this.#isContent = options.bind === "content";
    this.#origin = inner.capabilities.persistent ? inner.uri("") : randomUUID();
    this.#values = new CachedValues(medium, maxBytes);
  }

  /** What it has done so far. */
  get counts(): CacheCounts {
    return { ...this.#counts };
  }

  /** Bytes that the entries take in the medium. */
  get byteLength(): number {
    return this.#values.byteLength;
  }

  override async read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const value = await this.#value("read", key, options);
    if (value === undefined) return super.read(key, options);
    const { offset, length } = resolveRange(options.range, value.byteLength, this.#context("read", key));
    return value.slice(offset, offset + length);
  }

  override async readRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions = {},
  ): Promise<Uint8Array[]> {
    const value = await this.#value("readRanges", key, options);
    if (value === undefined) return super.readRanges(key, ranges, options);
    return ranges.map((range) => {
      const { offset, length } = resolveRange(range, value.byteLength, this.#context("readRanges", key));
      return value.slice(offset, offset + length);
    });
  }

  override async readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const value = await this.#value("readStream", key, options);
    if (value === undefined) return super.readStream(key, options);
    const context = this.#context("readStream", key);
    const { offset, length } = resolveRange(options.range, value.byteLength, context);
    let position = offset;
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          checkAborted(options.signal, context);
          const end = Math.min(position + CHUNK, offset + length);
          if (end > position) controller.enqueue(value.slice(position, end));
          position = end;
          if (position === offset + length) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** The whole value, whoever has it; shared memory, not to be given away. `undefined`: not one for the cache. */
  async #value(operation: string, key: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    const context = this.#context(operation, key);
    this.checkOpen(operation, key);
    checkAborted(options.signal, context);
    const normal = normalizeKey(key);
    if (this.#isContent && options.ifMatch !== undefined) {
      // What is kept has no version: whoever asks for one must not get the bytes of another.
      this.#counts.bypassed++;
      return undefined;
    }
    if (this.#isContent) {
      const kept = await this.#kept(this.#named(normal, "content"));
      if (kept !== undefined) return kept;
    }
    return followVersions(options, async () => {
      const stat = await this.stat(key, { signal: options.signal });
      if (!this.#isKeepable(stat)) {
        this.#counts.bypassed++;
        return undefined;
      }
      if (options.ifMatch !== undefined && options.ifMatch !== stat.etag) {
        const message = `"${normal}" in "${this.name}" is not the version asked for`;
        throw new StorageError("PRECONDITION_FAILED", message, context);
      }
      return this.#fetch(normal, stat.etag as string, options.signal, context);
    });
  }

  #isKeepable({ kind, etag, byteLength }: ObjectStat): boolean {
    return kind === "file" && etag !== undefined && byteLength <= this.#maxValueBytes;
  }

  async #fetch(key: string, etag: string, signal: AbortSignal | undefined, context: ErrorContext) {
    const name = this.#named(key, this.#isContent ? "content" : `etag ${etag}`);
    return this.#flights.run(`${name}\0${etag}`, signal, context, async (together) => {
      const kept = await this.#kept(name);
      if (kept !== undefined) return kept;
      this.#counts.misses++;
      const value = await this.inner.read(key, { ifMatch: etag, signal: together });
      await this.#medium(() => this.#values.put(name, value));
      return value;
    });
  }

  #named(key: string, version: string): string {
    return `${this.#origin}\0${key}\0${version}`;
  }

  async #kept(name: string): Promise<Uint8Array | undefined> {
    const kept = await this.#medium(() => this.#values.get(name));
    if (kept !== undefined) this.#counts.hits++;
    return kept;
  }

  /** A cache that fails is a cache that has nothing. */
  async #medium<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#counts.mediumFailures++;
      this.#counts.lastMediumFailure = error;
      return undefined;
    }
  }

  #context(operation: string, key: string): ErrorContext {
    return { backend: this.name, operation, identifier: key };
  }
}
