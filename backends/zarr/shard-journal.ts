/**
 * What the journal of a shard under way says: a header, then one record for each chunk, in their order. Everything is
 * little-endian, and each piece is 32 bytes with its own checksum, so that record *n* is where it has to be, and one that
 * was cut short, or never reached the device, ends the journal.
 *
 * @see docs/shard-journal.md
 */
import { crc32 } from "node:zlib";
import { crc32c } from "../../src/codecs/crc32c.ts";
import { StorageError } from "../../src/core/errors.ts";

/** Bytes of the header, and of each record. */
export const RECORD_BYTES = 32;

/** ASCII `SLZSHRD`, then the version. */
const MAGIC = Uint8Array.of(0x53, 0x4c, 0x5a, 0x53, 0x48, 0x52, 0x44, 1);
const CHECKED_BYTES = RECORD_BYTES - 4;
const TWO_32 = 2 ** 32;

/** Which shard a journal is of. */
export interface JournalHeader {
  /** Number of the shard along the axis that grows. */
  readonly shard: number;
  /** Chunks of a whole shard. */
  readonly chunksPerShard: number;
}

/** Where one chunk lies, and what it is. */
export interface JournalRecord {
  readonly offset: number;
  readonly length: number;
  /** CRC-32 (ISO-HDLC, as in gzip) of the stored bytes. */
  readonly crc32: number;
}

/**
 * The checksum of stored bytes in a {@link JournalRecord}. Not the CRC-32C of everything else here: Node has this one as
 * machine code, four times as fast, and it is taken of every byte that is recorded.
 */
export function chunkChecksum(bytes: Uint8Array, seed = 0): number {
  return crc32(bytes, seed);
}

/** The header of a journal. */
export function encodeHeader({ shard, chunksPerShard }: JournalHeader): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, shard, true);
  view.setUint32(12, chunksPerShard, true);
  seal(bytes, view, 0);
  return bytes;
}

/**
 * Reads a header.
 *
 * @returns `undefined` for bytes that are none, or that were cut short.
 * @throws A {@link StorageError} `UNSUPPORTED` for the journal of a later version.
 */
export function decodeHeader(bytes: Uint8Array): JournalHeader | undefined {
  if (bytes.byteLength < RECORD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = MAGIC.length - 1;
  if (!MAGIC.subarray(0, version).every((byte, i) => bytes[i] === byte) || !isSealed(bytes, view, 0)) return undefined;
  if (bytes[version] !== MAGIC[version]) {
    throw new StorageError("UNSUPPORTED", `A journal of version ${bytes[version]} needs a newer release`);
  }
  return { shard: view.getUint32(8, true), chunksPerShard: view.getUint32(12, true) };
}

/** The records of one shard, in the form that they have on disk, so that noting a chunk allocates nothing. */
export class JournalRecords {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** @param chunks - Most chunks of the shard. */
  constructor(chunks: number) {
    this.#bytes = new Uint8Array(chunks * RECORD_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Notes a chunk. */
  set(chunk: number, offset: number, length: number, checksum: number): void {
    const at = chunk * RECORD_BYTES;
    this.#put(at, offset);
    this.#put(at + 8, length);
    this.#view.setUint32(at + 16, chunk, true);
    this.#view.setUint32(at + 20, checksum, true);
    seal(this.#bytes, this.#view, at);
  }

  /** The records from one chunk up to another: a view. */
  slice(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from * RECORD_BYTES, to * RECORD_BYTES);
  }

  // Two halves rather than a bigint: this runs for every frame.
  #put(at: number, value: number): void {
    this.#view.setUint32(at, value % TWO_32, true);
    this.#view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  }
}

/**
 * Reads records, up to the first that is cut short, damaged, or of another chunk than the next.
 *
 * @param bytes - Of a journal, from record `first` on.
 */
export function decodeRecords(bytes: Uint8Array, first = 0): JournalRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: JournalRecord[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.byteLength; at += RECORD_BYTES) {
    if (!isSealed(bytes, view, at) || view.getUint32(at + 16, true) !== first + records.length) break;
    const offset = view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);
    const length = view.getUint32(at + 12, true) * TWO_32 + view.getUint32(at + 8, true);
    records.push({ offset, length, crc32: view.getUint32(at + 20, true) });
  }
  return records;
}

function seal(bytes: Uint8Array, view: DataView, at: number): void {
  view.setUint32(at + CHECKED_BYTES, crc32c(bytes.subarray(at, at + CHECKED_BYTES)), true);
}

function isSealed(bytes: Uint8Array, view: DataView, at: number): boolean {
  return view.getUint32(at + CHECKED_BYTES, true) === crc32c(bytes.subarray(at, at + CHECKED_BYTES));
}
