/**
 * Fill values: elements that were never stored, as they stand in metadata and as bytes.
 *
 * @see Zarr core specification v3, "Fill value"
 */
import { type DType, dtypes, float16ToNumber, numberToFloat16 } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { arrayFromBytes, type NdArray, zeros } from "../../src/core/nd-array.ts";

/** An element as JavaScript has it. */
export type FillValue = number | bigint | boolean;

const specials = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, "-Infinity": Number.NEGATIVE_INFINITY };

/**
 * One element of an array as its fill value says, as little-endian bytes.
 *
 * @param fill - As in metadata: numbers, bigints, booleans, `"NaN"`, `"-Infinity"`, the bits as `"0x…"`.
 * @throws A {@link StorageError} `UNSUPPORTED` for fill values of other types.
 */
export function fillValueBytes(fill: unknown, dtype: DType): Uint8Array {
  const { itemSize, kind } = dtypes[dtype];
  const bytes = new Uint8Array(itemSize);
  const view = new DataView(bytes.buffer);
  const putBits = (bits: bigint) => {
    for (let i = 0; i < itemSize; i++) view.setUint8(i, Number((bits >> BigInt(8 * i)) & 0xffn));
  };
  if (typeof fill === "string" && /^0x[0-9a-f]+$/i.test(fill) && kind === "f") {
    putBits(BigInt(fill));
    return bytes;
  }
  const value = typeof fill === "string" && Object.hasOwn(specials, fill) ? specials[fill as "NaN"] : fill;
  if (kind === "b" && (typeof value === "boolean" || value === 0 || value === 1)) {
    bytes[0] = value ? 1 : 0;
  } else if (kind === "f" && (typeof value === "number" || typeof value === "bigint")) {
    // A whole number of many digits was read as a bigint.
    const number = Number(value);
    if (itemSize === 2) view.setUint16(0, numberToFloat16(number), true);
    else if (itemSize === 4) view.setFloat32(0, number, true);
    else view.setFloat64(0, number, true);
  } else if ((kind === "i" || kind === "u") && (Number.isSafeInteger(value) || typeof value === "bigint")) {
    // A number beyond the safe ones has lost digits when JSON was parsed: better none than another one.
    putBits(BigInt.asUintN(64, BigInt(value as number | bigint)));
  } else {
    throw new StorageError("UNSUPPORTED", `Fill value ${String(fill)} of ${dtype}`);
  }
  return bytes;
}

/**
 * A fill value for metadata of Zarr v3: JSON, but for bigints, which `encodeMetadata` writes as numbers.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for a value that the type cannot hold.
 */
export function fillValueJson(value: FillValue, dtype: DType): unknown {
  const { kind, itemSize } = dtypes[dtype];
  const refuse = () =>
    new StorageError("INVALID_DATA", `Fill value ${String(value)} cannot be an element of ${dtype} as it is`);
  if (kind === "b") {
    if (value === true || value === false || value === 0 || value === 1) return Boolean(value);
    throw refuse();
  }
  if (kind === "f") {
    if (typeof value !== "number") throw refuse();
    if (Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
    // JSON has no negative zero of its own that every parser keeps.
    if (Object.is(value, -0)) return `0x80${"00".repeat(itemSize - 1)}`;
    const held = itemSize === 2 ? float16ToNumber(numberToFloat16(value)) : itemSize === 4 ? Math.fround(value) : value;
    if (!Number.isFinite(held)) throw refuse();
    return held;
  }
  if (typeof value === "boolean" || (typeof value === "number" && !Number.isSafeInteger(value))) throw refuse();
  const bits = itemSize * 8;
  const whole = BigInt(value);
  if ((kind === "u" ? BigInt.asUintN(bits, whole) : BigInt.asIntN(bits, whole)) !== whole) throw refuse();
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
}

/** An array of one value that takes the room of one element, for any shape: every stride is 0. Read only. */
export function constantArray(shape: readonly number[], dtype: DType, fill: unknown): NdArray {
  const element = arrayFromBytes(fillValueBytes(fill, dtype), dtype, [1]);
  return { ...element, shape: [...shape], stride: shape.map(() => 0) };
}

/** A new array of one value. */
export function filledArray(shape: readonly number[], dtype: DType, fill: unknown): NdArray {
  const array = zeros(shape, dtype);
  const [element] = arrayFromBytes(fillValueBytes(fill, dtype), dtype, [1]).data;
  (array.data as Float64Array).fill(element as number);
  return array;
}

/** True if every element has exactly the bits of the fill value, so that −0 is not 0 and NaN is NaN. */
export function isFilled(array: NdArray, fill: unknown): boolean {
  const { data } = array;
  const wanted = fillValueBytes(fill, array.dtype);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const first = new Uint8Array(filledArray([1], array.dtype, fill).data.buffer);
  // Most arrays say no at their first element.
  for (let i = 0; i < Math.min(wanted.length, bytes.length); i++) if (bytes[i] !== first[i]) return false;
  // Equal to itself moved by one element: a comparison that runs at the speed of memory.
  const { length } = wanted;
  if (bytes.length <= length) return true;
  return Buffer.compare(bytes.subarray(length), bytes.subarray(0, bytes.length - length)) === 0;
}
