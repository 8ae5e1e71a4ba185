/** Much text, as files keep it that have no text: all its bytes, and where each piece ends. */
import { sizeOf } from "../../core/nd-array.ts";
import type { CallOptions } from "../engine.ts";
import { type DatasetSource, type Extent, wholeAxes } from "./dataset-source.ts";
import { type AxisRange, isNumbers, type ValueArray } from "./value-array.ts";

/** Reads the bytes of what is asked for. */
export class TextSource implements DatasetSource {
  readonly dtype = "string";
  readonly maxShape: readonly number[];
  readonly #bytes: DatasetSource;
  /** In C order. */
  readonly #ends: ArrayLike<number | bigint>;

  private constructor(bytes: DatasetSource, shape: readonly number[], ends: ArrayLike<number | bigint>) {
    this.maxShape = shape;
    this.#bytes = bytes;
    this.#ends = ends;
  }

  /** @param bytes - UTF-8, `[all]`. @param ends - Of the shape of the text: index after the last byte of each. */
  static async open(bytes: DatasetSource, ends: DatasetSource, options: CallOptions): Promise<TextSource> {
    const read = await ends.read(wholeAxes(ends.maxShape), options);
    return new TextSource(bytes, ends.maxShape as readonly number[], isNumbers(read) ? read.data : []);
  }

  async extent(): Promise<Extent> {
    return { length: this.maxShape[0] ?? 1, isFinal: true };
  }

  async read(axes: readonly AxisRange[], options: CallOptions): Promise<ValueArray> {
    const shape = axes.map(({ count }) => count);
    const decoder = new TextDecoder();
    const data: string[] = [];
    for (let i = 0; i < sizeOf(shape); i++) {
      const at = this.#place(i, axes);
      const start = at === 0 ? 0 : Number(this.#ends[at - 1]);
      const count = Number(this.#ends[at]) - start;
      const bytes = count > 0 ? await this.#bytes.read([{ start, step: 1, count }], options) : undefined;
      data.push(bytes !== undefined && isNumbers(bytes) ? decoder.decode(bytes.data as Uint8Array) : "");
    }
    return { dtype: "string", shape, data };
  }

  /** Index in C order of the i-th that is selected. */
  #place(i: number, axes: readonly AxisRange[]): number {
    let rest = i;
    let at = 0;
    let size = 1;
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      const { start, step, count } = axes[axis] as AxisRange;
      at += (start + (rest % count) * step) * size;
      rest = Math.floor(rest / count);
      size *= this.maxShape[axis] as number;
    }
    return at;
  }
}
