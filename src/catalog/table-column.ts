/** Columns of a table: typed arrays where the values allow it. */
import type { DataKey } from "../core/documents.ts";
import { StorageError } from "../core/errors.ts";
import { type NdArray, ndArray, sizeOf } from "../core/nd-array.ts";

/**
 * What a column holds.
 *
 * - `float64`: numbers. Also whole ones, unless the data key of the field says that it has integers.
 * - `int32`, `int64`: fields that the data key calls integers. `int64` if it names an eight-byte type, or a value needs it.
 * - `boolean`, `string`.
 * - `array`: a list for each event, nested or not; see {@link stackColumn}.
 * - `json`: anything else, as it was stored: objects, and fields whose values are of several kinds.
 */
export type ColumnType = "float64" | "int32" | "int64" | "boolean" | "string" | "array" | "json";

/** What each type of column is held in. */
export interface ColumnData {
  readonly float64: Float64Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  /** 1 is true. */
  readonly boolean: Uint8Array;
  readonly string: readonly (string | null)[];
  readonly array: readonly (readonly unknown[] | null)[];
  readonly json: readonly unknown[];
}

/** What every column has. */
export interface ColumnOf<Type extends ColumnType> {
  /** Name of the field, or `seq_num` or `time`. */
  readonly name: string;
  readonly type: Type;
  /** One entry an event. Where a value is missing: NaN, 0, or `null`. */
  readonly data: ColumnData[Type];
  /** Events without a value: the field was absent, or `null`. A NaN that was measured is a value. */
  readonly nullCount: number;
  /** 1 where a value is missing; `undefined` if none is. */
  readonly nulls: Uint8Array | undefined;
  /** What the stream says of the field. */
  readonly dataKey: DataKey | undefined;
}

/** One column; `type` says what `data` is. */
export type Column = { [Type in ColumnType]: ColumnOf<Type> }[ColumnType];

/** The value of one row as JavaScript has it: a number, bigint, boolean, string, list or object; `null` if it is missing. */
export function cellOf(column: Column, row: number): unknown {
  if (column.nulls?.[row] === 1) return null;
  const value = column.data[row];
  return column.type === "boolean" ? value === 1 : value;
}

/**
 * The lists of an `array` column as one array, events first: shape `[events, …]`, `float64`. Missing ones are NaN.
 *
 * @throws A {@link StorageError}: `INVALID_DATA` for a column of another type or lists of something else than numbers;
 * `SHAPE_MISMATCH` if the lists are not all of one shape.
 */
export function stackColumn(column: Column): NdArray {
  const context = { operation: "stack", identifier: column.name };
  if (column.type !== "array") {
    const message = `Column "${column.name}" has no lists to stack: it is ${column.type}`;
    throw new StorageError("INVALID_DATA", message, context);
  }
  const first = column.data.find((value) => value !== null);
  const shape = shapeOf(first ?? []);
  const size = sizeOf(shape);
  const out = new Float64Array(column.data.length * size);
  column.data.forEach((value, row) => {
    if (value === null) out.fill(Number.NaN, row * size, (row + 1) * size);
    else if (!fill(value, shape, 0, out, row * size)) {
      const message = `Column "${column.name}" cannot be stacked: row ${row} is not of the shape [${shape.join(", ")}]`;
      throw new StorageError("SHAPE_MISMATCH", message, context);
    }
  });
  return ndArray(out, [column.data.length, ...shape]);

  function fill(value: unknown, lengths: readonly number[], axis: number, target: Float64Array, at: number): boolean {
    if (axis === lengths.length) {
      if (Array.isArray(value)) return false;
      if (typeof value !== "number" && typeof value !== "bigint" && value !== null) {
        const message = `Column "${column.name}" cannot be stacked: it holds ${typeof value}, not numbers`;
        throw new StorageError("INVALID_DATA", message, context);
      }
      target[at] = value === null ? Number.NaN : Number(value);
      return true;
    }
    if (!Array.isArray(value) || value.length !== lengths[axis]) return false;
    const step = sizeOf(lengths.slice(axis + 1));
    return value.every((inner, i) => fill(inner, lengths, axis + 1, target, at + i * step));
  }
}

function shapeOf(value: unknown): number[] {
  return Array.isArray(value) ? [value.length, ...(value.length > 0 ? shapeOf(value[0]) : [])] : [];
}

/** Kinds of values that a field has been seen with, as bits. */
const kinds = {
  int32: 1,
  int53: 2,
  /** A bigint of 64 bits. */
  int64: 4,
  /** A whole number beyond 2^53, of which nobody knows whether it was counted or measured. */
  large: 8,
  /** A bigint that 64 bits do not hold. */
  beyond: 16,
  float: 32,
  text: 64,
  truth: 128,
  list: 256,
  other: 512,
};
const whole = kinds.int32 | kinds.int53 | kinds.int64 | kinds.large;
const numeric = whole | kinds.beyond | kinds.float;

/** The kind of a value; 0 for a missing one. */
export function kindOf(value: unknown): number {
  switch (typeof value) {
    case "undefined":
      return 0;
    case "string":
      return kinds.text;
    case "boolean":
      return kinds.truth;
    case "bigint":
      return BigInt.asIntN(64, value) === value ? kinds.int64 : kinds.beyond;
    case "number":
      if ((value | 0) === value) return kinds.int32;
      if (Number.isSafeInteger(value)) return kinds.int53;
      return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? kinds.large : kinds.float;
    default:
      return value === null ? 0 : Array.isArray(value) ? kinds.list : kinds.other;
  }
}

/** The type that holds all values of the seen kinds, given what the stream says of the field. */
export function typeOf(seen: number, dataKey: DataKey | undefined): ColumnType {
  const declared = declaredType(dataKey);
  if (seen === 0) return declared ?? "json";
  if (seen === kinds.text) return "string";
  if (seen === kinds.truth) return "boolean";
  if (seen === kinds.list) return "array";
  if ((seen & ~numeric) !== 0) return "json";
  if (declared === "int32" || declared === "int64") {
    // What is not whole after all: as numbers, unless those would lose digits.
    if ((seen & ~whole) !== 0) return (seen & (kinds.int64 | kinds.beyond)) !== 0 ? "json" : "float64";
    return declared === "int64" || seen !== kinds.int32 ? "int64" : "int32";
  }
  // What JavaScript writes does not tell 280.0 from 280, so whole numbers alone do not make integers.
  const isExact = (seen & kinds.int64) !== 0 && (seen & (kinds.float | kinds.beyond)) === 0;
  return isExact && declared === undefined ? "int64" : "float64";
}

/** What a data key says; streams of other programs put the name of a NumPy type where the event model has a JSON one. */
function declaredType(dataKey: DataKey | undefined): ColumnType | undefined {
  const dtype: string | undefined = dataKey?.dtype;
  const precise = dataKey?.dtype_numpy;
  if (dtype === "array" || dtype === "string" || dtype === "boolean") return dtype;
  if (dtype === "bool") return "boolean";
  if (dtype === "str") return "string";
  if (dtype === "number" || /^float\d+$/.test(dtype ?? "")) return "float64";
  if (dtype !== "integer" && !/^u?int\d*$/.test(dtype ?? "")) return undefined;
  return /^(?:[<>|=]?(?:[iu]8|u4))$|^(?:u?int64|uint32)$/.test(precise ?? dtype ?? "") ? "int64" : "int32";
}

/**
 * Makes a column of values.
 *
 * @throws A {@link StorageError} `CONFLICT` for a value that the type does not hold: the field has changed since the type
 * was chosen.
 */
export function makeColumn(
  name: string,
  type: ColumnType,
  values: readonly unknown[],
  dataKey: DataKey | undefined,
): Column {
  let nulls: Uint8Array | undefined;
  let nullCount = 0;
  values.forEach((value, row) => {
    if (value !== undefined && value !== null) return;
    nulls ??= new Uint8Array(values.length);
    nulls[row] = 1;
    nullCount++;
  });
  const data = holders[type](values, name);
  return { name, type, data, nullCount, nulls, dataKey } as Column;
}

const holders: { readonly [Type in ColumnType]: (values: readonly unknown[], name: string) => ColumnData[Type] } = {
  float64: (values, name) =>
    Float64Array.from(values as unknown[], (value) => {
      if (value === undefined || value === null) return Number.NaN;
      return (kindOf(value) & numeric) === 0 ? changed(name, "float64", value) : Number(value);
    }),
  int32: (values, name) =>
    Int32Array.from(values as unknown[], (value) => {
      if (value === undefined || value === null) return 0;
      return kindOf(value) === kinds.int32 ? (value as number) : changed(name, "int32", value);
    }),
  int64: (values, name) =>
    BigInt64Array.from(values as unknown[], (value) => {
      if (value === undefined || value === null) return 0n;
      return (kindOf(value) & whole) === 0 ? changed(name, "int64", value) : BigInt(value as number);
    }),
  boolean: (values, name) =>
    Uint8Array.from(values as unknown[], (value) => {
      if (value === undefined || value === null) return 0;
      return typeof value === "boolean" ? Number(value) : changed(name, "boolean", value);
    }),
  string: (values, name) =>
    values.map((value) => {
      if (value === undefined || value === null) return null;
      return typeof value === "string" ? value : changed(name, "string", value);
    }),
  array: (values, name) =>
    values.map((value) => {
      if (value === undefined || value === null) return null;
      return Array.isArray(value) ? value : changed(name, "array", value);
    }),
  json: (values) => values.map((value) => value ?? null),
};

function changed(name: string, type: ColumnType, value: unknown): never {
  const message = `Column "${name}" is ${type}, and an event has the ${typeof value} ${String(value).slice(0, 80)}`;
  throw new StorageError("CONFLICT", message, { operation: "table", identifier: name });
}
