/** What can tell whether a value came as it was stored. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { ErrorContext } from "../../src/core/errors.ts";
import { PartDigest } from "./part-digest.ts";
import { damaged } from "./s3-errors.ts";

/**
 * Name of the metadata with the CRC-32 of a value that this package wrote in one piece: five times as fast to verify as
 * the MD5 in its etag.
 */
export const VALUE_CRC32 = "sluice-crc32";

/** Name of the metadata that says how long the parts of an upload were: with it, its etag can be computed again. */
export const PART_BYTES = "sluice-part-bytes";

/** Adds bytes up, in order, and tells at the end whether they are the stored ones. */
export interface ReadDigest {
  update(bytes: Uint8Array): void;
  isRight(): boolean;
}

/** What an answer says of its value. */
export interface DescribedValue {
  readonly etag: string | undefined;
  /** The etag is no digest of the bytes. */
  readonly isOpaque: boolean;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly byteLength: number;
}

/** Verifies a value by the CRC-32 in its metadata; `undefined` if there is none. */
export function crcDigest({ metadata }: DescribedValue): ReadDigest | undefined {
  const crc = metadata?.[VALUE_CRC32];
  return crc !== undefined && /^[0-9a-f]{8}$/.test(crc) ? new CrcDigest(crc) : undefined;
}

/**
 * Verifies a value by its etag, where that is made of MD5 digests; `undefined` if it is not.
 *
 * @throws A {@link StorageError} `CORRUPT` if no value of its length can have its etag.
 */
export function etagDigest(value: DescribedValue, context: ErrorContext): ReadDigest | undefined {
  const { etag, isOpaque, metadata, byteLength } = value;
  if (etag === undefined || isOpaque) return undefined;
  if (/^[0-9a-f]{32}$/.test(etag)) {
    const hash = createHash("md5");
    return { update: (bytes) => void hash.update(bytes), isRight: () => hash.digest("hex") === etag };
  }
  const partBytes = Number(metadata?.[PART_BYTES]);
  const parts = Number(/^[0-9a-f]{32}-(\d+)$/.exec(etag)?.[1]);
  // Of uploads by others nobody knows how long their parts were.
  if (!Number.isSafeInteger(partBytes) || partBytes <= 0 || Number.isNaN(parts)) return undefined;
  if (Math.ceil(byteLength / partBytes) !== parts) {
    throw damaged(`${byteLength} bytes were announced, and that is no length of ${parts} parts`, context);
  }
  const digest = new PartDigest(partBytes);
  return { update: (bytes) => digest.update(bytes), isRight: () => digest.etag() === etag };
}

/** A CRC-32 as metadata has it. */
export function crcText(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

class CrcDigest implements ReadDigest {
  readonly #expected: string;
  #crc = 0;

  constructor(expected: string) {
    this.#expected = expected;
  }

  update(bytes: Uint8Array): void {
    // To zlib an empty buffer may mean "begin anew".
    if (bytes.byteLength > 0) this.#crc = crc32(bytes, this.#crc);
  }

  isRight(): boolean {
    return crcText(this.#crc) === this.#expected;
  }
}
