/**
 * Options of `node:zlib` for values that are packed and unpacked as wholes. Without them Node asks its pool anew for each
 * 16 KiB that come out, which takes several times as long as the work itself.
 */

/** Below that zlib takes none. */
const LEAST_BYTES = 64;

/** More at once would take memory for bytes that a damaged header only promises. */
const MOST_BYTES = 64 << 20;

/** A result keeps the memory that was taken for it, though it is smaller. */
const MOST_PACKED_BYTES = 1 << 20;

/** @param byteLength - Of what is to be packed. */
export function packOptions(byteLength: number): { readonly chunkSize: number } {
  return { chunkSize: Math.min(MOST_PACKED_BYTES, Math.max(LEAST_BYTES, byteLength)) };
}

/**
 * Also a bound, so that a damaged stream cannot fill the memory.
 *
 * @param byteLength - Bytes that are to come out, at most; `undefined` where nobody knows.
 */
export function unpackOptions(byteLength: number | undefined): {
  readonly chunkSize?: number;
  readonly maxOutputLength?: number;
} {
  if (byteLength === undefined) return {};
  // One byte more, so that a full piece is not taken for a sign of another.
  const chunkSize = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, byteLength + 1));
  return { chunkSize, maxOutputLength: Math.max(1, byteLength) };
}
