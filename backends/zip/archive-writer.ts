/** Writes a new archive by stream. */
import { createDeflateRaw } from "node:zlib";
import { crc32 } from "../../src/codecs/zip/crc32.ts";
import { type EntryCompression, packEntry } from "../../src/codecs/zip/pack-entry.ts";
import {
  centralHeader,
  dataDescriptor,
  endRecords,
  localHeader,
  type WrittenEntry,
} from "../../src/codecs/zip/records.ts";
import type {
  ByteSource,
  ByteStore,
  ByteWriter,
  OperationOptions,
  WriteOptions,
  WriteResult,
} from "../../src/core/byte-store.ts";
import { checkAborted, checkOpen } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { normalizeKey } from "../../src/core/key.ts";

/** Options of one entry. */
export interface EntryOptions extends OperationOptions {
  /** `"store"` keeps the bytes as they are, so that ranges of them can be read alone. Default that of the archive. */
  readonly compression?: EntryCompression | undefined;
  /** Time of the entry, in milliseconds since 1970-01-01 UTC; ZIP keeps it to two seconds. Default: now. */
  readonly modifiedMs?: number | undefined;
}

/** Options of a new archive: those of a write, and what entries have that name none. */
export interface ArchiveOptions extends WriteOptions {
  /** Default `"deflate"`. Frames and chunks that are compressed already are best stored. */
  readonly compression?: EntryCompression | undefined;
}

/** Bytes of the directory that go out at a time. */
const DIRECTORY_PIECE = 1 << 20;

/**
 * A new archive in a byte store, written from front to back in bounded memory; ZIP64 where it is needed.
 *
 * Nothing is visible before {@link ArchiveWriter.close}. Entries are written one after another, in call order. An entry
 * that fails half way makes the archive unusable: further calls fail, `close` too, and what was there before stays.
 */
export class ArchiveWriter implements AsyncDisposable {
  readonly #writer: ByteWriter;
  readonly #options: ArchiveOptions;
  readonly #context: ErrorContext;
  readonly #entries: WrittenEntry[] = [];
  readonly #keys = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();
  #failure: StorageError | undefined;
  #isOpen = true;

  /** @param writer - Where the archive goes. Taken over. */
  constructor(writer: ByteWriter, options: ArchiveOptions, context: ErrorContext) {
    this.#writer = writer;
    this.#options = options;
    this.#context = context;
  }

  /** Bytes of the archive so far. */
  get byteLength(): number {
    return this.#writer.byteLength;
  }

  /**
   * Adds a value whose bytes are all there.
   *
   * @param key - Normalised, as every key is.
   * @param bytes - Borrowed until the promise resolves.
   * @throws A {@link StorageError}: `ALREADY_EXISTS` for a key that the archive has, `INVALID_KEY`, `NOT_OPEN`, or what
   * writing threw.
   */
  async add(key: string, bytes: ByteSource, options: EntryOptions = {}): Promise<void> {
    const { name, withdraw } = this.#claim(key, options);
    const work = async () => {
      const { entry, packed } = await packEntry(this.#start(name, options), bytes, this.#compression(options));
      await this.#writer.write([localHeader(entry), ...packed]);
      this.#entries.push(entry);
    };
    return this.#inTurn(options, work, withdraw);
  }

  /** Adds a value that comes in pieces, in bounded memory. Throws as {@link ArchiveWriter.add}, or what the source threw. */
  async addStream(key: string, pieces: AsyncIterable<Uint8Array>, options: EntryOptions = {}): Promise<void> {
    const { name, withdraw } = this.#claim(key, options);
    const work = async () => {
      const method = this.#compression(options) === "store" ? 0 : 8;
      const start = { ...this.#start(name, options), method, isStreamed: true } as const;
      await this.#writer.write(localHeader({ ...start, crc32: 0, compressedLength: 0, byteLength: 0 }));
      const before = this.#writer.byteLength;
      let checksum = 0;
      let byteLength = 0;
      const seen = (piece: Uint8Array) => {
        checkAborted(options.signal, this.#context);
        checksum = crc32(piece, checksum);
        byteLength += piece.byteLength;
      };
      if (start.method === 8) await this.#deflate(pieces, seen);
      else {
        for await (const piece of pieces) {
          seen(piece);
          await this.#writer.write(piece);
        }
      }
      const compressedLength = this.#writer.byteLength - before;
      const entry: WrittenEntry = { ...start, crc32: checksum, compressedLength, byteLength };
      await this.#writer.write(dataDescriptor(entry));
      this.#entries.push(entry);
    };
    return this.#inTurn(options, work, withdraw);
  }

  /**
   * Writes the directory and publishes the archive, by the conditions it was opened with. Waits for entries under way.
   *
   * @throws A {@link StorageError}: `NOT_OPEN`; `CONFLICT` if an entry failed; or what the store threw.
   */
  async close(options: OperationOptions = {}): Promise<WriteResult> {
    return this.#inTurn(options, async () => {
      const directoryOffset = this.#writer.byteLength;
      let piece: Uint8Array[] = [];
      let pieceLength = 0;
      for (const entry of this.#entries) {
        const header = centralHeader(entry);
        piece.push(header);
        pieceLength += header.byteLength;
        if (pieceLength < DIRECTORY_PIECE) continue;
        await this.#writer.write(piece);
        [piece, pieceLength] = [[], 0];
      }
      const directoryLength = this.#writer.byteLength + pieceLength - directoryOffset;
      await this.#writer.write([...piece, endRecords(this.#entries.length, directoryOffset, directoryLength)]);
      const result = await this.#writer.close(options);
      this.#isOpen = false;
      return result;
    });
  }

  /** Throws everything away. Harmless after `close` and when repeated. */
  async abort(): Promise<void> {
    this.#isOpen = false;
    await this.#writer.abort();
  }

  /** The same as `abort`: what was not closed is thrown away. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  async #deflate(pieces: AsyncIterable<Uint8Array>, seen: (piece: Uint8Array) => void): Promise<void> {
    const deflater = createDeflateRaw({ chunkSize: 1 << 16 });
    const feed = async () => {
      for await (const piece of pieces) {
        seen(piece);
        if (deflater.destroyed) return;
        await new Promise<void>((resolve, reject) => {
          deflater.write(piece, (error) => (error ? reject(error) : resolve()));
        });
      }
      deflater.end();
    };
    const feeding = feed().catch((error: unknown) => {
      deflater.destroy(error instanceof Error ? error : new Error(String(error)));
    });
    try {
      for await (const packed of deflater) await this.#writer.write(new Uint8Array(packed as Buffer));
    } finally {
      deflater.destroy();
      await feeding;
    }
  }

  #claim(key: string, options: EntryOptions): { readonly name: Uint8Array; readonly withdraw: () => void } {
    checkOpen(this.#isOpen, `The archive "${this.#context.identifier}"`, this.#context);
    checkAborted(options.signal, this.#context);
    const normal = normalizeKey(key);
    const context = { ...this.#context, identifier: normal };
    if (normal === "") throw new StorageError("INVALID_KEY", "An entry of an archive needs a name", context);
    if (this.#keys.has(normal)) {
      throw new StorageError("ALREADY_EXISTS", `"${normal}" is in the archive already`, context);
    }
    const name = new TextEncoder().encode(normal);
    if (name.length > 0xffff) {
      throw new StorageError(
        "INVALID_KEY",
        `A name in an archive has at most 65,535 bytes, got ${name.length}`,
        context,
      );
    }
    this.#keys.add(normal);
    return { name, withdraw: () => this.#keys.delete(normal) };
  }

  #compression({ compression = this.#options.compression ?? "deflate" }: EntryOptions): EntryCompression {
    return compression;
  }

  #start(name: Uint8Array, options: EntryOptions) {
    return { name, headerOffset: this.#writer.byteLength, modifiedMs: options.modifiedMs ?? Date.now() };
  }

  /**
   * One entry at a time: the next begins where the last one ended.
   *
   * @param withdraw - Called if the work is called off before it begins: the archive is then as if it had not been asked.
   */
  #inTurn<T>(options: OperationOptions, work: () => Promise<T>, withdraw = () => {}): Promise<T> {
    const run = async () => {
      checkOpen(this.#isOpen, `The archive "${this.#context.identifier}"`, this.#context);
      if (this.#failure !== undefined) throw this.#failure;
      if (options.signal?.aborted) withdraw();
      checkAborted(options.signal, this.#context);
      try {
        return await work();
      } catch (cause) {
        this.#failure = new StorageError("CONFLICT", "An entry of this archive failed before; begin it anew", {
          ...this.#context,
          cause,
        });
        await this.#writer.abort();
        throw cause;
      }
    };
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** Opens a new archive. See `createArchive` of the backend. */
export async function openArchiveWriter(
  store: ByteStore,
  key: string,
  options: ArchiveOptions,
): Promise<ArchiveWriter> {
  const { compression: _, ...conditions } = options;
  const writer = await store.openWriter(key, conditions);
  return new ArchiveWriter(writer, options, { backend: store.name, operation: "write", identifier: key });
}
