/** Arrays of another type, by a rule that is said. */
import {
  type DType,
  dtypes,
  float16ToNumber,
  numberToFloat16,
  parseDType,
  type TypedArray,
} from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { contiguous, type NdArray, zeros } from "../../src/core/nd-array.ts";

/** How elements become those of another type. */
export interface Cast {
  /** The type to store. */
  readonly to: DType;
  /**
   * `"exact"`: refused if one element would change. `"saturate"`: fractions are rounded, what is too large becomes the
   * largest. `"wrap"`: whole numbers modulo the size of the type, as in C. Default `"exact"`.
   */
  readonly mode?: "exact" | "saturate" | "wrap" | undefined;
}

/** A way to read and to write elements as numbers, or as bigints where they have 64 bits. */
interface Elements {
  get(index: number): number | bigint;
  set(index: number, value: number | bigint): void;
}

/**
 * The array with elements of another type.
 *
 * @returns The array itself if it has the type.
 * @throws A {@link StorageError} `DTYPE_MISMATCH` for an element that the rule does not allow, `INVALID_DATA` for no rule.
 */
export function castArray(array: NdArray, cast: Cast): NdArray {
  const to = parseDType(cast.to);
  const { mode = "exact" } = cast;
  if (mode !== "exact" && mode !== "saturate" && mode !== "wrap") {
    throw new StorageError("INVALID_DATA", `cast.mode must be "exact", "saturate" or "wrap", got ${String(mode)}`);
  }
  if (array.dtype === to) return array;
  const source = contiguous(array);
  const out = zeros(array.shape, to);
  const from = elementsOf(source.data, array.dtype);
  const target = elementsOf(out.data, to);
  for (let i = 0; i < source.data.length; i++) {
    const value = from.get(i);
    const next = convert(value, to, mode);
    if (next !== undefined) target.set(i, next);
    if (mode !== "exact") continue;
    // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint of the same value are the same here
    if (next !== undefined && (target.get(i) == value || (Number.isNaN(value) && Number.isNaN(target.get(i)))))
      continue;
    const message = `${String(value)} is no ${to}; pass cast: { to: "${to}", mode: "saturate" } to round it`;
    throw new StorageError("DTYPE_MISMATCH", message);
  }
  return out;
}

/** The element to store; `undefined` for one that there is none for. */
function convert(value: number | bigint, to: DType, mode: "exact" | "saturate" | "wrap"): number | bigint | undefined {
  const { kind, itemSize } = dtypes[to];
  if (kind === "f") return Number(value);
  if (kind === "b") return Number(value) === 0 ? 0 : 1;
  const bits = itemSize * 8;
  const lowest = kind === "u" ? 0n : -(1n << BigInt(bits - 1));
  const highest = (1n << BigInt(kind === "u" ? bits : bits - 1)) - 1n;
  if (typeof value === "number" && !Number.isFinite(value)) {
    if (mode !== "saturate") return mode === "wrap" ? whole(0n, bits) : undefined;
    return whole(Number.isNaN(value) ? 0n : value > 0 ? highest : lowest, bits);
  }
  if (typeof value === "number" && mode === "exact" && !Number.isInteger(value)) return undefined;
  const integer = BigInt(mode === "wrap" ? truncated(value) : rounded(value));
  if (mode === "exact" && (integer < lowest || integer > highest)) return undefined;
  if (mode === "saturate") return whole(integer < lowest ? lowest : integer > highest ? highest : integer, bits);
  return whole(kind === "u" ? BigInt.asUintN(bits, integer) : BigInt.asIntN(bits, integer), bits);
}

function whole(value: bigint, bits: number): number | bigint {
  return bits === 64 ? value : Number(value);
}

function rounded(value: number | bigint): number | bigint {
  return typeof value === "bigint" ? value : Math.round(value);
}

function truncated(value: number | bigint): number | bigint {
  return typeof value === "bigint" ? value : Math.trunc(value);
}

function elementsOf(data: TypedArray, dtype: DType): Elements {
  const list = data as Float64Array;
  // Half floats are bits where the runtime has no array for them.
  if (dtype === "float16" && data instanceof Uint16Array) {
    return {
      get: (index) => float16ToNumber(list[index] as number),
      set: (index, value) => {
        list[index] = numberToFloat16(Number(value));
      },
    };
  }
  return {
    get: (index) => list[index] as number,
    set: (index, value) => {
      list[index] = value as number;
    },
  };
}
