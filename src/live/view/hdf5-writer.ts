/** Takes a tree into an HDF5 file that is open. */
import type { Dataset, File, Group } from "h5wasm";
import { type DType, float16ToNumber } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { contiguous, type NdArray, sizeOf } from "../../core/nd-array.ts";
import type { Hdf5Module } from "./hdf5-module.ts";
import type { TreeAttributes } from "./tree.ts";
import { BOOLEANS_MARK, DTYPE_MARK, type NewDataset, type TreeWriter, textOf } from "./tree-writer.ts";
import { isNumbers, joinValues, type ValueArray } from "./value-array.ts";

/** Bytes of a chunk of a dataset that grows; a frame is one chunk at least. */
const CHUNK_BYTES = 2 ** 20;

/** Types as the library names them. It has none for booleans, and cannot write half floats. */
const TYPES: Readonly<Record<Exclude<DType, "bool" | "float16">, string>> = {
  int8: "<b",
  uint8: "<B",
  int16: "<h",
  uint16: "<H",
  int32: "<i",
  uint32: "<I",
  int64: "<q",
  uint64: "<Q",
  float32: "<f",
  float64: "<d",
};

/** What the library takes: data, its shape, and its type. */
interface Given {
  readonly data: unknown;
  readonly shape: readonly number[];
  readonly dtype: unknown;
}

/** Writes nodes as they come. */
export class Hdf5Writer implements TreeWriter {
  readonly #file: File;
  readonly #gzip: number | undefined;

  constructor(_h5: Hdf5Module, file: File, options: { readonly gzip?: number | undefined } = {}) {
    this.#file = file;
    this.#gzip = options.gzip;
  }

  async group(path: string, attributes: TreeAttributes): Promise<void> {
    this.#file.create_group(path, true);
    this.attributes(path, attributes);
  }

  async scalar(dataset: NewDataset, values: ValueArray): Promise<void> {
    this.#create(dataset.path, givenOf(values, dataset.path), undefined);
    this.#mark(dataset);
  }

  async dataset(dataset: NewDataset, pieces: AsyncIterable<ValueArray>): Promise<void> {
    const { path, dtype, maxShape } = dataset;
    if (!isPlain(dtype)) {
      const all: ValueArray[] = [];
      for await (const piece of pieces) all.push(piece);
      const values = all.length > 0 ? joinValues(all as [ValueArray]) : emptyText(maxShape, path);
      this.#create(path, givenOf(values, path), undefined);
      this.#mark(dataset);
      return;
    }
    const frame = maxShape.slice(1) as number[];
    const type = TYPES[storedType(dtype)];
    const first = maxShape[0] as number | null;
    const bytes = (sizeOf(frame) * Number(/\d+$/.exec(storedType(dtype))?.[0])) / 8;
    const chunk = Math.max(1, Math.min(first ?? 4096, Math.floor(CHUNK_BYTES / Math.max(1, bytes))));
    const grows = {
      maxshape: [first === 0 ? null : first, ...frame],
      chunks: [chunk, ...frame.map((n) => Math.max(1, n))],
    };
    const made = this.#create(path, { data: plainOf(emptyOf(dtype, frame)), shape: [0, ...frame], dtype: type }, grows);
    let length = 0;
    for await (const piece of pieces) {
      const [count] = piece.shape as [number];
      made.resize([length + count, ...frame]);
      const ranges = [[length, length + count], ...frame.map((n) => [0, n])] as [number, number][];
      if (sizeOf(piece.shape) > 0) made.write_slice(ranges, plainOf(piece as NdArray));
      length += count;
    }
    this.#mark(dataset);
  }

  async softLink(path: string, target: string): Promise<void> {
    const { group, name } = this.#above(path);
    group.create_soft_link(target, name);
  }

  async externalLink(path: string, file: string, target: string): Promise<void> {
    const { group, name } = this.#above(path);
    group.create_external_link(file, target, name);
  }

  /** Sets attributes of a node that is there. */
  attributes(path: string, attributes: TreeAttributes): void {
    const node = path === "/" ? this.#file : (this.#file.get(path) as Group);
    const booleans = [...attributes].flatMap(([name, { dtype }]) => (dtype === "bool" ? [name] : []));
    const marks = booleans.length === 0 ? [] : ([[BOOLEANS_MARK, textsOf(booleans)]] as const);
    for (const [name, values] of [...attributes, ...marks]) {
      const { data, shape, dtype } = givenOf(values, `${path}@${name}`);
      node.create_attribute(
        name,
        (shape.length === 0 && Array.isArray(data) ? data[0] : data) as string,
        [...shape],
        dtype as string,
      );
    }
  }

  /** What NeXus says of a file. The newest scan is what it is about. */
  finishRoot(path: string, newest: string | undefined): void {
    const known = this.#file.attrs;
    const set = (name: string, text: string) => {
      if (known[name] !== undefined) this.#file.delete_attribute(name);
      this.attributes("/", new Map([[name, textOf(text)]]));
    };
    if (known.NX_class === undefined) set("NX_class", "NXroot");
    set("file_name", path);
    set("file_time", new Date().toISOString());
    set("creator", "sluice");
    if (newest !== undefined) set("default", newest);
  }

  #mark({ path, dtype, attributes }: NewDataset): void {
    this.attributes(path, attributes);
    if (dtype === "bool" || dtype === "float16") this.attributes(path, new Map([[DTYPE_MARK, textOf(dtype)]]));
  }

  #create(path: string, { data, shape, dtype }: Given, more: object | undefined): Dataset {
    const { group, name } = this.#above(path);
    const gzip =
      more !== undefined && this.#gzip !== undefined ? { compression: "gzip", compression_opts: this.#gzip } : {};
    const made = { name, data, shape: [...shape], dtype, ...more, ...gzip } as Parameters<Group["create_dataset"]>[0];
    return group.create_dataset(made);
  }

  #above(path: string): { readonly group: Group; readonly name: string } {
    const at = path.lastIndexOf("/");
    const group = at === 0 ? this.#file : (this.#file.get(path.slice(0, at)) as Group);
    return { group, name: path.slice(at + 1) };
  }
}

function textsOf(data: readonly string[]): ValueArray {
  return { dtype: "string", shape: [data.length], data };
}

function isPlain(dtype: NewDataset["dtype"]): dtype is DType {
  return dtype === "bool" || dtype === "float16" || Object.hasOwn(TYPES, dtype);
}

function storedType(dtype: DType): keyof typeof TYPES {
  return dtype === "bool" ? "uint8" : dtype === "float16" ? "float32" : dtype;
}

/** Elements as the library takes them. */
function plainOf(array: NdArray): NdArray["data"] {
  const { data, dtype } = contiguous(array);
  if (dtype !== "float16") return data;
  return data instanceof Uint16Array
    ? Float32Array.from(data, float16ToNumber)
    : Float32Array.from(data as Float32Array);
}

function emptyOf(dtype: DType, frame: readonly number[]): NdArray {
  const data = { bool: Uint8Array, float16: Uint16Array }[dtype as string] ?? arrays[dtype as keyof typeof TYPES];
  return { data: new data(0), dtype, shape: [0, ...frame], stride: [0, ...frame.map(() => 0)] };
}

const arrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

function emptyText(maxShape: readonly (number | null)[], path: string): ValueArray {
  const shape = maxShape.map((length) => length ?? 0);
  if (sizeOf(shape) === 0) return { dtype: "string", shape, data: [] };
  throw new StorageError("UNEXPECTED", `Nothing came of '${path}'`, { identifier: path });
}

function givenOf(values: ValueArray, path: string): Given {
  const { shape } = values;
  if (isNumbers(values)) return { data: plainOf(values), shape, dtype: TYPES[storedType(values.dtype)] };
  switch (values.dtype) {
    case "string":
      return { data: shape.length === 0 ? values.data[0] : values.data, shape, dtype: "S" };
    case "complex64":
    case "complex128": {
      const type = values.dtype === "complex64" ? "<f" : "<d";
      const part = (from: number) => values.data.filter((_, i) => i % 2 === from);
      const data = new Map([
        ["r", part(0)],
        ["i", part(1)],
      ]);
      return {
        data,
        shape,
        dtype: [
          ["r", type],
          ["i", type],
        ],
      };
    }
    case "compound": {
      const columns = values.columns.map(([name, column]) => [name, columnOf(column, `${path}.${name}`)] as const);
      return {
        data: new Map(columns.map(([name, { data }]) => [name, data])),
        shape,
        dtype: columns.map(([name, { dtype }]) => [name, dtype]),
      };
    }
    case "ragged":
      throw new StorageError("UNSUPPORTED", `'${path}' cannot be written: its points have no shape in common`);
  }
}

/** A column of records: text has a length in them. */
function columnOf(column: ValueArray, path: string): { readonly data: unknown; readonly dtype: string } {
  if (column.dtype === "string") {
    const longest = column.data.reduce((most, text) => Math.max(most, Buffer.byteLength(text)), 1);
    return { data: [...column.data], dtype: `S${longest}` };
  }
  if (isNumbers(column)) return { data: plainOf(column), dtype: TYPES[storedType(column.dtype)] };
  throw new StorageError("UNSUPPORTED", `'${path}' cannot be written: records have numbers and text`);
}
