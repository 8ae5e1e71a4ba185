/** What a service knows of one key. */
import type { HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import type { ObjectStat, OperationOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import { connectionLost } from "./s3-errors.ts";

/** Describes the value under a key; `undefined` if there is none. */
export async function statObject(
  bucket: Bucket,
  key: string,
  context: ErrorContext,
  options: OperationOptions,
): Promise<ObjectStat | undefined> {
  const head = new bucket.sdk.HeadObjectCommand(bucket.at(key));
  try {
    const answer = await bucket.send<HeadObjectCommandOutput>(head, context, options.signal);
    const { ContentLength: byteLength, LastModified, ETag, VersionId } = answer;
    if (byteLength === undefined) throw connectionLost("the answer announces no length", context);
    const version = VersionId === undefined ? {} : { version: VersionId };
    return { key, kind: "file", byteLength, modifiedMs: LastModified?.getTime(), etag: bareEtag(ETag), ...version };
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** The error of what cannot be done to a directory. */
export function isDirectoryError(key: string, context: ErrorContext): StorageError {
  return new StorageError("IS_A_DIRECTORY", `"${key}" in "${context.backend}" is a directory`, context);
}
