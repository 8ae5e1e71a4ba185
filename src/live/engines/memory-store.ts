/** What engines of one process share: every method is one step, since nothing awaits. */
import { type Clock, systemClock } from "../../core/clock.ts";
import { StorageError } from "../../core/errors.ts";
import {
  BEFORE_ALL,
  type Bounds,
  type Entry,
  type HistoryEntry,
  type HistoryPage,
  type HistoryTag,
  type LiveEngine,
  type LiveUsage,
  type NewScan,
  type Page,
  type Transition,
} from "../engine.ts";
import { ScanNotFoundError, StateConflictError, WriterLostError } from "../errors.ts";
import type { ScanHeader } from "../header.ts";
import { matchesQuery, type ScanQuery } from "../scan-query.ts";
import { endReasons, type ScanState, scanStates } from "../scan-state.ts";
import { MemoryStream } from "./memory-stream.ts";
import { Waiters } from "./waiters.ts";

/** How long the streams of a deleted scan answer that they are sealed. */
const FAREWELL_MS = 10_000;

/** Topic of those who wait for scans. */
export const HISTORY = "history";

/** Options of a {@link MemoryLiveStore}. */
export interface MemoryLiveStoreOptions {
  /** Bytes that entries may take; an append beyond rejects with `NO_SPACE`. Default: no limit. */
  readonly limitBytes?: number | undefined;
  /** Scans that the history remembers. Default: all. */
  readonly historyLimit?: number | undefined;
  /** Measures leases and waits. */
  readonly clock?: Clock | undefined;
}

interface KeptScan {
  header: Omit<ScanHeader, "lease">;
  lease: { readonly owner: string; readonly until: number } | undefined;
  closedAt: number | undefined;
  cancelExpiry: (() => void) | undefined;
}

/** The scans and streams of one process. */
export class MemoryLiveStore {
  /** Those who wait. */
  readonly waiters: Waiters;
  /** Bytes that entries may take. */
  readonly limitBytes: number | undefined;
  /** Scans that the history remembers. */
  readonly historyLimit: number | undefined;
  readonly #clock: Clock;
  readonly #scans = new Map<string, KeptScan>();
  readonly #streams = new Map<string, MemoryStream>();
  #history: { readonly number: number; readonly key: string }[] = [];
  #lastNumber = 0;
  #forgottenNumber = 0;
  #bytes = 0;

  constructor(options: MemoryLiveStoreOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.waiters = new Waiters(this.#clock);
    this.limitBytes = options.limitBytes;
    this.historyLimit = options.historyLimit;
  }

  /** See {@link LiveEngine.createScan}. */
  createScan({ key, identity, info, lease }: NewScan): HistoryEntry {
    if (this.#scans.has(key)) throw new StorageError("ALREADY_EXISTS", `There is a scan ${key}`, { identifier: key });
    const createdAt = Date.now() / 1000;
    const header = { key, identity, info, state: scanStates.CREATED, streams: {}, revision: 1, createdAt };
    const until = lease && { owner: lease.owner, until: this.#clock.now() + lease.ms };
    this.#scans.set(key, {
      header: structuredClone(header),
      lease: until,
      closedAt: undefined,
      cancelExpiry: undefined,
    });
    this.#history.push({ number: ++this.#lastNumber, key });
    if (this.historyLimit !== undefined && this.#history.length > this.historyLimit) {
      this.#forgottenNumber = (this.#history.shift() as { number: number }).number;
    }
    this.waiters.wake(HISTORY);
    return { tag: tagOf(this.#lastNumber), key };
  }

  /** See {@link LiveEngine.transition}. */
  transition(key: string, { from, to, info, streams, endReason }: Transition): ScanHeader {
    const scan = this.#scan(key);
    const { header } = scan;
    const isSame = to === header.state && to <= scanStates.STARTED && (info ?? streams) !== undefined;
    if (!from.includes(header.state) || (to <= header.state && !isSame)) {
      throw new StateConflictError(to, header.state, { identifier: key });
    }
    scan.header = {
      ...header,
      state: to,
      revision: header.revision + 1,
      ...structuredClone({ info: info ?? header.info, streams: streams ?? header.streams }),
      ...(endReason !== undefined && { endReason }),
    };
    const sealed = to >= scanStates.STOPPED ? Object.values(scan.header.streams).map((stream) => stream.key) : [];
    for (const stream of sealed) this.#stream(stream).seal();
    if (to === scanStates.CLOSED) {
      scan.lease = undefined;
      scan.closedAt = this.#clock.now();
    }
    this.waiters.wake(key, ...sealed);
    return this.#headerOf(scan);
  }

  /** See {@link LiveEngine.getScan}. */
  getScan(key: string): ScanHeader | undefined {
    const scan = this.#scans.get(key);
    return scan && this.#headerOf(scan);
  }

  /** The scan if its revision is above the given one. */
  newerScan(key: string, revision: number): ScanHeader | undefined {
    const scan = this.#scan(key);
    return scan.header.revision > revision ? this.#headerOf(scan) : undefined;
  }

  /** One of {@link LiveEngine.getStates}. */
  getState(key: string): ScanState | undefined {
    return this.#scans.get(key)?.header.state;
  }

  /** See {@link LiveEngine.deleteScan}. */
  deleteScan(key: string): boolean {
    const scan = this.#scans.get(key);
    if (scan === undefined) return false;
    scan.cancelExpiry?.();
    this.#scans.delete(key);
    const streams = Object.values(scan.header.streams).map((stream) => stream.key);
    for (const stream of streams) {
      const kept = this.#stream(stream);
      this.#bytes -= kept.bytes;
      kept.clear();
      this.#bytes += kept.bytes;
    }
    const forget = () => {
      for (const stream of streams) this.#streams.delete(stream);
    };
    this.#clock.after(FAREWELL_MS, forget, { isBackground: true });
    this.waiters.wake(key, ...streams);
    return true;
  }

  /** See {@link LiveEngine.expire}. */
  expire(key: string, ms: number): void {
    const scan = this.#scan(key);
    scan.cancelExpiry?.();
    scan.cancelExpiry = this.#clock.after(ms, () => this.deleteScan(key), { isBackground: true });
  }

  /** The place that `"oldest"`, `"now"` and tags stand for. */
  position(after: HistoryTag | "oldest" | "now"): { readonly number: number; readonly hasGap: boolean } {
    if (after === "now") return { number: this.#lastNumber, hasGap: false };
    if (after === "oldest") return { number: this.#forgottenNumber, hasGap: false };
    const number = Number(/^(\d+)-0$/.exec(after)?.[1] ?? Number.NaN);
    if (Number.isNaN(number))
      throw new StorageError("INVALID_DATA", `${JSON.stringify(after)} is no place in the history`);
    return { number, hasGap: number < this.#forgottenNumber };
  }

  /** See {@link LiveEngine.scansAfter}. */
  scansAfter(number: number, limit: number, hasGap: boolean): HistoryPage {
    const scans: HistoryEntry[] = [];
    let last = number;
    for (let i = this.#positionAfter(number); i < this.#history.length && scans.length < limit; i++) {
      const entry = this.#history[i] as { number: number; key: string };
      last = entry.number;
      if (this.#scans.has(entry.key)) scans.push({ tag: tagOf(last), key: entry.key });
    }
    return { scans, tag: tagOf(last), hasGap };
  }

  /** See {@link LiveEngine.lastScan}. */
  lastScan(): { readonly tag: HistoryTag; readonly key?: string } {
    const last = this.#history.findLast(({ key }) => this.#scans.has(key));
    return { tag: tagOf(this.#lastNumber), ...(last && { key: last.key }) };
  }

  /** See {@link LiveEngine.search}. */
  search(query: ScanQuery): { readonly tag: HistoryTag; readonly keys: readonly string[] } {
    const found = [...this.#scans.values()].filter(({ header }) => matchesQuery(query, header));
    return { tag: tagOf(this.#lastNumber), keys: found.map(({ header }) => header.key) };
  }

  /** See {@link LiveEngine.append}. */
  append(key: string, entries: readonly Entry[], writer?: string): void {
    const stream = this.#stream(key);
    const before = stream.bytes;
    stream.append(entries, (this.limitBytes ?? Number.POSITIVE_INFINITY) - this.#bytes, writer);
    this.#bytes += stream.bytes - before;
    this.waiters.wake(key);
  }

  /** One of {@link LiveEngine.claim}. */
  claim(key: string, writer: string): Bounds {
    const stream = this.#stream(key);
    stream.claim(writer);
    return stream.bounds;
  }

  /** See {@link LiveEngine.seal}. */
  seal(key: string): number {
    const length = this.#stream(key).seal();
    this.waiters.wake(key);
    return length;
  }

  /** See {@link LiveEngine.bounds}. */
  bounds(key: string): Bounds {
    return this.#streams.get(key)?.bounds ?? { floor: 0, length: 0, sealed: false, durable: 0 };
  }

  /** See {@link LiveEngine.range}. */
  range(key: string, from: number | "last", to: number, maxBytes: number): Page {
    return this.#streams.get(key)?.range(from, to, maxBytes) ?? { entries: [], bounds: this.bounds(key) };
  }

  /** See {@link LiveEngine.trim}. */
  trim(key: string, before: number): number {
    const stream = this.#streams.get(key);
    if (stream === undefined) return 0;
    const bytes = stream.bytes;
    const floor = stream.trim(before);
    this.#bytes += stream.bytes - bytes;
    return floor;
  }

  /** See {@link LiveEngine.setDurable}. */
  setDurable(key: string, index: number): void {
    this.#stream(key).setDurable(index);
  }

  /** See {@link LiveEngine.renewLease}. */
  renewLease(key: string, owner: string, ms: number): void {
    const scan = this.#scan(key);
    const now = this.#clock.now();
    const { header, lease } = scan;
    if (header.state === scanStates.CLOSED) {
      if (header.endReason === endReasons.LOST) throw new WriterLostError(key, { identifier: key });
      throw new StorageError("CONFLICT", `${key} is closed: nobody writes it`, { identifier: key });
    }
    if (lease !== undefined && lease.owner !== owner && lease.until > now) {
      throw new StorageError("CONFLICT", `${key} is written by ${lease.owner}`, { identifier: key });
    }
    scan.lease = { owner, until: now + ms };
  }

  /** See {@link LiveEngine.closeLost}. */
  closeLost(): string[] {
    const now = this.#clock.now();
    const lost = [...this.#scans.values()].filter(({ lease }) => lease !== undefined && lease.until <= now);
    return lost.map(({ header: { key, state } }) => {
      this.transition(key, { from: [state], to: scanStates.CLOSED, endReason: endReasons.LOST });
      return key;
    });
  }

  /** See {@link LiveEngine.usage}. */
  usage(): LiveUsage {
    return { bytes: this.#bytes, ...(this.limitBytes !== undefined && { limit: this.limitBytes }) };
  }

  #scan(key: string): KeptScan {
    const scan = this.#scans.get(key);
    if (scan === undefined) throw new ScanNotFoundError(key);
    return scan;
  }

  #stream(key: string): MemoryStream {
    const kept = this.#streams.get(key);
    if (kept !== undefined) return kept;
    const stream = new MemoryStream();
    this.#streams.set(key, stream);
    return stream;
  }

  /** A copy: what a reader has does not change, and what it changes is its own. */
  #headerOf({ header, lease, closedAt }: KeptScan): ScanHeader {
    const now = this.#clock.now();
    const remaining = lease && { owner: lease.owner, remainingMs: lease.until - now };
    return {
      ...structuredClone(header),
      ...(remaining && { lease: remaining }),
      ...(closedAt !== undefined && { closedForMs: now - closedAt }),
    };
  }

  #positionAfter(number: number): number {
    const first = this.#history[0];
    // Numbers follow each other, and only the oldest are ever forgotten.
    return first === undefined ? 0 : Math.max(0, number - first.number + 1);
  }
}

function tagOf(number: number): HistoryTag {
  return number === 0 ? BEFORE_ALL : `${number}-0`;
}
