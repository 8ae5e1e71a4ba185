/**
 * Data types: every Zarr v3 core type that JavaScript can hold, by its Zarr v3 name.
 */
import { StorageError } from "./errors.ts";

/** Name of an element type, as in Zarr v3 metadata. */
export type DType =
  | "bool"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "float16"
  | "float32"
  | "float64";

/** Byte order of multi-byte elements outside memory. */
export type Endian = "little" | "big";

/**
 * Arrays that hold elements in memory, in the machine's byte order. `bool` is a `Uint8Array` of 0 and 1. `float16` is a
 * `Float16Array` where the runtime has one, else a `Uint16Array` of IEEE 754 bits: see {@link float16ToNumber}.
 */
export type TypedArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** A constructor of {@link TypedArray}. */
export interface TypedArrayConstructor {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
}

/** What is known of one {@link DType}. */
export interface DTypeInfo {
  /** Bytes of one element. */
  readonly itemSize: 1 | 2 | 4 | 8;
  /** NumPy's kind letter: `b`ool, signed `i`nt, `u`nsigned int, `f`loat. */
  readonly kind: "b" | "i" | "u" | "f";
  /** The array that holds it in memory. */
  readonly array: TypedArrayConstructor;
}

const float16Array = (globalThis as { Float16Array?: TypedArrayConstructor }).Float16Array ?? Uint16Array;

/** All supported types. */
export const dtypes = {
  bool: { itemSize: 1, kind: "b", array: Uint8Array },
  int8: { itemSize: 1, kind: "i", array: Int8Array },
  uint8: { itemSize: 1, kind: "u", array: Uint8Array },
  int16: { itemSize: 2, kind: "i", array: Int16Array },
  uint16: { itemSize: 2, kind: "u", array: Uint16Array },
  int32: { itemSize: 4, kind: "i", array: Int32Array },
  uint32: { itemSize: 4, kind: "u", array: Uint32Array },
  int64: { itemSize: 8, kind: "i", array: BigInt64Array },
  uint64: { itemSize: 8, kind: "u", array: BigUint64Array },
  float16: { itemSize: 2, kind: "f", array: float16Array },
  float32: { itemSize: 4, kind: "f", array: Float32Array },
  float64: { itemSize: 8, kind: "f", array: Float64Array },
} as const satisfies Record<DType, DTypeInfo>;

/** True if the name is a supported {@link DType}. */
export function isDType(name: unknown): name is DType {
  return typeof name === "string" && Object.hasOwn(dtypes, name);
}

/**
 * Checks a type name that comes from outside.
 *
 * @throws A {@link StorageError} `DTYPE_MISMATCH` that names the type and lists the supported ones; complex types and
 * objects get a sentence of their own.
 */
export function parseDType(name: unknown): DType {
  if (isDType(name)) return name;
  const isComplex = typeof name === "string" && /^(complex|[<>]?c\d)/.test(name);
  const isObject = typeof name === "string" && /^\|?O\d*$/.test(name);
  const hint = isComplex
    ? " JavaScript has no complex numbers: store real and imaginary parts as two arrays."
    : isObject
      ? " Object arrays are pickled, which only Python can read, and which can run code: store numbers."
      : "";
  throw new StorageError(
    "DTYPE_MISMATCH",
    `Unsupported dtype ${JSON.stringify(name)}.${hint} Supported: ${Object.keys(dtypes).join(", ")}`,
  );
}

/**
 * The NumPy type string, for example `<u2`; single bytes have the order `|`.
 *
 * @see numpy array interface, `typestr`
 */
export function toTypestr(dtype: DType, endian: Endian = "little"): string {
  const { itemSize, kind } = dtypes[dtype];
  return `${itemSize === 1 ? "|" : endian === "little" ? "<" : ">"}${kind}${itemSize}`;
}

/**
 * The type of a NumPy type string.
 *
 * @param typestr - `<u2`, `>f4`, `|b1`, `|u1`; `=` means little-endian.
 * @throws A {@link StorageError} `DTYPE_MISMATCH` for complex numbers, strings, dates, objects and structures.
 */
export function fromTypestr(typestr: string): { readonly dtype: DType; readonly endian: Endian } {
  const match = /^([<>|=])([biuf])([0-9]+)$/.exec(typestr);
  if (match) {
    for (const [dtype, info] of Object.entries(dtypes)) {
      if (info.kind === match[2] && info.itemSize === Number(match[3])) {
        return { dtype: dtype as DType, endian: match[1] === ">" ? "big" : "little" };
      }
    }
  }
  return { dtype: parseDType(typestr), endian: "little" };
}

/** The type of the elements in a typed array; a `Uint8Array` is `uint8`, never `bool`. */
export function dtypeOf(data: ArrayBufferView): DType {
  for (const [dtype, info] of Object.entries(dtypes)) {
    if (dtype !== "bool" && dtype !== "float16" && data instanceof info.array) return dtype as DType;
  }
  if (float16Array !== Uint16Array && data instanceof float16Array) return "float16";
  if (data instanceof Uint8ClampedArray) return "uint8";
  throw new StorageError("DTYPE_MISMATCH", `${data.constructor.name} holds no supported dtype`);
}

/** The machine's own byte order. */
export const nativeEndian: Endian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? "little" : "big";

/** The number that IEEE 754 half-precision bits stand for. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Half-precision bits nearest to a number, ties to even. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  const exact = magnitude >= 2 ** (exponent + 1) ? exponent + 1 : magnitude < 2 ** exponent ? exponent - 1 : exponent;
  return sign | (((exact + 15) << 10) + roundHalfEven((magnitude / 2 ** exact - 1) * 1024));
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
