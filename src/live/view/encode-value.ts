/** Arrays as values of a layout: what `decodeValue` makes the same arrays of. */
import { float16ToNumber, toTypestr } from "../../core/dtype.ts";
import { arrayToBytes, type NdArray } from "../../core/nd-array.ts";
import type { RawValue, StaticValue } from "./layout.ts";
import { isNumbers, type ValueArray } from "./value-array.ts";

/** Numbers that a list in the metadata has at most. */
const SHORT = 64;

/**
 * The value as JSON: by itself where that means the same type, else with its type.
 *
 * @param array - Not of points of varying shape.
 */
export function encodeValue(array: ValueArray): StaticValue {
  if (array.dtype === "compound") {
    return { type: "compound", columns: array.columns.map(([name, values]) => [name, encodeValue(values)] as const) };
  }
  if (array.dtype === "string") return nested([...array.data], array.shape);
  if (array.dtype === "complex64" || array.dtype === "complex128") {
    const dtype = array.dtype === "complex64" ? "<c8" : "<c16";
    const { buffer, byteOffset, byteLength } = array.data;
    return {
      type: "inline_b64",
      dtype,
      shape: array.shape,
      value: Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
    };
  }
  if (!isNumbers(array)) throw new TypeError("Points of varying shape are no value");
  return array.shape.length === 0 ? scalarOf(array) : numbersOf(array);
}

function scalarOf(array: NdArray): StaticValue {
  const { dtype } = array;
  const value = array.data[0] as number | bigint;
  if (dtype === "bool") return value === 1;
  if (dtype === "int64" && Number.isSafeInteger(Number(value))) return Number(value);
  if (typeof value === "bigint") return { type: "inline", dtype, value: String(value) };
  const number = dtype === "float16" && array.data instanceof Uint16Array ? float16ToNumber(value) : value;
  if (dtype === "float64" && Number.isFinite(number) && !Number.isSafeInteger(number)) return number;
  if (Object.is(number, -0)) return numbersOf(array);
  const text = Number.isNaN(number) ? "nan" : number === Number.POSITIVE_INFINITY ? "inf" : "-inf";
  return { type: "inline", dtype, value: Number.isFinite(number) ? number : text };
}

function numbersOf(array: NdArray): StaticValue {
  const short = shortListOf(array);
  if (short !== undefined) return short;
  const bytes = arrayToBytes(array, "little");
  const dtype = toTypestr(array.dtype, "little");
  return { type: "inline_b64", dtype, shape: array.shape, value: Buffer.from(bytes).toString("base64") };
}

/** A list that people can read, where JSON has these numbers and they say their type by themselves. */
function shortListOf({ data, dtype, shape }: NdArray): StaticValue | undefined {
  if (shape.length !== 1 || data.length === 0 || data.length > SHORT) return undefined;
  const numbers = Array.from(data as ArrayLike<number | bigint>, Number);
  if (dtype === "bool") return numbers.map((number) => number === 1);
  const isInJson = numbers.every((number) => Number.isFinite(number) && !Object.is(number, -0));
  if (dtype === "int64") return numbers.every(Number.isSafeInteger) ? numbers : undefined;
  return dtype === "float64" && isInJson && !numbers.every(Number.isSafeInteger) ? numbers : undefined;
}

/** Lists within lists. */
function nested(flat: readonly string[], shape: readonly number[]): RawValue {
  if (shape.length === 0) return flat[0] as string;
  const [length, ...rest] = shape as [number, ...number[]];
  const size = flat.length / Math.max(1, length);
  return Array.from({ length }, (_, i) => nested(flat.slice(i * size, (i + 1) * size), rest));
}
