/**
 * Keys of scans and streams: a prefix and a ULID, as blissdata's are.
 *
 * @see https://github.com/ulid/spec
 */
import { randomBytes } from "node:crypto";

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A key for a new scan. Keys of one process sort by the time they were made, to the millisecond. */
export function newScanKey(now = Date.now()): string {
  return `esrf:scan:${ulid(now)}`;
}

/** A key for a new stream. */
export function newStreamKey(now = Date.now()): string {
  return `esrf:stream:${ulid(now)}`;
}

/** True for the form that {@link newScanKey} gives. */
export function isScanKey(key: string): boolean {
  return /^esrf:scan:[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(key);
}

/** True for the form that {@link newStreamKey} gives. */
export function isStreamKey(key: string): boolean {
  return /^esrf:stream:[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(key);
}

/** Ten digits of time, sixteen of chance. */
function ulid(now: number): string {
  let time = "";
  for (let left = now, i = 0; i < 10; i++, left = Math.floor(left / 32)) time = DIGITS[left % 32] + time;
  return time + Array.from(randomBytes(16), (byte) => DIGITS[byte % 32]).join("");
}
