/**
 * Several small entries in one row: what was appended in one turn is one insert.
 *
 * Each entry is its number of points (u48), the bytes of its payload (u32), and the payload; little endian. A row of one
 * entry has the payload as it is.
 */
import type { Entry } from "../../engine.ts";

const HEADER_BYTES = 10;

/** Bytes of an entry in a row of several. */
export function packedSize(entry: Entry): number {
  return HEADER_BYTES + entry.payload.byteLength;
}

/** The bytes of a row. */
export function packEntries(entries: readonly Entry[]): Uint8Array {
  const [only] = entries;
  if (only !== undefined && entries.length === 1) return only.payload;
  const bytes = Buffer.allocUnsafe(entries.reduce((sum, entry) => sum + packedSize(entry), 0));
  let at = 0;
  for (const { length, payload } of entries) {
    bytes.writeUIntLE(length, at, 6);
    bytes.writeUInt32LE(payload.byteLength, at + 6);
    bytes.set(payload, at + HEADER_BYTES);
    at += HEADER_BYTES + payload.byteLength;
  }
  return bytes;
}

/** What a row says beside its bytes. */
export interface PackedRow {
  /** Index of the first point. */
  readonly first: number;
  /** Points of all entries. */
  readonly points: number;
  /** How many entries there are. */
  readonly entries: number;
}

/** The entries of a row; their payloads are views of its bytes. */
export function unpackEntries({ first, points, entries: count }: PackedRow, bytes: Uint8Array): Entry[] {
  if (count === 1) return [{ index: first, length: points, payload: bytes }];
  const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Entry[] = [];
  let index = first;
  for (let at = 0; entries.length < count; ) {
    const length = fields.getUint16(at, true) + fields.getUint32(at + 2, true) * 0x10000;
    const end = at + HEADER_BYTES + fields.getUint32(at + 6, true);
    entries.push({ index, length, payload: bytes.subarray(at + HEADER_BYTES, end) });
    index += length;
    at = end;
  }
  return entries;
}
