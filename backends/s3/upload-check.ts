/** How a service proves that it keeps what was sent: a digest goes with each upload, and a wrong one is refused. */
import { type ErrorContext, isStorageError } from "../../src/core/errors.ts";
import type { Bucket } from "./bucket.ts";
import { type Encryption, isOpaqueEtag } from "./object-reading.ts";
import { connectionLost } from "./s3-errors.ts";
import { UploadBody } from "./upload-body.ts";

/**
 * Which digest a service checks. On one core: CRC-32 1,600 MiB/s and more, SHA-256 (as part of the signature, which every
 * service computes; the SDK does the same for a buffer) 700, MD5 300. A CRC-32 is answered as well, so that answers
 * prove whose they are.
 */
export type UploadCheck = "crc32" | "sha256" | "md5";

/** Values up to this length have the etag of their answer compared with their MD5, whatever else is checked. */
const MD5_UP_TO = 16 << 10;

/** Names the SHA-256 of a body in the input of a command, for {@link signPayload}. */
export const PAYLOAD_SHA256 = Symbol("SHA-256 of the body");

/** What goes with the body in the input of a command. */
export function digestInput(body: UploadBody, check: UploadCheck): object {
  if (check === "crc32") return { ChecksumCRC32: base64(body.crc32) };
  if (check === "sha256") return { [PAYLOAD_SHA256]: body.sha256 };
  return { ContentMD5: body.md5.toString("base64") };
}

/** What an answer says of the value that was kept. */
export interface KeptValue extends Encryption {
  readonly ETag?: string | undefined;
  readonly ChecksumCRC32?: string | undefined;
}

/**
 * Rejects an answer that is not the one to this request: it came before the service had the bytes, or is of others.
 *
 * @param etag - Of the answer, without quotes.
 */
export function checkKept(
  etag: string | undefined,
  body: UploadBody,
  check: UploadCheck,
  answer: KeptValue,
  context: ErrorContext,
): asserts etag is string {
  const fail = (problem: string) => connectionLost(`the service answered ${problem}`, context);
  if (!body.isHandedOver) throw fail("before it had the value");
  if (!etag) throw fail("without an etag");
  if (check === "crc32" && answer.ChecksumCRC32 !== undefined && answer.ChecksumCRC32 !== base64(body.crc32)) {
    throw fail("with a checksum of other bytes");
  }
  const isDigest = /^[0-9a-f]{32}$/.test(etag) && !isOpaqueEtag(answer);
  const isCheap = check === "md5" || body.byteLength <= MD5_UP_TO;
  if (isDigest && isCheap && etag !== body.md5.toString("hex")) throw fail("with an etag of other bytes");
}

/** Tries wrong digests on an object of its own. A service that takes one does not check it. */
export async function probeCheck(
  bucket: Bucket,
  at: { Bucket: string; Key: string },
  context: ErrorContext,
  signal: AbortSignal | undefined,
): Promise<UploadCheck> {
  const other = new UploadBody(new Uint8Array([2]));
  const refuses = async (check: UploadCheck) => {
    const input = { ...at, Body: new Uint8Array([1]), ...digestInput(other, check) };
    try {
      await bucket.send(new bucket.sdk.PutObjectCommand(input), context, signal);
      return false;
    } catch (error) {
      if (isStorageError(error, "CORRUPT")) return true;
      // An unknown header, or one that is known and cannot be read.
      if (isStorageError(error, "UNSUPPORTED", "INVALID_DATA")) return false;
      throw error;
    }
  };
  if (await refuses("crc32")) return "crc32";
  return (await refuses("sha256")) ? "sha256" : "md5";
}

/** A CRC-32 as S3 writes it. */
function base64(crc32: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32);
  return bytes.toString("base64");
}
