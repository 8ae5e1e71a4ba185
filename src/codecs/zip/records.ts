/**
 * The records that an archive is written of.
 *
 * @see PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.9, 4.3.12, 4.3.14 to 4.3.16
 */

/** What is known of an entry once it is written. */
export interface WrittenEntry {
  readonly name: Uint8Array;
  readonly method: 0 | 8;
  /** True if lengths and checksum stand behind the bytes, since they were not known before. */
  readonly isStreamed: boolean;
  readonly crc32: number;
  readonly compressedLength: number;
  readonly byteLength: number;
  readonly headerOffset: number;
  readonly modifiedMs: number;
}

const MAX32 = 0xffffffff;
const MAX16 = 0xffff;
/** Names are UTF-8. */
const UTF8 = 0x0800;
/** Lengths follow the bytes. */
const STREAMED = 0x0008;
/** 2.0 has deflate, 4.5 has ZIP64. The upper byte of "made by" says Unix. */
const VERSION = 20;
const VERSION64 = 45;
const MADE_BY_UNIX = 3 << 8;
/** A regular file that its owner may write and all may read. */
const FILE_MODE = 0o100644 * 0x10000;

/** What stands before the bytes. A streamed entry has the ZIP64 field, so that it may become as long as it likes. */
export function localHeader(entry: WrittenEntry): Uint8Array {
  const { isStreamed, name } = entry;
  const isWide = isStreamed || entry.byteLength >= MAX32 || entry.compressedLength >= MAX32;
  const lengths = isStreamed ? [0, 0] : [entry.byteLength, entry.compressedLength];
  return record([
    [4, 0x04034b50],
    [2, isWide ? VERSION64 : VERSION],
    ...common(entry),
    [4, isStreamed ? 0 : entry.crc32],
    [4, isWide ? MAX32 : (lengths[1] as number)],
    [4, isWide ? MAX32 : (lengths[0] as number)],
    [2, name.length],
    [2, isWide ? 20 : 0],
    name,
    ...(isWide ? wideField(lengths) : []),
  ]);
}

/** What stands behind the bytes of a streamed entry. */
export function dataDescriptor({ crc32, compressedLength, byteLength }: WrittenEntry): Uint8Array {
  return record([
    [4, 0x08074b50],
    [4, crc32],
    [8, compressedLength],
    [8, byteLength],
  ]);
}

/** The line of an entry in the directory. */
export function centralHeader(entry: WrittenEntry): Uint8Array {
  const { name, byteLength, compressedLength, headerOffset } = entry;
  const wide = [byteLength, compressedLength, headerOffset].filter((value) => value >= MAX32);
  const isWide = wide.length > 0 || entry.isStreamed;
  return record([
    [4, 0x02014b50],
    [2, MADE_BY_UNIX | VERSION64],
    [2, isWide ? VERSION64 : VERSION],
    ...common(entry),
    [4, entry.crc32],
    [4, Math.min(compressedLength, MAX32)],
    [4, Math.min(byteLength, MAX32)],
    [2, name.length],
    [2, wide.length > 0 ? 4 + 8 * wide.length : 0],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, FILE_MODE],
    [4, Math.min(headerOffset, MAX32)],
    name,
    ...(wide.length > 0 ? wideField(wide) : []),
  ]);
}

/** The end of the archive, in ZIP64 as well where 16 and 32 bits are too few. */
export function endRecords(count: number, directoryOffset: number, directoryLength: number): Uint8Array {
  const isWide = count >= MAX16 || directoryOffset >= MAX32 || directoryLength >= MAX32;
  const end64Offset = directoryOffset + directoryLength;
  const wide: Field[] = [
    [4, 0x06064b50],
    [8, 44],
    [2, MADE_BY_UNIX | VERSION64],
    [2, VERSION64],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, directoryLength],
    [8, directoryOffset],
    [4, 0x07064b50],
    [4, 0],
    [8, end64Offset],
    [4, 1],
  ];
  return record([
    ...(isWide ? wide : []),
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, Math.min(count, MAX16)],
    [2, Math.min(count, MAX16)],
    [4, Math.min(directoryLength, MAX32)],
    [4, Math.min(directoryOffset, MAX32)],
    [2, 0],
  ]);
}

/** A number with its width in bytes, or bytes as they are. */
type Field = readonly [width: 2 | 4 | 8, value: number] | Uint8Array;

/** Flags, method and time, which both headers have alike. */
function common({ isStreamed, method, modifiedMs }: WrittenEntry): Field[] {
  const [date, time] = dosTime(modifiedMs);
  return [
    [2, UTF8 | (isStreamed ? STREAMED : 0)],
    [2, method],
    [2, time],
    [2, date],
  ];
}

function wideField(values: readonly number[]): Field[] {
  return [[2, 1], [2, 8 * values.length], ...values.map((value): Field => [8, value])];
}

/** The time in UTC, to two seconds, from 1980 to 2107. */
function dosTime(ms: number): [date: number, time: number] {
  const moment = new Date(Math.min(Math.max(ms, Date.UTC(1980, 0, 1)), Date.UTC(2107, 11, 31)));
  const date = ((moment.getUTCFullYear() - 1980) << 9) | ((moment.getUTCMonth() + 1) << 5) | moment.getUTCDate();
  const time = (moment.getUTCHours() << 11) | (moment.getUTCMinutes() << 5) | (moment.getUTCSeconds() >> 1);
  return [date, time];
}

function record(fields: readonly Field[]): Uint8Array {
  const length = fields.reduce((sum, field) => sum + (field instanceof Uint8Array ? field.length : field[0]), 0);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const field of fields) {
    if (field instanceof Uint8Array) {
      bytes.set(field, at);
      at += field.length;
      continue;
    }
    const [width, value] = field;
    if (width === 2) view.setUint16(at, value, true);
    else if (width === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += width;
  }
  return bytes;
}
