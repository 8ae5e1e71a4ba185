/** Follows a stream: at any speed, from anywhere. */
import { isStorageError, StorageError } from "../core/errors.ts";
import type { CallOptions, Page, WaitOptions } from "./engine.ts";
import { EndOfStreamError, WriterLostError } from "./errors.ts";
import { endReasons } from "./scan-state.ts";
import type { Stream } from "./stream.ts";
import { waitForStreams } from "./stream-wait.ts";
import { View } from "./view-of-points.ts";

/** Bytes that a read takes at most, unless it says otherwise. */
const READ_BYTES = 16 * 2 ** 20;

/** How a {@link Cursor} follows. */
export interface CursorOptions {
  /** The first point, `"now"`: those written after this call, `"latest"`: the newest one, then those after it. Default `"start"`. */
  readonly from?: "start" | "now" | "latest" | number | undefined;
  /** `"all"`; `"latest"`: each read gives the newest point alone; `{ every: n }`: each n-th. Default `"all"`. */
  readonly mode?: "all" | "latest" | { readonly every: number } | undefined;
  /**
   * Points that have left before they were read. `"throw"`: the view has them, and asking for them rejects with
   * `EXPIRED`, unless the stream has a store that they are read from, which `"fill"` insists on: if the first of
   * them is in none, the read itself rejects. `"skip"`: they are passed over, and the view says how many. Default `"throw"`.
   */
  readonly onGap?: "throw" | "fill" | "skip" | undefined;
}

/** Options of one read. */
export interface ReadOptions extends WaitOptions {
  /** At most so many points of the stream. Default: no limit. */
  readonly maxItems?: number | undefined;
  /** Entries of at most so many bytes together; one always comes. Default 16 MiB. */
  readonly maxBytes?: number | undefined;
}

/** A place in a stream, and what was asked for from there. */
export class Cursor<Points = unknown, Point = unknown> {
  readonly stream: Stream<Points, Point>;
  readonly #mode: "all" | "latest" | number;
  readonly #onGap: "throw" | "fill" | "skip";
  #position: number;
  #isReading = false;

  private constructor(
    stream: Stream<Points, Point>,
    position: number,
    { mode = "all", onGap = "throw" }: CursorOptions,
  ) {
    this.stream = stream;
    this.#position = position;
    this.#mode = typeof mode === "object" ? mode.every : mode;
    this.#onGap = onGap;
    if (typeof mode === "object" && !(Number.isSafeInteger(mode.every) && mode.every > 0)) {
      throw new StorageError("INVALID_DATA", `every must be a whole number ≥ 1, got ${mode.every}`);
    }
  }

  /** A cursor at the place that the options name. */
  static async open<Points, Point>(
    stream: Stream<Points, Point>,
    options: CursorOptions & CallOptions,
  ): Promise<Cursor<Points, Point>> {
    const { from = "start", signal } = options;
    if (typeof from === "number" && !(Number.isSafeInteger(from) && from >= 0)) {
      throw new StorageError("INVALID_DATA", `A cursor starts at a whole number ≥ 0, got ${from}`);
    }
    if (typeof from === "number" || from === "start") return new Cursor(stream, from === "start" ? 0 : from, options);
    const length = await stream.length({ signal });
    return new Cursor(stream, from === "now" ? length : Math.max(0, length - 1), options);
  }

  /** The index that it waits for. */
  get position(): number {
    return this.#position;
  }

  /**
   * The next points; waits for them if there are none.
   *
   * @returns `undefined` when the time is over.
   * @throws A {@link StorageError}: `END_OF_STREAM` once everything was read and the stream is sealed, `WRITER_LOST`
   * instead if its writer went away, `CONFLICT` while another read of this cursor is under way.
   */
  async read(options: ReadOptions = {}): Promise<View<Points, Point> | undefined> {
    if (this.#isReading)
      throw new StorageError("CONFLICT", "This cursor is being read; make another for a second reader");
    this.#isReading = true;
    try {
      const { timeoutMs, signal, maxBytes = READ_BYTES } = options;
      const { engine, key, scan, lostWritersMs } = this.stream;
      const positions = new Map([[key, this.#position]]);
      const wait = { timeoutMs, signal, maxBytes, scans: [scan], lostWritersMs };
      const page = (await waitForStreams(engine, positions, wait)).get(key);
      return page && (await this.take(page, options));
    } finally {
      this.#isReading = false;
    }
  }

  /**
   * The next points, of which a wait has said that they are there. For groups.
   *
   * @param news - What the wait answered.
   */
  async take(news: Page, options: ReadOptions): Promise<View<Points, Point>> {
    const { length, sealed } = news.bounds;
    if (length <= this.#position && sealed) throw await this.#end(options);
    const view = this.#mode === "latest" ? await this.#takeLatest(options) : await this.#takeNext(news, options);
    // The first of them, not all: a reader who comes late may have missed more than memory holds.
    if (this.#onGap === "fill" && view.expired > 0) await view.data(0, 1, options);
    const step = typeof this.#mode === "number" ? this.#mode : 1;
    this.#position = view.lastIndex + step;
    return view;
  }

  /** View by view, until the stream ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<View<Points, Point>> {
    for (;;) {
      let view: View<Points, Point> | undefined;
      try {
        view = await this.read();
      } catch (error) {
        if (isStorageError(error, "END_OF_STREAM")) return;
        throw error;
      }
      if (view !== undefined) yield view;
    }
  }

  async #takeNext(news: Page, options: ReadOptions): Promise<View<Points, Point>> {
    const { maxItems = Number.POSITIVE_INFINITY, maxBytes = READ_BYTES, signal } = options;
    const most = Math.min(this.#position + maxItems, Number.MAX_SAFE_INTEGER);
    const page =
      news.entries.length > 0
        ? news
        : await this.stream.engine.range(this.stream.key, this.#position, most, { maxBytes, signal });
    const isSkipping = this.#onGap === "skip" && page.bounds.floor > this.#position;
    const step = typeof this.#mode === "number" ? this.#mode : 1;
    const missed = isSkipping ? Math.ceil((page.bounds.floor - this.#position) / step) * step : 0;
    const index = this.#position + missed;
    if (isSkipping && index >= page.bounds.length && page.bounds.sealed) throw await this.#end(options);
    const last = page.entries.at(-1);
    const end = last === undefined ? page.bounds.length : last.index + last.length;
    const limited = Math.min(end, index + maxItems);
    return new View(this.stream, { index, end: Math.max(limited, index + 1), step, skipped: missed, page });
  }

  async #takeLatest({ signal }: ReadOptions): Promise<View<Points, Point>> {
    const page = await this.stream.engine.range(this.stream.key, "last", 0, { signal });
    const { length } = page.bounds;
    return new View(this.stream, { index: length - 1, end: length, step: 1, skipped: 0, page });
  }

  async #end({ signal }: CallOptions): Promise<EndOfStreamError | WriterLostError> {
    const { engine, scan, name } = this.stream;
    const isLost = (await engine.getScan(scan, { signal }))?.endReason === endReasons.LOST;
    return isLost
      ? new WriterLostError(scan, { identifier: name })
      : new EndOfStreamError(`Stream "${name}"`, { identifier: name });
  }
}
