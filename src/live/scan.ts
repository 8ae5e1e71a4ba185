/** A scan, to read: a snapshot, until it is updated. */
import { isStorageError, StorageError } from "../core/errors.ts";
import { deadline } from "./deadline.ts";
import type { ReadFrames } from "./encoding/frames.ts";
import type { CallOptions, LiveEngine, WaitOptions } from "./engine.ts";
import type { ScanHeader } from "./header.ts";
import type { JsonObject } from "./json.ts";
import { endReasons, type ScanState, type ScanStateName, scanStateNames, scanStates } from "./scan-state.ts";
import { Stream } from "./stream.ts";
import { type OpenFallback, openStream, type StreamPlugins } from "./stream-plugin.ts";
import { closeLostScans, LOST_WRITERS_MS } from "./stream-wait.ts";

/** What scans and streams of a store share. */
export interface ScanContext {
  readonly engine: LiveEngine;
  readonly plugins: StreamPlugins;
  readonly readFrames: ReadFrames | undefined;
  readonly fallback: OpenFallback | undefined;
  readonly lostWritersMs: number | undefined;
  /** A scan of the same store. */
  readonly loadScan: (key: string, options?: CallOptions) => Promise<Scan>;
}

/** A scan as it was when it was loaded or last updated. */
export class Scan {
  readonly key: string;
  protected readonly context: ScanContext;
  #header: ScanHeader;
  readonly #streams = new Map<string, Stream>();

  constructor(header: ScanHeader, context: ScanContext) {
    this.key = header.key;
    this.context = context;
    this.#header = header;
  }

  /** What it is found by. */
  get identity(): JsonObject {
    return this.#header.identity;
  }

  /** What is said about it. */
  get info(): JsonObject {
    return this.#header.info;
  }

  /** Where it is in its life, as a number that only grows. */
  get state(): ScanState {
    return this.#header.state;
  }

  /** Where it is in its life, as a word. */
  get stateName(): ScanStateName {
    return scanStateNames[this.state];
  }

  /** Grows by one with each change. */
  get revision(): number {
    return this.#header.revision;
  }

  /** When it was created, seconds since 1970, by the clock of the engine. */
  get createdAt(): number {
    return this.#header.createdAt;
  }

  /** Why it ended; `undefined` before. */
  get endReason(): string | undefined {
    return this.#header.endReason;
  }

  /** Names of its streams; none before it is PREPARED. */
  get streamNames(): string[] {
    return Object.keys(this.#header.streams);
  }

  /**
   * One of its streams. The same object each time. A stream whose plugin is missing or broken rejects when it is used.
   *
   * @typeParam Points - What the caller knows of its points: `NdArray` for numbers.
   * @typeParam Point - What the caller knows of one point.
   * @throws A {@link StorageError} `NOT_FOUND` that names those there are.
   */
  stream<Points = unknown, Point = unknown>(name: string): Stream<Points, Point> {
    const header = Object.hasOwn(this.#header.streams, name) ? this.#header.streams[name] : undefined;
    if (header === undefined) {
      const known = this.streamNames.join(", ") || `none, it is ${this.stateName}`;
      throw new StorageError("NOT_FOUND", `${this.key} has no stream "${name}". Known: ${known}`, { identifier: name });
    }
    const { engine, lostWritersMs } = this.context;
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      const open = () => openStream(header, this.context);
      stream = new Stream(header, { engine, scan: this.key, open, lostWritersMs });
      this.#streams.set(name, stream);
    }
    return stream as Stream<Points, Point>;
  }

  /**
   * Takes over what has changed; waits for it if nothing has.
   *
   * @returns True if something changed; false when the time is over, and at once for a scan that is CLOSED. A scan that
   * was deleted is CLOSED, with the end reason DELETION.
   */
  async update(options: WaitOptions = {}): Promise<boolean> {
    if (this.state === scanStates.CLOSED) return false;
    const { engine, lostWritersMs = LOST_WRITERS_MS } = this.context;
    const remaining = deadline(options.timeoutMs);
    try {
      for (;;) {
        const left = remaining() ?? Number.POSITIVE_INFINITY;
        const wait = { signal: options.signal, timeoutMs: Math.min(left, lostWritersMs) };
        const header = await engine.waitScan(this.key, this.#header.revision, wait);
        if (header !== undefined) this.takeOver(header);
        if (header !== undefined || left <= lostWritersMs) return header !== undefined;
        await closeLostScans(engine, { signal: options.signal });
      }
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND")) throw error;
      this.takeOver({ ...this.#header, state: scanStates.CLOSED, endReason: endReasons.DELETION });
      return true;
    }
  }

  /**
   * Updates until the scan has come to a state, or beyond.
   *
   * @returns False when the time is over before.
   */
  async waitState(state: ScanState, options: WaitOptions = {}): Promise<boolean> {
    const remaining = deadline(options.timeoutMs);
    while (this.state < state) {
      if (!(await this.update({ ...options, timeoutMs: remaining() }))) return false;
    }
    return true;
  }

  /** Puts a newer header in the place of the one it has. */
  protected takeOver(header: ScanHeader): void {
    this.#header = header;
  }
}
