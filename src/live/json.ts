/** JSON as scans carry it: plain data that any language reads back as it was. */
import { type ErrorContext, StorageError } from "../core/errors.ts";

/** What JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** An object of {@link JsonValue}s. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/**
 * The value as JSON text. What JSON would change in silence is refused: NaN and the infinities, `undefined` in a list,
 * dates, maps, typed arrays, objects that contain themselves. Members that are `undefined` are left out.
 *
 * @param what - What the value is, for the message, which names the member at fault.
 * @throws A {@link StorageError} `INVALID_DATA`.
 */
export function toJson(value: unknown, what: string, context: ErrorContext = {}): string {
  checkValue(value, what, new Set(), context);
  return JSON.stringify(value);
}

/** A copy of the value that shares nothing with it, checked as {@link toJson} does. */
export function copyJson<T>(value: T, what: string, context: ErrorContext = {}): T {
  return JSON.parse(toJson(value, what, context)) as T;
}

function checkValue(value: unknown, path: string, above: Set<object>, context: ErrorContext): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refused(path, `${value} has no JSON; send a string or null`, context);
    return;
  }
  if (typeof value !== "object") throw refused(path, `a ${typeof value} has no JSON`, context);
  if (above.has(value)) throw refused(path, "it contains itself", context);
  above.add(value);
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      checkValue(item, `${path}[${i}]`, above, context);
    });
  } else {
    checkMembers(value, path, above, context);
  }
  above.delete(value);
}

function checkMembers(value: object, path: string, above: Set<object>, context: ErrorContext): void {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refused(
      path,
      `${/^[AEIO]/.test(value.constructor.name) ? "an" : "a"} ${value.constructor.name} has no JSON`,
      context,
    );
  }
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) checkValue(member, `${path}.${name}`, above, context);
  }
}

function refused(path: string, reason: string, context: ErrorContext): StorageError {
  return new StorageError("INVALID_DATA", `${path} cannot be kept as JSON: ${reason}`, context);
}
