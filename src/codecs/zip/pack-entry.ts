/** One entry whose bytes are all there, as an archive keeps it. */
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import { type ByteSource, byteSourceLength, joinBytes } from "../../core/byte-store.ts";
import { crc32 } from "./crc32.ts";
import type { WrittenEntry } from "./records.ts";

/** How an entry is kept: as it is, or deflated if it becomes shorter by that. */
export type EntryCompression = "store" | "deflate";

/** What an entry is called and where it goes. */
export type EntryPlace = Pick<WrittenEntry, "name" | "headerOffset" | "modifiedMs">;

/** An entry, and its bytes as they go into the archive behind its header. */
export interface PackedEntry {
  readonly entry: WrittenEntry;
  /** The bytes that were given, in as many parts, if they are stored. */
  readonly packed: readonly Uint8Array[];
}

const deflateWhole = promisify(deflateRaw) as (bytes: Uint8Array) => Promise<Uint8Array>;

/**
 * Computes checksum and lengths of an entry, and compresses it if asked to.
 *
 * @param bytes - Borrowed until the result is written; stored bytes are not copied.
 */
export async function packEntry(
  place: EntryPlace,
  bytes: ByteSource,
  compression: EntryCompression,
): Promise<PackedEntry> {
  const parts = bytes instanceof Uint8Array ? [bytes] : bytes;
  const byteLength = byteSourceLength(parts);
  const checksum = parts.reduce((sum, part) => crc32(part, sum), 0);
  const deflated = compression === "deflate" ? await deflateWhole(joinBytes(parts)) : undefined;
  // Bytes that do not become fewer stay as they are.
  const isDeflated = deflated !== undefined && deflated.byteLength < byteLength;
  return {
    entry: {
      ...place,
      method: isDeflated ? 8 : 0,
      isStreamed: false,
      crc32: checksum,
      compressedLength: isDeflated ? deflated.byteLength : byteLength,
      byteLength,
    },
    packed: isDeflated ? [deflated] : parts,
  };
}
