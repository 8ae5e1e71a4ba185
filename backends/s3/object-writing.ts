/** Writes values in one request each. */
import type { PutObjectCommandOutput } from "@aws-sdk/client-s3";
import type { ByteSource, WriteOptions, WriteResult } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import type { Service } from "./condition-probe.ts";
import { crcText, VALUE_CRC32 } from "./read-digest.ts";
import { isAmbiguous, translateS3 } from "./s3-errors.ts";
import { UploadBody } from "./upload-body.ts";
import { checkKept, digestInput } from "./upload-check.ts";

/** How long an abort waits for the answer to a request that can no longer be called back. */
const SETTLE_MS = 5000;

/** How often a conditional write is sent while the service says that it raced with another. */
const RACES = 20;

/**
 * Puts a value in one step. A service that sees several conditional writes at once may answer all of them that they
 * raced, and asks to be asked again.
 *
 * @param service - How it wants the etag of `If-Match`, and which digest it checks.
 */
export async function putObject(
  bucket: Bucket,
  key: string,
  bytes: ByteSource,
  options: WriteOptions,
  context: ErrorContext,
  service: Service,
): Promise<WriteResult> {
  const isConditional = options.ifAbsent === true || options.ifMatch !== undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await putOnce(bucket, key, bytes, options, context, service);
    } catch (error) {
      if (!isConditional || attempt === RACES || !isStorageError(error, "CONFLICT")) throw error;
    }
  }
}

async function putOnce(
  bucket: Bucket,
  key: string,
  bytes: ByteSource,
  options: WriteOptions,
  context: ErrorContext,
  service: Service,
): Promise<WriteResult> {
  const body = new UploadBody(bytes);
  const { ifAbsent, ifMatch } = options;
  const isConditional = ifAbsent === true || ifMatch !== undefined;
  const command = new bucket.sdk.PutObjectCommand({
    ...bucket.at(key),
    Body: isConditional ? body.stream() : body.repeatable,
    ContentLength: body.byteLength,
    ...digestInput(body, service.check),
    // The etag would do as well where it is an MD5, at a fifth of the speed.
    Metadata: { [VALUE_CRC32]: crcText(body.crc32) },
    ...(ifAbsent ? { IfNoneMatch: "*" } : {}),
    ...(ifMatch === undefined ? {} : { IfMatch: service.conditions.ifMatch === "bare" ? ifMatch : `"${ifMatch}"` }),
  });
  const answer = await sendBody<PutObjectCommandOutput>(bucket, command, body, context, {
    signal: options.signal,
    isRepeatable: !isConditional,
  }).catch((error: unknown) => {
    throw conditionError(error, options, context);
  });
  const etag = bareEtag(answer.ETag);
  checkKept(etag, body, service.check, answer, context);
  return {
    byteLength: body.byteLength,
    etag,
    ...(answer.VersionId ? { version: answer.VersionId } : {}),
  };
}

/**
 * Sends a request with a body, so that an abort tells the truth: before the last piece is handed over it cuts the
 * connection, and nothing was changed; after that it waits for the answer.
 *
 * @param how - `isRepeatable: false`: a request whose answer was lost must not simply be sent again, since it may have
 * been carried out, and would then fail by its own condition.
 */
export async function sendBody<Result>(
  bucket: Bucket,
  command: object,
  body: Pick<UploadBody, "isHandedOver">,
  context: ErrorContext,
  how: { readonly signal: AbortSignal | undefined; readonly isRepeatable: boolean },
): Promise<Result> {
  const { signal, isRepeatable } = how;
  checkAborted(signal, context);
  // Short values go often, and mostly nobody will call them off.
  const cut = signal && new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    if (!body.isHandedOver) cut?.abort(signal?.reason);
    else timer = setTimeout(() => cut?.abort(signal?.reason), SETTLE_MS);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await bucket.sendRaw<Result>(command, cut?.signal);
  } catch (error) {
    const failure = translateS3(error, context, cut?.signal);
    const isOpen = body.isHandedOver && isAmbiguous(error);
    if (isRepeatable || !isOpen || failure.code === "ABORTED") throw failure;
    const message = `${failure.message}. Whether the conditional write was carried out is not known: look before trying again`;
    throw new StorageError(failure.code, message, { ...context, retryable: false, cause: failure });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** The error of a condition that did not hold, by the name of the condition. */
export function conditionError(error: unknown, options: WriteOptions, context: ErrorContext): unknown {
  const where = `"${context.identifier}" in "${context.backend}"`;
  if (options.ifAbsent && isStorageError(error, "PRECONDITION_FAILED")) {
    return new StorageError("ALREADY_EXISTS", `${where} exists`, { ...context, cause: error });
  }
  // Some services answer that there is nothing to be replaced.
  if (options.ifMatch !== undefined && isStorageError(error, "NOT_FOUND")) {
    return new StorageError("PRECONDITION_FAILED", `${where} is not the version asked for`, {
      ...context,
      cause: error,
    });
  }
  return error;
}
