/**
 * JSON for the columns of a catalogue. NaN and the infinities are written as Python writes them, so that nothing turns
 * into null on the way; Python's `json`, SQLite's JSON functions and `row-json.ts` read them.
 */
import { describe } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";

/**
 * A value as text. Typed arrays become lists, dates their ISO form; members that are `undefined` are left out.
 *
 * @param what - The field, for messages.
 * @throws A {@link StorageError} `INVALID_DATA` for what JSON cannot hold: functions, symbols, circles, and objects
 * such as maps, buffers and promises that keep what they hold to themselves.
 */
export function toJsonText(value: unknown, what: string): string {
  // Rows of readings are flat nearly always, and V8 writes those several times faster than a loop.
  return isFlat(value) ? JSON.stringify(value) : write(value, what, new Set());
}

function isFlat(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name];
    const isPlain = typeof member === "number" ? isPlainNumber(member) : ["string", "boolean"].includes(typeof member);
    if (!isPlain) return false;
  }
  return true;
}

/** True for numbers that `JSON.stringify` writes as they are. */
function isPlainNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

function write(value: unknown, what: string, above: Set<object>): string {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0.0" : String(value);
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "bigint":
      return String(value);
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
  const all = Object.entries(value);
  // A map, a promise that was not awaited, a buffer: it would become {}, and what is in it would be lost unseen.
  if (all.length === 0 && !isPlain(value)) throw refused(what, `${describe(value)} is no JSON`);
  const members = all.filter(([, member]) => member !== undefined);
  const texts = members.map(([name, member]) => `${JSON.stringify(name)}:${write(member, `${what}.${name}`, above)}`);
  return `{${texts.join(",")}}`;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // The last but one of a chain is Object.prototype, whichever realm's it is.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refused(what: string, reason: string): StorageError {
  return new StorageError("INVALID_DATA", `${what} cannot be written as JSON: ${reason}`);
}
