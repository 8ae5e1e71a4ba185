/** Points of a stream as the answer to a request of HTTP. */
import { npyCodec } from "../../codecs/npy.ts";
import { StorageError } from "../../core/errors.ts";
import { arrayToBytes, isNdArray, type NdArray, sliceArray } from "../../core/nd-array.ts";
import { IndexNotYetThereError, IndexWontBeThereError } from "../errors.ts";
import { sliceRange } from "../slice-range.ts";
import type { Stream } from "../stream.ts";
import { jsonBytes, pointBytes } from "./points-values.ts";

/** Formats of points. */
export type PointsFormat = "npy" | "raw" | "json";

/** A body with what is said about it. */
export interface PointsAnswer {
  /** Parts that follow each other; views of the points' own memory. */
  readonly body: readonly Uint8Array[];
  readonly headers: Readonly<Record<string, string>>;
}

/** Most points of one answer where each is of another length. */
const MOST_VARYING = 10_000;

/** Limits of an answer. */
export interface AnswerLimits {
  /** The longest answer. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /**
   * Waits until so many bytes may be held.
   *
   * @returns Says how many they are in the end.
   */
  readonly hold: (bytes: number) => Promise<(actual: number) => void>;
}

/**
 * Points of a stream: `17` is one point, `-1` the newest, `10:20:2` a range as Python writes it.
 *
 * @param format - Default: npy for arrays, JSON for all else.
 * @throws A {@link StorageError}: `NOT_YET`, `OUT_OF_RANGE`, `EXPIRED`; `CAPACITY_EXCEEDED` for more than may be asked for
 * at once; `INVALID_DATA` for no selection; `UNSUPPORTED` for a format that the points do not have.
 */
export async function pointsAnswer(
  stream: Stream,
  selection: string,
  format: PointsFormat | undefined,
  { maxBytes, signal, hold }: AnswerLimits,
): Promise<PointsAnswer> {
  const { length, sealed } = await stream.bounds({ signal });
  const range = parseSelection(selection, length);
  if (range.isOne && (range.start < 0 || range.start >= length)) {
    const context = { identifier: stream.name };
    const asked = Number(selection);
    throw sealed
      ? new IndexWontBeThereError(asked, length, context)
      : new IndexNotYetThereError(asked, length, context);
  }
  checkSize(stream, range.count, maxBytes);
  const each = pointBytes(stream.encoding);
  const holds = await hold(each === undefined ? maxBytes : each * range.count);
  const stop = range.start + range.count * range.step;
  // A range that goes down to the first point ends before it, which -1 would not say.
  const points = await stream.slice(range.start, stop < 0 ? undefined : stop, range.step, { signal });
  const value = range.isOne ? onlyPoint(points) : points;
  const place = { "x-sluice-index": String(range.start), "x-sluice-step": String(range.step) };
  const about = { ...place, "x-sluice-count": String(range.count) };
  const answer = isNdArray(value) ? arrayAnswer(value, format) : jsonAnswer(value, format, stream.name);
  const bytes = answer.body.reduce((sum, part) => sum + part.byteLength, 0);
  if (bytes > maxBytes) throw tooMuch(bytes, maxBytes);
  holds(bytes);
  // What was written never changes; the newest one is another one next time.
  const isFixed = range.isOne && !selection.startsWith("-");
  const caching = isFixed ? "private, max-age=3600, immutable" : "no-store";
  return { body: answer.body, headers: { ...answer.headers, ...about, "cache-control": caching } };
}

interface Selected {
  readonly isOne: boolean;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

function parseSelection(text: string, length: number): Selected {
  if (/^-?\d{1,15}$/.test(text)) {
    const index = Number(text);
    return { isOne: true, start: index < 0 ? index + length : index, step: 1, count: 1 };
  }
  const match = /^(-?\d{1,15})?:(-?\d{1,15})?(?::(-?\d{1,15})?)?$/.exec(text);
  if (match === null) {
    const message = `${JSON.stringify(text.slice(0, 100))} selects no points; 17, -1 and 10:20:2 do`;
    throw new StorageError("INVALID_DATA", message);
  }
  const [start, stop, step] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  return { isOne: false, ...sliceRange(start, stop, step ?? 1, length) };
}

function checkSize(stream: Stream, count: number, maxBytes: number): void {
  const each = pointBytes(stream.encoding);
  if (each !== undefined && each * count > maxBytes) throw tooMuch(each * count, maxBytes);
  if (each === undefined && count > MOST_VARYING) {
    throw new StorageError(
      "CAPACITY_EXCEEDED",
      `An answer has ${MOST_VARYING} points at most, ${count} were asked for`,
    );
  }
}

function tooMuch(bytes: number, maxBytes: number): StorageError {
  const message = `An answer has ${maxBytes} bytes at most, these points have ${bytes}: ask for fewer at once`;
  return new StorageError("CAPACITY_EXCEEDED", message);
}

function onlyPoint(points: unknown): unknown {
  if (isNdArray(points)) return sliceArray(points, [0]);
  return Array.isArray(points) ? (points[0] as unknown) : points;
}

function arrayAnswer(array: NdArray, format: PointsFormat = "npy"): PointsAnswer {
  const { dtype, shape } = array;
  const about = { "x-sluice-dtype": dtype, "x-sluice-shape": shape.join(",") };
  if (format === "npy") {
    const body = npyCodec.encode(array, { identifier: "points", options: {} }) as readonly Uint8Array[];
    return { body, headers: { ...about, "content-type": "application/x-npy" } };
  }
  if (format === "json") throw noFormat("json", "arrays", "npy and raw");
  return {
    body: [arrayToBytes(array, "little")],
    headers: { ...about, "content-type": "application/octet-stream", "x-sluice-byte-order": "little" },
  };
}

function jsonAnswer(value: unknown, format: PointsFormat = "json", name: string): PointsAnswer {
  if (format !== "json")
    throw noFormat(format, "points that are no arrays, or arrays of a shape each", "json, or one at a time");
  if (Array.isArray(value) && value.some(isNdArray)) throw noFormat("json", "arrays of a shape each", "one at a time");
  const list = jsonBytes([value], name);
  // Without the brackets of the list that it was checked in.
  return { body: [list.subarray(1, list.byteLength - 1)], headers: { "content-type": "application/json" } };
}

function noFormat(format: string, what: string, instead: string): StorageError {
  return new StorageError("UNSUPPORTED", `${format} does not hold ${what}; ask for ${instead}`);
}

/** True for the name of a format. */
export function isFormat(format: string): format is PointsFormat {
  return format === "npy" || format === "raw" || format === "json";
}
