/**
 * The central directory of an archive: what is in it, and where.
 *
 * @see PKWARE APPNOTE 6.3.10, sections 4.3.12 to 4.3.16 and 4.5.3
 */
import type { OperationOptions } from "../../core/byte-store.ts";
import { StorageError } from "../../core/errors.ts";
import { compareKeys } from "../../core/key.ts";
import type { ArchiveBytes } from "./archive-bytes.ts";
import { decodeName, keyOfName } from "./entry-name.ts";

/** One value in an archive. */
export interface ZipEntry {
  /** Normalised key. */
  readonly key: string;
  /** The name as its bytes are in the archive. */
  readonly rawName: Uint8Array;
  /** How the bytes are kept: 0 as they are, 8 deflated. */
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly crc32: number;
  readonly compressedLength: number;
  readonly byteLength: number;
  /** Where the local header is, from the start of the value that holds the archive. */
  readonly headerOffset: number;
  /** Last change in milliseconds since 1970, as if the clock of the archive were UTC. */
  readonly modifiedMs: number | undefined;
}

/** What an archive may ask for before it is refused. */
export interface DirectoryLimits {
  /** Bytes of the central directory. */
  readonly maxDirectoryBytes: number;
  /** What happens to names that are absolute, leave the archive, or can be no key. */
  readonly badNames: "refuse" | "skip";
  /** Which of two entries with one name counts: the later one, as when a value was replaced by appending; or neither. */
  readonly duplicates?: "last" | "refuse" | undefined;
}

const END = 0x06054b50;
const END_LENGTH = 22;
const LOCATOR = 0x07064b50;
const LOCATOR_LENGTH = 20;
const END64 = 0x06064b50;
const END64_LENGTH = 56;
const CENTRAL = 0x02014b50;
const CENTRAL_LENGTH = 46;
const LOCAL_LENGTH = 30;
const ZIP64_FIELD = 1;
/** Upper byte of "made by": Unix and macOS. */
const UNIX_HOSTS: readonly number[] = [3, 19];
const MAX16 = 0xffff;
const MAX32 = 0xffffffff;
/** More than this a deflated byte cannot become. */
const MAX_RATIO = 1032;

/** Where the central directory is. */
interface DirectoryPlace {
  readonly count: number;
  readonly length: number;
  /** As it is written in the archive. */
  readonly offset: number;
  /** Where it must end, from the start of the value. */
  readonly end: number;
}

/**
 * Reads the whole directory, in two or three reads.
 *
 * @returns Entries by key, ordered as listings are. Entries of directories are left out.
 * @throws A {@link StorageError}: `CORRUPT`, also for entries that overlap; `UNSUPPORTED` for archives in several parts
 * and directories beyond the limit; and what reading threw.
 */
export async function readDirectory(
  source: ArchiveBytes,
  limits: DirectoryLimits,
  options: OperationOptions,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const tailLength = Math.min(source.byteLength, END_LENGTH + MAX16 + LOCATOR_LENGTH);
  const tailStart = source.byteLength - tailLength;
  const tail = await source.read(tailStart, tailLength, options);
  const place = await findDirectory(source, tail, tailStart, options);
  if (place.length > limits.maxDirectoryBytes) {
    throw new StorageError(
      "UNSUPPORTED",
      `The directory of the archive "${source.context.identifier}" has ${place.length} bytes, and maxDirectoryBytes is ${limits.maxDirectoryBytes}`,
      { ...source.context, operation: "open" },
    );
  }
  // Something may stand before the archive, a program that unpacks it, say; offsets count from the archive.
  const start = place.end - place.length;
  const shift = start - place.offset;
  if (start < 0 || shift < 0) throw source.corrupt("its directory lies outside of it");
  const bytes =
    start >= tailStart
      ? tail.subarray(start - tailStart, place.end - tailStart)
      : await source.read(start, place.length, options);
  const entries = parseDirectory(source, bytes, place.count, shift, limits);
  checkPlaces(source, entries.all, start);
  return new Map([...entries.byKey].sort(([a], [b]) => compareKeys(a, b)));
}

async function findDirectory(
  source: ArchiveBytes,
  tail: Uint8Array,
  tailStart: number,
  options: OperationOptions,
): Promise<DirectoryPlace> {
  const view = viewOf(tail);
  const at = findEnd(view);
  if (at === undefined) throw source.corrupt("it has no end record, so it is cut off or is no ZIP archive");
  const disks = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  const count = view.getUint16(at + 10, true);
  const length = view.getUint32(at + 12, true);
  const offset = view.getUint32(at + 16, true);
  const locator = at - LOCATOR_LENGTH;
  if (locator >= 0 && view.getUint32(locator, true) === LOCATOR) {
    return findDirectory64(source, big(source, view, locator + 8), tailStart + locator, options);
  }
  if (count === MAX16 && length === MAX32) throw source.corrupt("its ZIP64 end record is missing");
  if (disks.some((disk) => disk !== 0)) throw severalParts(source);
  return { count, length, offset, end: tailStart + at };
}

/** The end record that reaches exactly to the end: its signature may also stand in a comment. */
function findEnd(view: DataView): number | undefined {
  for (let at = view.byteLength - END_LENGTH; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    if (at + END_LENGTH + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  return undefined;
}

async function findDirectory64(
  source: ArchiveBytes,
  written: number,
  locatorAt: number,
  options: OperationOptions,
): Promise<DirectoryPlace> {
  // Usually right before the locator; where the record is longer, at the place that the locator names.
  for (const at of [locatorAt - END64_LENGTH, written]) {
    if (at < 0 || at + END64_LENGTH > locatorAt) continue;
    const view = viewOf(await source.read(at, END64_LENGTH, options));
    if (view.getUint32(0, true) !== END64) continue;
    if (view.getUint32(16, true) !== 0 || view.getUint32(20, true) !== 0) throw severalParts(source);
    const [count, length, offset] = [32, 40, 48].map((field) => big(source, view, field)) as [number, number, number];
    return { count, length, offset, end: at };
  }
  throw source.corrupt("its ZIP64 end record is missing");
}

function parseDirectory(
  source: ArchiveBytes,
  bytes: Uint8Array,
  count: number,
  shift: number,
  { badNames, duplicates }: DirectoryLimits,
): { byKey: Map<string, ZipEntry>; all: ZipEntry[] } {
  const view = viewOf(bytes);
  const byKey = new Map<string, ZipEntry>();
  const all: ZipEntry[] = [];
  let at = 0;
  let found = 0;
  for (; at < bytes.length; found++) {
    const left = bytes.length - at;
    if (left < CENTRAL_LENGTH || view.getUint32(at, true) !== CENTRAL) throw source.corrupt("its directory is cut off");
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ];
    const end = at + CENTRAL_LENGTH + nameLength + extraLength + commentLength;
    if (end > bytes.length) throw source.corrupt("its directory is cut off");
    const rawName = bytes.subarray(at + CENTRAL_LENGTH, at + CENTRAL_LENGTH + nameLength);
    const extraStart = at + CENTRAL_LENGTH + nameLength;
    const extra = extraFields(bytes.subarray(extraStart, extraStart + extraLength));
    const flags = view.getUint16(at + 8, true);
    const name = decodeName(rawName, (flags & 0x800) !== 0, UNIX_HOSTS.includes(bytes[at + 5] as number), extra);
    if (name === undefined) throw source.corrupt("a name in its directory is marked as UTF-8 and is not");
    const [byteLength, compressedLength, offset] = sizes(source, view, at, extra.get(ZIP64_FIELD));
    const key = keyOfName(name);
    if (key === undefined && badNames === "refuse") {
      throw source.corrupt(
        `its entry ${JSON.stringify(name)} has a name that leads out of the archive or can be no key; ` +
          'badNames: "skip" leaves such entries out',
      );
    }
    const method = view.getUint16(at + 10, true);
    const entry: ZipEntry = {
      key: key ?? "",
      rawName,
      method,
      isEncrypted: (flags & 1) !== 0,
      crc32: view.getUint32(at + 16, true),
      compressedLength,
      byteLength,
      headerOffset: offset + shift,
      modifiedMs: fromDosTime(view.getUint16(at + 14, true), view.getUint16(at + 12, true)),
    };
    checkLengths(source, entry, name);
    all.push(entry);
    at = end;
    if (key === undefined || key === "" || name.endsWith("/")) continue;
    if (duplicates === "refuse" && byKey.has(key)) throw source.corrupt(`it has two entries named "${key}"`);
    byKey.set(key, entry);
  }
  // The 16-bit count of a large archive of an old tool has wrapped around.
  if (found !== count && found % 0x10000 !== count) {
    throw source.corrupt(`its directory has ${found} entries instead of ${count}`);
  }
  return { byKey, all };
}

function checkLengths(source: ArchiveBytes, { method, isEncrypted, ...entry }: ZipEntry, name: string): void {
  const what = JSON.stringify(name);
  if (method === 0 && !isEncrypted && entry.byteLength !== entry.compressedLength) {
    throw source.corrupt(`its entry ${what} is not compressed, yet has two lengths`);
  }
  if (method === 8 && entry.byteLength > entry.compressedLength * MAX_RATIO) {
    throw source.corrupt(`its entry ${what} claims to grow to ${entry.byteLength} bytes, more than deflate can do`);
  }
}

/** Entries that share bytes are how a small archive becomes an endless one. */
function checkPlaces(source: ArchiveBytes, entries: readonly ZipEntry[], directoryStart: number): void {
  const sorted = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  for (const [i, entry] of sorted.entries()) {
    const end = entry.headerOffset + LOCAL_LENGTH + entry.rawName.length + entry.compressedLength;
    const next = sorted[i + 1]?.headerOffset ?? directoryStart;
    if (end > next) throw source.corrupt(`its entry "${entry.key}" reaches into the next one`);
  }
}

/** Lengths and offset of an entry, which stand in the ZIP64 field where 32 bits are too few. */
function sizes(
  source: ArchiveBytes,
  view: DataView,
  at: number,
  field: Uint8Array | undefined,
): [byteLength: number, compressedLength: number, offset: number] {
  const wide = field === undefined ? undefined : viewOf(field);
  let used = 0;
  const [byteLength, compressedLength, offset] = [24, 20, 42].map((place) => {
    const value = view.getUint32(at + place, true);
    if (value !== MAX32 || wide === undefined) return value;
    if (used + 8 > wide.byteLength) throw source.corrupt("a ZIP64 field in its directory is cut off");
    used += 8;
    return big(source, wide, used - 8);
  }) as [number, number, number];
  return [byteLength, compressedLength, offset];
}

function extraFields(bytes: Uint8Array): Map<number, Uint8Array> {
  const view = viewOf(bytes);
  const fields = new Map<number, Uint8Array>();
  // Some tools pad extra fields with a few zeros, which are no field.
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > bytes.length) break;
    fields.set(view.getUint16(at, true), bytes.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function fromDosTime(date: number, time: number): number | undefined {
  // The beginning of the calendar is what tools write that know no time.
  if (date === 0 || (date === 0x21 && time === 0)) return undefined;
  const [year, month, day] = [1980 + (date >> 9), (date >> 5) & 15, date & 31];
  return Date.UTC(year, month - 1, day, time >> 11, (time >> 5) & 63, (time & 31) * 2);
}

function big(source: ArchiveBytes, view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (Number.isSafeInteger(value)) return value;
  throw source.corrupt(`it has a length or place of ${value}, which is beyond any file`);
}

function severalParts({ context }: ArchiveBytes): StorageError {
  const message = `The archive "${context.identifier}" is split into several parts; join them first (zip -s 0)`;
  return new StorageError("UNSUPPORTED", message, { ...context, operation: "open" });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
