/** A stream of a scan as a dataset: points along the first axis. */
import { fromTypestr, isDType } from "../../core/dtype.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import { isNdArray, type NdArray } from "../../core/nd-array.ts";
import type { CallOptions, WaitOptions } from "../engine.ts";
import { ScanNotFoundError } from "../errors.ts";
import { type JsonValue, toJson } from "../json.ts";
import type { Stream } from "../stream.ts";
import { waitForStreams } from "../stream-wait.ts";
import { type DatasetSource, type Extent, pointsAtOnce } from "./dataset-source.ts";
import {
  type AxisRange,
  joinValues,
  type RaggedArray,
  type TextArray,
  takeValues,
  type ValueArray,
} from "./value-array.ts";
import type { ValueDType } from "./value-types.ts";

/** Reads a stream, hot or by reference or from its own cold store. JSON is text. */
export class StreamSource implements DatasetSource {
  readonly dtype: ValueDType | "ragged";
  readonly maxShape: readonly (number | null)[];
  readonly #stream: Stream;

  /** @throws A {@link StorageError} `UNSUPPORTED` if nothing says what its points are. */
  constructor(stream: Stream) {
    const { dtype, shape } = pointsOf(stream);
    this.#stream = stream;
    this.dtype = shape.includes(-1) ? "ragged" : dtype;
    this.maxShape = this.dtype === "ragged" ? [null] : [null, ...shape];
  }

  async extent(atLeast: number | "end", options: WaitOptions): Promise<Extent> {
    const { engine, key, scan, lostWritersMs } = this.#stream;
    if (atLeast !== 0) {
      // As far as indexes go: only the end of the stream answers that.
      const index = atLeast === "end" ? Number.MAX_SAFE_INTEGER : atLeast - 1;
      const wait = { ...options, maxBytes: 1, scans: [scan], lostWritersMs };
      await waitForStreams(engine, new Map([[key, index]]), wait);
    }
    const [bounds, [state]] = await Promise.all([
      this.#stream.bounds({ signal: options.signal }),
      engine.getStates([scan], { signal: options.signal }),
    ]);
    // A stream that its engine has forgotten looks like one that nobody has written yet.
    if (state === undefined) throw new ScanNotFoundError(scan, { operation: "read" });
    return { length: bounds.length, isFinal: bounds.sealed };
  }

  async read(axes: readonly AxisRange[], options: CallOptions): Promise<ValueArray> {
    const [{ start, step, count }, ...rest] = axes as [AxisRange, ...AxisRange[]];
    if (count === 0) return this.#values(await this.#stream.slice(0, 0, 1, options), axes);
    const most = pointsAtOnce(this);
    const parts: ValueArray[] = [];
    for (let done = 0; done < count; done += most) {
      const n = Math.min(most, count - done);
      const from = start + done * step;
      const points = await this.#stream.slice(from, from + (n - 1) * step + 1, step, options);
      parts.push(this.#values(points, [{ start: 0, step: 1, count: n }, ...rest]));
    }
    return joinValues(parts as [ValueArray]);
  }

  async *follow(from: number, { signal }: CallOptions): AsyncGenerator<ValueArray> {
    const cursor = await this.#stream.cursor({ from, signal });
    for (;;) {
      try {
        const view = await cursor.read({ signal });
        if (view === undefined) continue;
        const most = pointsAtOnce(this);
        for (let at = 0; at < view.length; at += most) {
          yield this.#values(await view.data(at, Math.min(at + most, view.length), { signal }));
        }
      } catch (error) {
        if (!isStorageError(error, "END_OF_STREAM", "WRITER_LOST")) throw error;
        // Those that a scan leaves behind when it is deleted end too.
        const [state] = await this.#stream.engine.getStates([this.#stream.scan], { signal });
        if (state === undefined) throw new ScanNotFoundError(this.#stream.scan, { operation: "follow" });
        if (isStorageError(error, "WRITER_LOST")) throw error;
        return;
      }
    }
  }

  #values(points: unknown, axes?: readonly AxisRange[]): ValueArray {
    const values = this.#wrap(points);
    return axes === undefined || this.dtype === "ragged" ? values : takeValues(values, axes);
  }

  #wrap(points: unknown): ValueArray {
    if (isNdArray(points)) return points;
    const list = points as readonly unknown[];
    if (this.dtype === "ragged") {
      return { dtype: "ragged", shape: [list.length], data: list as readonly NdArray[] } satisfies RaggedArray;
    }
    const data = list.map((point) => toJson(point as JsonValue, "A point"));
    return { dtype: "string", shape: [list.length], data } satisfies TextArray;
  }
}

/** Type and shape of a point: what the producer says in the info of the stream, else its encoding. */
function pointsOf({ name, encoding, info }: Stream): { dtype: ValueDType; shape: readonly number[] } {
  const { dtype, shape } = { ...encoding, ...info } as Readonly<Record<string, unknown>>;
  if (typeof dtype === "string" && Array.isArray(shape)) {
    return { dtype: isDType(dtype) ? dtype : fromTypestr(dtype).dtype, shape };
  }
  if (encoding.type === "json" && info.plugin === undefined) return { dtype: "string", shape: [] };
  const message = `Stream "${name}" cannot be a dataset: neither its info nor its encoding has a dtype and a shape`;
  throw new StorageError("UNSUPPORTED", message, { identifier: name });
}
