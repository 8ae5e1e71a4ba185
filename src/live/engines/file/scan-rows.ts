/** Scans in the index: their headers, their leases and their order. Everything runs inside a transaction of the caller's. */
import { StorageError } from "../../../core/errors.ts";
import type { SqliteDriver, SqliteValue } from "../../../sqlite/driver.ts";
import {
  BEFORE_ALL,
  type HistoryEntry,
  type HistoryPage,
  type HistoryTag,
  type NewScan,
  type Transition,
} from "../../engine.ts";
import { ScanNotFoundError, StateConflictError, WriterLostError } from "../../errors.ts";
import type { ScanHeader } from "../../header.ts";
import { matchesQuery, type ScanQuery } from "../../scan-query.ts";
import { endReasons, type ScanState, scanStates } from "../../scan-state.ts";
import { parseStoredScan, searchedFields, storedStreamKeys } from "../stored-json.ts";
import { elapsed, isExpired, type KeptSpan, leaseLeft, type MachineTime, spanOf } from "./machine-time.ts";

interface ScanRow {
  readonly number: number;
  readonly key: string;
  readonly identity: string;
  readonly info: string;
  readonly streams: string;
  readonly state: ScanState;
  readonly revision: number;
  readonly created: number;
  readonly end_reason: string | null;
  readonly closed_boot: string;
  readonly closed_from: number | null;
  readonly closed_wall: number;
  readonly lease_owner: string | null;
  readonly lease_boot: string;
  readonly lease_from: number;
  readonly lease_until: number;
  readonly expiry_boot: string;
  readonly expiry_from: number;
  readonly expiry_until: number | null;
  readonly expiry_wall: number;
}

/** The table `scans`. */
export class ScanRows {
  readonly #driver: SqliteDriver;
  readonly #time: MachineTime;

  constructor(driver: SqliteDriver, time: MachineTime) {
    this.#driver = driver;
    this.#time = time;
  }

  create({ key, identity, info, lease }: NewScan): HistoryEntry {
    const [taken] = this.#driver.all("SELECT 1 FROM scans WHERE key = ?", [key]);
    if (taken !== undefined) throw new StorageError("ALREADY_EXISTS", `There is a scan ${key}`, { identifier: key });
    const { lastInsertRowid: number } = this.#driver.run(
      "INSERT INTO scans (key, identity, info, streams, state, revision, created) VALUES (?, ?, ?, '{}', ?, 1, ?)",
      [key, JSON.stringify(identity), JSON.stringify(info), scanStates.CREATED, this.#time.wall() / 1000],
    );
    if (lease !== undefined) this.#setLease(key, lease.owner, lease.ms);
    return { tag: tagOf(number), key };
  }

  /** The scan as it is now; `undefined` if it is not there, or its time is over. */
  find(key: string): ScanHeader | undefined {
    const row = this.#find(key);
    return row && this.#headerOf(row);
  }

  state(key: string): ScanState | undefined {
    return this.#find(key)?.state;
  }

  /** The scan if its revision is above the given one. */
  newer(key: string, revision: number): ScanHeader | undefined {
    const row = this.#get(key);
    return row.revision > revision ? this.#headerOf(row) : undefined;
  }

  /** Changes a scan. Sealing its streams is the caller's. */
  transition(key: string, change: Transition): ScanHeader {
    const { from, to, info, streams } = change;
    const row = this.#get(key);
    const isSame = to === row.state && to <= scanStates.STARTED && (info ?? streams) !== undefined;
    if (!from.includes(row.state) || (to <= row.state && !isSame)) {
      throw new StateConflictError(to, row.state, { identifier: key });
    }
    // One that cannot be read is refused before it is changed.
    this.#headerOf(row);
    this.#change(row, change);
    return this.#headerOf(this.#get(key));
  }

  /** Closes the scans whose lease has run out, also such as cannot be read. Sealing their streams is the caller's. */
  closeLost(): { readonly key: string; readonly streams: readonly string[] }[] {
    return this.lost().map((row) => {
      this.#change(row, { to: scanStates.CLOSED, endReason: endReasons.LOST });
      return { key: row.key, streams: storedStreamKeys(row.streams) };
    });
  }

  /** Removes a scan. Answers the keys of its streams; `undefined` if it was not there. */
  remove(key: string): string[] | undefined {
    const [row] = this.#driver.all<ScanRow>("SELECT * FROM scans WHERE key = ?", [key]);
    if (row === undefined) return undefined;
    this.#driver.run("DELETE FROM scans WHERE number = ?", [row.number]);
    return storedStreamKeys(row.streams);
  }

  expire(key: string, ms: number): void {
    const { number } = this.#get(key);
    const { boot, from, until, wall } = spanOf(this.#time, ms);
    this.#driver.run(
      "UPDATE scans SET expiry_boot = ?, expiry_from = ?, expiry_until = ?, expiry_wall = ? WHERE number = ?",
      [boot, from, until, wall, number],
    );
  }

  /** Scans whose time is over. */
  expired(): string[] {
    const rows = this.#driver.all<ScanRow>("SELECT * FROM scans WHERE expiry_until IS NOT NULL ORDER BY expiry_until");
    return rows.filter((row) => this.#isExpired(row)).map(({ key }) => key);
  }

  renewLease(key: string, owner: string, ms: number): void {
    const row = this.#get(key);
    if (row.state === scanStates.CLOSED) {
      if (row.end_reason === endReasons.LOST) throw new WriterLostError(key, { identifier: key });
      throw new StorageError("CONFLICT", `${key} is closed: nobody writes it`, { identifier: key });
    }
    if (row.lease_owner !== null && row.lease_owner !== owner && leaseLeft(this.#time, leaseOf(row)) > 0) {
      throw new StorageError("CONFLICT", `${key} is written by ${row.lease_owner}`, { identifier: key });
    }
    this.#setLease(key, owner, ms);
  }

  /** Scans whose lease has run out. */
  lost(): readonly ScanRow[] {
    const rows = this.#driver.all<ScanRow>("SELECT * FROM scans WHERE lease_owner IS NOT NULL ORDER BY number");
    return rows.filter((row) => !this.#isExpired(row) && leaseLeft(this.#time, leaseOf(row)) <= 0);
  }

  /** The newest place in the history, whether its scan is there or not. */
  lastNumber(): number {
    const sql = "SELECT seq FROM sqlite_sequence WHERE name = 'scans'";
    return this.#driver.all<{ seq: number }>(sql)[0]?.seq ?? 0;
  }

  /** The number that a place in the history stands for. */
  position(after: HistoryTag | "oldest" | "now"): number {
    if (after === "now") return this.lastNumber();
    if (after === "oldest") return 0;
    const number = Number(/^(\d+)-0$/.exec(after)?.[1] ?? Number.NaN);
    if (Number.isSafeInteger(number)) return number;
    throw new StorageError("INVALID_DATA", `${JSON.stringify(after)} is no place in the history`);
  }

  after(number: number, limit: number): HistoryPage {
    const sql = "SELECT * FROM scans WHERE number > ? ORDER BY number LIMIT ?";
    const scans: HistoryEntry[] = [];
    let last = number;
    // Those whose time is over may still have rows, and hide none that follow.
    while (scans.length < limit) {
      const asked = limit - scans.length;
      const rows = this.#driver.all<ScanRow>(sql, [last, asked]);
      for (const row of rows) {
        if (!this.#isExpired(row)) scans.push({ tag: tagOf(row.number), key: row.key });
        last = row.number;
      }
      // All there is was seen: those that were deleted after the last one are behind too.
      if (rows.length < asked) return { scans, tag: tagOf(Math.max(last, this.lastNumber())), hasGap: false };
    }
    return { scans, tag: tagOf(last), hasGap: false };
  }

  last(): { readonly tag: HistoryTag; readonly key?: string } {
    const tag = tagOf(this.lastNumber());
    for (let below = Number.MAX_SAFE_INTEGER; ; ) {
      const [row] = this.#driver.all<ScanRow>("SELECT * FROM scans WHERE number < ? ORDER BY number DESC LIMIT 1", [
        below,
      ]);
      if (row === undefined) return { tag };
      if (!this.#isExpired(row)) return { tag, key: row.key };
      below = row.number;
    }
  }

  search(query: ScanQuery): { readonly tag: HistoryTag; readonly keys: readonly string[] } {
    const keys: string[] = [];
    const tag = tagOf(this.lastNumber());
    const { createdFrom = 0, createdBefore = Number.MAX_VALUE } = query;
    const sql = "SELECT * FROM scans WHERE number > ? AND created >= ? AND created < ? ORDER BY number LIMIT 1000";
    for (let number = 0; ; ) {
      const rows = this.#driver.all<ScanRow>(sql, [number, createdFrom, createdBefore]);
      for (const row of rows) {
        if (!this.#isExpired(row) && this.#matches(query, row)) keys.push(row.key);
        number = row.number;
      }
      if (rows.length < 1000) return { tag, keys };
    }
  }

  #change(row: ScanRow, { to, info, streams, endReason }: Omit<Transition, "from">): void {
    const changes: [column: string, value: SqliteValue][] = [
      ["state", to],
      ["revision", row.revision + 1],
    ];
    if (info !== undefined) changes.push(["info", JSON.stringify(info)]);
    if (streams !== undefined) changes.push(["streams", JSON.stringify(streams)]);
    if (endReason !== undefined) changes.push(["end_reason", endReason]);
    if (to === scanStates.CLOSED) {
      const { boot, from: now, wall } = spanOf(this.#time, 0);
      changes.push(["closed_boot", boot], ["closed_from", now], ["closed_wall", wall]);
      changes.push(["lease_owner", null], ["lease_until", null]);
    }
    const set = changes.map(([column]) => `${column} = ?`).join(", ");
    this.#driver.run(`UPDATE scans SET ${set} WHERE number = ?`, [...changes.map(([, value]) => value), row.number]);
  }

  #find(key: string): ScanRow | undefined {
    const [row] = this.#driver.all<ScanRow>("SELECT * FROM scans WHERE key = ?", [key]);
    return row === undefined || this.#isExpired(row) ? undefined : row;
  }

  #get(key: string): ScanRow {
    const row = this.#find(key);
    if (row === undefined) throw new ScanNotFoundError(key);
    return row;
  }

  #setLease(key: string, owner: string, ms: number): void {
    const { boot, from, until } = spanOf(this.#time, ms);
    this.#driver.run(
      "UPDATE scans SET lease_owner = ?, lease_boot = ?, lease_from = ?, lease_until = ? WHERE key = ?",
      [owner, boot, from, until, key],
    );
  }

  #isExpired({ expiry_boot: boot, expiry_from: from, expiry_until: until, expiry_wall: wall }: ScanRow): boolean {
    return until !== null && isExpired(this.#time, { boot, from, until, wall });
  }

  #matches(query: ScanQuery, { identity, info, state, created: createdAt }: ScanRow): boolean {
    const scan = {
      identity: query.identity === undefined ? {} : searchedFields(identity),
      info: query.info === undefined ? {} : searchedFields(info),
    };
    return matchesQuery(query, { ...scan, state, createdAt });
  }

  #headerOf(row: ScanRow): ScanHeader {
    const { key, state, revision, created: createdAt, end_reason: endReason, lease_owner: owner } = row;
    const { closed_boot: boot, closed_from: from, closed_wall: wall } = row;
    return {
      key,
      ...parseStoredScan(key, row),
      state,
      revision,
      createdAt,
      ...(owner !== null && { lease: { owner, remainingMs: leaseLeft(this.#time, leaseOf(row)) } }),
      ...(endReason !== null && { endReason }),
      ...(from !== null && { closedForMs: elapsed(this.#time, { boot, from, wall }) }),
    };
  }
}

function leaseOf({ lease_boot: boot, lease_from: from, lease_until: until }: ScanRow): KeptSpan {
  return { boot, from, until, wall: 0 };
}

function tagOf(number: number): HistoryTag {
  return number === 0 ? BEFORE_ALL : `${number}-0`;
}
