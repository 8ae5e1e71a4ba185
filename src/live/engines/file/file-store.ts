/** What an engine of a folder works on: the index, its tables, and the segment files. */
import { statfsSync } from "node:fs";
import type { Clock } from "../../../core/clock.ts";
import { StorageError } from "../../../core/errors.ts";
import type { SqliteDriver } from "../../../sqlite/driver.ts";
import { isBusy } from "../../../sqlite/errors.ts";
import { checkEntries } from "../../check-entries.ts";
import type { Entry, LiveUsage } from "../../engine.ts";
import { pragma } from "./index-schema.ts";
import { type MachineTime, spanOf } from "./machine-time.ts";
import { ScanRows } from "./scan-rows.ts";
import type { SegmentFiles } from "./segment-files.ts";
import { StreamAppender } from "./stream-appender.ts";
import { type KeptEntry, type StreamRow, StreamRows } from "./stream-rows.ts";
import { rollBack, type Write, WriteQueue } from "./write-queue.ts";

/** How long the streams of a deleted scan answer that they are sealed. */
const FAREWELL_MS = 10_000;

/** Free pages of the index that are kept for what comes next. */
const SPARE_PAGES = 1024;

/** How long a read waits, and with it the event loop, for the index to be made whole. */
const RECOVERY_MS = 1000;

/** Small entries of one turn share a row up to this size. */
const ROW_BYTES = 16_384;

/** What a {@link FileStore} is made of. */
export interface FileStoreParts {
  readonly root: string;
  readonly driver: SqliteDriver;
  readonly time: MachineTime;
  readonly clock: Clock;
  readonly segments: SegmentFiles;
  readonly readOnly: boolean;
  readonly isSynced: boolean;
  readonly limitBytes: number | undefined;
  readonly reserveBytes: number;
  readonly inlineBytes: number;
  readonly busyTimeoutMs: number;
  readonly busyPollMs: number;
  /** Called after each commit with what has changed. */
  readonly onChange: (topics: readonly string[]) => void;
}

/** The index and the segment files of one folder. */
export class FileStore {
  readonly scans: ScanRows;
  readonly streams: StreamRows;
  readonly #parts: FileStoreParts;
  readonly #queue: WriteQueue;
  readonly #appender: StreamAppender;
  readonly #pageBytes: number;
  /** What the transaction under way has changed. */
  #topics: string[] = [];
  /** Streams to which nothing more is appended since the transaction under way. */
  #ended: string[] = [];
  /** Bytes that the transaction under way may still append. */
  #room: number | undefined;

  constructor(parts: FileStoreParts) {
    this.#parts = parts;
    const { driver, time, busyTimeoutMs, busyPollMs, clock } = parts;
    this.scans = new ScanRows(driver, time);
    this.streams = new StreamRows(driver);
    this.#appender = new StreamAppender(this.streams, ROW_BYTES);
    this.#pageBytes = pragma(driver, "page_size");
    const hooks = { beforeCommit: () => this.#flush(), afterEnd: (isCommitted: boolean) => this.#end(isCommitted) };
    this.#queue = new WriteQueue(driver, { timeoutMs: busyTimeoutMs, pollMs: busyPollMs, clock }, hooks);
  }

  /** True if it was opened for reading only. */
  get readOnly(): boolean {
    return this.#parts.readOnly;
  }

  /** A number that changes with every commit of another connection. */
  version(): number {
    return pragma(this.#parts.driver, "data_version");
  }

  /** Reads as of one moment. */
  read<T>(run: () => T): T {
    const { driver } = this.#parts;
    try {
      return this.#readOnce(run);
    } catch (error) {
      if (!isBusy(error)) throw error;
      // Readers wait for nobody, except while the log is made whole after a process was killed. That is soon over.
      driver.exec(`PRAGMA busy_timeout = ${RECOVERY_MS}`);
      try {
        return this.#readOnce(run);
      } finally {
        driver.exec("PRAGMA busy_timeout = 0");
      }
    }
  }

  /**
   * Changes something that is no append, in a transaction that may have others too.
   *
   * @param topics - What those wait for who should look again.
   */
  async change<T>(write: Write<T>, topics: (value: T) => readonly string[]): Promise<T> {
    this.#checkWritable(write);
    const run = () => {
      // What was appended before is there before.
      this.#flush();
      const value = write.run();
      this.#topics.push(...topics(value));
      return value;
    };
    return await this.#queue.write({ ...write, run });
  }

  /** Appends entries: all or none. */
  async append(
    key: string,
    entries: readonly Entry[],
    writer: string | undefined,
    write: Omit<Write<void>, "run" | "prepare">,
  ): Promise<void> {
    this.#checkWritable(write);
    checkEntries(entries);
    let kept: readonly KeptEntry[] = entries;
    const { inlineBytes } = this.#parts;
    const isLarge = entries.some(({ payload }) => payload.byteLength > inlineBytes);
    const prepare = async () => {
      this.#checkDisk(entries.reduce((sum, { payload }) => sum + payload.byteLength, 0));
      kept = await this.#keepLarge(key, entries);
    };
    const run = () => {
      this.streams.checkSegments(kept);
      this.#room ??= this.#roomLeft();
      this.#room -= this.#appender.add(key, kept, this.#room, writer);
    };
    await this.#queue.write({ ...write, run, ...(isLarge && { prepare }) });
  }

  /** Seals a stream; inside a change. */
  seal(key: string): number {
    this.#ended.push(key);
    this.#topics.push(key);
    return this.streams.seal(key);
  }

  /** Removes scans and what their streams have. */
  async removeScans(which: () => readonly string[], write: Omit<Write<boolean>, "run" | "prepare">): Promise<boolean> {
    const emptied: StreamRow[] = [];
    const run = () => {
      emptied.length = 0;
      const keys = which();
      let isThere = false;
      for (const key of keys) {
        const streams = this.scans.remove(key);
        isThere ||= streams !== undefined;
        for (const stream of streams ?? []) emptied.push(this.#empty(stream));
        this.#topics.push(key);
      }
      return isThere;
    };
    const isThere = await this.change({ ...write, run }, () => []);
    for (const { id } of emptied) await this.removeBelowFloor(id, write);
    return isThere;
  }

  /** Removes the rows and files of a stream below its floor. */
  async removeBelowFloor(id: number, { context }: Pick<Write<unknown>, "context">): Promise<void> {
    // Not with the caller's signal: what has begun is finished.
    const once = { context: context, run: () => this.streams.removeBelowFloor(id) };
    while (await this.change(once, () => []));
    const gone = await this.change({ context, run: () => this.streams.removeSegments(id) }, () => []);
    await this.#parts.segments.remove(id, gone);
    await this.change({ context, run: () => this.#giveBack() }, () => []);
  }

  /** Forgets streams of deleted scans, and removes files without a row. */
  async sweep(): Promise<void> {
    const context = { backend: "file", operation: "open", identifier: this.#parts.root };
    const { segments, time } = this.#parts;
    // The files before the rows: a file whose row is not there was never to stay, since rows are made first.
    const files = await segments.list();
    const known = new Set(this.streams.segments());
    for (const { stream, segment } of files) if (!known.has(segment)) await segments.remove(stream, [segment]);
    if (this.streams.forgettable(time).length === 0) return;
    for (const id of this.streams.forgettable(time)) await this.removeBelowFloor(id, { context });
    await this.change({ context, run: () => this.streams.forget(time) }, () => []);
  }

  /** A payload of an entry, wherever it is. */
  async payload(stream: number, { payload }: KeptEntry, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return payload instanceof Uint8Array ? payload : await this.#parts.segments.read(stream, payload, signal);
  }

  usage(): LiveUsage {
    const { limitBytes } = this.#parts;
    return { bytes: this.#bytes(), ...(limitBytes !== undefined && { limit: limitBytes }) };
  }

  /** Finishes what was asked for, and closes the index and all files. */
  async close(): Promise<void> {
    await this.#queue.close();
    try {
      await this.#parts.segments[Symbol.asyncDispose]();
    } finally {
      this.#parts.driver.close();
    }
  }

  #readOnce<T>(run: () => T): T {
    const { driver } = this.#parts;
    driver.run("BEGIN");
    try {
      return run();
    } finally {
      rollBack(driver);
    }
  }

  #checkWritable({ context }: Pick<Write<unknown>, "context">): void {
    if (!this.#parts.readOnly) return;
    throw new StorageError("READ_ONLY", `"${this.#parts.root}" was opened for reading only`, context);
  }

  async #keepLarge(key: string, entries: readonly Entry[]): Promise<KeptEntry[]> {
    const { segments, inlineBytes, isSynced } = this.#parts;
    const place = {
      newest: () => this.streams.newestSegment(key),
      create: () => this.#queue.transact(() => this.streams.newSegment(key)),
    };
    const kept: KeptEntry[] = [];
    for (const entry of entries) {
      const { index, length, payload } = entry;
      const isLarge = payload.byteLength > inlineBytes;
      kept.push(isLarge ? { index, length, payload: await segments.write(key, payload, place) } : entry);
    }
    if (isSynced) await segments.sync(key);
    return kept;
  }

  /** Seals a stream of a deleted scan, and lets it look as if all had been removed. */
  #empty(key: string): StreamRow {
    this.seal(key);
    const stream = this.streams.ensure(key);
    this.streams.raiseFloor(stream, stream.length);
    this.streams.leave(stream.id, spanOf(this.#parts.time, FAREWELL_MS));
    return stream;
  }

  #flush(): void {
    this.#topics.push(...this.#appender.flush());
  }

  #end(isCommitted: boolean): void {
    const [topics, ended] = [this.#topics, this.#ended];
    this.#topics = [];
    this.#ended = [];
    this.#room = undefined;
    this.#appender.reset();
    if (!isCommitted) return;
    // A file that does not close is no reason to fail: what it has is there.
    for (const key of ended) this.#parts.segments.finish(key).catch(() => {});
    if (topics.length > 0) this.#parts.onChange(topics);
  }

  #bytes(): number {
    const pages = pragma(this.#parts.driver, "page_count") - pragma(this.#parts.driver, "freelist_count");
    return pages * this.#pageBytes + this.streams.segmentBytes();
  }

  #roomLeft(): number {
    const { limitBytes } = this.#parts;
    this.#checkDisk(0);
    return limitBytes === undefined ? Number.POSITIVE_INFINITY : Math.max(0, limitBytes - this.#bytes());
  }

  /** Leaves room on the disk for what ends scans and removes old data: that is written too. */
  #checkDisk(bytes: number): void {
    const { root, reserveBytes, driver } = this.#parts;
    if (reserveBytes === 0) return;
    const { bavail, bsize } = statfsSync(root);
    const free = bavail * bsize - bytes;
    if (free >= reserveBytes) return;
    // Pages of the index that are free take what is small; the log that leads there still needs the disk.
    const pages = bytes > 0 ? 0 : pragma(driver, "freelist_count") * this.#pageBytes;
    if (free >= reserveBytes / 2 && free + pages >= reserveBytes) return;
    const message = `The disk of "${root}" is full but for a reserve of ${reserveBytes} bytes`;
    throw new StorageError("NO_SPACE", message, { identifier: root });
  }

  /** Lets the file of the index shrink when much of it is free. */
  #giveBack(): void {
    const { driver } = this.#parts;
    const free = pragma(driver, "freelist_count");
    if (free > 2 * SPARE_PAGES) driver.exec(`PRAGMA incremental_vacuum(${free - SPARE_PAGES})`);
  }
}
