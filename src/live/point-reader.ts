/** Reads ranges of points, wherever they are: from the engine while it has them, else from the store that was written. */
import { isStorageError, StorageError } from "../core/errors.ts";
import type { EntryPart } from "./encoding/point-codec.ts";
import type { CallOptions, Entry, LiveEngine, Page } from "./engine.ts";
import { IndexNoMoreThereError } from "./errors.ts";
import type { OpenedStream } from "./stream-plugin.ts";

/** Bytes of entries that are asked for at once. */
const PAGE_BYTES = 16 * 2 ** 20;

/** Every `step`-th point of `[from, to)`. */
export interface PointRange {
  readonly from: number;
  readonly to: number;
  /** From 1. */
  readonly step: number;
}

/** Reads points of one stream. */
export class PointReader {
  readonly #engine: LiveEngine;
  readonly #key: string;
  readonly #opened: OpenedStream;

  constructor(engine: LiveEngine, key: string, opened: OpenedStream) {
    this.#engine = engine;
    this.#key = key;
    this.#opened = opened;
  }

  /**
   * Points of a range that was there.
   *
   * @param page - Entries that were read already, the first of which holds `from` or what was left after it.
   * @throws A {@link StorageError} `EXPIRED` if some have left, and there is no store that has them.
   */
  async read(range: PointRange, options: CallOptions, page?: Page): Promise<unknown> {
    const parts: unknown[] = [];
    let at = range.from;
    let next = page;
    while (at < range.to) {
      const { entries, bounds } = next ?? (await this.#page(at, range.to, options));
      next = undefined;
      const first = entries[0]?.index ?? Math.max(bounds.floor, at + 1);
      if (first > at) {
        const until = Math.min(first, range.to);
        parts.push(...(await this.#readCold({ ...range, from: at, to: until }, bounds, options)));
        at = onGrid(until, range);
      }
      const last = entries.at(-1);
      const until = last === undefined ? at : Math.min(last.index + last.length, range.to);
      if (until > at)
        parts.push(...(await this.#readPage(entries, { ...range, from: at, to: until }, bounds, options)));
      at = Math.max(at, onGrid(until, range));
    }
    return this.#opened.codec.concat(parts);
  }

  #page(from: number, to: number, options: CallOptions): Promise<Page> {
    return this.#engine.range(this.#key, from, to, { signal: options.signal, maxBytes: PAGE_BYTES });
  }

  /** Points whose entries are there. What they refer to may have left before them. */
  async #readPage(
    entries: readonly Entry[],
    range: PointRange,
    bounds: Page["bounds"],
    options: CallOptions,
  ): Promise<unknown[]> {
    try {
      return await this.#decode(entries, range, options);
    } catch (error) {
      const hasLeft = isStorageError(error, "EXPIRED", "NOT_FOUND") && this.#opened.cold !== undefined;
      if (!hasLeft) throw error;
    }
    return this.#readCold(range, bounds, options);
  }

  async #decode(entries: readonly Entry[], range: PointRange, options: CallOptions): Promise<unknown[]> {
    const { codec } = this.#opened;
    const wanted = partsOf(entries, range);
    if (codec.decodeAll !== undefined) return [await codec.decodeAll(wanted, options)];
    const parts: unknown[] = [];
    for (const { entry, from, to } of wanted) parts.push(await codec.decode(entry, from, to, options));
    return parts;
  }

  async #readCold({ from, to, step }: PointRange, bounds: Page["bounds"], options: CallOptions): Promise<unknown[]> {
    const { cold } = this.#opened;
    if (cold === undefined) throw new IndexNoMoreThereError(from, bounds, { identifier: this.#key });
    if (step === 1) return [await cold.read(from, to, options)];
    const parts: unknown[] = [];
    for (let i = from; i < to; i += step) parts.push(await cold.read(i, i + 1, options));
    return parts;
  }
}

/** What is wanted of each entry: with a step, one point at a time. */
function partsOf(entries: readonly Entry[], range: PointRange): EntryPart[] {
  const parts: EntryPart[] = [];
  let at = range.from;
  for (const entry of entries) {
    const end = Math.min(entry.index + entry.length, range.to);
    while (at < end) {
      const to = range.step === 1 ? end : at + 1;
      parts.push({ entry, from: at - entry.index, to: to - entry.index });
      at = range.step === 1 ? end : at + range.step;
    }
  }
  return parts;
}

/** The first index of the range at or above another. */
function onGrid(index: number, { from, step }: PointRange): number {
  return from + Math.ceil((index - from) / step) * step;
}

/** Rejects what is no index. */
export function checkIndex(index: number): void {
  if (Number.isSafeInteger(index)) return;
  throw new StorageError("INVALID_DATA", `An index must be a whole number, got ${String(index)}`);
}
