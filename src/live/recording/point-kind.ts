/** From the values of events, JSON, to the points of a stream. */
import type { DataKey } from "../../core/documents.ts";
import { type DType, dtypes, fromTypestr, type TypedArray } from "../../core/dtype.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import { copyInto, type NdArray, sizeOf, zeros } from "../../core/nd-array.ts";
import type { NumericEncoding, StreamEncoding } from "../header.ts";
import { type JsonValue, toJson } from "../json.ts";
import type { StreamDefinition } from "../stream-definition.ts";

/** What the values of one data key become. */
export interface PointKind {
  readonly definition: StreamDefinition;
  /** Axes of one point. */
  readonly rank: number;
  /**
   * One value as a point, and the bytes of memory that it takes while it waits: of small points most is not the value. It
   * shares nothing with the value.
   *
   * @throws A {@link StorageError} `INVALID_DATA` for a value that is not of this kind.
   */
  take(value: unknown): { readonly point: unknown; readonly bytes: number };
  /** Points together, as a reader of the stream gets them. */
  joined(points: readonly unknown[]): unknown;
  /** Points as what a writer of streams takes, in as few pieces as can be. */
  join(points: readonly unknown[]): readonly unknown[];
}

/**
 * What the values of a data key become: numbers of the type and shape that the key says, where it says one that arrays
 * have; else JSON. Numbers without a type are float64, integers int64.
 */
export function pointKindOf(key: Pick<DataKey, "dtype" | "dtype_numpy" | "shape">): PointKind {
  const dtype = dtypeOf(key);
  const shape = key.dtype === "array" ? key.shape.map((length) => length ?? -1) : [];
  if (dtype === undefined || shape.includes(0)) return jsonPoints;
  if (key.dtype === "array" && shape.length === 0) return jsonPoints;
  return numericPoints(dtype, shape);
}

/** The same for a stream that is there, from its encoding; `undefined` for encodings that values do not have. */
export function pointKindOfEncoding(encoding: StreamEncoding): PointKind | undefined {
  if (encoding.type === "json") return jsonPoints;
  if (encoding.type !== "numeric") return undefined;
  const { dtype, shape } = encoding as NumericEncoding;
  return numericPoints(fromTypestr(dtype).dtype, shape);
}

function dtypeOf({ dtype, dtype_numpy: typestr }: Pick<DataKey, "dtype" | "dtype_numpy">): DType | undefined {
  if (dtype === "string") return undefined;
  const plain = { number: "float64", integer: "int64", boolean: "bool", array: undefined } as const;
  if (typestr === undefined) return plain[dtype];
  try {
    const { dtype: named } = fromTypestr(typestr);
    // Not every JavaScript has halves; doubles hold them exactly.
    return named === "float16" ? "float64" : named;
  } catch (error) {
    if (!isStorageError(error, "DTYPE_MISMATCH")) throw error;
    return plain[dtype];
  }
}

/** Memory that a list takes for each of its members, with room to grow, and one that is no float64 beside it. */
const SLOT_BYTES = 32;
const MEMBER_BYTES = 32;

/** Memory of an array beside its elements. */
const ARRAY_BYTES = 384;

/** They wait as text, which is smaller than what it says, and which nobody changes. */
const jsonPoints: PointKind = {
  definition: { type: "json" },
  rank: 0,
  take: (value) => {
    const point = toJson(value ?? null, "The value");
    return { point, bytes: SLOT_BYTES + MEMBER_BYTES + 2 * point.length };
  },
  joined: parsed,
  join: parsed,
};

function parsed(points: readonly unknown[]): JsonValue[] {
  return points.map((point) => JSON.parse(point as string) as JsonValue);
}

/** Numbers wait as they are: an array for each would take ten times as much. */
function scalarPoints(dtype: DType): PointKind {
  const joined = (points: readonly unknown[]): NdArray => {
    const array = zeros([points.length], dtype);
    points.forEach((point, i) => {
      array.data[i] = point as never;
    });
    return array;
  };
  const { kind, itemSize } = dtypes[dtype];
  const bytes = SLOT_BYTES + (kind !== "f" && itemSize === 8 ? MEMBER_BYTES : 0);
  return {
    definition: { dtype, shape: [] },
    rank: 0,
    take: (value) => ({ point: elementOf(value, dtype), bytes }),
    joined,
    join: (points) => [joined(points)],
  };
}

function numericPoints(dtype: DType, shape: readonly number[]): PointKind {
  if (shape.length === 0) return scalarPoints(dtype);
  const { itemSize } = dtypes[dtype];
  const isVarying = shape.includes(-1);
  return {
    definition: { dtype, shape },
    rank: shape.length,
    take: (value) => {
      const own = shapeOf(value);
      const fits = own.length === shape.length && shape.every((length, axis) => length === -1 || length === own[axis]);
      if (!fits) throw invalid(`Values of shape [${shape.join(", ")}] were expected, got [${own.join(", ")}]`);
      const point = zeros(own, dtype);
      fill(point.data, value, own, 0, dtype);
      return { point, bytes: ARRAY_BYTES + sizeOf(own) * itemSize };
    },
    joined: (points) => (isVarying ? points : concatenated(points as NdArray[], shape, dtype)),
    join: (points) => (isVarying ? points : [concatenated(points as NdArray[], shape, dtype)]),
  };
}

function concatenated(points: readonly NdArray[], shape: readonly number[], dtype: DType): NdArray {
  const joined = zeros([points.length, ...shape], dtype);
  points.forEach((point, i) => {
    copyInto(point, joined.data, i * sizeOf(shape));
  });
  return joined;
}

/** The shape of lists in lists, by the first of each. */
function shapeOf(value: unknown): number[] {
  return Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : [];
}

function fill(data: TypedArray, value: unknown, shape: readonly number[], at: number, dtype: DType): number {
  const [length, ...inner] = shape;
  if (length === undefined) {
    data[at] = elementOf(value, dtype) as never;
    return at + 1;
  }
  if (!Array.isArray(value) || value.length !== length) throw invalid("A list of lists has different lengths");
  return value.reduce<number>((next, item) => fill(data, item, inner, next, dtype), at);
}

/** What has no number is NaN where there is one; nothing is rounded to an integer or made up. */
function elementOf(value: unknown, dtype: DType): number | bigint {
  const { kind, itemSize } = dtypes[dtype];
  if (kind === "f" && (value === null || value === undefined)) return Number.NaN;
  if (kind === "b" && typeof value === "boolean") return Number(value);
  if (kind !== "b" && typeof value === "number") {
    if (kind === "f") return value;
    const bits = 8 * itemSize - (kind === "i" ? 1 : 0);
    const isInside = value < 2 ** bits && value >= (kind === "i" ? -(2 ** bits) : 0);
    if (Number.isSafeInteger(value) && isInside) return itemSize === 8 ? BigInt(value) : value;
  }
  throw invalid(`${JSON.stringify(value) ?? typeof value} is not a value of ${dtype}`);
}

function invalid(message: string): StorageError {
  return new StorageError("INVALID_DATA", message, { operation: "record" });
}
