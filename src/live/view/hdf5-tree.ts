/** An HDF5 file as a tree. Parts of datasets are read when they are asked for. */
import type { Dataset, File, Group, Metadata } from "h5wasm";
import type { DType } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { ndArray, sizeOf, zeros } from "../../core/nd-array.ts";
import type { DatasetSource, Extent } from "./dataset-source.ts";
import { Hdf5Handle } from "./hdf5-handle.ts";
import type { TreeAttributes, TreeDataset, TreeFile, TreeGroup, TreeItem } from "./tree.ts";
import { asMarked, booleansOf, groupOrRagged, markOf, withoutMark } from "./type-marks.ts";
import { type AxisRange, takeValues, type ValueArray } from "./value-array.ts";
import type { ValueDType } from "./value-types.ts";

/** What the library says a path is. */
const KINDS = { group: 0, dataset: 1 };

/**
 * Opens a file to read.
 *
 * @throws A {@link StorageError}: `CORRUPT` for what is no HDF5 file, `MISSING_DEPENDENCY`.
 */
export async function openHdf5Tree(path: string): Promise<TreeFile> {
  const handle = await Hdf5Handle.open(path);
  return {
    root: new Hdf5Group(handle, "/"),
    renew: () => handle.renew(),
    close: async () => handle.close(),
  };
}

class Hdf5Group implements TreeGroup {
  readonly kind = "group";
  readonly #handle: Hdf5Handle;
  readonly #path: string;

  constructor(handle: Hdf5Handle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  get attributes(): TreeAttributes {
    return attributesOf(this.#group(), this.#path);
  }

  async names(): Promise<readonly string[]> {
    return this.#group().keys();
  }

  async child(name: string): Promise<TreeItem | undefined> {
    if (!(await this.names()).includes(name)) return undefined;
    const path = this.#path === "/" ? `/${name}` : `${this.#path}/${name}`;
    const file = this.#handle.file();
    const target = file.get_link(path) as string | null;
    if (target !== null && target !== undefined) return { kind: "soft link", path: target };
    // The library follows external links by itself, where it can.
    const external = file.get_external_link(path) as { filename: string; obj_path: string } | null | undefined;
    if (external?.filename) return { kind: "external link", file: external.filename, path: external.obj_path };
    switch (file.get_type(path)) {
      case KINDS.group:
        return groupOrRagged(new Hdf5Group(this.#handle, path));
      case KINDS.dataset:
        return new Hdf5Dataset(this.#handle, path);
      default:
        return undefined;
    }
  }

  #group(): Group {
    const file = this.#handle.file();
    return this.#path === "/" ? file : (nodeAt(file, this.#path) as Group);
  }
}

class Hdf5Dataset implements TreeDataset {
  readonly kind = "dataset";
  readonly #handle: Hdf5Handle;
  readonly #path: string;

  constructor(handle: Hdf5Handle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  get attributes(): TreeAttributes {
    return withoutMark(attributesOf(nodeAt(this.#handle.file(), this.#path), this.#path));
  }

  async open(): Promise<DatasetSource> {
    const mark = markOf(attributesOf(nodeAt(this.#handle.file(), this.#path), this.#path));
    return new Hdf5Source(this.#handle, this.#path, mark === "bool" || mark === "float16" ? mark : undefined);
  }
}

class Hdf5Source implements DatasetSource {
  readonly dtype: ValueDType | "ragged";
  readonly maxShape: readonly number[];
  readonly #handle: Hdf5Handle;
  readonly #path: string;

  readonly #mark: "bool" | "float16" | undefined;

  /** @param mark - What its elements stand for, where HDF5 has another type. */
  constructor(handle: Hdf5Handle, path: string, mark?: "bool" | "float16") {
    this.#handle = handle;
    this.#path = path;
    this.#mark = mark;
    const dataset = this.#dataset();
    this.maxShape = dataset.shape ?? [0];
    this.dtype = mark ?? typeOf(dataset.metadata, path);
  }

  async extent(): Promise<Extent> {
    return { length: this.maxShape[0] ?? 1, isFinal: true };
  }

  async read(axes: readonly AxisRange[]): Promise<ValueArray> {
    return asMarked(this.#read(axes), this.#mark);
  }

  #dataset(): Dataset {
    return nodeAt(this.#handle.file(), this.#path) as Dataset;
  }

  #read(axes: readonly AxisRange[]): ValueArray {
    const dataset = this.#dataset();
    const shape = axes.map(({ count }) => count);
    if (shape.includes(0))
      return valuesOf(emptyOf(typeOf(dataset.metadata, this.#path)), dataset.metadata, shape, this.#path);
    // The library takes strides, but reads text wrongly with them: whole rows are read, and some are left out.
    const ranges = axes.map(({ start, step, count }): [number, number] => [start, start + (count - 1) * step + 1]);
    const whole = ranges.map(([from, to]) => to - from);
    const data = axes.length === 0 ? dataset.value : dataset.slice(ranges);
    const values = valuesOf(data, dataset.metadata, whole, this.#path);
    return takeValues(
      values,
      axes.map(({ step, count }) => ({ start: 0, step, count })),
    );
  }
}

/** What is at a path, which another file may not have. */
function nodeAt(file: File, path: string): Group | Dataset {
  const node = file.get(path) as Group | Dataset | null;
  if (node !== null) return node;
  const message = `'${path}' is not in the file any more: another one took its place`;
  throw new StorageError("NOT_FOUND", message, { operation: "read", identifier: path });
}

/** Attributes that can be read; one of a type that is not known is left out. */
function attributesOf(item: Group | Dataset, path: string): TreeAttributes {
  const attributes = new Map<string, ValueArray>();
  for (const [name, attribute] of Object.entries(item.attrs)) {
    const { shape, metadata } = attribute;
    if (shape === null) continue;
    attributes.set(name, valuesOf(attribute.value, metadata, shape, `${path}@${name}`));
  }
  return booleansOf(attributes);
}

/** HDF5 classes of types. */
const CLASS = { integer: 0, float: 1, string: 3, compound: 6, enum: 8, vlen: 9 };

function typeOf(metadata: Metadata, path: string): ValueDType | "ragged" {
  const { type, size, signed } = metadata;
  switch (type) {
    case CLASS.integer:
      if (size === 1 || size === 2 || size === 4 || size === 8) return `${signed ? "int" : "uint"}${size * 8}` as DType;
      break;
    case CLASS.float:
      if (size === 4 || size === 8) return size === 4 ? "float32" : "float64";
      break;
    case CLASS.string:
      return "string";
    case CLASS.compound: {
      const members = metadata.compound_type?.members ?? [];
      const isComplex = members.length === 2 && members[0]?.name === "r" && members[1]?.name === "i";
      if (isComplex && members.every((member) => member.type === CLASS.float)) {
        return members[0]?.size === 4 ? "complex64" : "complex128";
      }
      return "compound";
    }
    case CLASS.enum:
      return isBoolean(metadata) ? "bool" : typeOf({ ...metadata, type: metadata.enum_type?.type ?? -1 }, path);
    case CLASS.vlen:
      return "ragged";
    default:
  }
  const message = `'${path}' has a type of HDF5 that cannot be read: class ${type}, ${size} bytes`;
  throw new StorageError("DTYPE_MISMATCH", message, { operation: "read", identifier: path });
}

/** An enumeration of FALSE and TRUE, as h5py keeps booleans. */
function isBoolean({ enum_type }: Metadata): boolean {
  const members = enum_type?.members ?? {};
  return Object.keys(members).length === 2 && members.FALSE === 0 && members.TRUE === 1;
}

function valuesOf(data: unknown, metadata: Metadata, shape: readonly number[], path: string): ValueArray {
  const dtype = typeOf(metadata, path);
  const list = (
    ArrayBuffer.isView(data) || (Array.isArray(data) && shape.length > 0) ? data : [data]
  ) as ArrayLike<unknown>;
  switch (dtype) {
    case "string":
      return { dtype, shape, data: Array.from(flatList(list, shape.length), String) };
    case "ragged":
      return { dtype, shape, data: Array.from(list, (item) => ndArray(item as Float64Array)) };
    case "complex64":
    case "complex128": {
      const pairs = (shape.length === 0 ? [data] : flatList(list, shape.length)) as readonly (readonly number[])[];
      const parts = Array.from(pairs).flat();
      return { dtype, shape, data: dtype === "complex64" ? Float32Array.from(parts) : Float64Array.from(parts) };
    }
    case "compound": {
      const rows = Array.from(shape.length === 0 ? [data] : flatList(list, shape.length)) as readonly unknown[][];
      const members = metadata.compound_type?.members ?? [];
      const columns = members.map((member, i) => {
        const column = rows.map((row) => row[i]);
        return [member.name, valuesOf(column, member as Metadata, [rows.length], path)] as const;
      });
      return {
        dtype,
        shape,
        columns: columns.map(([name, values]) => [name, { ...values, shape } as ValueArray] as const),
      };
    }
    default: {
      if (ArrayBuffer.isView(data) && !(dtype === "bool")) return ndArray(data as Float64Array, shape, dtype);
      const array = zeros(shape, dtype);
      const size = sizeOf(shape);
      for (let i = 0; i < size; i++) array.data[i] = list[i] as never;
      return array;
    }
  }
}

/** Lists that the library nests, one behind the other. */
function flatList(list: ArrayLike<unknown>, rank: number): ArrayLike<unknown> {
  let flat = Array.from(list);
  for (let depth = 1; depth < rank && flat.length > 0 && Array.isArray(flat[0]) && Array.isArray(flat[0][0]); depth++) {
    flat = flat.flat(1);
  }
  return flat;
}

function emptyOf(dtype: ValueDType | "ragged"): unknown {
  const isList = dtype === "string" || dtype === "ragged" || dtype === "compound" || dtype.startsWith("complex");
  return isList ? [] : zeros([0], dtype as DType).data;
}
