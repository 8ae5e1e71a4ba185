/** What a writer stores beside its frames: JSON, checked when it is given, not when it is written. */
import { describe } from "../core/checks.ts";
import { type ErrorContext, StorageError } from "../core/errors.ts";

/** A value that JSON keeps exactly. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** An object of JSON values. */
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * A deep copy of a value that JSON keeps exactly.
 *
 * @param path - Name of the value in messages; members are named below it.
 * @throws A {@link StorageError} `INVALID_DATA` that names the member: functions, `undefined`, bigints, NaN and
 * infinities, dates, typed arrays and other class instances, cycles.
 */
export function toJson(value: unknown, path: string, context: ErrorContext = {}): JsonValue {
  return copy(value, path, context, []);
}

function copy(value: unknown, path: string, context: ErrorContext, above: readonly object[]): JsonValue {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value !== "object")
    throw notJson(path, typeof value === "number" ? String(value) : describe(value), context);
  if (above.includes(value)) throw notJson(path, "a cycle", context);
  const inside = [...above, value];
  if (Array.isArray(value)) {
    // `Array.from` and not `map`: a hole is an `undefined`, and JSON has none.
    return Array.from(value, (entry, index) => copy(entry, `${path}[${index}]`, context, inside));
  }
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null) throw notJson(path, describe(value), context);
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, copy(entry, `${path}.${key}`, context, inside)]),
  );
}

function notJson(path: string, what: string, context: ErrorContext): StorageError {
  return new StorageError(
    "INVALID_DATA",
    `${path} is ${what}: JSON cannot keep it. Use plain objects, lists, strings and finite numbers`,
    context,
  );
}
