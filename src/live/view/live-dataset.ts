/** A dataset, while it is written and afterwards. */
import { StorageError } from "../../core/errors.ts";
import type { CallOptions, WaitOptions } from "../engine.ts";
import { IndexNotYetThereError, IndexWontBeThereError } from "../errors.ts";
import { type Attributes, attributesOf } from "./attributes.ts";
import { type DatasetSource, followSource } from "./dataset-source.ts";
import type { LiveFile } from "./live-file.ts";
import { axisRange, needed, type ParsedPart, parseSelection, type Selection } from "./selection.ts";
import type { TreeDataset } from "./tree.ts";
import { type AxisRange, type PlainValue, plainValue, reshape, takeValues, type ValueArray } from "./value-array.ts";

/** What a selection waits for. */
export interface SelectOptions extends WaitOptions {
  /**
   * `"none"`: nothing; it is of what is there. `"stop"`: until what it names is there, or will never be; ends that are left
   * out, and indexes from the end, wait for the end. `"seal"`: until nothing more will come. Default `"stop"`.
   */
  readonly wait?: "none" | "stop" | "seal" | undefined;
}

/** A dataset of a {@link LiveFile}. */
export class LiveDataset {
  readonly kind = "dataset";
  readonly file: LiveFile;
  /** Its path, after links. */
  readonly name: string;
  readonly attributes: Attributes;
  /** Files with its numbers, if they are not in the file itself. */
  readonly external: TreeDataset["external"];
  /** True if it shows parts of others. */
  readonly isVirtual: boolean;
  readonly #source: DatasetSource;

  /** @internal */
  constructor(file: LiveFile, name: string, item: TreeDataset, source: DatasetSource) {
    this.file = file;
    this.name = name;
    this.attributes = attributesOf(item.attributes);
    this.external = item.external;
    this.isVirtual = item.isVirtual ?? false;
    this.#source = source;
  }

  /** Type of its elements; `"ragged"` if each point is an array of a shape of its own. */
  get dtype(): DatasetSource["dtype"] {
    return this.#source.dtype;
  }

  /** Length of each axis; `null` for a first axis that may grow. */
  get maxShape(): readonly (number | null)[] {
    return this.#source.maxShape;
  }

  /** What it is in NeXus. */
  get nxClass(): string | undefined {
    const { NX_class } = this.attributes;
    return typeof NX_class === "string" ? NX_class : undefined;
  }

  /** Length of each axis, now. */
  async shape(options: CallOptions = {}): Promise<readonly number[]> {
    const [first, ...rest] = this.maxShape;
    if (first !== null) return this.maxShape as readonly number[];
    const { length } = await this.#source.extent(0, { signal: options.signal });
    return [length, ...(rest as number[])];
  }

  /**
   * Length of its first axis, now.
   *
   * @throws A {@link StorageError} `INVALID_DATA` for a scalar.
   */
  async length(options: CallOptions = {}): Promise<number> {
    const [length] = await this.shape(options);
    if (length === undefined) throw this.#scalar("has no length");
    return length;
  }

  /** Everything that is there now. A scalar is a plain value: a number, text, …; anything else an array. */
  async read(options: CallOptions = {}): Promise<PlainValue> {
    return await this.select([], options);
  }

  /**
   * Part of it: any number of axes, steps, also negative ones, as NumPy selects. An empty selection is what is there
   * now; with `[null]`, or `":"`, the whole first axis is waited for.
   *
   * @param selection - As parts, or as the text between brackets in Python: `"0:10, ::2"`.
   * @returns An array in C order, in memory of the caller unless it stands in the layout; a plain value if every axis was
   * dropped.
   * @throws A {@link StorageError}: `NOT_YET`, or `TIMED_OUT` when it waited, `OUT_OF_RANGE`, `EXPIRED`, `INVALID_DATA`.
   */
  async select(selection: Selection, options: SelectOptions = {}): Promise<PlainValue> {
    const parts = parseSelection(selection, this.maxShape.length);
    const isAll = typeof selection === "string" ? selection.trim() === "" : selection.length === 0;
    if (parts.length === 0 && !isAll && selection !== "..." && (selection as readonly unknown[])[0] !== "...") {
      throw this.#scalar("has no axis to select of");
    }
    const length = await this.#wait(parts, isAll, options);
    const shape = this.maxShape.map((size, axis) => (axis === 0 && length !== undefined ? length : (size as number)));
    const ranges = parts.map((part, axis) => axisRange(part, shape[axis] as number, axis));
    const values = await this.#source.read(ranges.map(forward), { signal: options.signal });
    const turned = ranges.map(({ step, count }) =>
      step < 0 && count > 0 ? { start: count - 1, step: -1, count } : { start: 0, step: 1, count },
    );
    const kept = ranges.filter((_, axis) => typeof parts[axis] !== "number").map(({ count }) => count);
    return plainValue(reshape(takeValues(values, turned), kept));
  }

  /** One point: what an index of the first axis selects. Waits for it, as {@link LiveDataset.select} does. */
  async at(index: number, options: SelectOptions = {}): Promise<PlainValue> {
    return await this.select([index], options);
  }

  /** Points from an index on, in batches, as they come: until there will be no more. */
  async *batches(options: CallOptions & { readonly from?: number | undefined } = {}): AsyncGenerator<ValueArray> {
    if (this.maxShape.length === 0) throw this.#scalar("cannot be iterated over");
    yield* followSource(this.#source, options.from ?? 0, { signal: options.signal });
  }

  /** Point after point, as they come: until there will be no more. */
  async *[Symbol.asyncIterator](): AsyncGenerator<PlainValue> {
    for await (const batch of this.batches()) {
      const [count, ...rest] = batch.shape as [number, ...number[]];
      const all = rest.map((length) => ({ start: 0, step: 1, count: length }));
      for (let i = 0; i < count; i++) {
        yield plainValue(reshape(takeValues(batch, [{ start: i, step: 1, count: 1 }, ...all]), rest));
      }
    }
  }

  /** Waits as long as the selection wants. Answers the length of a first axis that may grow. */
  async #wait(parts: readonly ParsedPart[], isAll: boolean, options: SelectOptions): Promise<number | undefined> {
    const { wait = "stop", timeoutMs, signal } = options;
    const mayGrow = this.maxShape[0] === null;
    if (!mayGrow && wait !== "seal") return undefined;
    const far = isAll || !mayGrow ? 0 : needed(parts[0] as ParsedPart);
    const atLeast = wait === "seal" ? "end" : wait === "stop" ? far : 0;
    const extent = await this.#source.extent(atLeast, { timeoutMs, signal });
    const isThere = extent.isFinal || (atLeast !== "end" && extent.length >= atLeast);
    if (!isThere) {
      const what = atLeast === "end" ? "it did not end" : `${atLeast} points were not there`;
      const context = { operation: "select", identifier: this.name, retryable: true };
      throw new StorageError("TIMED_OUT", `"${this.name}" has ${extent.length} points, ${what} in time`, context);
    }
    if (!mayGrow) return undefined;
    this.#check(parts[0] as ParsedPart, extent.length, extent.isFinal);
    return extent.length;
  }

  #check(part: ParsedPart, length: number, isFinal: boolean): void {
    const context = { identifier: this.name };
    const bounds = typeof part === "number" ? [part] : [part.start, part.stop];
    const fromEnd = bounds.find((bound) => bound !== undefined && bound < 0);
    if (!isFinal && fromEnd !== undefined) throw new IndexNotYetThereError(fromEnd, length, context);
    if (typeof part !== "number" || (part < length && part >= -length)) return;
    throw isFinal ? new IndexWontBeThereError(part, length, context) : new IndexNotYetThereError(part, length, context);
  }

  #scalar(what: string): StorageError {
    const message = `"${this.name}" is a scalar, which ${what}`;
    return new StorageError("INVALID_DATA", message, { identifier: this.name });
  }
}

/** The same indexes from the lowest to the highest. */
function forward({ start, step, count }: AxisRange): AxisRange {
  if (count === 0) return { start: 0, step: 1, count: 0 };
  return step > 0 ? { start, step, count } : { start: start + (count - 1) * step, step: -step, count };
}
