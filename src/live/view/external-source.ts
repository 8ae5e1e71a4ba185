/** A dataset whose numbers lie in other files, in C order, one file after the other. */
import { StorageError } from "../../core/errors.ts";
import type { CallOptions } from "../engine.ts";
import { type DatasetSource, type Extent, PIECE_BYTES } from "./dataset-source.ts";
import type { LayoutExternalBinary } from "./layout.ts";
import { fromBytes } from "./static-value.ts";
import { besideFile, type StoredFiles } from "./stored-files.ts";
import { type AxisRange, joinValues, takeValues, type ValueArray } from "./value-array.ts";
import { byteDType, itemSizeOf, type ValueDType } from "./value-types.ts";

/** Reads the parts of the files that a selection needs. */
export class ExternalSource implements DatasetSource {
  readonly dtype: ValueDType;
  readonly maxShape: readonly number[];
  readonly #item: LayoutExternalBinary;
  readonly #file: string;
  readonly #files: StoredFiles;

  /** @param file - The file that the layout is of. */
  constructor(item: LayoutExternalBinary, file: string, files: StoredFiles) {
    this.dtype = byteDType(item.dtype).dtype;
    this.maxShape = item.shape;
    this.#item = item;
    this.#file = file;
    this.#files = files;
  }

  async extent(): Promise<Extent> {
    return { length: this.maxShape[0] ?? 1, isFinal: true };
  }

  async read(axes: readonly AxisRange[], options: CallOptions): Promise<ValueArray> {
    const [first, ...rest] = axes;
    if (first === undefined) return await this.#rows(0, 1, [], options);
    const rowBytes = this.#item.shape.slice(1).reduce((size, n) => size * n, itemSizeOf(this.#item.dtype));
    const most = Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, rowBytes)));
    const parts: ValueArray[] = [];
    for (let done = 0; done < first.count; ) {
      // Rows between those that are wanted are read along, unless that is most of what would be read.
      const n = first.step > 4 ? 1 : Math.min(Math.max(1, Math.floor(most / first.step)), first.count - done);
      const from = first.start + done * first.step;
      const rows = await this.#rows(from, (n - 1) * first.step + 1, this.#item.shape.slice(1), options);
      parts.push(takeValues(rows, [{ start: 0, step: first.step, count: n }, ...rest]));
      done += n;
    }
    if (parts.length > 0) return joinValues(parts as [ValueArray]);
    const none = await this.#rows(0, 0, this.#item.shape.slice(1), options);
    return takeValues(none, [{ start: 0, step: 1, count: 0 }, ...rest]);
  }

  /** Some rows, whole. */
  async #rows(from: number, count: number, row: readonly number[], options: CallOptions): Promise<ValueArray> {
    const { dtype, shape } = this.#item;
    const rowBytes = row.reduce((size, n) => size * n, itemSizeOf(dtype));
    const bytes = await this.#bytes(from * rowBytes, count * rowBytes, options);
    const { dtype: type, endian } = byteDType(dtype);
    return fromBytes(bytes, type, shape.length === 0 ? [] : [count, ...row], endian);
  }

  async #bytes(offset: number, length: number, options: CallOptions): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    let start = 0;
    for (const { name, offset: skipped, size } of this.#item.files) {
      if (filled === length) break;
      const path = besideFile(this.#file, name);
      const end = start + (size ?? (await this.#files.size(path, options)) - skipped);
      const at = offset + filled;
      if (at < end) {
        const n = Math.min(end - at, length - filled);
        bytes.set(await this.#files.read(path, skipped + at - start, n, options), filled);
        filled += n;
      }
      start = end;
    }
    if (filled === length) return bytes;
    const message = `The files of an external dataset end after ${start} bytes: byte ${offset + length} is not there`;
    throw new StorageError("CORRUPT", message, { operation: "read", identifier: this.#item.files[0]?.name });
  }
}
