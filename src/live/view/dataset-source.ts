/** Where the values of a dataset come from. */
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { CallOptions, WaitOptions } from "../engine.ts";
import { type AxisRange, takeValues, type ValueArray } from "./value-array.ts";
import type { ValueDType } from "./value-types.ts";

/** How far the first axis goes. */
export interface Extent {
  readonly length: number;
  /** True if it will not become longer. */
  readonly isFinal: boolean;
}

/** What a dataset reads from. */
export interface DatasetSource {
  readonly dtype: ValueDType | "ragged";
  /** Length of each axis; `null` for a first axis that grows. */
  readonly maxShape: readonly (number | null)[];
  /**
   * How far the first axis goes, once it goes so far, or is final, or the time is over.
   *
   * @param atLeast - `"end"`: until it is final.
   */
  extent(atLeast: number | "end", options: WaitOptions): Promise<Extent>;
  /**
   * Part of the values.
   *
   * @param axes - One for each axis, steps ≥ 1, within the extent.
   * @returns Of the shape of the counts, in C order.
   */
  read(axes: readonly AxisRange[], options: CallOptions): Promise<ValueArray>;
  /** Points as they come, from an index on, in batches; left out: by `extent` and `read`. */
  follow?(from: number, options: CallOptions): AsyncIterable<ValueArray>;
}

/** Values that are in memory. */
export class MemorySource implements DatasetSource {
  readonly #values: ValueArray;

  constructor(values: ValueArray) {
    this.#values = values;
  }

  get dtype(): ValueDType | "ragged" {
    return this.#values.dtype;
  }

  get maxShape(): readonly number[] {
    return this.#values.shape;
  }

  async extent(): Promise<Extent> {
    return { length: this.#values.shape[0] ?? 1, isFinal: true };
  }

  async read(axes: readonly AxisRange[]): Promise<ValueArray> {
    return takeValues(this.#values, axes);
  }
}

/**
 * A source, and another one that has what the first has no more.
 *
 * A stream whose scan has left its engine goes on in the file that was written, from where it was.
 */
export class FallbackSource implements DatasetSource {
  readonly #first: DatasetSource;
  readonly #second: () => Promise<DatasetSource | undefined>;

  /** @param second - Asked each time; `undefined` if there is none. */
  constructor(first: DatasetSource, second: () => Promise<DatasetSource | undefined>) {
    this.#first = first;
    this.#second = second;
  }

  get dtype(): ValueDType | "ragged" {
    return this.#first.dtype;
  }

  get maxShape(): readonly (number | null)[] {
    return this.#first.maxShape;
  }

  async extent(atLeast: number | "end", options: WaitOptions): Promise<Extent> {
    try {
      return await this.#first.extent(atLeast, options);
    } catch (error) {
      return await (await this.#other(error)).extent(atLeast, options);
    }
  }

  async read(axes: readonly AxisRange[], options: CallOptions): Promise<ValueArray> {
    try {
      return await this.#first.read(axes, options);
    } catch (error) {
      return await (await this.#other(error)).read(axes, options);
    }
  }

  async *follow(from: number, options: CallOptions): AsyncGenerator<ValueArray> {
    let at = from;
    try {
      for await (const part of followSource(this.#first, at, options)) {
        yield part;
        at += part.shape[0] as number;
      }
    } catch (error) {
      yield* followSource(await this.#other(error), at, options);
    }
  }

  async #other(error: unknown): Promise<DatasetSource> {
    if (!isStorageError(error, "EXPIRED", "NOT_FOUND")) throw error;
    const other = await this.#second();
    if (other === undefined) throw error;
    return other;
  }
}

/** Bytes that are read at once. */
export const PIECE_BYTES = 16 * 2 ** 20;

/** Points of a source as they come, in batches. */
export async function* followSource(
  source: DatasetSource,
  from: number,
  options: CallOptions,
): AsyncGenerator<ValueArray> {
  if (source.follow !== undefined) {
    yield* source.follow(from, options);
    return;
  }
  const rest = wholeAxes(source.maxShape.slice(1));
  const most = pointsAtOnce(source);
  for (let at = from; ; ) {
    const { length, isFinal } = await source.extent(at + 1, options);
    if (length <= at && isFinal) return;
    const count = Math.min(length - at, most);
    if (count > 0) yield await source.read([{ start: at, step: 1, count }, ...rest], options);
    at += Math.max(count, 0);
  }
}

/** Points along the first axis that make a piece of bounded size. */
export function pointsAtOnce({ dtype, maxShape }: Pick<DatasetSource, "dtype" | "maxShape">): number {
  const size = maxShape.slice(1).reduce<number>((product, length) => product * (length ?? 1), 1);
  const bytes = /64$/.test(dtype) ? 8 : /\d+$/.test(dtype) ? 4 : 64;
  return Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, size * bytes)));
}

/** All of each axis. */
export function wholeAxes(shape: readonly (number | null)[]): AxisRange[] {
  return shape.map((count) => {
    if (count === null) throw new StorageError("UNEXPECTED", "Only a first axis grows");
    return { start: 0, step: 1, count };
  });
}
