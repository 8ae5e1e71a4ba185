/**
 * A dataset that shows parts of others. What no source shows is 0.
 *
 * @see HDF5, "Virtual Dataset Overview": the n-th element of one selection is the n-th of the other
 */
import { StorageError } from "../../core/errors.ts";
import { sizeOf } from "../../core/nd-array.ts";
import type { CallOptions, WaitOptions } from "../engine.ts";
import type { DatasetSource, Extent } from "./dataset-source.ts";
import type { LayoutVirtual, VirtualSource as SourceMap, SpaceSelection } from "./layout.ts";
import { fromBytes } from "./static-value.ts";
import { type AxisRange, isNumbers, type ValueArray } from "./value-array.ts";
import { byteDType, itemSizeOf, type ValueDType } from "./value-types.ts";

/** Where the other datasets are. */
export interface OtherDatasets {
  /** What a dataset has by now of the part that a function names for its shape. */
  read(
    file: string,
    path: string,
    part: (shape: readonly number[]) => readonly AxisRange[],
    options: CallOptions,
  ): Promise<ValueArray>;
  /** Waits until a dataset does not grow any more; false when the time is over before. */
  waitFinal(file: string, path: string, options: WaitOptions): Promise<boolean>;
}

/** Puts together what a selection needs. */
export class VirtualDatasetSource implements DatasetSource {
  readonly dtype: ValueDType;
  readonly maxShape: readonly number[];
  readonly #item: LayoutVirtual;
  readonly #others: OtherDatasets;

  constructor(item: LayoutVirtual, others: OtherDatasets) {
    this.dtype = byteDType(item.dtype).dtype;
    this.maxShape = item.shape;
    this.#item = item;
    this.#others = others;
  }

  /** The shape is known; what there is to see is final once all that it shows is. */
  async extent(atLeast: number | "end", options: WaitOptions): Promise<Extent> {
    const length = this.maxShape[0] ?? 1;
    if (atLeast !== "end") return { length, isFinal: true };
    const waits = this.#item.virtual_sources.map((source) =>
      this.#others.waitFinal(source.src_file, source.src_dataset, options),
    );
    return { length, isFinal: (await Promise.all(waits)).every((isFinal) => isFinal) };
  }

  async read(axes: readonly AxisRange[], options: CallOptions): Promise<ValueArray> {
    const shape = axes.map(({ count }) => count);
    const { dtype, endian } = byteDType(this.#item.dtype);
    const out = fromBytes(new Uint8Array(sizeOf(shape) * itemSizeOf(this.#item.dtype)), dtype, shape, endian);
    for (const source of this.#item.virtual_sources) await this.#show(source, axes, out, options);
    return out;
  }

  async #show(source: SourceMap, axes: readonly AxisRange[], out: ValueArray, options: CallOptions): Promise<void> {
    const shown = coordinates(source.vspace);
    // Of each axis: which of the coordinates are wanted, and where in the answer they go.
    const hits = shown.map((list, axis) => {
      const { start, step, count } = axes[axis] as AxisRange;
      return list.flatMap((coordinate, n) => {
        const at = (coordinate - start) / step;
        return Number.isInteger(at) && at >= 0 && at < count ? [{ n, at }] : [];
      });
    });
    if (hits.some((list) => list.length === 0)) return;
    const lists = coordinates(source.src_space);
    const places = mapElements(shown, hits, lists);
    const bounds = lists.map((_, axis) => {
      const all = places.map(({ from }) => from[axis] as number);
      return all.reduce(([low, high], at) => [Math.min(low, at), Math.max(high, at)] as [number, number], [
        Number.POSITIVE_INFINITY,
        -1,
      ] as [number, number]);
    });
    const part = (shape: readonly number[]): AxisRange[] => {
      if (shape.length !== lists.length) throw wrongRank(source, shape);
      return bounds.map(([low, high], axis) => ({
        start: low,
        step: 1,
        count: Math.max(0, Math.min(high + 1, shape[axis] as number) - low),
      }));
    };
    const values = await this.#others.read(source.src_file, source.src_dataset, part, options);
    copyElements(
      values,
      out,
      places,
      bounds.map(([low]) => low),
      source,
    );
  }
}

interface Place {
  /** Coordinates in the source. */
  readonly from: readonly number[];
  /** Index in the answer, of each axis. */
  readonly to: readonly number[];
}

/** Where each wanted element comes from. */
function mapElements(
  shown: readonly (readonly number[])[],
  hits: readonly (readonly { readonly n: number; readonly at: number }[])[],
  lists: readonly (readonly number[])[],
): Place[] {
  const places: Place[] = [];
  const visit = (axis: number, ordinal: number, to: readonly number[]): void => {
    if (axis < hits.length) {
      for (const { n, at } of hits[axis] as (typeof hits)[number]) {
        visit(axis + 1, ordinal * (shown[axis] as readonly number[]).length + n, [...to, at]);
      }
      return;
    }
    const from = new Array<number>(lists.length);
    let rest = ordinal;
    for (let i = lists.length - 1; i >= 0; i--) {
      const list = lists[i] as readonly number[];
      from[i] = list[rest % list.length] as number;
      rest = Math.floor(rest / list.length);
    }
    places.push({ from, to });
  };
  visit(0, 0, []);
  return places;
}

function copyElements(
  values: ValueArray,
  out: ValueArray,
  places: readonly Place[],
  origin: readonly number[],
  source: SourceMap,
): void {
  const isSame = values.dtype === out.dtype && (isNumbers(values) ? isNumbers(out) : "data" in values && "data" in out);
  if (!isSame) {
    const message = `"${source.src_dataset}" is ${values.dtype}, the virtual dataset that shows it is ${out.dtype}`;
    throw new StorageError("DTYPE_MISMATCH", message, { operation: "read", identifier: source.src_dataset });
  }
  const width = isNumbers(values) ? 1 : 2;
  const data = (values as { data: ArrayLike<number> }).data;
  const target = (out as { data: { [index: number]: number } }).data;
  for (const { from, to } of places) {
    const at = ravel(
      from.map((coordinate, axis) => coordinate - (origin[axis] as number)),
      values.shape,
    );
    if (at === undefined) continue;
    const place = ravel(to, out.shape) as number;
    for (let i = 0; i < width; i++) target[place * width + i] = data[at * width + i] as number;
  }
}

/** Index in C order; `undefined` outside: not written yet. */
function ravel(index: readonly number[], shape: readonly number[]): number | undefined {
  let at = 0;
  for (const [axis, length] of shape.entries()) {
    if ((index[axis] as number) >= length) return undefined;
    at = at * length + (index[axis] as number);
  }
  return at;
}

/** The coordinates that a selection has along each axis. */
function coordinates({ start, stride, count, block }: SpaceSelection): number[][] {
  return start.map((first, axis) => {
    const size = block?.[axis] ?? 1;
    const step = stride?.[axis] ?? 1;
    const list: number[] = [];
    for (let n = 0; n < (count[axis] as number); n++) {
      for (let i = 0; i < size; i++) list.push(first + n * step + i);
    }
    return list;
  });
}

function wrongRank(source: SourceMap, shape: readonly number[]): StorageError {
  const message = `"${source.src_dataset}" has ${shape.length} axes, a virtual dataset selects ${source.src_space.start.length}`;
  return new StorageError("SHAPE_MISMATCH", message, { operation: "read", identifier: source.src_dataset });
}
