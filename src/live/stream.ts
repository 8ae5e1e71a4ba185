/** Reads one stream, while it is written and afterwards. */

import { Cursor, type CursorOptions } from "./cursor.ts";
import type { Bounds, CallOptions, LiveEngine, Page, WaitOptions } from "./engine.ts";
import { IndexNotYetThereError, IndexWontBeThereError } from "./errors.ts";
import type { StreamEncoding, StreamHeader } from "./header.ts";
import type { JsonObject } from "./json.ts";
import { checkIndex, PointReader } from "./point-reader.ts";
import { sliceRange } from "./slice-range.ts";
import type { OpenedStream } from "./stream-plugin.ts";
import { LOST_WRITERS_MS, waitForStreams } from "./stream-wait.ts";
import type { View } from "./view-of-points.ts";

/** What a {@link Stream} works on. */
export interface StreamContext {
  readonly engine: LiveEngine;
  /** Key of the scan. */
  readonly scan: string;
  /** Opens the stream with its plugin; called when it is first needed. */
  readonly open: (header: StreamHeader) => Promise<OpenedStream>;
  /** How often those who wait look for writers that are gone. Default 5000 ms. */
  readonly lostWritersMs?: number | undefined;
}

/** Where a point is. */
export interface PointLocation {
  /**
   * `"not yet"` written; `"here"`, in the engine or by reference; `"in file"`, in the store that was written; `"gone"`;
   * `"never"`: the stream was sealed before it.
   */
  readonly state: "not yet" | "here" | "in file" | "gone" | "never";
  /** What has it: the name of the engine, the kind of a reference, `"file"`. */
  readonly tier?: string;
  /** Where that is. */
  readonly uri?: string;
}

/**
 * One stream, to read.
 *
 * @typeParam Points - Several points together: an array `[n, …]` for numbers, a list for JSON.
 * @typeParam Point - One of them.
 */
export class Stream<Points = unknown, Point = unknown> {
  readonly name: string;
  readonly key: string;
  readonly encoding: StreamEncoding;
  readonly info: JsonObject;
  /** Key of the scan that it belongs to. */
  readonly scan: string;
  /** The engine that has it. */
  readonly engine: LiveEngine;
  /** How often those who wait look for writers that are gone, in milliseconds. */
  readonly lostWritersMs: number;
  readonly #header: StreamHeader;
  readonly #open: StreamContext["open"];
  #opened: Promise<OpenedStream> | undefined;

  constructor(header: StreamHeader, context: StreamContext) {
    this.#header = header;
    this.name = header.name;
    this.key = header.key;
    this.encoding = header.encoding;
    this.info = header.info;
    this.scan = context.scan;
    this.engine = context.engine;
    this.lostWritersMs = context.lostWritersMs ?? LOST_WRITERS_MS;
    this.#open = context.open;
  }

  /** Points that were written, those that have left included. */
  async length(options: CallOptions = {}): Promise<number> {
    return (await this.bounds(options)).length;
  }

  /** True once nothing more will come. */
  async sealed(options: CallOptions = {}): Promise<boolean> {
    return (await this.bounds(options)).sealed;
  }

  /** How far it goes, as of one moment. */
  async bounds(options: CallOptions = {}): Promise<Bounds> {
    return (await this.engine.bounds([this.key], options))[0] as Bounds;
  }

  /** Waits until nothing more will come; false when the time is over before. */
  async waitSealed(options: WaitOptions = {}): Promise<boolean> {
    return (await this.#wait(Number.MAX_SAFE_INTEGER, options)) !== undefined;
  }

  /**
   * One point.
   *
   * @param index - From 0; negative counts from the end of a stream that is sealed.
   * @throws A `StorageError`: `NOT_YET`, `EXPIRED` (with the floor) or `OUT_OF_RANGE`. The verdict is of one moment: a
   * point that comes meanwhile is never said to be gone.
   */
  async at(index: number, options: CallOptions = {}): Promise<Point> {
    checkIndex(index);
    const { codec } = await this.opened();
    const at = index < 0 ? this.#fromEnd(index, await this.bounds(options)) : index;
    const page = await this.engine.range(this.key, at, at + 1, options);
    this.#checkThere(at, page.bounds, index);
    const points = await (await this.reader()).read({ from: at, to: at + 1, step: 1 }, options, page);
    return codec.at(points, 0) as Point;
  }

  /**
   * Points as NumPy slices them. Bounds left out mean what is there now; those outside are moved to it.
   *
   * @param start - Negative counts from the end of a stream that is sealed, as for `stop`.
   * @returns Empty, and of the right dtype and shape, if nothing is in the range.
   * @throws A `StorageError`: `NOT_YET` for negative bounds before the seal, `EXPIRED`, `INVALID_DATA`.
   */
  async slice(start?: number, stop?: number, step = 1, options: CallOptions = {}): Promise<Points> {
    const { codec } = await this.opened();
    const bounds = await this.bounds(options);
    for (const bound of [start, stop]) {
      if (bound !== undefined && bound < 0 && !bounds.sealed) throw this.#notYet(bound, bounds);
    }
    const range = sliceRange(start, stop, step, bounds.length);
    if (range.count === 0) return codec.concat([]) as Points;
    const last = range.start + (range.count - 1) * step;
    const from = Math.min(range.start, last);
    const to = Math.max(range.start, last) + 1;
    const points = await (await this.reader()).read({ from, to, step: Math.abs(step) }, options);
    if (step > 0) return points as Points;
    return codec.pick(
      points,
      Array.from({ length: range.count }, (_, i) => range.count - 1 - i),
    ) as Points;
  }

  /**
   * Where a point is.
   *
   * @param options - `wait`: answers once the point is there, or it is known that it never will be, or the time is over.
   */
  async locate(
    index: number,
    options: WaitOptions & { readonly wait?: boolean | undefined } = {},
  ): Promise<PointLocation> {
    checkIndex(index);
    if (options.wait && index >= 0) await this.#wait(index, options);
    const { codec, cold } = await this.opened();
    const at = index < 0 ? this.#fromEnd(index, await this.bounds(options)) : index;
    const { entries, bounds } = await this.engine.range(this.key, at, at + 1, { signal: options.signal });
    if (at >= bounds.length) return { state: bounds.sealed ? "never" : "not yet" };
    const entry = entries.find((candidate) => candidate.index <= at);
    if (entry === undefined) return cold ? { state: "in file", tier: "file", uri: cold.uri } : { state: "gone" };
    const reference = codec.locate?.(entry, at - entry.index);
    if (reference === undefined) return { state: "here", tier: this.engine.name };
    return { state: "here", tier: reference.kind, uri: reference.uri };
  }

  /** Follows the stream, from its start if nothing else is said. */
  async cursor(options: CursorOptions & CallOptions = {}): Promise<Cursor<Points, Point>> {
    return await Cursor.open<Points, Point>(this, options);
  }

  /** Everything that is there and that will come, view by view, until the stream ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<View<Points, Point>> {
    yield* await this.cursor();
  }

  /** The codec and the cold store, by the plugin. For cursors and views. */
  async opened(): Promise<OpenedStream> {
    this.#opened ??= this.#open(this.#header);
    try {
      return await this.#opened;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /** Reads ranges. For cursors and views. */
  async reader(): Promise<PointReader> {
    return new PointReader(this.engine, this.key, await this.opened());
  }

  async #wait(index: number, options: WaitOptions): Promise<Page | undefined> {
    const { timeoutMs, signal } = options;
    const { scan, lostWritersMs } = this;
    const positions = new Map([[this.key, index]]);
    return (await waitForStreams(this.engine, positions, { timeoutMs, signal, scans: [scan], lostWritersMs })).get(
      this.key,
    );
  }

  #fromEnd(index: number, bounds: Bounds): number {
    if (!bounds.sealed) throw this.#notYet(index, bounds);
    if (index + bounds.length < 0) throw new IndexWontBeThereError(index, bounds.length, { identifier: this.name });
    return index + bounds.length;
  }

  #checkThere(at: number, bounds: Bounds, index: number): void {
    if (at < bounds.length) return;
    if (bounds.sealed) throw new IndexWontBeThereError(index, bounds.length, { identifier: this.name });
    throw this.#notYet(index, bounds);
  }

  #notYet(index: number, { length }: Bounds): IndexNotYetThereError {
    return new IndexNotYetThereError(index, length, { identifier: this.name });
  }
}
