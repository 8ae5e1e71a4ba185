/** Values that stand in a layout, as arrays. */
import type { DType, TypedArray } from "../../core/dtype.ts";
import { numberToFloat16 } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { arrayFromBytes, sizeOf, zeros } from "../../core/nd-array.ts";
import type { InlineBase64Value, InlineValue, RawValue, StaticValue } from "./layout.ts";
import type { ComplexArray, ValueArray } from "./value-array.ts";
import { byteDType, inlineDType } from "./value-types.ts";

type Leaf = boolean | number | string;

/**
 * The array that a value means. Text that stands for a number is that number: `"nan"`, `"-inf"`, `"4.56"`, `"1+2j"`.
 *
 * @throws A {@link StorageError}: `DTYPE_MISMATCH` for types that JavaScript has not, `INVALID_DATA`.
 */
export function decodeValue(value: StaticValue): ValueArray {
  if (typeof value !== "object" || Array.isArray(value)) return decodeRaw(value as RawValue);
  const typed = value as Exclude<StaticValue, RawValue>;
  if (typed.type === "inline") return decodeInline(typed);
  if (typed.type === "inline_b64") return decodeBase64(typed);
  const columns = typed.columns.map(([name, column]) => [name, decodeValue(column)] as const);
  return { dtype: "compound", shape: columns[0]?.[1].shape ?? [], columns };
}

/**
 * JSON by itself: text if there is any, else floats if there are any, else integers, else booleans. An empty list is of
 * floats, as NumPy has it.
 */
function decodeRaw(value: RawValue): ValueArray {
  const { shape, flat } = flatten(value);
  if (flat.some((item) => typeof item === "string")) {
    return {
      dtype: "string",
      shape,
      data: flat.map((item) => (typeof item === "boolean" ? pythonBool(item) : String(item))),
    };
  }
  if (flat.length === 0 || flat.some((item) => typeof item === "number" && !Number.isSafeInteger(item))) {
    return numbers(flat, shape, "float64");
  }
  return numbers(flat, shape, flat.every((item) => typeof item === "boolean") ? "bool" : "int64");
}

function decodeInline({ dtype, value }: InlineValue): ValueArray {
  const type = inlineDType(dtype);
  const { shape, flat } = flatten(value);
  return type === "complex64" || type === "complex128" ? complexes(flat, shape, type) : numbers(flat, shape, type);
}

function decodeBase64({ dtype, shape, value }: InlineBase64Value): ValueArray {
  const { dtype: type, endian } = byteDType(dtype);
  const bytes = new Uint8Array(Buffer.from(value, "base64"));
  return fromBytes(bytes, type, shape ?? undefined, endian);
}

/** Numbers in C order; without a shape, of one axis. */
export function fromBytes(
  bytes: Uint8Array,
  dtype: DType | "complex64" | "complex128",
  shape: readonly number[] | undefined,
  endian: "little" | "big",
): ValueArray {
  if (dtype === "complex64" || dtype === "complex128") {
    const part = dtype === "complex64" ? "float32" : "float64";
    const count = bytes.length / (dtype === "complex64" ? 8 : 16);
    const { data } = arrayFromBytes(bytes, part, [count * 2], endian);
    return { dtype, shape: shape ?? [count], data: data as Float32Array | Float64Array };
  }
  const items = bytes.length / zeros([0], dtype).data.BYTES_PER_ELEMENT;
  return arrayFromBytes(bytes, dtype, shape ?? [items], endian);
}

/** Lists within lists, one behind the other, and the length of each axis. */
function flatten(value: RawValue): { readonly shape: readonly number[]; readonly flat: readonly Leaf[] } {
  const shape: number[] = [];
  let flat: readonly RawValue[] = [value];
  while (flat.length > 0 && flat.every(Array.isArray)) {
    shape.push((flat[0] as readonly RawValue[]).length);
    flat = flat.flat(1) as readonly RawValue[];
  }
  return { shape, flat: flat as readonly Leaf[] };
}

function numbers(flat: readonly Leaf[], shape: readonly number[], dtype: DType): ValueArray {
  checkSize(flat, shape);
  const array = zeros(shape, dtype);
  flat.forEach((item, i) => {
    array.data[i] = numberOf(item, dtype, array.data) as never;
  });
  return array;
}

function numberOf(item: Leaf, dtype: DType, data: TypedArray): number | bigint {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    // Text may have more digits than a number of JSON.
    if (typeof item === "string" && /^\s*[+-]?\d+\s*$/.test(item)) return BigInt(item.trim().replace(/^\+/, ""));
    return BigInt(Math.trunc(realOf(item, dtype)));
  }
  if (dtype === "bool") return typeof item === "string" ? Number(item !== "") : Number(Boolean(item));
  const number = realOf(item, dtype);
  return dtype === "float16" && data instanceof Uint16Array ? numberToFloat16(number) : number;
}

function realOf(item: Leaf, dtype: string): number {
  if (typeof item !== "string") return Number(item);
  const number = numberFromText(item);
  if (number === undefined) throw new StorageError("INVALID_DATA", `"${item}" is no number of type ${dtype}`);
  return number;
}

function numberFromText(text: string): number | undefined {
  const word = /^([+-]?)(nan|inf|infinity)$/i.exec(text.trim());
  if (word) {
    if (word[2]?.toLowerCase() === "nan") return Number.NaN;
    return word[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  const number = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isNaN(number) ? undefined : number;
}

function complexes(flat: readonly Leaf[], shape: readonly number[], dtype: ComplexArray["dtype"]): ComplexArray {
  checkSize(flat, shape);
  const data = dtype === "complex64" ? new Float32Array(flat.length * 2) : new Float64Array(flat.length * 2);
  flat.forEach((item, i) => {
    [data[2 * i], data[2 * i + 1]] = complexOf(item);
  });
  return { dtype, shape, data };
}

/** `1`, `"1+2j"`, `"(nan-infj)"`, as Python writes complex numbers. */
function complexOf(item: Leaf): [number, number] {
  if (typeof item !== "string") return [Number(item), 0];
  const text = item.trim().replace(/^\((.*)\)$/, "$1");
  const real = numberFromText(text);
  if (real !== undefined) return [real, 0];
  // The sign between the parts is the last one that no exponent has.
  const match = /^(.*?)([+-]?(?:nan|inf|[0-9.]+(?:e[+-]?\d+)?))j$/i.exec(text);
  const first = match?.[1] === "" ? 0 : numberFromText(match?.[1] ?? "");
  const second = numberFromText(match?.[2] ?? "");
  if (first === undefined || second === undefined) {
    throw new StorageError("INVALID_DATA", `"${item}" is no complex number: "1+2j" would be one`);
  }
  return [first, second];
}

function checkSize(flat: readonly Leaf[], shape: readonly number[]): void {
  if (flat.length === sizeOf(shape) && !flat.some(Array.isArray)) return;
  throw new StorageError("INVALID_DATA", "The lists of a value differ in length");
}

/** As NumPy writes a boolean among text. */
function pythonBool(item: boolean): string {
  return item ? "True" : "False";
}
