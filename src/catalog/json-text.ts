/**
 * JSON in the columns of a catalogue. NaN and the infinities are written as Python writes them, so that nothing turns
 * into null on the way; Python's `json` and SQLite's JSON functions read them.
 */
import { StorageError } from "../core/errors.ts";

/**
 * A value as text. Typed arrays become lists, dates their ISO form; members that are `undefined` are left out.
 *
 * @param what - The field, for messages.
 * @throws A {@link StorageError} `INVALID_DATA` for what JSON cannot hold: bigints beyond 2^53, functions, circles.
 */
export function toJsonText(value: unknown, what: string): string {
  // Rows of readings are flat nearly always, and V8 writes those several times faster than a loop.
  return isFlat(value) ? JSON.stringify(value) : write(value, what, new Set());
}

/** What {@link toJsonText} wrote, or Python's `json.dumps`. */
export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const marked = text.replaceAll(TOKENS, (token) => {
      return token.startsWith('"') ? token : `"${MARK}${token}"`;
    });
    try {
      return JSON.parse(marked, (_, member: unknown) => {
        return typeof member === "string" && member.startsWith("\u0000sluice:") ? Number(member.slice(8)) : member;
      });
    } catch {
      throw new StorageError("CORRUPT", `No JSON: ${text.slice(0, 80)}`, { cause: error });
    }
  }
}

/** Strings as a whole, so that words inside them stay what they are. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;

/** In front of a number that JSON has no word for. No text of a laboratory begins with it. */
const MARK = "\\u0000sluice:";

function isFlat(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name];
    const isPlain = typeof member === "string" || typeof member === "boolean" || Number.isFinite(member);
    if (!isPlain || Object.is(member, -0)) return false;
  }
  return true;
}

function write(value: unknown, what: string, above: Set<object>): string {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0.0" : String(value);
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "bigint":
      if (BigInt(Number(value)) === value) return String(value);
      throw refused(what, `${value} is beyond 2^53`);
    case "object":
      return value === null ? "null" : writeObject(value, what, above);
    default:
      throw refused(what, `a ${typeof value} is no JSON`);
  }
}

function writeObject(value: object, what: string, above: Set<object>): string {
  if (above.has(value)) throw refused(what, "it contains itself");
  above.add(value);
  const text = writeMembers(value, what, above);
  above.delete(value);
  return text;
}

function writeMembers(value: object, what: string, above: Set<object>): string {
  if ("toJSON" in value && typeof value.toJSON === "function") return write(value.toJSON(), what, above);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const items = [...(value as unknown as Iterable<number | bigint>)];
    return `[${items.map((item) => write(item, what, above)).join(",")}]`;
  }
  if (Array.isArray(value)) {
    return `[${value.map((item, index) => write(item, `${what}[${index}]`, above)).join(",")}]`;
  }
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const texts = members.map(([name, member]) => `${JSON.stringify(name)}:${write(member, `${what}.${name}`, above)}`);
  return `{${texts.join(",")}}`;
}

function refused(what: string, reason: string): StorageError {
  return new StorageError("INVALID_DATA", `${what} cannot be written as JSON: ${reason}`);
}
