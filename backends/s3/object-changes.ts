/** Removes and copies values. */
import type { CopyObjectCommandOutput, DeleteObjectsCommandOutput } from "@aws-sdk/client-s3";
import type {
  DeleteResult,
  ObjectStat,
  OperationOptions,
  TransferOptions,
  WriteResult,
} from "../../src/core/byte-store.ts";
import { type ErrorContext, StorageError, toStorageError } from "../../src/core/errors.ts";
import { normalizeKey } from "../../src/core/key.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import { directoriesAmong } from "./object-listing.ts";
import { isDirectoryError, statObject } from "./object-stat.ts";
import { sendBody } from "./object-writing.ts";
import { connectionLost } from "./s3-errors.ts";

/** Keys in one request of a batch delete. */
const DELETE_PAGE = 1000;

/** The most that one request may write or copy. */
export const MAX_REQUEST = 5 * 2 ** 30;

/** Options of {@link deleteObjects}. */
export interface DeleteOptions extends OperationOptions {
  /** Keys make a tree: one that has no value and keys below it is refused as a directory. */
  readonly isTree: boolean;
}

/**
 * Sends a request that changes something. Once it is on its way, the service may carry it out at any time: an abort
 * waits for the answer, so that no change comes after the caller was told that there would be none.
 */
export function sendChange<Result>(
  bucket: Bucket,
  command: object,
  context: ErrorContext,
  signal: AbortSignal | undefined,
): Promise<Result> {
  return sendBody<Result>(bucket, command, { isHandedOver: true }, context, { signal, isRepeatable: true });
}

/** Removes several values, in pages, and answers for each. */
export async function deleteObjects(
  bucket: Bucket,
  keys: readonly string[],
  options: DeleteOptions,
  context: ErrorContext,
): Promise<DeleteResult[]> {
  const malformed = new Map<string, StorageError>();
  const wanted = new Map<string, string>();
  for (const key of keys) {
    try {
      wanted.set(key, normalizeKey(key));
    } catch (error) {
      malformed.set(key, toStorageError(error, { ...context, identifier: key }));
    }
  }
  const normal = [...new Set(wanted.values())];
  const failed = new Map<string, StorageError>();
  for (let at = 0; at < normal.length; at += DELETE_PAGE) {
    await deletePage(bucket, normal.slice(at, at + DELETE_PAGE), failed, options, context);
  }
  return keys.map((key) => {
    const error = malformed.get(key) ?? failed.get(wanted.get(key) as string);
    return error === undefined ? { key } : { key, error };
  });
}

/** Copies a value of known version within the service. */
export async function copyObject(
  bucket: Bucket,
  source: ObjectStat,
  to: string,
  options: TransferOptions,
  context: ErrorContext,
): Promise<WriteResult> {
  const { key: from, byteLength, etag } = source;
  if (byteLength > MAX_REQUEST) {
    const message = `"${from}" has ${byteLength} bytes, and a service copies ${MAX_REQUEST} at most: read and write it`;
    throw new StorageError("UNSUPPORTED", message, context);
  }
  const command = new bucket.sdk.CopyObjectCommand({
    ...bucket.at(to),
    CopySource: bucket.copySource(from),
    CopySourceIfMatch: `"${etag}"`,
    ...(options.ifExists === "replace" ? {} : { IfNoneMatch: "*" }),
  });
  const answer = await sendChange<CopyObjectCommandOutput>(bucket, command, context, options.signal);
  const copied = bareEtag(answer.CopyObjectResult?.ETag);
  if (copied === undefined) throw connectionLost("the service did not say that the copy was made", context);
  return { byteLength, etag: copied };
}

async function deletePage(
  bucket: Bucket,
  keys: readonly string[],
  failed: Map<string, StorageError>,
  options: DeleteOptions,
  context: ErrorContext,
): Promise<void> {
  const about = (identifier: string) => ({ ...context, identifier });
  const whole = about(`${keys.length} keys from ${keys[0]}`);
  try {
    const directories = options.isTree ? await directoriesAmong(bucket, keys, whole, options) : [];
    for (const key of [...directories, ...(keys.includes("") ? [""] : [])]) {
      // Other programs may have put a value where there is a directory too; that can be removed.
      const isValue = key !== "" && (await statObject(bucket, key, about(key), options)) !== undefined;
      if (!isValue) failed.set(key, isDirectoryError(key, about(key)));
    }
    const Objects = keys.filter((key) => !failed.has(key)).map((key) => ({ Key: bucket.root + key }));
    if (Objects.length === 0) return;
    const command = new bucket.sdk.DeleteObjectsCommand({ Bucket: bucket.name, Delete: { Objects } });
    const answer = await sendChange<DeleteObjectsCommandOutput>(bucket, command, whole, options.signal);
    const gone = new Set(answer.Deleted?.map(({ Key }) => Key));
    for (const { Key } of Objects) {
      if (gone.has(Key)) continue;
      const key = Key.slice(bucket.root.length);
      const reason = answer.Errors?.find((error) => error.Key === Key)?.Code ?? "no answer";
      const code = reason === "AccessDenied" ? "PERMISSION_DENIED" : "UNEXPECTED";
      const message = `"${key}" in "${context.backend}" was not removed: ${reason}`;
      failed.set(key, new StorageError(code, message, { ...about(key), retryable: code === "UNEXPECTED" }));
    }
  } catch (error) {
    const failure = toStorageError(error, whole);
    if (failure.code === "ABORTED") throw failure;
    // The answer is lost for the whole page: each of its keys may still be there.
    for (const key of keys) if (!failed.has(key)) failed.set(key, failure);
  }
}
