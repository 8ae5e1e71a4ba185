/** Scans and streams in a folder, for the processes of one machine. */
import { checkAborted, checkOpen } from "../../../core/checks.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../../core/errors.ts";
import { checkTimeout } from "../../deadline.ts";
import type {
  Bounds,
  CallOptions,
  Entry,
  HistoryEntry,
  HistoryPage,
  HistoryTag,
  LiveCapabilities,
  LiveEngine,
  LiveUsage,
  NewScan,
  Page,
  Transition,
  WaitOptions,
} from "../../engine.ts";
import type { ScanHeader } from "../../header.ts";
import type { ScanQuery } from "../../scan-query.ts";
import { type ScanState, scanStates } from "../../scan-state.ts";
import type { Waiters } from "../waiters.ts";
import type { ChangeWatch } from "./change-watch.ts";
import type { FileStore } from "./file-store.ts";
import { boundsOf, type KeptEntry, type StreamRow } from "./stream-rows.ts";

/** Topic of those who wait for scans. */
const HISTORY = "history";

/** Reads in place for so long, then others have a turn. */
const TURN_MS = 2;

/** What a {@link FileEngine} is made of. */
export interface FileEngineParts {
  readonly store: FileStore;
  readonly waiters: Waiters;
  readonly watch: ChangeWatch;
  readonly capabilities: LiveCapabilities;
}

/** Keeps scans and streams in a folder. */
export class FileEngine implements LiveEngine {
  readonly name = "file";
  readonly capabilities: LiveCapabilities;
  readonly #store: FileStore;
  readonly #waiters: Waiters;
  readonly #watch: ChangeWatch;
  /** How far streams go, while many ask and nothing changes. */
  readonly #bounds = new Map<string, Bounds>();
  #closing: Promise<void> | undefined;
  #turnBegan = 0;

  constructor({ store, waiters, watch, capabilities }: FileEngineParts) {
    this.#store = store;
    this.#waiters = waiters;
    this.#watch = watch;
    this.capabilities = capabilities;
  }

  /** Lets those look again who wait for one of these; left out: everybody. */
  wake(topics?: readonly string[]): void {
    this.#bounds.clear();
    if (topics === undefined) this.#waiters.wakeAll();
    else this.#waiters.wake(...new Set(topics));
  }

  async createScan(scan: NewScan, options: CallOptions = {}): Promise<HistoryEntry> {
    const about = this.#check("createScan", scan.key, options);
    const run = () => {
      // One whose time is over is still in the way.
      if (this.#store.scans.state(scan.key) === undefined) this.#store.scans.remove(scan.key);
      return this.#store.scans.create(scan);
    };
    return await this.#store.change({ ...about, run }, () => [HISTORY]);
  }

  async transition(key: string, change: Transition, options: CallOptions = {}): Promise<ScanHeader> {
    const about = this.#check("transition", key, options);
    return await this.#store.change({ ...about, run: () => this.#transition(key, change) }, () => [key]);
  }

  async getScan(key: string, options: CallOptions = {}): Promise<ScanHeader | undefined> {
    this.#check("getScan", key, options);
    return await this.#turn(this.#store.read(() => this.#store.scans.find(key)));
  }

  async getStates(keys: readonly string[], options: CallOptions = {}): Promise<(ScanState | undefined)[]> {
    this.#check("getStates", undefined, options);
    return await this.#turn(this.#store.read(() => keys.map((key) => this.#store.scans.state(key))));
  }

  async deleteScan(key: string, options: CallOptions = {}): Promise<boolean> {
    const about = this.#check("deleteScan", key, options);
    const isThere = () => this.#store.scans.state(key) !== undefined;
    let wasThere = false;
    const which = () => {
      wasThere = isThere();
      return [key];
    };
    await this.#store.removeScans(which, about);
    return wasThere;
  }

  async expire(key: string, ms: number, options: CallOptions = {}): Promise<void> {
    const about = this.#check("expire", key, options);
    await this.#store.change({ ...about, run: () => this.#store.scans.expire(key, ms) }, () => [key]);
  }

  async waitScan(key: string, revision: number, options: WaitOptions = {}): Promise<ScanHeader | undefined> {
    return await this.#wait([key], "waitScan", key, options, () =>
      this.#store.read(() => this.#store.scans.newer(key, revision)),
    );
  }

  async scansAfter(
    after: HistoryTag | "oldest" | "now",
    options: WaitOptions & { readonly limit?: number | undefined } = {},
  ): Promise<HistoryPage> {
    this.#check("scansAfter", undefined, options);
    const number = this.#store.read(() => this.#store.scans.position(after));
    const read = () => this.#store.read(() => this.#store.scans.after(number, options.limit ?? 100));
    const look = () => {
      const page = read();
      return page.scans.length > 0 ? page : undefined;
    };
    return (await this.#wait([HISTORY], "scansAfter", undefined, options, look)) ?? read();
  }

  async lastScan(options: CallOptions = {}): Promise<{ readonly tag: HistoryTag; readonly key?: string }> {
    this.#check("lastScan", undefined, options);
    return await this.#turn(this.#store.read(() => this.#store.scans.last()));
  }

  async search(
    query: ScanQuery,
    options: CallOptions = {},
  ): Promise<{ readonly tag: HistoryTag; readonly keys: readonly string[] }> {
    this.#check("search", undefined, options);
    return await this.#turn(this.#store.read(() => this.#store.scans.search(query)));
  }

  async append(
    stream: string,
    entries: readonly Entry[],
    options: CallOptions & { readonly writer?: string | undefined } = {},
  ): Promise<void> {
    await this.#store.append(stream, entries, options.writer, this.#check("append", stream, options));
  }

  async claim(streams: readonly string[], writer: string, options: CallOptions = {}): Promise<Bounds[]> {
    const about = this.#check("claim", undefined, options);
    const run = () => streams.map((stream) => this.#store.streams.claim(stream, writer));
    return await this.#store.change({ ...about, run }, () => []);
  }

  async seal(stream: string, options: CallOptions = {}): Promise<number> {
    const about = this.#check("seal", stream, options);
    return await this.#store.change({ ...about, run: () => this.#store.seal(stream) }, () => []);
  }

  async bounds(streams: readonly string[], options: CallOptions = {}): Promise<Bounds[]> {
    this.#check("bounds", undefined, options);
    return await this.#turn(this.#store.read(() => streams.map((stream) => this.#store.streams.bounds(stream))));
  }

  async range(
    stream: string,
    from: number | "last",
    to: number,
    options: CallOptions & { readonly maxBytes?: number | undefined } = {},
  ): Promise<Page> {
    const { context } = this.#check("range", stream, options);
    for (let missingAt: number | undefined; ; ) {
      const { row, entries } = this.#snapshot(stream, from, to, options.maxBytes ?? Number.POSITIVE_INFINITY);
      try {
        return await this.#turn({
          entries: await this.#load(row?.id ?? 0, entries, options.signal),
          bounds: boundsOf(row),
        });
      } catch (error) {
        checkOpen(this.#closing === undefined, "The engine", context);
        if (!isStorageError(error, "NOT_FOUND")) throw error;
        // Trimmed between the look into the index and that into the file: the index has another floor now.
        if (missingAt === row?.floor) {
          const message = `A segment of ${stream} is missing, and nobody has removed it`;
          throw new StorageError("CORRUPT", message, { ...context, cause: error });
        }
        missingAt = row?.floor;
      }
    }
  }

  async wait(
    positions: ReadonlyMap<string, number>,
    options: WaitOptions & { readonly maxBytes?: number | undefined } = {},
  ): Promise<Map<string, Page>> {
    const look = () => {
      const ready: string[] = [];
      for (const [stream, index] of positions) {
        const { length, sealed } = this.#boundsOf(stream);
        if (length > index || sealed) ready.push(stream);
      }
      return ready.length > 0 || positions.size === 0 ? ready : undefined;
    };
    const ready = (await this.#wait(positions.keys(), "wait", undefined, options, look)) ?? [];
    let room = options.maxBytes ?? 1_000_000;
    const pages = new Map<string, Page>();
    for (const stream of ready) {
      const page = this.#inlinePage(stream, positions.get(stream) as number, room);
      room -= page.entries.reduce((sum, { payload }) => sum + payload.byteLength, 0);
      pages.set(stream, page);
    }
    return pages;
  }

  async trim(stream: string, beforeIndex: number, options: CallOptions = {}): Promise<number> {
    const about = this.#check("trim", stream, options);
    if (this.#store.read(() => this.#store.streams.find(stream)) === undefined) return 0;
    let id: number | undefined;
    const run = () => {
      const row = this.#store.streams.find(stream);
      id = row?.id;
      return row === undefined ? 0 : this.#store.streams.raiseFloor(row, beforeIndex);
    };
    const floor = await this.#store.change({ ...about, run }, () => []);
    if (id !== undefined) await this.#store.removeBelowFloor(id, about);
    return floor;
  }

  async setDurable(stream: string, index: number, options: CallOptions = {}): Promise<void> {
    const about = this.#check("setDurable", stream, options);
    await this.#store.change({ ...about, run: () => this.#store.streams.setDurable(stream, index) }, () => []);
  }

  async renewLease(key: string, owner: string, ms: number, options: CallOptions = {}): Promise<void> {
    const about = this.#check("renewLease", key, options);
    await this.#store.change({ ...about, run: () => this.#store.scans.renewLease(key, owner, ms) }, () => []);
  }

  async closeLost(options: CallOptions = {}): Promise<string[]> {
    const about = this.#check("closeLost", undefined, options);
    // Those who may only look end nothing; they see it when another process does.
    if (this.#store.readOnly) return [];
    await this.#removeExpired(about);
    if (this.#store.read(() => this.#store.scans.lost()).length === 0) return [];
    const run = () =>
      this.#store.scans.closeLost().map(({ key, streams }) => {
        for (const stream of streams) this.#store.seal(stream);
        return key;
      });
    return await this.#store.change({ ...about, run }, (keys) => keys);
  }

  async usage(options: CallOptions = {}): Promise<LiveUsage> {
    this.#check("usage", undefined, options);
    return this.#store.read(() => this.#store.usage());
  }

  /** Frees those who wait through this engine, finishes what was asked for, and closes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#store.close();
      // They look again, and find that the engine is closed.
      this.#waiters.wakeAll();
    }
    await this.#closing;
  }

  /** Changes a scan, and seals its streams when it ends. */
  #transition(key: string, change: Transition): ScanHeader {
    const header = this.#store.scans.transition(key, change);
    if (change.to >= scanStates.STOPPED)
      for (const { key: stream } of Object.values(header.streams)) this.#store.seal(stream);
    return header;
  }

  async #removeExpired(about: { readonly context: ErrorContext; readonly signal?: AbortSignal | undefined }) {
    if (this.#store.read(() => this.#store.scans.expired()).length > 0)
      await this.#store.removeScans(() => this.#store.scans.expired(), about);
  }

  #snapshot(stream: string, from: number | "last", to: number, maxBytes: number) {
    return this.#store.read((): { row: StreamRow | undefined; entries: KeptEntry[] } => {
      const row = this.#store.streams.find(stream);
      if (row === undefined) return { row, entries: [] };
      if (from !== "last") return { row, entries: from < to ? this.#store.streams.range(row, from, to, maxBytes) : [] };
      const last = this.#store.streams.last(row);
      return { row, entries: last === undefined ? [] : [last] };
    });
  }

  async #load(id: number, entries: readonly KeptEntry[], signal: AbortSignal | undefined): Promise<Entry[]> {
    if (entries.every(isInline)) return entries as Entry[];
    const payloads = await Promise.all(entries.map((entry) => this.#store.payload(id, entry, signal)));
    return entries.map(({ index, length }, i) => ({ index, length, payload: payloads[i] as Uint8Array }));
  }

  /** What comes with the answer to those who waited: entries up to the first that is in a file. */
  #inlinePage(stream: string, from: number, maxBytes: number): Page {
    const { row, entries } = this.#snapshot(stream, from, Number.MAX_SAFE_INTEGER, Math.max(0, maxBytes));
    const kept = entries.findIndex((entry) => !isInline(entry));
    return { entries: (kept < 0 ? entries : entries.slice(0, kept)) as Entry[], bounds: boundsOf(row) };
  }

  /** How far a stream goes, asked once for all who wait for it. */
  #boundsOf(stream: string): Bounds {
    const known = this.#bounds.get(stream);
    if (known !== undefined) return known;
    const bounds = this.#store.read(() => this.#store.streams.bounds(stream));
    this.#bounds.set(stream, bounds);
    return bounds;
  }

  async #wait<T>(
    topics: Iterable<string>,
    operation: string,
    identifier: string | undefined,
    options: WaitOptions,
    look: () => T | undefined,
  ): Promise<T | undefined> {
    const { context } = this.#check(operation, identifier, options);
    checkTimeout(options.timeoutMs);
    const lookWhileOpen = () => {
      checkOpen(this.#closing === undefined, "The engine", context);
      return look();
    };
    // What is there now, whoever has written it and whether or not that was noticed.
    this.#bounds.clear();
    const found = lookWhileOpen();
    if (found !== undefined || options.timeoutMs === 0) return await this.#turn(found);
    return await this.#watch.during(() => {
      // What came since, before changes were looked for, is not to be missed.
      this.#bounds.clear();
      return this.#waiters.until(topics, lookWhileOpen, options, context);
    });
  }

  /** Reads are made in place. Whoever reads again and again still lets timers, sockets and writers have their turn. */
  async #turn<T>(value: T): Promise<T> {
    if (performance.now() - this.#turnBegan > TURN_MS) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnBegan = performance.now();
    }
    return value;
  }

  #check(operation: string, identifier: string | undefined, { signal }: CallOptions) {
    const context: ErrorContext = { backend: this.name, operation, identifier };
    checkOpen(this.#closing === undefined, "The engine", context);
    checkAborted(signal, context);
    return { context, signal };
  }
}

function isInline(entry: KeptEntry): entry is Entry {
  return entry.payload instanceof Uint8Array;
}
