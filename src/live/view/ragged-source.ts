/** Points of varying shape, as files keep them: all their numbers, and the shape of each. */
import { arrayFromBytes, type NdArray, ndArray, sizeOf } from "../../core/nd-array.ts";
import type { CallOptions } from "../engine.ts";
import type { DatasetSource, Extent } from "./dataset-source.ts";
import { type AxisRange, isNumbers, type ValueArray } from "./value-array.ts";

/** Reads the numbers of the points that are asked for. */
export class RaggedSource implements DatasetSource {
  readonly dtype = "ragged";
  readonly maxShape: readonly number[];
  readonly #values: DatasetSource;
  readonly #shapes: readonly (readonly number[])[];
  readonly #starts: readonly number[];

  private constructor(values: DatasetSource, shapes: readonly (readonly number[])[]) {
    this.maxShape = [shapes.length];
    this.#values = values;
    this.#shapes = shapes;
    let at = 0;
    this.#starts = shapes.map((shape) => {
      const start = at;
      at += sizeOf(shape);
      return start;
    });
  }

  /** @param values - `[all]`. @param shapes - `[points, axes]`. */
  static async open(values: DatasetSource, shapes: DatasetSource, options: CallOptions): Promise<RaggedSource> {
    const [points, rank] = shapes.maxShape as [number, number];
    const read = await shapes.read([count(points), count(rank)], options);
    const all = isNumbers(read) ? Array.from(read.data as ArrayLike<number | bigint>, Number) : [];
    return new RaggedSource(
      values,
      Array.from({ length: points }, (_, i) => all.slice(i * rank, (i + 1) * rank)),
    );
  }

  async extent(): Promise<Extent> {
    return { length: this.#shapes.length, isFinal: true };
  }

  async read(axes: readonly AxisRange[], options: CallOptions): Promise<ValueArray> {
    const [range] = axes as [AxisRange];
    const data: NdArray[] = [];
    for (let i = 0; i < range.count; i++) {
      const at = range.start + i * range.step;
      const shape = this.#shapes[at] as readonly number[];
      const part = { start: this.#starts[at] as number, step: 1, count: sizeOf(shape) };
      const { data: numbers, dtype } = (await this.#values.read([part], options)) as NdArray;
      data.push(numbers.length > 0 ? ndArray(numbers, shape, dtype) : arrayFromBytes(new Uint8Array(0), dtype, shape));
    }
    return { dtype: "ragged", shape: [range.count], data };
  }
}

function count(length: number): AxisRange {
  return { start: 0, step: 1, count: length };
}
