/** Runs as people and programs read them. */
import type { CatalogRun } from "../catalog/index.ts";
import { isStorageError } from "../core/errors.ts";

/** A moment in UTC, to the second or the millisecond: `2026-03-05 14:30:05`. */
export function momentOf(seconds: number, { exact = false } = {}): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return String(seconds);
  return date
    .toISOString()
    .slice(0, exact ? 23 : 19)
    .replace("T", " ");
}

/** What is known of a run without looking at its events. Parts that are damaged are left out. */
export function runDocument(run: CatalogRun): Record<string, unknown> {
  const { uid, planName, timeStart, timeStop = null, status, numEvents, operator = null } = run;
  return {
    ...{ uid, planName, timeStart, timeStop, status, numEvents, operator },
    sample: intact(() => run.sample) ?? null,
    metadata: intact(() => run.metadata) ?? null,
  };
}

/** One row that cannot be read does not hide the others. */
function intact<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if (isStorageError(error, "CORRUPT")) return undefined;
    throw error;
  }
}

/** A value of a table, short enough for a line. */
export function cellText(column: string, value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (column === "time" && typeof value === "number") return momentOf(value, { exact: true });
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(9)));
  if (typeof value === "string" || typeof value === "bigint" || typeof value === "boolean")
    return shorten(String(value));
  return shorten(JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? String(inner) : inner)));
}

const LONGEST_CELL = 40;

function shorten(text: string): string {
  return text.length <= LONGEST_CELL ? text : `${text.slice(0, LONGEST_CELL - 1)}…`;
}
