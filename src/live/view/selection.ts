/**
 * What of a dataset is asked for: selections of any number of axes, as NumPy has them.
 *
 * @see NumPy, "Basic indexing"
 */
import { StorageError } from "../../core/errors.ts";
import { sliceRange } from "../slice-range.ts";
import type { AxisRange } from "./value-array.ts";

/** A range of one axis. What is left out, or `null`, is the end that the step comes from or goes to. */
export interface AxisSlice {
  readonly start?: number | null;
  readonly stop?: number | null;
  /** Not 0; negative goes backwards. Default 1. */
  readonly step?: number | null;
}

/**
 * A selection along one axis: an index, which drops the axis; a range as `{ start, stop, step }` or as a list of the
 * same; `null`, all of it; `"..."`, all of as many axes as are left over.
 */
export type AxisPart =
  | number
  | null
  | "..."
  | AxisSlice
  | readonly [start: number | null, stop: number | null, step?: number | null];

/** A selection: a part for each axis, from the first, or the text that stands between brackets in Python: `"0:10, ..., ::-1"`. */
export type Selection = string | readonly AxisPart[];

/** One axis, with ranges in one form. */
export type ParsedPart = number | { readonly start?: number; readonly stop?: number; readonly step: number };

/**
 * A part for each axis.
 *
 * @param rank - Number of axes.
 * @throws A {@link StorageError}: `INVALID_DATA` for what is no selection, `OUT_OF_RANGE` for one of more axes.
 */
export function parseSelection(selection: Selection, rank: number): readonly ParsedPart[] {
  const parts = typeof selection === "string" ? fromText(selection) : selection;
  if (!Array.isArray(parts)) throw wrong(selection);
  const ellipses = parts.filter((part) => part === "...").length;
  if (ellipses > 1) throw new StorageError("INVALID_DATA", `A selection has one "..." at most: ${show(selection)}`);
  const missing = rank - (parts.length - ellipses);
  if (missing < 0) {
    const message = `The selection ${show(selection)} has ${rank - missing} axes, the dataset has ${rank}`;
    throw new StorageError("OUT_OF_RANGE", message);
  }
  const all: ParsedPart[] = [];
  const rest = Array.from({ length: missing }, () => ({ step: 1 }));
  for (const part of parts as readonly AxisPart[]) {
    if (part === "...") all.push(...rest);
    else all.push(parsePart(part, selection));
  }
  return ellipses === 0 ? [...all, ...rest] : all;
}

/**
 * How far a stream must have come before a part of its first axis means what it says: the number of points, or
 * `"end"` if only the end of the stream tells.
 */
export function needed(part: ParsedPart): number | "end" {
  if (typeof part === "number") return part < 0 ? "end" : part + 1;
  const { start, stop, step } = part;
  const last = step > 0 ? stop : start;
  const other = step > 0 ? start : stop;
  if (last === undefined || last < 0 || (other !== undefined && other < 0)) return "end";
  if (step < 0) return last + 1;
  const first = other ?? 0;
  return last <= first ? 0 : first + Math.ceil((last - first) / step) * step - step + 1;
}

/** A part, of an axis of a length. */
export function axisRange(part: ParsedPart, length: number, axis: number): AxisRange {
  if (typeof part !== "number") return sliceRange(part.start, part.stop, part.step, length);
  const index = part < 0 ? part + length : part;
  if (index >= 0 && index < length) return { start: index, step: 1, count: 1 };
  throw new StorageError("OUT_OF_RANGE", `Index ${part} is outside axis ${axis} of length ${length}`);
}

function parsePart(part: Exclude<AxisPart, "...">, selection: Selection): ParsedPart {
  if (part === null) return { step: 1 };
  if (typeof part === "number") {
    if (!Number.isSafeInteger(part)) throw wrong(selection);
    return part;
  }
  if (typeof part !== "object" || (Array.isArray(part) && (part.length < 1 || part.length > 3))) throw wrong(selection);
  const { start, stop, step } = Array.isArray(part)
    ? { start: part[0] as number | null, stop: part[1] as number | null, step: part[2] as number | null }
    : (part as AxisSlice);
  for (const bound of [start, stop, step]) {
    if (bound !== undefined && bound !== null && !Number.isSafeInteger(bound)) throw wrong(selection);
  }
  if (step === 0) throw new StorageError("INVALID_DATA", `The step of a slice cannot be 0: ${show(selection)}`);
  return { ...(start != null && { start }), ...(stop != null && { stop }), step: step ?? 1 };
}

function fromText(text: string): AxisPart[] {
  if (text.trim() === "") return [];
  return text.split(",").map((part) => {
    const trimmed = part.trim();
    if (trimmed === "...") return "...";
    const numbers = trimmed.split(":").map((number) => number.trim());
    if (numbers.length > 3 || !numbers.every((number) => /^[+-]?\d*$/.test(number) && !/^[+-]$/.test(number))) {
      throw wrong(text);
    }
    if (numbers.length === 1 && numbers[0] === "") throw wrong(text);
    if (numbers.length === 1) return Number(numbers[0]);
    const [start = null, stop = null, step = null] = numbers.map((number) => (number === "" ? null : Number(number)));
    return [start, stop, step] as const;
  });
}

function wrong(selection: Selection): StorageError {
  const message = `${show(selection)} is no selection. Pass an index, [start, stop, step], null or "..." for each axis, or text: "0:10, ..., ::-1"`;
  return new StorageError("INVALID_DATA", message);
}

function show(selection: Selection): string {
  return typeof selection === "string" ? `"${selection}"` : JSON.stringify(selection);
}
