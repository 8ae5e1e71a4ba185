/** Names of wells: row letters and a column number. */
import { StorageError } from "../../src/core/errors.ts";

/** A well by its place on the plate; both count from 0. */
export interface WellPosition {
  readonly row: number;
  readonly column: number;
}

/**
 * The name of a well: `A01`, and from the 27th row on two letters, `AA01`.
 *
 * @param row - From 0.
 * @param column - From 0.
 * @throws A {@link StorageError} `OUT_OF_RANGE` for a place that is no whole number ≥ 0.
 */
export function wellName(row: number, column: number): string {
  if (!Number.isSafeInteger(row) || !Number.isSafeInteger(column) || row < 0 || column < 0) {
    throw new StorageError("OUT_OF_RANGE", `No well has row ${row} and column ${column}; both count from 0`);
  }
  let letters = "";
  for (let rest = row + 1; rest > 0; rest = Math.floor((rest - 1) / 26)) {
    letters = String.fromCharCode(65 + ((rest - 1) % 26)) + letters;
  }
  return `${letters}${String(column + 1).padStart(2, "0")}`;
}

/**
 * The place of a well: `B7`, `b07`, `AA01`, or `R02C07`, as some instruments write it.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for what names no well.
 */
export function wellPosition(name: string): WellPosition {
  const [, row = "", letters = "", column = ""] = /^(?:R(\d{1,3})C|([A-Z]{1,3}))(\d{1,3})$/i.exec(name) ?? [];
  const place = { row: row === "" ? rowOf(letters) : Number(row) - 1, column: Number(column) - 1 };
  if (column !== "" && place.row >= 0 && place.column >= 0) return place;
  throw new StorageError("INVALID_DATA", `"${name}" is no well; one is A01, AA01 or R01C01`, { identifier: name });
}

function rowOf(letters: string): number {
  let row = 0;
  for (const letter of letters.toUpperCase()) row = row * 26 + letter.charCodeAt(0) - 64;
  return row - 1;
}
