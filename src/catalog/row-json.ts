/** JSON in rows, also as Python writes it. */
import { isStorageError, StorageError } from "../core/errors.ts";

/** Strings are skipped; numbers, and the words that Python writes for what JSON has no number for, are looked at. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|-?Infinity/g;

/** What needs more than `JSON.parse`: a word of Python's, or a whole number that may be beyond 2^53. */
const special = /NaN|Infinity|\d{16}/;

/** Marks a token that `JSON.parse` would lose; begins no text that a detector or a person writes. */
const MARK = "\u0000sluice:";

/**
 * The value of a column that holds JSON.
 *
 * Whole numbers that JavaScript's do not hold exactly come as bigint. `NaN` and `Infinity`, which Python's `json` writes bare, come as numbers.
 *
 * @param value - Text; what a database has parsed already comes back as it is; `null` gives `undefined`.
 * @throws A {@link StorageError} `CORRUPT` that names the place.
 */
export function parseJson(value: unknown, place: string): unknown {
  if (value === null || value === undefined) return undefined;
  if (typeof value !== "string") return value;
  try {
    if (!special.test(value)) return JSON.parse(value);
    return JSON.parse(value.replace(tokens, marked), (_key, inner) => unmarked(inner));
  } catch (cause) {
    const message = `${place} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new StorageError("CORRUPT", message, { operation: "read", identifier: place, cause });
  }
}

/** As {@link parseJson}, for columns that hold an object; what is absent or something else is the empty one. */
export function parseObject(value: unknown, place: string): Record<string, unknown> {
  const parsed = parseJson(value, place);
  return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
    ? (parsed as Record<string, unknown>)
    : {};
}

/** As {@link parseJson}, for columns that hold a list of words; anything else in it is left out. */
export function parseWords(value: unknown, place: string): string[] {
  const parsed = parseJson(value, place);
  return Array.isArray(parsed) ? parsed.filter((word) => typeof word === "string") : [];
}

/** What a column holds, or something else for one that is `CORRUPT`: one such row must not keep all others away. */
export function lenient<T>(parse: () => T, otherwise: T): T {
  try {
    return parse();
  } catch (error) {
    if (isStorageError(error, "CORRUPT")) return otherwise;
    throw error;
  }
}

function marked(token: string): string {
  if (token.startsWith('"')) return token;
  // A number of JavaScript that is large and whole is written with the digits that make it, and zeros.
  const isNumber = /^-?\d/.test(token) && (!/^-?\d+$/.test(token) || String(Number(token)) === token || token === "-0");
  return isNumber ? token : JSON.stringify(`${MARK}${token}`);
}

function unmarked(value: unknown): unknown {
  if (typeof value !== "string" || !value.startsWith(MARK)) return value;
  const token = value.slice(MARK.length);
  return /^-?\d+$/.test(token) ? BigInt(token) : Number(token);
}
