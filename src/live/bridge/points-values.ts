/** Points as bytes that any language reads. */
import { dtypes, fromTypestr } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { arrayToBytes, isNdArray, type NdArray, sizeOf } from "../../core/nd-array.ts";
import type { StreamEncoding } from "../header.ts";
import { toJson } from "../json.ts";
import type { PointsPlace, PointsValue } from "./protocol.ts";

/** Bytes that one point takes; `undefined` where that varies. */
export function pointBytes(encoding: StreamEncoding): number | undefined {
  const { type, dtype, shape } = encoding as { type: string; dtype?: unknown; shape?: readonly number[] };
  if ((type !== "numeric" && type !== "frames") || typeof dtype !== "string" || shape === undefined) return undefined;
  if (shape.includes(-1)) return undefined;
  return sizeOf(shape) * dtypes[fromTypestr(dtype).dtype].itemSize;
}

/**
 * What codecs make of points, as it travels: an array as one value, arrays of a shape each as a value for each, and
 * anything else as JSON.
 *
 * @throws A {@link StorageError} `UNSUPPORTED` for points of a plugin that JSON cannot hold.
 */
export function* pointsValues(
  points: unknown,
  place: PointsPlace,
  name: string,
): Generator<PointsPlace & PointsValue, void, undefined> {
  const { index, step, count, next } = place;
  if (isNdArray(points)) {
    yield { index, step, count, next, ...arrayValue(points) };
    return;
  }
  if (!Array.isArray(points)) throw unsupported(name);
  if (points.length === 0 || !points.every(isNdArray)) {
    yield { index, step, count, next, value: "json", payload: jsonBytes(points, name) };
    return;
  }
  for (const [i, array] of points.entries()) {
    const at = index + i * step;
    const after = i === points.length - 1 ? next : at + step;
    yield { index: at, step, count: 1, next: after, ...arrayValue({ ...array, ...withFirstAxis(array) }) };
  }
}

/** Points as a JSON list in UTF-8. */
export function jsonBytes(points: readonly unknown[], name: string): Uint8Array {
  try {
    return new TextEncoder().encode(toJson(points, "The points"));
  } catch (cause) {
    throw unsupported(name, cause);
  }
}

function arrayValue(array: NdArray): PointsValue {
  return { value: "array", dtype: array.dtype, shape: array.shape, payload: arrayToBytes(array, "little") };
}

/** One point as a batch of one. */
function withFirstAxis({ shape, stride }: NdArray): Pick<NdArray, "shape" | "stride"> {
  return { shape: [1, ...shape], stride: [0, ...stride] };
}

function unsupported(name: string, cause?: unknown): StorageError {
  const message = `Points of "${name}" are neither arrays nor JSON, and cannot leave this process`;
  return new StorageError("UNSUPPORTED", message, { identifier: name, cause });
}
