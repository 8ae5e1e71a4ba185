/** Finds out what a service makes of conditions and digests: some ignore them, and overwrite. */
import type {
  CreateMultipartUploadCommandOutput,
  PutObjectCommandOutput,
  UploadPartCommandOutput,
} from "@aws-sdk/client-s3";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { type ErrorContext, isStorageError } from "../../src/core/errors.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import { probeCheck, type UploadCheck } from "./upload-check.ts";

/** What is known of a service. */
export interface Service {
  readonly conditions: Conditions;
  /** The digest that it checks. */
  readonly check: UploadCheck;
}

/** Which conditions a service keeps. */
export interface Conditions {
  /** `If-None-Match: *` of a write. */
  readonly ifAbsent: boolean;
  /** `If-Match` of a write, and whether the etag stands in quotes: some services compare it as it comes. */
  readonly ifMatch: false | "quoted" | "bare";
  /** Both, when an upload in parts is finished. */
  readonly onComplete: boolean;
}

/** No conditions at all. */
export const noConditions: Conditions = { ifAbsent: false, ifMatch: false, onComplete: false };

/**
 * Tries conditions that cannot hold, and digests that are wrong, on an object of its own, which it removes. A service that answers anything but
 * "precondition failed" does not have them. Where writing is not allowed, nothing is learnt and nothing is claimed.
 */
export async function probeService(bucket: Bucket, context: ErrorContext, signal?: AbortSignal): Promise<Service> {
  const { PutObjectCommand, DeleteObjectCommand } = bucket.sdk;
  const at = bucket.at(`.sluice-probe-${crypto.randomUUID()}`);
  const Body = new Uint8Array([1]);
  try {
    await bucket.send(new PutObjectCommand({ ...at, Body }), context, signal);
  } catch (error) {
    if (isStorageError(error, "PERMISSION_DENIED")) return { conditions: noConditions, check: "md5" };
    throw error;
  }
  try {
    const refuses = async (condition: object) =>
      isRefused(() => bucket.send(new PutObjectCommand({ ...at, Body, ...condition }), context, signal));
    // The MD5 of the one byte: a condition that holds.
    const etag = bareEtag(
      (await bucket.send<PutObjectCommandOutput>(new PutObjectCommand({ ...at, Body }), context)).ETag,
    );
    const spelling = async () => {
      if (!(await refuses({ IfMatch: `"${etag}"` }))) return "quoted";
      return (await refuses({ IfMatch: etag })) ? false : "bare";
    };
    const ifAbsent = await refuses({ IfNoneMatch: "*" });
    const ifMatch = (await refuses({ IfMatch: '"0123456789abcdef0123456789abcdef"' })) && (await spelling());
    const onComplete = ifAbsent && (await completeIsRefused(bucket, at, context, signal));
    const check = await probeCheck(bucket, at, context, signal);
    return { conditions: { ifAbsent, ifMatch, onComplete }, check };
  } finally {
    await bucket.send(new DeleteObjectCommand(at), context);
  }
}

async function completeIsRefused(
  bucket: Bucket,
  at: { Bucket: string; Key: string },
  context: ErrorContext,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const {
    CreateMultipartUploadCommand,
    UploadPartCommand,
    CompleteMultipartUploadCommand,
    AbortMultipartUploadCommand,
  } = bucket.sdk;
  const create = new CreateMultipartUploadCommand(at);
  const { UploadId } = await bucket.send<CreateMultipartUploadCommandOutput>(create, context, signal);
  let isGone = false;
  try {
    const upload = new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: new Uint8Array([2]) });
    const { ETag } = await bucket.send<UploadPartCommandOutput>(upload, context, signal);
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    const complete = new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload, IfNoneMatch: "*" });
    const isKept = await isRefused(() => bucket.send(complete, context, signal));
    isGone = !isKept;
    return isKept;
  } finally {
    if (!isGone) await bucket.send(new AbortMultipartUploadCommand({ ...at, UploadId }), context);
  }
}

async function isRefused(request: () => Promise<unknown>): Promise<boolean> {
  try {
    await request();
    return false;
  } catch (error) {
    if (isStorageError(error, "PRECONDITION_FAILED")) return true;
    if (isStorageError(error, "UNSUPPORTED", "INVALID_DATA")) return false;
    throw error;
  }
}

/** What a store on such a service can do, with keys flat as the service has them, or checked to make a tree. */
export function capabilitiesFor(conditions: Conditions, isFlat: boolean): StoreCapabilities {
  return {
    write: true,
    list: true,
    ifAbsent: conditions.ifAbsent ? "native" : "none",
    ifMatch: conditions.ifMatch ? "native" : "none",
    contentEtags: true,
    ranges: "native",
    streamingWrite: "native",
    positionalWrite: false,
    directories: false,
    ...(isFlat ? { flatKeys: true } : {}),
    symlinks: false,
    rename: "emulated",
    persistent: true,
    durable: true,
  };
}
