/** A ZIP archive as a byte store. */
import { type DirectoryLimits, readDirectory, type ZipEntry } from "../../src/codecs/zip/directory.ts";
import { EntryReader } from "../../src/codecs/zip/entry-reader.ts";
import { resolveRange } from "../../src/core/byte-range.ts";
import type {
  ByteRange,
  ByteStore,
  ListEntry,
  ListOptions,
  ObjectStat,
  OperationOptions,
  ReadOptions,
  StatOptions,
} from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { encodeKey, joinKey, normalizeKey } from "../../src/core/key.ts";
import { splitPrefix } from "../../src/core/listing.ts";
import { pieceStream } from "../../src/core/piece-stream.ts";
import { ReadableStore, readOnlyCapabilities } from "../../src/core/readable-store.ts";
import { directoryInTheWay, directoryStat, missingKey, otherVersion } from "../../src/core/store-answers.ts";
import { ArchiveSource } from "./archive-source.ts";
import { isImplied, listKeys } from "./list-entries.ts";

/** Capabilities of archives. Ranges of compressed entries unpack what comes before them. */
export const zipCapabilities = { ...readOnlyCapabilities, ranges: "emulated" } as const;

/** Options of a {@link ZipStore}. */
export interface ZipStoreOptions {
  /** Name for messages. Default `"zip"`. */
  readonly name?: string | undefined;
  /** Key within the archive that is the root of the store. Default: all of it. */
  readonly root?: string | undefined;
  /** What happens to entries whose names are absolute, lead out of the archive or can be no key. Default `"refuse"`. */
  readonly badNames?: "refuse" | "skip" | undefined;
  /** Bytes that the directory of the archive may have. Default 256 MiB. */
  readonly maxDirectoryBytes?: number | undefined;
  /** Bytes that a value may have to be read into memory; streams have no limit. Default 4 GiB. */
  readonly maxValueBytes?: number | undefined;
}

/** What is known of one version of an archive. */
interface OpenArchive {
  readonly source: ArchiveSource;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly keys: readonly string[];
  readonly reader: EntryReader;
}

/**
 * The entries of a ZIP archive in any byte store, by range reads. The store of the archive stays the caller's.
 *
 * - The directory is read once, on first use. All reads are of that version of the archive: once it changes they are
 *   `PRECONDITION_FAILED` until {@link ZipStore.refresh}, as far as the store beneath has etags.
 * - Whole reads, and streams at their end, check length and CRC-32: `CORRUPT`. Parts have no checksum.
 * - Directories are implied by keys. Symbolic links are values that hold their target, as `zip -y` stores them.
 */
export class ZipStore extends ReadableStore {
  readonly capabilities = zipCapabilities;
  readonly #store: ByteStore;
  readonly #archive: string;
  readonly #root: string;
  readonly #limits: DirectoryLimits;
  readonly #maxValueBytes: number;
  #opening: Promise<OpenArchive> | undefined;

  /**
   * @param store - Where the archive is. Borrowed.
   * @param archive - Key of the archive in that store.
   */
  constructor(store: ByteStore, archive: string, options: ZipStoreOptions = {}) {
    super(options.name ?? "zip");
    this.#store = store;
    this.#archive = archive;
    this.#root = normalizeKey(options.root ?? "");
    this.#limits = {
      maxDirectoryBytes: options.maxDirectoryBytes ?? 2 ** 28,
      badNames: options.badNames ?? "refuse",
    };
    this.#maxValueBytes = options.maxValueBytes ?? 2 ** 32;
  }

  uri(key: string): string {
    const archive = this.#store.uri(this.#archive).replaceAll("!", "%21");
    const inside = joinKey(this.#root, normalizeKey(key));
    return `zip:${archive}!/${encodeKey(inside).replaceAll("!", "%21")}`;
  }

  /** Forgets the directory, so that the next operation reads the archive as it is then. */
  refresh(): void {
    this.#opening = undefined;
  }

  protected override async doStat(key: string, options: StatOptions, context: ErrorContext): Promise<ObjectStat> {
    const archive = await this.#open(options);
    const path = this.#path(key);
    const entry = archive.entries.get(path);
    if (entry !== undefined) return this.#statOf(entry, archive);
    if (key === "" || isImplied(archive.keys, path)) return directoryStat(key);
    throw missingKey(key, context);
  }

  protected override async doRead(key: string, options: ReadOptions, context: ErrorContext): Promise<Uint8Array> {
    if (options.range !== undefined) {
      const [part] = await this.doReadRanges(key, [options.range], options, context);
      return part as Uint8Array;
    }
    const { archive, entry } = await this.#entry(key, options, context);
    // What is compressed is in memory as well, and in a hostile archive it is the longer one.
    this.#checkMemory(Math.max(entry.byteLength, entry.compressedLength), context);
    return archive.reader.whole(entry, options, context);
  }

  protected override async doReadRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<Uint8Array[]> {
    const { archive, entry } = await this.#entry(key, options, context);
    const resolved = ranges.map((range) => resolveRange(range, entry.byteLength, context));
    if (resolved.every(({ length }) => length === 0)) return resolved.map(() => new Uint8Array(0));
    if (entry.method === 0) return archive.reader.storedParts(entry, resolved, options, context);
    // One pass over the entry, kept only between the first byte that is asked for and the last.
    const start = Math.min(...resolved.map(({ offset }) => offset));
    const length = Math.max(...resolved.map((range) => range.offset + range.length)) - start;
    this.#checkMemory(length, context);
    const span = new Uint8Array(length);
    let position = 0;
    for await (const piece of archive.reader.pieces(entry, { offset: start, length }, options, context)) {
      span.set(piece, position);
      position += piece.byteLength;
    }
    if (position !== length) throw archive.source.corrupt(`"${entry.key}" is shorter than it declares`, context);
    return resolved.map(({ offset, length: part }) => span.slice(offset - start, offset - start + part));
  }

  protected override async doReadStream(
    key: string,
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<ReadableStream<Uint8Array>> {
    const { archive, entry } = await this.#entry(key, options, context);
    const range = resolveRange(options.range, entry.byteLength, context);
    const open = (signal: AbortSignal) => archive.reader.pieces(entry, range, { signal }, context);
    return pieceStream(open, options.signal);
  }

  protected override async *doList(options: ListOptions): AsyncGenerator<ListEntry> {
    const archive = await this.#open(options);
    const { prefix = "", startAfter } = options;
    const base = this.#root === "" ? "" : `${this.#root}/`;
    const inside: ListOptions = {
      ...options,
      // A prefix is checked within the root, so that ".." cannot lead from it into the rest of the archive.
      prefix: base + prefixWithin(prefix),
      ...(startAfter === undefined ? {} : { startAfter: base + startAfter }),
    };
    for (const { key, isDirectory } of listKeys(archive.keys, inside)) {
      const entry = archive.entries.get(key);
      if (isDirectory) yield directoryStat(key.slice(base.length));
      else if (entry !== undefined) yield this.#statOf(entry, archive);
    }
  }

  async #entry(
    key: string,
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<{ archive: OpenArchive; entry: ZipEntry }> {
    const archive = await this.#open(options);
    const path = this.#path(key);
    const entry = archive.entries.get(path);
    if (entry === undefined) {
      if (key !== "" && !isImplied(archive.keys, path)) throw missingKey(key, context);
      throw directoryInTheWay(key, context);
    }
    if (options.ifMatch === undefined || options.ifMatch === etagOf(entry, archive)) return { archive, entry };
    throw otherVersion(key, context);
  }

  /** The directory, read once; not by the signal of whoever asks first, since others wait for it too. */
  async #open(options: OperationOptions): Promise<OpenArchive> {
    if (this.#opening === undefined) {
      const opening: Promise<OpenArchive> = this.#load().catch((error: unknown) => {
        if (this.#opening === opening) this.#opening = undefined;
        throw error;
      });
      this.#opening = opening;
    }
    return abortable(this.#opening, options.signal, { backend: this.name, operation: "open" });
  }

  async #load(): Promise<OpenArchive> {
    const source = await ArchiveSource.open(this.#store, this.#archive, {});
    const entries = await readDirectory(source, this.#limits, {});
    return { source, entries, keys: [...entries.keys()], reader: new EntryReader(source) };
  }

  #path(key: string): string {
    return this.#root === "" ? key : joinKey(this.#root, key).replace(/\/$/, "");
  }

  #statOf(entry: ZipEntry, archive: OpenArchive): ObjectStat {
    const key = this.#root === "" ? entry.key : entry.key.slice(this.#root.length + 1);
    const { byteLength, modifiedMs } = entry;
    return { key, kind: "file", byteLength, modifiedMs, etag: etagOf(entry, archive) };
  }

  #checkMemory(byteLength: number, context: ErrorContext): void {
    if (byteLength <= this.#maxValueBytes) return;
    throw new StorageError(
      "OUT_OF_RANGE",
      `"${context.identifier}" has ${byteLength} bytes, and maxValueBytes is ${this.#maxValueBytes}; read it as a stream`,
      context,
    );
  }
}

/** Of the entry and of the archive: an entry may be replaced by one that has the same checksum. */
function etagOf({ crc32, byteLength, headerOffset }: ZipEntry, { source }: OpenArchive): string {
  const parts = [crc32, byteLength, headerOffset].map((part) => part.toString(36));
  return `${parts.join("-")}-${source.etag ?? source.byteLength.toString(36)}`;
}

/** A prefix whose directory is normalised, and which does not leave the root. */
function prefixWithin(prefix: string): string {
  const { directory, namePrefix } = splitPrefix(prefix);
  return directory === "" ? namePrefix : `${directory}/${namePrefix}`;
}

/** The answer, or `ABORTED` as soon as the signal fires; the work goes on for the others that wait for it. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined, context: ErrorContext): Promise<T> {
  if (signal === undefined) return work;
  checkAborted(signal, context);
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new StorageError("ABORTED", "Opening was aborted", { ...context, cause: signal.reason }));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}
