/** Types of elements as layouts name them: those of NumPy, complex numbers among them. */
import { type DType, type Endian, fromTypestr, isDType } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";

/** Element type of a dataset: numbers, complex numbers, text of any length, or records. */
export type ValueDType = DType | "complex64" | "complex128" | "string" | "compound";

/** True for a name as `inline` values have it. */
export function isInlineDType(dtype: unknown): dtype is string {
  return typeof dtype === "string" && /^(bool|u?int(8|16|32|64)|float(16|32|64|128)|complex(64|128|256))$/.test(dtype);
}

/** True for a name with a byte order. */
export function isByteDType(dtype: unknown): dtype is string {
  return typeof dtype === "string" && /^(\|?[iub]1|[><]([iuf][248]|[fc](8|16)|c32))$/.test(dtype);
}

/** Bytes of an element of a type with a byte order. */
export function itemSizeOf(dtype: string): number {
  return Number(/\d+$/.exec(dtype)?.[0]);
}

/**
 * The type that JavaScript holds it in.
 *
 * @throws A {@link StorageError} `DTYPE_MISMATCH` for numbers of more than 64 bits.
 */
export function inlineDType(dtype: string): DType | "complex64" | "complex128" {
  if (isDType(dtype) || dtype === "complex64" || dtype === "complex128") return dtype;
  throw tooWide(dtype);
}

/** As {@link inlineDType}, of a name with a byte order. */
export function byteDType(dtype: string): {
  readonly dtype: DType | "complex64" | "complex128";
  readonly endian: Endian;
} {
  const endian = dtype.startsWith(">") ? "big" : "little";
  if (dtype.endsWith("c8")) return { dtype: "complex64", endian };
  if (dtype.endsWith("c16")) return { dtype: "complex128", endian };
  if (itemSizeOf(dtype) > 8) throw tooWide(dtype);
  return fromTypestr(/^[<>|]/.test(dtype) ? dtype : `|${dtype}`);
}

function tooWide(dtype: string): StorageError {
  const message = `JavaScript has no numbers of type ${dtype}: 64 bits are the most, 128 for complex ones`;
  return new StorageError("DTYPE_MISMATCH", message);
}
