/** Uploads in parts that nobody finished. */
import type { ListMultipartUploadsCommandOutput, ListPartsCommandOutput } from "@aws-sdk/client-s3";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import type { PendingUpload, UploadOptions } from "./index.ts";
import { keyDecoder } from "./object-listing.ts";

/** A part that the service has. */
export interface StoredPart {
  readonly etag: string;
  readonly byteLength: number;
}

/** Lists uploads under way below the root of a store, whoever began them. */
export async function* listUploads(
  bucket: Bucket,
  options: UploadOptions,
  context: ErrorContext,
): AsyncGenerator<PendingUpload> {
  const { prefix = "", olderThanMs = 0, signal } = options;
  const latest = Date.now() - olderThanMs;
  let place: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (;;) {
    // Names are not asked for encoded, as those of values are: Ceph encodes them here without saying so, and an upload
    // that is given up under a wrong name stays.
    const command = new bucket.sdk.ListMultipartUploadsCommand({
      Bucket: bucket.name,
      Prefix: bucket.root + prefix,
      ...place,
    });
    const answer = await bucket.send<ListMultipartUploadsCommandOutput>(command, context, signal);
    const decode = keyDecoder(answer.EncodingType);
    for (const { Key = "", UploadId = "", Initiated } of answer.Uploads ?? []) {
      const startedMs = Initiated?.getTime() ?? 0;
      if (startedMs <= latest) yield { key: decode(Key).slice(bucket.root.length), uploadId: UploadId, startedMs };
    }
    if (!answer.IsTruncated) return;
    place = { KeyMarker: decode(answer.NextKeyMarker ?? ""), UploadIdMarker: answer.NextUploadIdMarker };
  }
}

/** Gives an upload up. One that is gone already is fine. */
export async function abortUpload(bucket: Bucket, key: string, uploadId: string, context: ErrorContext): Promise<void> {
  try {
    await bucket.send(new bucket.sdk.AbortMultipartUploadCommand({ ...bucket.at(key), UploadId: uploadId }), context);
  } catch (error) {
    if (!(error instanceof StorageError && error.code === "NOT_FOUND")) throw error;
  }
}

/** The parts that a service has of an upload, in order. Stops at the first gap: what follows it must be sent again. */
export async function storedParts(
  bucket: Bucket,
  key: string,
  uploadId: string,
  context: ErrorContext,
): Promise<StoredPart[]> {
  const parts: StoredPart[] = [];
  let PartNumberMarker: string | undefined;
  for (;;) {
    const command = new bucket.sdk.ListPartsCommand({ ...bucket.at(key), UploadId: uploadId, PartNumberMarker });
    const answer = await bucket.send<ListPartsCommandOutput>(command, context);
    for (const { PartNumber, ETag, Size = 0 } of answer.Parts ?? []) {
      const etag = bareEtag(ETag);
      if (PartNumber !== parts.length + 1 || etag === undefined) return parts;
      parts.push({ etag, byteLength: Size });
    }
    if (!answer.IsTruncated) return parts;
    PartNumberMarker = answer.NextPartNumberMarker;
  }
}
