/** What the headers of an answer say of a value. */
import type { ObjectStat } from "../../src/core/byte-store.ts";

/** Which part of which value the body of an answer is. */
export interface AnswerPart {
  /** First byte of the body within the value. */
  readonly offset: number;
  /** Bytes of the body; `undefined` if the server does not say. */
  readonly byteLength: number | undefined;
  /** Bytes of the whole value; `undefined` if the server does not say. */
  readonly total: number | undefined;
}

/** The part that the body is; `undefined` for an answer that does not say it as it must. */
export function partOf(response: Response): AnswerPart | undefined {
  const { headers, status } = response;
  if (status !== 206) {
    // Unpacked on the way, so that the length is that of something else.
    const byteLength = isPacked(headers) ? undefined : wholeNumber(headers.get("content-length"));
    return { offset: 0, byteLength, total: byteLength };
  }
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range")?.trim() ?? "");
  if (match === null || isPacked(headers)) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2])];
  const total = match[3] === "*" ? undefined : Number(match[3]);
  if (last < first || (total !== undefined && last >= total)) return undefined;
  return { offset: first, byteLength: last - first + 1, total };
}

/** The length of the value, from an answer that a range is not in it: `bytes *` and the length. */
export function totalOfRefusal(headers: Headers): number | undefined {
  const match = /^bytes \*\/(\d+)$/.exec(headers.get("content-range")?.trim() ?? "");
  return match === null ? undefined : Number(match[1]);
}

/** The version of a value: its etag as the server writes it, or else length and time; `undefined` without either. */
export function etagOf(headers: Headers, total: number | undefined): string | undefined {
  const etag = headers.get("etag");
  if (etag !== null) return etag;
  const modified = headers.get("last-modified");
  return modified === null || total === undefined ? undefined : `${total}@${modified}`;
}

/** The `if-match` header for a version. Weak ones and our own match nothing there, and are compared with the answer. */
export function ifMatchHeader(etag: string | undefined): Readonly<Record<string, string>> {
  return etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? { "if-match": etag } : {};
}

/** A value as it is described in a listing, too. */
export function statOf(key: string, headers: Headers, byteLength: number): ObjectStat {
  const modified = Date.parse(headers.get("last-modified") ?? "");
  return {
    key,
    kind: "file",
    byteLength,
    modifiedMs: Number.isNaN(modified) ? undefined : modified,
    etag: etagOf(headers, byteLength),
  };
}

function isPacked(headers: Headers): boolean {
  const encoding = headers.get("content-encoding");
  return encoding !== null && encoding.trim().toLowerCase() !== "identity";
}

function wholeNumber(value: string | null): number | undefined {
  return value !== null && /^\d+$/.test(value.trim()) ? Number(value) : undefined;
}
