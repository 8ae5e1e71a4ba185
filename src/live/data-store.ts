/** Finds scans, and makes new ones. */
import { randomUUID } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { deadline } from "./deadline.ts";
import type { ReadFrames } from "./encoding/frames.ts";
import type { CallOptions, HistoryTag, LiveEngine, WaitOptions } from "./engine.ts";
import { NoScanAvailableError, ScanNotFoundError } from "./errors.ts";
import { copyJson, type JsonObject } from "./json.ts";
import { newScanKey } from "./keys.ts";
import { Scan, type ScanContext } from "./scan.ts";
import type { ScanQuery } from "./scan-query.ts";
import { endReasons, type ScanState, scanStates } from "./scan-state.ts";
import type { OpenFallback, StreamPlugins } from "./stream-plugin.ts";
import type { StreamWriterOptions } from "./stream-writer.ts";
import { takeStreams } from "./take-streams.ts";
import { checkInfo, WritableScan } from "./writable-scan.ts";

/** How long a producer is believed to live without a sign of it. */
const LEASE_MS = 30_000;

/** Options of a {@link DataStore}. */
export interface DataStoreOptions {
  /** Plugins for streams that name one. */
  readonly plugins?: StreamPlugins | undefined;
  /** Reads frames that are kept by reference. */
  readonly readFrames?: ReadFrames | undefined;
  /** Reads points that have left the engine from where their stream says that they are; see `storedFallback`. */
  readonly fallback?: OpenFallback | undefined;
  /** How often those who wait look for writers that are gone. Default 5000 ms. */
  readonly lostWritersMs?: number | undefined;
  /** What renews the leases of scans that are written here. */
  readonly clock?: Clock | undefined;
}

/** Options of {@link DataStore.createScan}. */
export interface CreateScanOptions extends CallOptions {
  readonly info?: JsonObject | undefined;
  /** How long the producer is believed to live without a sign of it; 0: nobody looks after it. Default 30 000 ms. */
  readonly leaseMs?: number | undefined;
  /**
   * Who holds the lease. Whoever names the same owner can take the scan over before the lease has run out: a producer that
   * is started again after a crash. Default: a name that nobody else has.
   */
  readonly owner?: string | undefined;
}

/** Options of {@link DataStore.resumeScan}. */
export interface ResumeScanOptions extends CallOptions, StreamWriterOptions {
  /** How long the producer is believed to live without a sign of it. Default 30 000 ms. */
  readonly leaseMs?: number | undefined;
  /** Who held the lease, to take the scan over before it has run out. Default: a name that nobody else has. */
  readonly owner?: string | undefined;
}

/** A scan that was seen in the history. */
export interface ScanSighting {
  /** Where to go on from. */
  readonly tag: HistoryTag;
  readonly key: string;
  /** True if scans before this one may have been missed: the history forgets. */
  readonly hasGap: boolean;
}

/** The scans of one engine. */
export class DataStore implements AsyncDisposable {
  readonly engine: LiveEngine;
  readonly #context: ScanContext;
  readonly #clock: Clock | undefined;

  /** @param engine - Closed with the store. */
  constructor(engine: LiveEngine, options: DataStoreOptions = {}) {
    const { plugins = {}, readFrames, fallback, lostWritersMs, clock } = options;
    this.engine = engine;
    const loadScan = this.loadScan.bind(this);
    this.#context = { engine, plugins, readFrames, fallback, lostWritersMs, loadScan };
    this.#clock = clock;
  }

  /**
   * Creates a scan, of which this process is the producer.
   *
   * @param identity - What it will be found by. Never changes.
   * @throws A {@link StorageError} `INVALID_DATA` for info that is no JSON, or too large.
   */
  async createScan(identity: JsonObject, options: CreateScanOptions = {}): Promise<WritableScan> {
    const { info = {}, leaseMs = LEASE_MS, owner = randomUUID(), signal } = options;
    if (!(leaseMs >= 0 && leaseMs < Number.POSITIVE_INFINITY)) {
      throw new StorageError("INVALID_DATA", `A lease is for a number of milliseconds, or 0 for none, got ${leaseMs}`);
    }
    const key = newScanKey();
    checkInfo(info, this.engine.capabilities.maxInfoBytes, key);
    const lease = leaseMs > 0 ? { owner, ms: leaseMs } : undefined;
    const scan = { key, identity: copyJson(identity, "The identity"), info: copyJson(info, "The info"), lease };
    await this.engine.createScan(scan, { signal });
    const header = await this.engine.getScan(key, { signal });
    if (header === undefined) throw new ScanNotFoundError(key);
    return new WritableScan(header, this.#context, lease && { ...lease, clock: this.#clock });
  }

  /**
   * Takes over a scan that another process began and did not end: its streams go on where they are.
   *
   * @returns The scan with a writer for each of its streams. A stream whose plugin is missing says so when its writer is
   * asked for.
   * @throws A {@link StorageError}: `CONFLICT` while another owner holds the lease, or if the scan is CLOSED;
   * `WRITER_LOST` if it was closed because the lease had run out; `NOT_FOUND`, `INVALID_KEY`.
   */
  async resumeScan(key: string, options: ResumeScanOptions = {}): Promise<WritableScan> {
    const { leaseMs = LEASE_MS, owner = randomUUID(), ...writing } = options;
    checkKey(key);
    if (!(leaseMs > 0 && leaseMs < Number.POSITIVE_INFINITY))
      throw new StorageError("INVALID_DATA", `A scan is taken over for a time, got ${leaseMs} ms`);
    // First the lease: from now on nobody else gets it, and what follows is how far the other one came.
    await this.engine.renewLease(key, owner, leaseMs, { signal: options.signal });
    const header = await this.engine.getScan(key, { signal: options.signal });
    if (header === undefined) throw new ScanNotFoundError(key, { operation: "resumeScan" });
    const streams = await takeStreams(header, this.#context, writing);
    return new WritableScan(header, this.#context, { owner, ms: leaseMs, clock: this.#clock }, streams);
  }

  /**
   * A scan, as it is now.
   *
   * @throws A {@link StorageError} `NOT_FOUND`, or `INVALID_KEY` for what is no key of a scan.
   */
  async loadScan(key: string, options: CallOptions = {}): Promise<Scan> {
    checkKey(key);
    const header = await this.engine.getScan(key, options);
    if (header === undefined) throw new ScanNotFoundError(key, { operation: "loadScan" });
    return new Scan(header, this.#context);
  }

  /**
   * The newest scan that was not deleted.
   *
   * @throws A {@link StorageError} `NOT_FOUND` if there is none.
   */
  async lastScan(options: CallOptions = {}): Promise<{ readonly tag: HistoryTag; readonly key: string }> {
    const { tag, key } = await this.engine.lastScan(options);
    if (key === undefined) throw new NoScanAvailableError("There is no scan in the store", { operation: "lastScan" });
    return { tag, key };
  }

  /**
   * The next scan that is created, or was after a place in the history.
   *
   * @param options - `since`: a tag, or `"oldest"`; default `"now"`.
   * @throws A {@link StorageError} `NOT_FOUND` when the time is over.
   */
  async nextScan(
    options: WaitOptions & { readonly since?: HistoryTag | "oldest" | "now" | undefined } = {},
  ): Promise<ScanSighting> {
    const { since = "now", timeoutMs, signal } = options;
    const remaining = deadline(timeoutMs);
    let after = since;
    let hasGap = false;
    for (;;) {
      const timeLeft = remaining();
      const page = await this.engine.scansAfter(after, { timeoutMs: timeLeft, signal, limit: 1 });
      hasGap ||= page.hasGap;
      const [scan] = page.scans;
      if (scan !== undefined) return { ...scan, hasGap };
      // A gap alone ends a wait too.
      if (after === page.tag || timeLeft === 0) {
        throw new NoScanAvailableError("No scan came in time", { operation: "nextScan" });
      }
      after = page.tag;
    }
  }

  /** Scans as they are created, until the signal fires. */
  async *watch(
    options: CallOptions & { readonly since?: HistoryTag | "oldest" | "now" | undefined } = {},
  ): AsyncGenerator<ScanSighting> {
    let after = options.since ?? "now";
    for (;;) {
      try {
        const page = await this.engine.scansAfter(after, { signal: options.signal });
        for (const [i, scan] of page.scans.entries()) yield { ...scan, hasGap: page.hasGap && i === 0 };
        after = page.tag;
      } catch (error) {
        if (options.signal?.aborted && isStorageError(error, "ABORTED")) return;
        throw error;
      }
    }
  }

  /** Scans that match, from the oldest, and the place in the history from which a watch misses none. */
  async search(
    query: ScanQuery = {},
    options: CallOptions = {},
  ): Promise<{ readonly tag: HistoryTag; readonly keys: readonly string[] }> {
    return await this.engine.search(query, options);
  }

  /** States of many scans, in their order, without loading them. */
  async states(keys: readonly string[], options: CallOptions = {}): Promise<readonly (ScanState | undefined)[]> {
    return await this.engine.getStates(keys, options);
  }

  /**
   * Deletes a scan and its data.
   *
   * @param options - `force`: also one that is open. It is closed first, with the end reason DELETION, so that those who
   * wait for it leave.
   * @throws A {@link StorageError}: `CONFLICT` if it is open, `NOT_FOUND`.
   */
  async deleteScan(key: string, options: CallOptions & { readonly force?: boolean | undefined } = {}): Promise<void> {
    const [state] = await this.engine.getStates([key], options);
    if (state === undefined) throw new ScanNotFoundError(key, { operation: "deleteScan" });
    if (state !== scanStates.CLOSED) {
      if (!options.force) {
        throw new StorageError("CONFLICT", `${key} is open. Close it first, or pass force`, { identifier: key });
      }
      const { CREATED, PREPARED, STARTED, STOPPED, CLOSED } = scanStates;
      const change = { from: [CREATED, PREPARED, STARTED, STOPPED], to: CLOSED, endReason: endReasons.DELETION };
      try {
        await this.engine.transition(key, change, options);
      } catch (error) {
        // Its producer closed it meanwhile: that is what was wanted.
        if (!isStorageError(error, "CONFLICT")) throw error;
      }
    }
    await this.engine.deleteScan(key, options);
  }

  /** Closes the engine: whoever waits is freed. What it holds stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
  }
}

function checkKey(key: string): void {
  if (key.startsWith("esrf:scan:")) return;
  throw new StorageError("INVALID_KEY", `Keys of scans begin with "esrf:scan:", got ${JSON.stringify(key)}`);
}
