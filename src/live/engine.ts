/**
 * What keeps live scans and their streams: the contract of the engines.
 *
 * An engine moves bytes and plain data; it knows no dtype and no plugin. Each call is one atomic step: whoever reads
 * sees all of it or nothing. All calls take a signal; a call that waits rejects with `ABORTED` as soon as it fires and
 * leaves nothing behind, one that changes something heeds it before the change, never in the middle. Once an engine is
 * closed every call, also one that waits, rejects with `NOT_OPEN`.
 *
 * Times: `timeoutMs` left out waits for ever, `0` does not wait, and any other number, however small, waits about so
 * long; it is never rounded to 0 or to for ever.
 *
 * @see blissdata, `redis_engine`; Redis streams
 */
import type { ScanHeader, StreamHeader } from "./header.ts";
import type { JsonObject } from "./json.ts";
import type { ScanQuery } from "./scan-query.ts";
import type { ScanState } from "./scan-state.ts";

/** What an engine can, declared. */
export interface LiveCapabilities {
  /** Who can share a store: this process, the processes of this machine, or machines of a network. */
  readonly processes: "one" | "machine" | "network";
  /** True if scans outlive the processes that opened the store. */
  readonly isPersistent: boolean;
  /** True if an append is refused with `NO_SPACE` once the store is full. */
  readonly limitsMemory: boolean;
  /** True if {@link LiveEngine.trim} removes every entry that it may; otherwise it may keep more. */
  readonly trimsExactly: boolean;
  /** Scans that the history remembers; `undefined`: as many as there are. */
  readonly historyLimit?: number;
  /** The largest info of a scan, in bytes of JSON text. */
  readonly maxInfoBytes: number;
}

/** A place in the history of scans. Opaque, except that {@link BEFORE_ALL} is before every scan. */
export type HistoryTag = string;

/** The place before the first scan. */
export const BEFORE_ALL: HistoryTag = "0-0";

/** Options of every call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Options of calls that may wait. */
export interface WaitOptions extends CallOptions {
  /** Left out: for ever. `0`: not at all. */
  readonly timeoutMs?: number | undefined;
}

/** A batch of points. */
export interface Entry {
  /** Index of the first point. */
  readonly index: number;
  /** Number of points, from 1. */
  readonly length: number;
  readonly payload: Uint8Array;
}

/** How far a stream goes. */
export interface Bounds {
  /** The oldest index that is there; `length` if none is. */
  readonly floor: number;
  /** Points that were ever appended. */
  readonly length: number;
  /** True once nothing more will be appended. */
  readonly sealed: boolean;
  /** Points below this index are safely in a store of their own. */
  readonly durable: number;
}

/** Entries, and how far the stream went at the moment when they were read. */
export interface Page {
  readonly entries: readonly Entry[];
  readonly bounds: Bounds;
}

/** A scan to create. */
export interface NewScan {
  /** `esrf:scan:<ULID>`, made by the caller, so that a call that is repeated after a lost answer does not make two. */
  readonly key: string;
  readonly identity: JsonObject;
  readonly info: JsonObject;
  /** Who will write it. Unless the lease is renewed in time, the scan ends as LOST. */
  readonly lease?: { readonly owner: string; readonly ms: number } | undefined;
}

/** A change of state. */
export interface Transition {
  /** States from which it is allowed. */
  readonly from: readonly ScanState[];
  /** A later state; or the same one, up to STARTED, to publish other info or more streams. */
  readonly to: ScanState;
  /** Takes the place of the info. */
  readonly info?: JsonObject | undefined;
  /** Takes the place of the streams. */
  readonly streams?: Readonly<Record<string, StreamHeader>> | undefined;
  readonly endReason?: string | undefined;
}

/** A scan in the history. */
export interface HistoryEntry {
  readonly tag: HistoryTag;
  readonly key: string;
}

/** Scans after a place in the history. */
export interface HistoryPage {
  /** From the oldest; those that were deleted or have expired are not among them. */
  readonly scans: readonly HistoryEntry[];
  /** Where to go on: after the last of `scans`, and after deleted ones that were passed over. */
  readonly tag: HistoryTag;
  /** True if the history has forgotten scans after the place that was asked for: {@link LiveEngine.search} may find them. */
  readonly hasGap: boolean;
}

/** What a store holds. */
export interface LiveUsage {
  /** Bytes that entries and headers take, about. */
  readonly bytes: number;
  /** Bytes that it may take; `undefined` where nothing limits it. */
  readonly limit?: number;
}

/**
 * Keeps scans and streams.
 *
 * Two engines that were opened on the same store see the same; what one has been told is done, the other sees.
 */
export interface LiveEngine extends AsyncDisposable {
  /** For messages: `"memory"`. */
  readonly name: string;
  readonly capabilities: LiveCapabilities;

  /**
   * Creates a scan and its entry in the history in one step.
   *
   * @throws A `StorageError` `ALREADY_EXISTS`.
   */
  createScan(scan: NewScan, options?: CallOptions): Promise<HistoryEntry>;

  /**
   * Changes the state, if it is one of `from`. A change that says nothing new is refused: one to the state that the scan
   * has needs `info` or `streams`, and none is possible any more from STOPPED on. A change to STOPPED or CLOSED seals every stream of the scan in the same
   * step; one to CLOSED ends its lease.
   *
   * @throws A `StorageError` `CONFLICT` (a `StateConflictError`, which has the state) or `NOT_FOUND`.
   */
  transition(key: string, change: Transition, options?: CallOptions): Promise<ScanHeader>;

  /** A scan; `undefined` if it was deleted, has expired, or never was. */
  getScan(key: string, options?: CallOptions): Promise<ScanHeader | undefined>;

  /** States of many scans, in their order; `undefined` for those that are not there. */
  getStates(keys: readonly string[], options?: CallOptions): Promise<readonly (ScanState | undefined)[]>;

  /**
   * Removes a scan and the data of its streams. Whoever waits for it is answered: {@link waitScan} with `NOT_FOUND`,
   * {@link wait} with a sealed stream. For ten seconds at least its streams are sealed and empty
   * (`floor === length`); after that an engine may answer as for a stream that never was.
   *
   * @returns False if it was not there.
   */
  deleteScan(key: string, options?: CallOptions): Promise<boolean>;

  /**
   * Lets a scan and its streams go by themselves after so many milliseconds; a later call sets the time anew.
   *
   * @throws A `StorageError` `NOT_FOUND`.
   */
  expire(key: string, ms: number, options?: CallOptions): Promise<void>;

  /**
   * The scan once its revision is above the given one; `undefined` when the time is over.
   *
   * @throws A `StorageError` `NOT_FOUND` if it is not there, or is deleted meanwhile.
   */
  waitScan(key: string, revision: number, options?: WaitOptions): Promise<ScanHeader | undefined>;

  /**
   * Scans that were created after a place in the history, at least one unless the time is over.
   *
   * @param after - A tag; `"oldest"`: from the first that the history has; `"now"`: those created after this call.
   * @param options - `limit`: at most so many, default 100.
   */
  scansAfter(
    after: HistoryTag | "oldest" | "now",
    options?: WaitOptions & { readonly limit?: number | undefined },
  ): Promise<HistoryPage>;

  /** The newest scan that is there, and the newest place in the history, {@link BEFORE_ALL} if it is empty. */
  lastScan(options?: CallOptions): Promise<{ readonly tag: HistoryTag; readonly key?: string }>;

  /**
   * Scans that match, from the oldest, and the place in the history at that moment: together with
   * `scansAfter(tag)` nothing is missed and nothing comes twice.
   */
  search(
    query: ScanQuery,
    options?: CallOptions,
  ): Promise<{ readonly tag: HistoryTag; readonly keys: readonly string[] }>;

  /**
   * Appends entries, all or none. The first index must be the length of the stream, and each next one must follow: that
   * is how a stream has one writer. Calls on one engine take effect in the order of the calls, also if the caller does
   * not wait in between; after one that failed, later ones fail too, since their index is not the length. An engine that
   * has lost the answer (a connection broke) finds out by itself whether the entries are there.
   *
   * @param entries - Payloads are borrowed until the promise settles.
   * @param options - `writer`: who appends. A stream that was claimed takes entries of that writer only, one that nobody
   * has claimed takes those of anybody.
   * @returns When everything is there for every reader. A stream that nobody has declared takes entries too.
   * @throws A `StorageError` `CONFLICT` (an `IndexConflictError`, or that another writer has claimed the stream), `NOT_OPEN` (a `StreamSealedError`), `NO_SPACE`,
   * or `INVALID_DATA` for entries that do not follow each other.
   */
  append(
    stream: string,
    entries: readonly Entry[],
    options?: CallOptions & { readonly writer?: string | undefined },
  ): Promise<void>;

  /**
   * Lets streams take entries of one writer only, from this moment on: what an earlier one sends is refused, also if its
   * index would fit and however late it comes. For who takes over what another process has begun.
   *
   * @param writer - A name that nobody else has.
   * @returns How far the streams go, in their order; nobody else makes them longer.
   */
  claim(streams: readonly string[], writer: string, options?: CallOptions): Promise<readonly Bounds[]>;

  /** Ends a stream. A stream that is sealed stays so: anybody may call, any number of times. Answers the final length. */
  seal(stream: string, options?: CallOptions): Promise<number>;

  /** How far streams go, in their order. One that was never written to is empty and open. */
  bounds(streams: readonly string[], options?: CallOptions): Promise<readonly Bounds[]>;

  /**
   * Entries that hold the points from `from` up to `to`, in order and whole, also where the first begins below `from` or
   * the last ends above `to`. Entries that have left are not among them: then `bounds.floor` is above `from`.
   *
   * @param from - An index, or `"last"`: the newest entry alone, if there is one (`to` is then without meaning).
   * @param options - `maxBytes`: stops before payloads would exceed this together; one entry always comes.
   */
  range(
    stream: string,
    from: number | "last",
    to: number,
    options?: CallOptions & { readonly maxBytes?: number | undefined },
  ): Promise<Page>;

  /**
   * Waits until one of the streams has a point at its index or beyond, or is sealed. Answers all streams of which that
   * is true, none when the time is over.
   *
   * @param positions - The index that each stream is awaited at.
   * @returns Pages may have the entries from the index on, or from the floor if that is above it, where the engine has
   * them at hand; if they are empty and the bounds say that there is something, {@link range} has it.
   */
  wait(
    positions: ReadonlyMap<string, number>,
    options?: WaitOptions & { readonly maxBytes?: number | undefined },
  ): Promise<ReadonlyMap<string, Page>>;

  /**
   * Removes whole entries that end at or below an index. The newest entry of an open stream stays, so that its length is
   * known; a sealed stream may become empty.
   *
   * @returns The floor that resulted: lower than `beforeIndex` where entries reach over it.
   */
  trim(stream: string, beforeIndex: number, options?: CallOptions): Promise<number>;

  /**
   * Says that points below the index are safely in a store. Never goes back: a lower index changes nothing; and never
   * beyond the length: of points that are still to come nobody can say it.
   */
  setDurable(stream: string, index: number, options?: CallOptions): Promise<void>;

  /**
   * Takes or renews the lease of a scan.
   *
   * @throws A `StorageError` `CONFLICT` while another owner has it, or if the scan is CLOSED; `WRITER_LOST` if it
   * was closed because the lease had run out; `NOT_FOUND`.
   */
  renewLease(key: string, owner: string, ms: number, options?: CallOptions): Promise<void>;

  /**
   * Closes the scans whose lease has run out: state CLOSED, end reason LOST, streams sealed. Anybody may call; each scan
   * is closed once, by the clock of the engine.
   *
   * @returns Keys of the scans that this call closed.
   */
  closeLost(options?: CallOptions): Promise<readonly string[]>;

  /** What the store holds. */
  usage(options?: CallOptions): Promise<LiveUsage>;
}
