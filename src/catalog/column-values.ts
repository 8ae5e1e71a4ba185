/** What columns hold, looked at before it is accepted: a row that cannot be written would keep its whole group waiting. */
import { describe } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";

/** The text, or `INVALID_DATA`. */
export function checkText(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw refused(value, what, "a text");
}

/** The number, or `INVALID_DATA` also for NaN and the infinities: SQLite makes nothing of the one. */
export function checkNumber(value: unknown, what: string): number {
  if (Number.isFinite(value)) return value as number;
  throw refused(value, what, "a number");
}

/** The whole number, or `INVALID_DATA`. */
export function checkWhole(value: unknown, what: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw refused(value, what, "a whole number");
}

/**
 * Refuses options of other names, and what is no options at all: metadata that stand one level too high, or a status that
 * stands alone, would be lost without a word.
 */
export function checkOptions(options: object, names: readonly string[], operation: string): void {
  const isObject = typeof options === "object" && options !== null && !Array.isArray(options);
  const unknown = isObject ? Object.keys(options).find((name) => !names.includes(name)) : undefined;
  if (isObject && unknown === undefined) return;
  const got = unknown === undefined ? describe(options) : `"${unknown}"`;
  const message = `${operation} takes options { ${names.join(", ")} }, not ${got}`;
  throw new StorageError("INVALID_DATA", message, { operation, identifier: unknown ?? operation });
}

function refused(value: unknown, what: string, wanted: string): StorageError {
  const got = typeof value === "number" ? String(value) : describe(value);
  return new StorageError("INVALID_DATA", `${what} must be ${wanted}, got ${got}`, { identifier: what });
}
