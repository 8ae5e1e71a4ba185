/** The checksum of ZIP. */
import { crc32 as nodeCrc32 } from "node:zlib";

/**
 * CRC-32 of bytes, going on from that of the bytes before them.
 *
 * No bytes change nothing: to zlib a buffer without memory means "begin anew", and an empty array may have none.
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  return bytes.byteLength === 0 ? before : nodeCrc32(bytes, before);
}
