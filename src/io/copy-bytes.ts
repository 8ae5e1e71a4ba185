/** Copies the bytes of one value between two stores, and goes on with a copy of the same version that was interrupted. */
import { crc32c, crc32cHex } from "../codecs/crc32c.ts";
import type { ByteStore, ByteWriter } from "../core/byte-store.ts";
import { isStorageError, StorageError, type StorageErrorCode } from "../core/errors.ts";
import type { KeptBytes, ResumeOptions } from "../core/resumable-write.ts";
import { chunksOf } from "./chunks.ts";
import type { ItemCopy } from "./item-copier.ts";

/** Failures after which what was written so far is of no use, or takes the room that is missing. */
const hopeless: readonly StorageErrorCode[] = [
  "ALREADY_EXISTS",
  "CORRUPT",
  "NO_SPACE",
  "NOT_FOUND",
  "PRECONDITION_FAILED",
];

/** A copy whose reading back is up to the caller. */
type Copy = Omit<ItemCopy, "readsBack">;

const nothing: KeptBytes = { byteLength: 0, crc32c: 0 };

/** What was copied. */
export interface CopiedBytes {
  /** Checksum of what was read; absent where the store copied by itself. */
  readonly crc?: string | undefined;
  readonly byteLength: number;
  /** Version of the copy, where the target has such. */
  readonly etag?: string | undefined;
}

/**
 * Copies in bounded memory, and checks what the target says of what it got.
 *
 * @param item - `from` and `to` are keys.
 */
export async function copyBytes(source: ByteStore, target: ByteStore, item: Copy): Promise<CopiedBytes> {
  const { from, to, replaces, signal } = item;
  if (source === target) {
    const { byteLength, etag } = await target.copy(from, to, { ifExists: replaces ? "replace" : "error", signal });
    item.onBytes(byteLength);
    return { byteLength, etag };
  }
  let counted = 0;
  const onBytes = (byteLength: number) => {
    counted += byteLength;
    item.onBytes(byteLength);
  };
  const ifAbsent = !replaces && target.capabilities.ifAbsent !== "none";
  try {
    return await pour(source, target, { ...item, onBytes }, ifAbsent);
  } catch (error) {
    // A service may keep conditions of values in one request only. That nothing is there was seen before the copy.
    if (!ifAbsent || !isStorageError(error, "UNSUPPORTED")) throw error;
    item.onBytes(-counted);
    return pour(source, target, item, false);
  }
}

async function pour(source: ByteStore, target: ByteStore, item: Copy, ifAbsent: boolean): Promise<CopiedBytes> {
  const { from, to, stat, replaces, onBytes, signal } = item;
  const { writer, kept } = await openTarget(source, target, item, ifAbsent);
  try {
    let crc = kept.crc32c;
    let { byteLength } = kept;
    onBytes(byteLength);
    const version = stat.etag === undefined ? {} : { ifMatch: stat.etag };
    const rest = byteLength === 0 ? {} : { range: { offset: byteLength } };
    for await (const chunk of chunksOf(await source.readStream(from, { signal, ...version, ...rest }))) {
      crc = crc32c(chunk, crc);
      byteLength += chunk.byteLength;
      await writer.write(chunk, { signal });
      onBytes(chunk.byteLength);
    }
    await checkSource(source, item, byteLength);
    const written = await writer.close({ signal });
    const wanted = crc32cHex(crc);
    if (written.byteLength !== byteLength || (written.checksum && written.checksum.value !== wanted)) {
      throw await wrongCopy(target, to, replaces);
    }
    return { crc: wanted, byteLength, etag: written.etag };
  } catch (error) {
    if (!isStorageError(error, ...hopeless)) await writer.suspend?.();
    throw error;
  } finally {
    await writer.abort(); // harmless after the other ends
  }
}

/** Opens the writer of a copy, perhaps one that goes on with an earlier copy. */
async function openTarget(
  source: ByteStore,
  target: ByteStore,
  item: Copy,
  ifAbsent: boolean,
): Promise<{ readonly writer: ByteWriter; readonly kept: KeptBytes }> {
  const { to, stat, signal } = item;
  const conditions = { signal, ifAbsent, checksum: "crc32c" } as const;
  const resume = resumeOptions(source, item);
  if (resume === undefined) return { writer: await target.openWriter(to, conditions), kept: nothing };
  const writer = await target.openWriter(to, { ...conditions, resume });
  const { kept = nothing } = writer;
  if (writer.byteLength === kept.byteLength && kept.byteLength <= (stat.byteLength ?? 0)) return { writer, kept };
  // Something in between does not tell what was kept, so that what follows could not be verified.
  await writer.abort();
  return { writer: await target.openWriter(to, conditions), kept: nothing };
}

/** What a later copy of the same version goes on by; `undefined` for short values, and those whose version has no name. */
function resumeOptions(source: ByteStore, { from, stat, resumeFrom }: Copy): ResumeOptions | undefined {
  const { byteLength, etag, modifiedMs } = stat;
  if (byteLength === undefined || byteLength < resumeFrom) return undefined;
  // Versions of a store that forgets its values may come again for others.
  if (!source.capabilities.persistent || (etag === undefined && modifiedMs === undefined)) return undefined;
  return {
    origin: JSON.stringify([source.uri(from), etag, modifiedMs, byteLength]),
    content: ({ signal }) => source.readStream(from, { signal, ...(etag === undefined ? {} : { ifMatch: etag }) }),
  };
}

/** Where a store has no etags to read by, finds out afterwards that the source has changed meanwhile. */
async function checkSource(source: ByteStore, { from, stat, signal }: Copy, byteLength: number): Promise<void> {
  const context = { backend: source.name, operation: "copy", identifier: from };
  if (stat.byteLength !== undefined && byteLength !== stat.byteLength) {
    throw new StorageError("CORRUPT", `"${from}" has ${stat.byteLength} bytes, but ${byteLength} came`, context);
  }
  if (stat.etag !== undefined || stat.modifiedMs === undefined) return;
  const now = await source.stat(from, { signal });
  if (now.modifiedMs === stat.modifiedMs && now.byteLength === byteLength) return;
  throw new StorageError("PRECONDITION_FAILED", `"${from}" changed while it was copied`, context);
}

/** Removes a copy that is not what was read: a wrong value under a good name is worse than none. */
export async function wrongCopy(target: ByteStore, to: string, replaces: boolean): Promise<StorageError> {
  await target.delete(to);
  return new StorageError(
    "CORRUPT",
    `The copy "${to}" in "${target.name}" was not what was read and was removed${replaces ? ", with what it replaced" : ""}`,
    { backend: target.name, operation: "copy", identifier: to, retryable: true },
  );
}
