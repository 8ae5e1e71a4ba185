/** URLs that carry their permission in themselves. */
import { checkInteger } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import type { Bucket } from "./bucket.ts";
import type { PresignOptions } from "./index.ts";
import { translateS3 } from "./s3-errors.ts";

const WEEK_SECONDS = 604_800;

/** A URL for one key and one method. No request is made. */
export async function presign(
  bucket: Bucket,
  key: string,
  options: PresignOptions,
  context: ErrorContext,
): Promise<string> {
  const { method = "GET", expiresSeconds = 900 } = options;
  checkInteger(expiresSeconds, "expiresSeconds", 1, context);
  if (expiresSeconds > WEEK_SECONDS) {
    throw new StorageError("OUT_OF_RANGE", `A presigned URL holds a week (${WEEK_SECONDS} s) at most`, context);
  }
  if (method !== "GET" && method !== "PUT") {
    throw new StorageError("INVALID_DATA", `A presigned URL is for GET or PUT, not for "${String(method)}"`, context);
  }
  const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner").catch((cause: unknown) => {
    const message = "Presigned URLs need a package: npm install @aws-sdk/s3-request-presigner@~3.1162.0";
    throw new StorageError("MISSING_DEPENDENCY", message, { ...context, cause });
  });
  const { GetObjectCommand, PutObjectCommand } = bucket.sdk;
  const at = bucket.at(key);
  try {
    const command = method === "GET" ? new GetObjectCommand(at) : new PutObjectCommand(at);
    return await getSignedUrl(bucket.client, command, { expiresIn: expiresSeconds });
  } catch (error) {
    throw translateS3(error, context);
  }
}
