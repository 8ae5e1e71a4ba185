/** Streams and their entries in the index. Everything runs inside a transaction of the caller's. */
import { StorageError } from "../../../core/errors.ts";
import type { SqliteDriver } from "../../../sqlite/driver.ts";
import type { Bounds, Entry } from "../../engine.ts";
import { type PackedRow, packEntries, unpackEntries } from "./chunk.ts";
import { isExpired, type KeptSpan, type MachineTime } from "./machine-time.ts";

/** Rows that are removed in one transaction: a few milliseconds, then others have a turn. */
const REMOVED_ROWS = 2000;

/** A stream as it is kept. */
export interface StreamRow extends Bounds {
  readonly id: number;
  /** Who has claimed it. */
  readonly writer: string | null;
}

/** A payload in a segment file. */
export interface KeptPayload {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
  readonly crc32: number;
}

/** An entry as the index has it: its payload is here, or in a segment. */
export interface KeptEntry {
  readonly index: number;
  readonly length: number;
  readonly payload: Uint8Array | KeptPayload;
}

interface EntryRow extends PackedRow {
  readonly payload: Uint8Array | null;
  readonly segment: number | null;
  readonly offset: number | null;
  readonly size: number;
  readonly crc32: number | null;
}

/** The bounds of a stream that was never written to. */
const UNTOUCHED: Bounds = { floor: 0, length: 0, sealed: false, durable: 0 };

const columns = "first, points, entries, payload, segment, offset, size, crc32";

/** The tables `streams`, `entries` and `segments`. */
export class StreamRows {
  readonly #driver: SqliteDriver;

  constructor(driver: SqliteDriver) {
    this.#driver = driver;
  }

  find(key: string): StreamRow | undefined {
    const sql = "SELECT id, floor, length, sealed, durable, writer FROM streams WHERE key = ?";
    const [row] = this.#driver.all<Omit<StreamRow, "sealed"> & { sealed: number }>(sql, [key]);
    return row && { ...row, sealed: row.sealed === 1 };
  }

  bounds(key: string): Bounds {
    return boundsOf(this.find(key));
  }

  /** The stream, made if it was never written to. */
  ensure(key: string): StreamRow {
    const found = this.find(key);
    if (found !== undefined) return found;
    const { lastInsertRowid } = this.#driver.run("INSERT INTO streams (key) VALUES (?)", [key]);
    return { id: lastInsertRowid, ...UNTOUCHED, writer: null };
  }

  seal(key: string): number {
    const { id, length, sealed } = this.ensure(key);
    if (!sealed) this.#driver.run("UPDATE streams SET sealed = 1 WHERE id = ?", [id]);
    return length;
  }

  /** Lets a stream take entries of one writer only. */
  claim(key: string, writer: string): Bounds {
    const stream = this.ensure(key);
    this.#driver.run("UPDATE streams SET writer = ? WHERE id = ?", [writer, stream.id]);
    return boundsOf(stream);
  }

  setDurable(key: string, index: number): void {
    const { id, length, durable } = this.ensure(key);
    const next = Math.max(durable, Math.min(index, length));
    if (next > durable) this.#driver.run("UPDATE streams SET durable = ? WHERE id = ?", [next, id]);
  }

  /** Adds a row of small entries that follow each other. */
  insertPacked(id: number, entries: readonly Entry[]): void {
    const payload = packEntries(entries);
    const points = entries.reduce((sum, { length }) => sum + length, 0);
    const row = [id, (entries[0] as Entry).index, points, entries.length, payload, payload.byteLength];
    this.#driver.run(
      "INSERT INTO entries (stream, first, points, entries, payload, size) VALUES (?, ?, ?, ?, ?, ?)",
      row,
    );
  }

  /** Adds the row of an entry whose payload is in a segment. */
  insertKept(id: number, { index, length }: KeptEntry, kept: KeptPayload): void {
    this.#driver.run(
      "INSERT INTO entries (stream, first, points, entries, segment, offset, size, crc32) VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
      [id, index, length, kept.segment, kept.offset, kept.length, kept.crc32],
    );
    this.#driver.run("UPDATE segments SET bytes = bytes + ? WHERE id = ?", [kept.length, kept.segment]);
  }

  setLength(id: number, length: number): void {
    this.#driver.run("UPDATE streams SET length = ? WHERE id = ?", [length, id]);
  }

  /** A number for a new segment file. Its row is there before the file is: a file without a row is left over. */
  newSegment(key: string): { readonly stream: number; readonly segment: number } {
    const { id } = this.ensure(key);
    return { stream: id, segment: this.#driver.run("INSERT INTO segments (stream) VALUES (?)", [id]).lastInsertRowid };
  }

  /** The newest segment of a stream. */
  newestSegment(key: string): number | undefined {
    const sql = "SELECT max(segments.id) AS id FROM segments JOIN streams ON streams.id = stream WHERE key = ?";
    return this.#driver.all<{ id: number | null }>(sql, [key])[0]?.id ?? undefined;
  }

  /**
   * Checks that segments are still there before entries refer to them.
   *
   * @throws A {@link StorageError} `CONFLICT`, retryable.
   */
  checkSegments(entries: readonly KeptEntry[]): void {
    for (const { payload } of entries) {
      if (payload instanceof Uint8Array) continue;
      if (this.#driver.all("SELECT 1 FROM segments WHERE id = ?", [payload.segment]).length > 0) continue;
      const message = `Segment ${payload.segment} was removed before it was used: another process writes this stream too`;
      throw new StorageError("CONFLICT", message, { retryable: true });
    }
  }

  /** Entries from one index up to another, the first of them also if it begins below; at least one, then up to so many bytes. */
  range({ id, floor }: StreamRow, from: number, to: number, maxBytes: number): KeptEntry[] {
    const found: KeptEntry[] = [];
    let bytes = 0;
    for (const row of this.#rowsFrom(id, from, to)) {
      for (const entry of entriesOf(row)) {
        const end = entry.index + entry.length;
        if (end <= from || end <= floor) continue;
        if (entry.index >= to) return found;
        bytes += sizeOf(entry);
        if (found.length > 0 && bytes > maxBytes) return found;
        found.push(entry);
      }
    }
    return found;
  }

  /** The newest entry, if there is one. */
  last({ id, floor, length }: StreamRow): KeptEntry | undefined {
    if (floor === length) return undefined;
    const sql = `SELECT ${columns} FROM entries WHERE stream = ? ORDER BY first DESC LIMIT 1`;
    const [row] = this.#driver.all<EntryRow>(sql, [id]);
    return row && entriesOf(row).at(-1);
  }

  /**
   * Moves the floor up to an index, so far as whole entries allow. The rows below it are out of sight, and are taken away
   * by {@link StreamRows.removeBelowFloor}.
   */
  raiseFloor(stream: StreamRow, before: number): number {
    const { id, floor, length, sealed } = stream;
    let next = floor;
    if (before >= length && sealed) next = length;
    else if (before > floor) {
      const last = this.last(stream);
      const [at] = this.range(stream, Math.min(before, last?.index ?? floor), length, 0);
      next = Math.max(floor, at?.index ?? floor);
    }
    if (next > floor) this.#driver.run("UPDATE streams SET floor = ? WHERE id = ?", [next, id]);
    return next;
  }

  /** Removes rows below the floor, some at a time. Answers whether there may be more. */
  removeBelowFloor(id: number): boolean {
    const [stream] = this.#driver.all<{ floor: number }>("SELECT floor FROM streams WHERE id = ?", [id]);
    if (stream === undefined) return false;
    const [beyond] = this.#driver.all<{ first: number }>(
      `SELECT first FROM entries WHERE stream = ? ORDER BY first LIMIT 1 OFFSET ${REMOVED_ROWS}`,
      [id],
    );
    const until = Math.min(stream.floor, beyond?.first ?? stream.floor);
    // Rows go whole: one that reaches over the floor stays.
    this.#driver.run("DELETE FROM entries WHERE stream = ? AND first < ? AND first + points <= ?", [
      id,
      until,
      stream.floor,
    ]);
    return beyond !== undefined && beyond.first < stream.floor;
  }

  /** Takes segments out of the index that no entry needs any more. Answers them: their files can go. */
  removeSegments(id: number): number[] {
    const [used] = this.#driver.all<{ segment: number }>(
      "SELECT segment FROM entries WHERE stream = ? AND segment IS NOT NULL ORDER BY first LIMIT 1",
      [id],
    );
    const [stream] = this.#driver.all<{ sealed: number }>("SELECT sealed FROM streams WHERE id = ?", [id]);
    const all = this.#driver.all<{ id: number }>("SELECT id FROM segments WHERE stream = ? ORDER BY id", [id]);
    // The newest may be one that a writer has open; once the stream is sealed nobody has.
    const spare = stream?.sealed === 0 ? all.slice(0, -1) : all;
    const gone = spare.filter((segment) => used === undefined || segment.id < used.segment);
    for (const segment of gone) this.#driver.run("DELETE FROM segments WHERE id = ?", [segment.id]);
    return gone.map(({ id: segment }) => segment);
  }

  /** Numbers of all segments. */
  segments(): number[] {
    return this.#driver.all<{ id: number }>("SELECT id FROM segments").map(({ id }) => id);
  }

  /** Lets a stream be forgotten when the time is over. */
  leave(id: number, { boot, from, until, wall }: KeptSpan): void {
    this.#driver.run(
      "UPDATE streams SET forget_boot = ?, forget_from = ?, forget_until = ?, forget_wall = ? WHERE id = ?",
      [boot, from, until, wall, id],
    );
  }

  /** Streams whose time to be forgotten has come. */
  forgettable(time: MachineTime): number[] {
    const sql = `SELECT id, forget_boot AS boot, forget_from AS "from", forget_until AS until, forget_wall AS wall
      FROM streams WHERE forget_until IS NOT NULL`;
    return this.#driver.all<KeptSpan & { id: number }>(sql).flatMap((row) => (isExpired(time, row) ? [row.id] : []));
  }

  /** Forgets them. */
  forget(time: MachineTime): void {
    for (const id of this.forgettable(time)) this.#driver.run("DELETE FROM streams WHERE id = ?", [id]);
  }

  /** Bytes of all payloads in segments. */
  segmentBytes(): number {
    return this.#driver.all<{ bytes: number }>("SELECT total(bytes) AS bytes FROM segments")[0]?.bytes ?? 0;
  }

  *#rowsFrom(id: number, from: number, to: number): Generator<EntryRow> {
    // The row that has the index may begin below it.
    const before = "SELECT max(first) AS first FROM entries WHERE stream = ? AND first <= ?";
    const [start] = this.#driver.all<{ first: number | null }>(before, [id, from]);
    const page = `SELECT ${columns} FROM entries WHERE stream = ? AND first >= ? AND first < ? ORDER BY first LIMIT ?`;
    // Few at first: most who ask want one, or have a limit of bytes.
    for (let at = start?.first ?? 0, limit = 16; ; limit = Math.min(4 * limit, 1024)) {
      const rows = this.#driver.all<EntryRow>(page, [id, at, to, limit]);
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) return;
      at = last.first + last.points;
    }
  }
}

/** How far a stream goes. */
export function boundsOf(row: StreamRow | undefined): Bounds {
  if (row === undefined) return UNTOUCHED;
  const { floor, length, sealed, durable } = row;
  return { floor, length, sealed, durable };
}

/** Bytes of the payload of an entry. */
export function sizeOf({ payload }: KeptEntry): number {
  return payload instanceof Uint8Array ? payload.byteLength : payload.length;
}

function entriesOf(row: EntryRow): KeptEntry[] {
  if (row.segment === null) return unpackEntries(row, row.payload ?? new Uint8Array(0));
  const { segment, offset, size, crc32 } = row as { segment: number; offset: number; size: number; crc32: number };
  return [{ index: row.first, length: row.points, payload: { segment, offset, length: size, crc32 } }];
}
