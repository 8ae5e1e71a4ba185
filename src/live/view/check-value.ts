/** Finds mistakes in values of a layout. */
import { isByteDType, isInlineDType, itemSizeOf } from "./value-types.ts";

/** An object of JSON whose members are not known. */
export type Json = Readonly<Record<string, unknown>>;

const KINDS =
  "group, dataset, stream, inline, inline_b64, compound, soft_link, external_link, external_binary_dataset, virtual_dataset";

/**
 * Checks a value.
 *
 * @param path - Where it is, for the mistakes.
 * @param mayStream - True where a stream may stand too.
 */
export function checkValue(value: unknown, path: string, mistakes: string[], mayStream: boolean): void {
  if (!isObject(value)) {
    checkRaw(value, path, mistakes);
    return;
  }
  switch (value.type) {
    case "stream":
      if (!mayStream) mistakes.push(`${path}: a stream can only be a dataset`);
      else if (typeof value.stream !== "string") mistakes.push(`${path}: stream must be the name of a stream`);
      return;
    case "inline":
      if (!isInlineDType(value.dtype)) mistakes.push(`${path}: no dtype of numbers: ${JSON.stringify(value.dtype)}`);
      checkInline(value.value, path, mistakes);
      return;
    case "inline_b64":
      checkBase64(value, path, mistakes);
      return;
    case "compound":
      checkCompound(value.columns, path, mistakes);
      return;
    default:
      mistakes.push(`${path}: type is ${JSON.stringify(value.type)}, not one of ${KINDS}`);
  }
}

function checkRaw(value: unknown, path: string, mistakes: string[]): void {
  checkInline(value, path, mistakes);
  const shapes = new Set<string>();
  const collect = (item: unknown): string => {
    if (!Array.isArray(item)) return "";
    const inner = new Set(item.map(collect));
    if (inner.size > 1) shapes.add(path);
    return `${item.length},${[...inner][0] ?? ""}`;
  };
  collect(value);
  if (shapes.size > 0) mistakes.push(`${path}: its lists differ in length`);
}

function checkInline(value: unknown, path: string, mistakes: string[]): void {
  if (Array.isArray(value)) {
    for (const item of value) checkInline(item, path, mistakes);
  } else if (
    typeof value === "number" ? !Number.isFinite(value) : typeof value !== "string" && typeof value !== "boolean"
  ) {
    const hint = typeof value === "number" ? '. Say {"type": "inline", "dtype": "float64", "value": "nan"}' : "";
    mistakes.push(`${path}: ${String(value)} is no value: numbers, text and booleans are, and lists of them${hint}`);
  }
}

function checkBase64(value: Json, path: string, mistakes: string[]): void {
  const { dtype, shape, value: text } = value;
  if (!isByteDType(dtype)) mistakes.push(`${path}: no dtype with a byte order: ${JSON.stringify(dtype)}`);
  if (shape !== undefined && shape !== null && !isCounts(shape))
    mistakes.push(`${path}: shape must be whole numbers ≥ 0`);
  if (typeof text !== "string" || !/^[A-Za-z0-9+/\-_\s]*={0,2}\s*$/.test(text)) {
    mistakes.push(`${path}: value must be base64`);
    return;
  }
  if (!isByteDType(dtype)) return;
  const bytes = Buffer.from(text, "base64").length;
  const wanted = isCounts(shape) ? shape.reduce((size, n) => size * n, itemSizeOf(dtype)) : bytes;
  if (bytes !== wanted) mistakes.push(`${path}: ${bytes} bytes are no array ${JSON.stringify(shape)} of ${dtype}`);
  else if (bytes % itemSizeOf(dtype) !== 0) mistakes.push(`${path}: ${bytes} bytes are no array of ${dtype}`);
}

function checkCompound(columns: unknown, path: string, mistakes: string[]): void {
  const isColumns =
    Array.isArray(columns) &&
    columns.length > 0 &&
    columns.every((column) => Array.isArray(column) && column.length === 2 && typeof column[0] === "string");
  if (!isColumns) {
    mistakes.push(`${path}: columns must be a list of [name, value], and not empty`);
    return;
  }
  const names = columns.map(([name]) => name as string);
  if (new Set(names).size < names.length) mistakes.push(`${path}: columns of the same name`);
  for (const [name, value] of columns) checkValue(value, `${path}.${name}`, mistakes, false);
}

/** True for an object that is no list. */
export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for a whole number of at least 0. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** True for a list of whole numbers of at least 0. */
export function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isCount);
}
