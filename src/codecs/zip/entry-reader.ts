/** The bytes of entries: found, unpacked, and checked. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createInflateRaw, inflateRaw } from "node:zlib";
import type { ResolvedRange } from "../../core/byte-range.ts";
import type { OperationOptions } from "../../core/byte-store.ts";
import { checkAborted } from "../../core/checks.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../core/errors.ts";
import type { ArchiveBytes } from "./archive-bytes.ts";
import { crc32 } from "./crc32.ts";
import type { ZipEntry } from "./directory.ts";

const LOCAL = 0x04034b50;
const LOCAL_LENGTH = 30;
/** Room for extra fields when header and bytes are read together. A longer field costs a second read, no more. */
const EXTRA_ROOM = 256;
/** Up to this length header and bytes come in one read. */
const TOGETHER = 1 << 20;
const PIECE = 1 << 16;

const inflateWhole = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw);

/** Reads the entries of one version of an archive. */
export class EntryReader {
  readonly #source: ArchiveBytes;
  /** Where the bytes of entries begin, once that is known: only the local headers say. */
  readonly #starts = new WeakMap<ZipEntry, number>();

  constructor(source: ArchiveBytes) {
    this.#source = source;
  }

  /**
   * A whole value in memory of its own, its length and CRC-32 checked.
   *
   * @throws A {@link StorageError}: `CORRUPT`, `UNSUPPORTED` for encrypted entries and other compressions, and what the
   * store threw.
   */
  async whole(entry: ZipEntry, options: OperationOptions, context: ErrorContext): Promise<Uint8Array> {
    checkReadable(entry, context);
    const packed = await this.#packed(entry, options, context);
    checkAborted(options.signal, context);
    const bytes = entry.method === 0 ? packed : await this.#inflate(entry, packed, context);
    if (bytes.byteLength !== entry.byteLength) throw this.#wrongLength(entry, bytes.byteLength, context);
    if (crc32(bytes) !== entry.crc32) throw this.#wrongChecksum(entry, context);
    return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  }

  /** Parts of an entry that is not compressed, read alone. There is no checksum of parts. */
  async storedParts(
    entry: ZipEntry,
    ranges: readonly ResolvedRange[],
    options: OperationOptions,
    context: ErrorContext,
  ): Promise<Uint8Array[]> {
    checkReadable(entry, context);
    const start = await this.#start(entry, options, context);
    const places = ranges.map(({ offset, length }) => ({ offset: start + offset, length }));
    return this.#source.readMany(places, options);
  }

  /**
   * The bytes of a range in pieces. What comes before it in a compressed entry is unpacked and thrown away; a range that
   * reaches from the beginning to the end is checked as {@link EntryReader.whole} does, and fails at its end.
   */
  async *pieces(
    entry: ZipEntry,
    range: ResolvedRange,
    options: OperationOptions,
    context: ErrorContext,
  ): AsyncGenerator<Uint8Array> {
    checkReadable(entry, context);
    if (range.length === 0 && entry.byteLength > 0) return;
    const start = await this.#start(entry, options, context);
    if (entry.method === 0 && range.length < entry.byteLength) {
      yield* counted(await this.#source.stream(start + range.offset, range.length, options), range.length, () =>
        this.#wrongLength(entry, 0, context),
      );
      return;
    }
    const end = range.offset + range.length;
    let position = 0;
    for await (const piece of this.#checked(entry, start, options, context)) {
      const from = Math.max(range.offset - position, 0);
      const to = Math.min(end - position, piece.byteLength);
      if (from < to) yield piece.subarray(from, to);
      position += piece.byteLength;
      if (position >= end && end < entry.byteLength) return;
    }
  }

  /** The whole entry, unpacked in bounded memory. */
  async *#checked(
    entry: ZipEntry,
    start: number,
    options: OperationOptions,
    context: ErrorContext,
  ): AsyncGenerator<Uint8Array> {
    const packed = await this.#source.stream(start, entry.compressedLength, options);
    let checksum = 0;
    let byteLength = 0;
    for await (const piece of entry.method === 0 ? piecesOf(packed) : this.#unpack(entry, packed, context)) {
      checkAborted(options.signal, context);
      byteLength += piece.byteLength;
      // Not a byte more than declared, however much there is.
      if (byteLength > entry.byteLength) throw this.#wrongLength(entry, byteLength, context);
      checksum = crc32(piece, checksum);
      yield piece;
    }
    checkAborted(options.signal, context);
    if (byteLength !== entry.byteLength) throw this.#wrongLength(entry, byteLength, context);
    if (checksum !== entry.crc32) throw this.#wrongChecksum(entry, context);
  }

  async *#unpack(
    entry: ZipEntry,
    packed: ReadableStream<Uint8Array>,
    context: ErrorContext,
  ): AsyncGenerator<Uint8Array> {
    const inflater = createInflateRaw({ chunkSize: PIECE });
    // The loop below gets every failure; this promise is only there to be settled.
    const flow = pipeline(Readable.from(piecesOf(packed), { objectMode: false }), inflater).catch(() => undefined);
    try {
      for await (const piece of inflater) yield new Uint8Array(piece as Buffer);
    } catch (error) {
      throw this.#explain(entry, error, context);
    } finally {
      inflater.destroy();
      await flow;
    }
  }

  async #inflate(entry: ZipEntry, packed: Uint8Array, context: ErrorContext): Promise<Uint8Array> {
    try {
      const { buffer, byteOffset, byteLength } = await inflateWhole(packed, {
        maxOutputLength: Math.max(entry.byteLength, 1),
      });
      return new Uint8Array(buffer, byteOffset, byteLength);
    } catch (error) {
      throw this.#explain(entry, error, context);
    }
  }

  async #packed(entry: ZipEntry, options: OperationOptions, context: ErrorContext): Promise<Uint8Array> {
    const { headerOffset, rawName, compressedLength } = entry;
    if (this.#starts.has(entry) || compressedLength > TOGETHER) {
      return this.#source.read(await this.#start(entry, options, context), compressedLength, options);
    }
    const room = LOCAL_LENGTH + rawName.length + EXTRA_ROOM + compressedLength;
    const bytes = await this.#source.read(
      headerOffset,
      Math.min(room, this.#source.byteLength - headerOffset),
      options,
    );
    const start = this.#parseHeader(entry, bytes, context);
    const from = start - headerOffset;
    if (from + compressedLength <= bytes.byteLength) return bytes.slice(from, from + compressedLength);
    return this.#source.read(start, compressedLength, options);
  }

  async #start(entry: ZipEntry, options: OperationOptions, context: ErrorContext): Promise<number> {
    const known = this.#starts.get(entry);
    if (known !== undefined) return known;
    const length = LOCAL_LENGTH + entry.rawName.length;
    return this.#parseHeader(entry, await this.#source.read(entry.headerOffset, length, options), context);
  }

  /** Where the bytes begin. The local header must be the one of this entry. */
  #parseHeader(entry: ZipEntry, bytes: Uint8Array, context: ErrorContext): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const nameEnd = LOCAL_LENGTH + entry.rawName.length;
    if (
      view.getUint32(0, true) !== LOCAL ||
      view.getUint16(8, true) !== entry.method ||
      view.getUint16(26, true) !== entry.rawName.length ||
      Buffer.compare(bytes.subarray(LOCAL_LENGTH, nameEnd), entry.rawName) !== 0
    ) {
      throw this.#source.corrupt(`what stands before "${entry.key}" is not its header`, context);
    }
    const start = entry.headerOffset + nameEnd + view.getUint16(28, true);
    this.#starts.set(entry, start);
    return start;
  }

  #explain(entry: ZipEntry, error: unknown, context: ErrorContext): unknown {
    if (isStorageError(error)) return error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") return this.#wrongLength(entry, Number.POSITIVE_INFINITY, context);
    if (code?.startsWith("Z_") !== true) return error;
    return this.#source.corrupt(`"${entry.key}" does not unpack (${(error as Error).message})`, context, error);
  }

  #wrongLength(entry: ZipEntry, byteLength: number, context: ErrorContext): StorageError {
    const more = byteLength > entry.byteLength ? "more" : "fewer";
    return this.#source.corrupt(`"${entry.key}" has ${more} bytes than the ${entry.byteLength} it declares`, context);
  }

  #wrongChecksum(entry: ZipEntry, context: ErrorContext): StorageError {
    return this.#source.corrupt(`"${entry.key}" does not have its CRC-32`, context);
  }
}

function checkReadable({ key, method, isEncrypted }: ZipEntry, context: ErrorContext): void {
  if (isEncrypted) throw new StorageError("UNSUPPORTED", `"${key}" is encrypted`, context);
  if (method === 0 || method === 8) return;
  throw new StorageError(
    "UNSUPPORTED",
    `"${key}" is compressed by method ${method}; stored and deflate are read`,
    context,
  );
}

/** A stream as an iterable; leaving it early cancels the stream. */
async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let isDone = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    isDone = true;
  } finally {
    if (!isDone) await reader.cancel().catch(() => undefined);
  }
}

async function* counted(
  stream: ReadableStream<Uint8Array>,
  byteLength: number,
  wrongLength: () => StorageError,
): AsyncGenerator<Uint8Array> {
  let left = byteLength;
  for await (const piece of piecesOf(stream)) {
    left -= piece.byteLength;
    if (left < 0) throw wrongLength();
    yield piece;
  }
  if (left > 0) throw wrongLength();
}
