/**
 * The bytes of a segment file: a header, then records one after another, never changed once they are written.
 *
 * File header, 16 bytes: `SLUICSEG`, the version (u32), 4 zero bytes. Record: length of the payload (u64), CRC-32 of the
 * payload (u32), CRC-32 of those 12 bytes (u32), the payload. Numbers are little endian. Whatever follows the last whole
 * record is the beginning of one whose writer died, and means nothing.
 */
import { crc32 } from "node:zlib";
import { StorageError } from "../../core/errors.ts";

/** Bytes before the first record. */
export const FILE_HEADER_BYTES = 16;

/** Bytes before each payload. */
export const RECORD_HEADER_BYTES = 16;

const MAGIC = "SLUICSEG";

const VERSION = 1;

/** The first bytes of a segment file. */
export function fileHeader(): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  bytes.set(new TextEncoder().encode(MAGIC));
  view(bytes).setUint32(8, VERSION, true);
  return bytes;
}

/**
 * Checks the first bytes of a file.
 *
 * @throws A {@link StorageError}: `CORRUPT` for what is no segment file, `UNSUPPORTED` for one of a newer version.
 */
export function checkFileHeader(bytes: Uint8Array, path: string): void {
  const context = { operation: "readSegment", identifier: path };
  if (bytes.length < FILE_HEADER_BYTES || new TextDecoder("latin1").decode(bytes.subarray(0, 8)) !== MAGIC) {
    throw new StorageError("CORRUPT", `"${path}" is no segment file`, context);
  }
  const version = view(bytes).getUint32(8, true);
  if (version === VERSION) return;
  const message = `"${path}" is a segment file of version ${version}; this Sluice reads version ${VERSION}`;
  throw new StorageError("UNSUPPORTED", message, context);
}

/** What a record begins with. */
export interface RecordHeader {
  /** Bytes of the payload. */
  readonly length: number;
  readonly crc32: number;
}

/** The bytes before a payload. */
export function recordHeader({ length, crc32: checksum }: RecordHeader): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES);
  const fields = view(bytes);
  fields.setBigUint64(0, BigInt(length), true);
  fields.setUint32(8, checksum, true);
  fields.setUint32(12, crc32(bytes.subarray(0, 12)), true);
  return bytes;
}

/** What the bytes before a payload say; `undefined` if they are not whole. */
export function parseRecordHeader(bytes: Uint8Array): RecordHeader | undefined {
  if (bytes.length < RECORD_HEADER_BYTES) return undefined;
  const fields = view(bytes);
  if (fields.getUint32(12, true) !== crc32(bytes.subarray(0, 12))) return undefined;
  const length = Number(fields.getBigUint64(0, true));
  return Number.isSafeInteger(length) ? { length, crc32: fields.getUint32(8, true) } : undefined;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
