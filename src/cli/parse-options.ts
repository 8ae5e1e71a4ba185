/** Options of commands that are numbers and times. */
import { InvalidArgumentError } from "commander";

/** A whole number of at least 1. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("It must be a whole number of at least 1.");
}

/** A whole number, also below 0. */
export function integer(text: string): number {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number.");
}

/** A port of TCP; 0 takes a free one. */
export function port(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= 0 && value < 65_536) return value;
  throw new InvalidArgumentError("It must be a whole number from 0 to 65535.");
}

/** A moment; without a zone it is UTC, as times are printed. */
export function time(text: string): Date {
  const isPlain = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?$/.test(text);
  const value = new Date(isPlain && text.includes("T") ? `${text}Z` : text);
  const isTime = isPlain || /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(text);
  if (isTime && !Number.isNaN(value.getTime())) return value;
  throw new InvalidArgumentError("It must be a day or a moment, such as 2026-03-05 or 2026-03-05T14:30.");
}
