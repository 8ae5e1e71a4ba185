/** Live scans and their points as people and programs read them. */
import { StorageError } from "../core/errors.ts";
import { isNdArray, type NdArray, sizeOf } from "../core/nd-array.ts";
import type { JsonObject, Scan, ScanQuery, ScanState, ScanStateName } from "../live/index.ts";
import { momentOf } from "./run-format.ts";

/** The part of a key that tells scans apart. */
export function shortKey(key: string): string {
  return key.replace(/^esrf:scan:/, "");
}

/** What is known of a scan without looking at its points. */
export function scanRecord(scan: Scan): Record<string, unknown> {
  const { key, identity, stateName: state, createdAt, endReason = null } = scan;
  return { key, identity, state, createdAt, endReason, streams: scan.streamNames };
}

/** Columns of {@link scanRow}. */
export const SCAN_HEADER = ["CREATED (UTC)", "STATE", "NUMBER", "NAME", "STREAMS", "END", "KEY"];

/** A scan as a row of a table. */
export function scanRow(scan: Scan): string[] {
  const { identity, stateName, createdAt, endReason = "–", streamNames } = scan;
  const streams = streamNames.length > 3 ? `${streamNames.slice(0, 3).join(", ")}, …` : streamNames.join(", ");
  const fields = [field(identity, "number"), field(identity, "name"), streams || "–", endReason, shortKey(scan.key)];
  return [momentOf(createdAt), stateName, ...fields];
}

/** A scan in a few words. */
export function scanTitle({ identity, key }: Scan): string {
  const parts = [identity.number, identity.name].filter((part) => part !== undefined && part !== null).map(String);
  return parts.length === 0 ? shortKey(key) : parts.join(" ");
}

/**
 * Terms of a search: `field=pattern` for a field of the identity, `info.field=pattern` for one of the info, and a pattern
 * alone for the name. What looks like a number is one; `field=\12` is the text.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for a term without a field.
 */
export function queryOf(
  terms: readonly string[],
  more: {
    readonly state?: readonly ScanStateName[] | undefined;
    readonly from?: Date | undefined;
    readonly to?: Date | undefined;
  },
): ScanQuery {
  const identity: Record<string, string | number | boolean> = {};
  const info: typeof identity = {};
  for (const term of terms) {
    const at = term.indexOf("=");
    const name = at < 0 ? "name" : term.slice(0, at);
    if (name === "") throw new StorageError("INVALID_DATA", `"${term}" names no field; number=12 does`);
    const isInfo = name.startsWith("info.");
    (isInfo ? info : identity)[isInfo ? name.slice(5) : name] = at < 0 ? term : plainValue(term.slice(at + 1));
  }
  const states = more.state?.map((name) => stateNumbers[name]);
  const [createdFrom, createdBefore] = [more.from, more.to].map((time) => time && time.getTime() / 1000);
  return { identity, info, states, createdFrom, createdBefore };
}

const stateNumbers = { CREATED: 0, PREPARED: 1, STARTED: 2, STOPPED: 3, CLOSED: 4 } as const satisfies Record<
  ScanStateName,
  ScanState
>;

/** A point as a line: an array by its dtype and shape, and its first elements. */
export function pointText(point: unknown): string {
  if (typeof point === "number" || typeof point === "bigint") return String(point);
  if (!isNdArray(point)) return shorten(JSON.stringify(point));
  const size = sizeOf(point.shape);
  const first = Array.from({ length: Math.min(size, MOST_ELEMENTS) }, (_, i) => String(elementAt(point, i)));
  const more = size > MOST_ELEMENTS ? " …" : "";
  return `${point.dtype} [${point.shape.join(", ")}]  ${first.join(" ")}${more}`;
}

/** A point as JSON: short arrays as lists within lists, longer ones by dtype and shape. */
export function pointRecord(point: unknown): unknown {
  if (!isNdArray(point)) return point;
  const { dtype, shape } = point;
  return sizeOf(shape) > MOST_JSON_ELEMENTS ? { dtype, shape } : nested(point, 0, 0);
}

/** Elements of an array that a line shows, and most that JSON has. */
const MOST_ELEMENTS = 8;
const MOST_JSON_ELEMENTS = 4096;
const LONGEST_TEXT = 200;

function nested(array: NdArray, axis: number, offset: number): unknown {
  if (axis === array.shape.length) return array.data[offset];
  return Array.from({ length: array.shape[axis] as number }, (_, i) =>
    nested(array, axis + 1, offset + i * (array.stride[axis] as number)),
  );
}

/** An element by its number in C order. */
function elementAt({ data, shape, stride }: NdArray, number: number): number | bigint {
  let [rest, offset] = [number, 0];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    offset += (rest % (shape[axis] as number)) * (stride[axis] as number);
    rest = Math.floor(rest / (shape[axis] as number));
  }
  return data[offset] as number | bigint;
}

function field(identity: JsonObject, name: string): string {
  const value = identity[name];
  return value === undefined || value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value);
}

function plainValue(text: string): string | number | boolean {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return text === "true" || text === "false" ? text === "true" : text;
}

function shorten(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT - 1)}…`;
}
