/** A range of points that a cursor has come to. */
import type { CallOptions, Entry, Page } from "./engine.ts";
import type { Stream } from "./stream.ts";

/** What a {@link View} is made of. */
export interface ViewRange {
  /** Index of its first point. */
  readonly index: number;
  /** Index after its last point. */
  readonly end: number;
  readonly step: number;
  /** Points before it that the cursor passed over because they had left. */
  readonly skipped: number;
  readonly page: Page;
}

/**
 * Points that were there when the cursor read them. Their bytes are held by the view; frames by reference are fetched
 * when they are asked for.
 */
export class View<Points = unknown, Point = unknown> {
  /** Index of its first point in the stream. */
  readonly index: number;
  /** Points, those that have left included. */
  readonly length: number;
  /** Distance between its points in the stream. */
  readonly step: number;
  /** How many of its points had left the engine when it was read: the first ones. */
  readonly expired: number;
  /** Points before `index` that were passed over because they had left; only with `onGap: "skip"`. */
  readonly skipped: number;
  readonly #stream: Stream<Points, Point>;
  readonly #page: Page;

  constructor(stream: Stream<Points, Point>, { index, end, step, skipped, page }: ViewRange) {
    this.#stream = stream;
    this.#page = page;
    this.index = index;
    this.step = step;
    this.skipped = skipped;
    this.length = Math.ceil((end - index) / step);
    const first = Math.min(page.entries[0]?.index ?? end, end);
    this.expired = Math.max(0, Math.ceil((first - index) / step));
  }

  /** Index of its last point in the stream. */
  get lastIndex(): number {
    return this.index + (this.length - 1) * this.step;
  }

  /**
   * Some of its points, counted within it; all if nothing is said.
   *
   * @throws A `StorageError` `EXPIRED` if some of them have left and no store has them.
   */
  async data(start = 0, stop = this.length, options: CallOptions = {}): Promise<Points> {
    const to = Math.min(stop, this.length);
    const reader = await this.#stream.reader();
    const from = this.index + Math.max(0, start) * this.step;
    const range = { from, to: this.index + (to - 1) * this.step + 1, step: this.step };
    return (await reader.read(range, options, this.#within(from, range.to))) as Points;
  }

  /** One of its points, counted within it. */
  async at(position: number, options: CallOptions = {}): Promise<Point> {
    const { codec } = await this.#stream.opened();
    return codec.at(await this.data(position, position + 1, options), 0) as Point;
  }

  /** Its points, one by one. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Point> {
    for (let position = 0; position < this.length; position++) yield await this.at(position);
  }

  /** What was read with the cursor, without entries that have nothing of the range. */
  #within(from: number, to: number): Page {
    const { entries } = this.#page;
    const first = firstWhere(entries, ({ index, length }) => index + length > from);
    const end = firstWhere(entries, ({ index }) => index >= to);
    return { ...this.#page, entries: entries.slice(first, Math.max(first, end)) };
  }
}

/** Position of the first for which something is true, as it is of all that follow; by halving. */
function firstWhere(entries: readonly Entry[], isTrue: (entry: Entry) => boolean): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isTrue(entries[middle] as Entry)) high = middle;
    else low = middle + 1;
  }
  return low;
}
