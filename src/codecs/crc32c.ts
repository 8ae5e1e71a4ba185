/** CRC-32C (Castagnoli): the checksum of Zarr's sharding index, of S3 and of iSCSI. */

/** Reversed Castagnoli polynomial. */
const POLYNOMIAL = 0x82f63b78;

/** Bytes that one step of the main loop takes. */
const SLICE = 16;

/**
 * `SLICE` tables of 256 entries in one array: table `n` advances a byte that is followed by `n` more. 16 KiB, so that
 * they stay in the first-level cache. Made on first use: importing a codec does no work.
 */
let tables: Int32Array | undefined;

/**
 * The CRC-32C of some bytes.
 *
 * @param bytes - Read only.
 * @param seed - Result for the bytes before these: `crc32c(b, crc32c(a))` is the checksum of `a` followed by `b`.
 * @returns An unsigned 32-bit number.
 * @see RFC 3720, appendix B.4, for the test vectors; Intel's "slicing-by-8" for the method, here with sixteen
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  tables ??= makeTables();
  const t = tables;
  let crc = ~seed;
  let i = 0;
  // Byte reads with constant offsets keep this independent of the machine's byte order and of alignment.
  for (const end = bytes.length - SLICE; i <= end; i += SLICE) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc =
      t[3840 + (crc & 0xff)]! ^
      t[3584 + ((crc >>> 8) & 0xff)]! ^
      t[3328 + ((crc >>> 16) & 0xff)]! ^
      t[3072 + (crc >>> 24)]! ^
      t[2816 + bytes[i + 4]!]! ^
      t[2560 + bytes[i + 5]!]! ^
      t[2304 + bytes[i + 6]!]! ^
      t[2048 + bytes[i + 7]!]! ^
      t[1792 + bytes[i + 8]!]! ^
      t[1536 + bytes[i + 9]!]! ^
      t[1280 + bytes[i + 10]!]! ^
      t[1024 + bytes[i + 11]!]! ^
      t[768 + bytes[i + 12]!]! ^
      t[512 + bytes[i + 13]!]! ^
      t[256 + bytes[i + 14]!]! ^
      t[bytes[i + 15]!]!;
  }
  for (; i < bytes.length; i++) crc = t[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A CRC-32C as it stands in a `Checksum`: eight lower-case hexadecimal digits. */
export function crc32cHex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

function makeTables(): Int32Array {
  const made = new Int32Array(256 * SLICE);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    made[byte] = crc;
  }
  for (let i = 256; i < made.length; i++) {
    const before = made[i - 256]!;
    made[i] = made[before & 0xff]! ^ (before >>> 8);
  }
  return made;
}
