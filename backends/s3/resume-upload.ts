/**
 * Finds the upload that a killed writer left. The service keeps no note of what an upload was made from, so the parts
 * that it has are compared with the bytes themselves: the etag of a part is its MD5.
 */
import { createHash } from "node:crypto";
import { crc32c } from "../../src/codecs/crc32c.ts";
import type { ErrorContext } from "../../src/core/errors.ts";
import type { KeptBytes, OpenByteWriterOptions } from "../../src/core/resumable-write.ts";
import type { Bucket } from "./bucket.ts";
import { listUploads, type StoredPart, storedParts } from "./pending-uploads.ts";

/** An upload that is gone on with. */
export interface ResumedUpload {
  readonly uploadId: string;
  readonly parts: readonly StoredPart[];
  /** Its bytes, where they were compared with those that are to be written. */
  readonly kept?: KeptBytes | undefined;
}

/**
 * The longest upload of a key all of whose parts are what is to be written now.
 *
 * @param ownUploads - Answers those that are being written by this store.
 */
export async function findUpload(
  bucket: Bucket,
  key: string,
  { resume, signal }: OpenByteWriterOptions,
  ownUploads: () => Promise<ReadonlySet<string | undefined>>,
  context: ErrorContext,
): Promise<ResumedUpload | undefined> {
  if (resume === undefined) return undefined;
  const own = await ownUploads();
  const found: { readonly uploadId: string; readonly parts: readonly StoredPart[] }[] = [];
  for await (const upload of listUploads(bucket, { prefix: key, signal }, context)) {
    if (upload.key !== key || own.has(upload.uploadId)) continue;
    const parts = wholeParts(await storedParts(bucket, key, upload.uploadId, context));
    if (parts.length > 0) found.push({ uploadId: upload.uploadId, parts });
  }
  for (const upload of found.sort((a, b) => b.parts.length - a.parts.length)) {
    const kept = await compare(upload.parts, await resume.content({ signal }));
    if (kept !== undefined) return { ...upload, kept };
  }
  return undefined;
}

/**
 * The parts before the first that has another length. A shorter one was the last of a close that did not come through:
 * it is sent again, as part of what follows.
 */
export function wholeParts(parts: readonly StoredPart[]): readonly StoredPart[] {
  const end = parts.findIndex((part) => part.byteLength !== parts[0]?.byteLength);
  return end < 0 ? parts : parts.slice(0, end);
}

/** The checksum of the parts, if they are the beginning of the content. */
async function compare(
  parts: readonly StoredPart[],
  content: ReadableStream<Uint8Array>,
): Promise<KeptBytes | undefined> {
  let index = 0;
  let inPart = 0;
  let hash = createHash("md5");
  const kept = { byteLength: 0, crc32c: 0 };
  for await (const chunk of content) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = parts[index] as StoredPart;
      const piece = chunk.subarray(at, at + part.byteLength - inPart);
      hash.update(piece);
      kept.crc32c = crc32c(piece, kept.crc32c);
      kept.byteLength += piece.byteLength;
      at += piece.byteLength;
      inPart += piece.byteLength;
      if (inPart < part.byteLength) continue;
      if (hash.digest("hex") !== part.etag) return undefined;
      if (++index === parts.length) return kept;
      hash = createHash("md5");
      inPart = 0;
    }
  }
  return undefined;
}
