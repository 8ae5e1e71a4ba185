/**
 * The rules of the event model that documents are held to before they leave.
 *
 * @see event-model 1.24, JSON schemas; bluesky `bundlers.py`
 */
import type { DataKey } from "../core/documents.ts";
import { type ErrorContext, StorageError } from "../core/errors.ts";

const dtypes = ["string", "number", "array", "boolean", "integer"];
const typestr = /^[|<>][tbiufcmMOSUV][0-9]+$/;

/** A name as it may stand in documents: dots and slashes, which the event model forbids in keys, become underscores. */
export function documentKey(name: string): string {
  return name.replace(/[./]/g, "_");
}

/** Refuses dots, slashes and empty names among the keys of a value, at any depth. */
export function checkKeys(value: unknown, path: string, context: ErrorContext): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value) && (key === "" || /[./]/.test(key))) {
      throw new StorageError(
        "INVALID_DATA",
        `${path} has a key ${JSON.stringify(key)}: keys of documents have no dots or slashes; rename it to "${documentKey(key)}"`,
        context,
      );
    }
    checkKeys(inner, `${path}.${key}`, context);
  }
}

/** Refuses data keys that readers would refuse. */
export function checkDataKeys(keys: Readonly<Record<string, DataKey>>, path: string, context: ErrorContext): void {
  checkKeys(keys, path, context);
  for (const [name, key] of Object.entries(keys)) {
    const problem = problemOf(key);
    if (problem) throw new StorageError("INVALID_DATA", `${path}.${name} ${problem}`, { ...context, identifier: name });
  }
}

function problemOf({ dtype, shape, source, dtype_numpy, external, dims }: DataKey): string | undefined {
  if (!dtypes.includes(dtype)) return `has dtype ${JSON.stringify(dtype)}; known: ${dtypes.join(", ")}`;
  if (!Array.isArray(shape) || !shape.every((n) => n === null || (Number.isSafeInteger(n) && n >= 0))) {
    return "has no shape of whole numbers";
  }
  if (typeof source !== "string") return "does not say its source";
  if (dtype_numpy !== undefined && !typestr.test(dtype_numpy)) return `has dtype_numpy ${JSON.stringify(dtype_numpy)}`;
  if (external !== undefined && !/^[A-Z]+:?/.test(external)) return `has external ${JSON.stringify(external)}`;
  if (dims !== undefined && dims.length !== shape.length) return `names ${dims.length} of ${shape.length} axes`;
  return undefined;
}
