/** What the SDK and the service throw, as errors of Sluice. */
import { type ErrorContext, isStorageError, StorageError, type StorageErrorCode } from "../../src/core/errors.ts";

type Meaning = readonly [code: StorageErrorCode, retryable: boolean, message: string];

/** By the name that the service, the SDK or Node gives. */
const byName: Readonly<Record<string, Meaning>> = {
  NoSuchKey: ["NOT_FOUND", false, "nothing is stored there"],
  NotFound: ["NOT_FOUND", false, "nothing is stored there"],
  NoSuchBucket: ["NOT_FOUND", false, "the bucket does not exist"],
  NoSuchUpload: ["NOT_FOUND", false, "the upload was finished or given up before"],
  PreconditionFailed: ["PRECONDITION_FAILED", false, "it is not the version asked for"],
  ConditionalRequestConflict: ["CONFLICT", true, "somebody writes the same key at the same time"],
  OperationAborted: ["CONFLICT", true, "somebody changes the same thing at the same time"],
  InvalidRange: ["OUT_OF_RANGE", false, "the range starts beyond the end"],
  AccessDenied: ["PERMISSION_DENIED", false, "access is denied; see the policies of the bucket and of the user"],
  AllAccessDisabled: ["PERMISSION_DENIED", false, "access is disabled"],
  AccountProblem: ["PERMISSION_DENIED", false, "the account has a problem"],
  SignatureDoesNotMatch: ["UNAUTHENTICATED", false, "the secret key is wrong"],
  InvalidAccessKeyId: ["UNAUTHENTICATED", false, "the access key is not known"],
  ExpiredToken: ["UNAUTHENTICATED", false, "the session token has expired"],
  InvalidToken: ["UNAUTHENTICATED", false, "the session token is not valid"],
  RequestTimeTooSkewed: ["UNAUTHENTICATED", false, "the clocks of this machine and of the service differ"],
  CredentialsProviderError: ["UNAUTHENTICATED", false, "the SDK's chain found no credentials"],
  SlowDown: ["RATE_LIMITED", true, "the service asks for a slower pace"],
  ServiceUnavailable: ["RATE_LIMITED", true, "the service is busy"],
  Throttling: ["RATE_LIMITED", true, "the service asks for a slower pace"],
  ThrottlingException: ["RATE_LIMITED", true, "the service asks for a slower pace"],
  TooManyRequests: ["RATE_LIMITED", true, "the service asks for a slower pace"],
  RequestLimitExceeded: ["RATE_LIMITED", true, "the service asks for a slower pace"],
  // What Ceph answers, with status 500, to a request that lost a race for its key.
  UnknownError: ["CONFLICT", true, "somebody changes the same key at the same time"],
  InternalError: ["UNEXPECTED", true, "the service failed"],
  RequestTimeout: ["TIMED_OUT", true, "the service waited too long for the request"],
  TimeoutError: ["TIMED_OUT", true, "no answer in time"],
  ETIMEDOUT: ["TIMED_OUT", true, "no connection in time"],
  BadDigest: ["CORRUPT", true, "the bytes were damaged on their way to the service, which refused them"],
  InvalidDigest: ["CORRUPT", true, "the checksum was damaged on its way to the service, which refused it"],
  XAmzContentSHA256Mismatch: [
    "CORRUPT",
    true,
    "the bytes were damaged on their way to the service, which refused them",
  ],
  IncompleteBody: ["CORRUPT", true, "the request lost bytes on its way to the service, which refused it"],
  QuotaExceeded: ["NO_SPACE", false, "the quota is full"],
  EntityTooLarge: ["INVALID_DATA", false, "one request may not carry so much"],
  KeyTooLongError: ["INVALID_KEY", false, "the key has more than 1,024 bytes"],
  InvalidObjectName: ["INVALID_KEY", false, "the service does not take such a key"],
  InvalidBucketName: ["CONFIG_INVALID", false, "this is no name of a bucket"],
  PermanentRedirect: ["CONFIG_INVALID", false, "the bucket is in another region"],
  AuthorizationHeaderMalformed: ["CONFIG_INVALID", false, "the bucket is in another region"],
  NotImplemented: ["UNSUPPORTED", false, "the service does not have this operation"],
  MethodNotAllowed: ["UNSUPPORTED", false, "the service does not have this operation"],
  ENOTFOUND: ["UNEXPECTED", false, "the host of the endpoint is not known"],
  EAI_AGAIN: ["UNEXPECTED", true, "the name service does not answer"],
  ECONNREFUSED: ["UNEXPECTED", true, "nobody listens at the endpoint"],
  ECONNRESET: ["UNEXPECTED", true, "the connection was lost"],
  EPIPE: ["UNEXPECTED", true, "the connection was lost"],
  ECONNABORTED: ["UNEXPECTED", true, "the connection was lost"],
  EHOSTUNREACH: ["UNEXPECTED", true, "the endpoint cannot be reached"],
  ENETUNREACH: ["UNEXPECTED", true, "the endpoint cannot be reached"],
  ERR_STREAM_PREMATURE_CLOSE: ["UNEXPECTED", true, "the connection was lost"],
};

/** The SDK's own complaint, which has no name. */
const noRegion: Meaning = ["CONFIG_INVALID", false, "no region: name one in the options, or set AWS_REGION"];

/** By the HTTP status, where the name says nothing. */
const byStatus: Readonly<Record<number, Meaning>> = {
  401: ["UNAUTHENTICATED", false, "the service wants credentials"],
  403: ["PERMISSION_DENIED", false, "access is denied"],
  404: ["NOT_FOUND", false, "nothing is stored there"],
  409: ["CONFLICT", true, "somebody changes the same thing at the same time"],
  412: ["PRECONDITION_FAILED", false, "it is not the version asked for"],
  416: ["OUT_OF_RANGE", false, "the range starts beyond the end"],
  429: ["RATE_LIMITED", true, "the service asks for a slower pace"],
  503: ["RATE_LIMITED", true, "the service is busy"],
};

/** The parts of an SDK error that are looked at. */
interface VendorError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/**
 * A typed error for anything that a request threw.
 *
 * The cause is a new, plain error with name, status and request id: what the SDK throws can hold the request with its
 * signature, and the answers of some services repeat access keys. Nothing of that leaves this function.
 */
export function translateS3(error: unknown, context: ErrorContext, signal?: AbortSignal): StorageError {
  if (isStorageError(error)) return error;
  const vendor = (typeof error === "object" && error !== null ? error : {}) as VendorError;
  const name = String(vendor.name ?? "Error");
  const code = typeof vendor.code === "string" ? vendor.code : undefined;
  const status = vendor.$metadata?.httpStatusCode;
  if (signal?.aborted && (name === "AbortError" || status === undefined)) {
    return new StorageError("ABORTED", `${context.operation} was aborted`, { ...context, cause: signal.reason });
  }
  const [meaning, retryable, what] = meaningOf(error, name, code, status);
  const label = code ?? name;
  const detail = status === undefined ? label : `${label}, status ${status}`;
  return new StorageError(
    meaning,
    `${context.operation} "${context.identifier}" in "${context.backend}": ${what} (${detail})`,
    {
      ...context,
      retryable,
      retryAfterMs: retryAfterOf(vendor),
      cause: safeCause(label, status, vendor.$metadata?.requestId),
    },
  );
}

/** An error of a connection that ended too early: the same call may well succeed. */
export function connectionLost(what: string, context: ErrorContext): StorageError {
  return new StorageError(
    "UNEXPECTED",
    `${context.operation} "${context.identifier}" in "${context.backend}": ${what}`,
    {
      ...context,
      retryable: true,
    },
  );
}

/** An error of bytes that came otherwise than they were stored. */
export function damaged(what: string, context: ErrorContext): StorageError {
  return new StorageError("CORRUPT", `${context.operation} "${context.identifier}" in "${context.backend}": ${what}`, {
    ...context,
    retryable: true,
  });
}

/** True if the request may have been carried out although it failed: no answer of the service says otherwise. */
export function isAmbiguous(error: unknown): boolean {
  const vendor = (typeof error === "object" && error !== null ? error : {}) as VendorError;
  const status = vendor.$metadata?.httpStatusCode;
  return status === undefined || status === 200 || (status >= 500 && vendor.name !== "UnknownError");
}

function meaningOf(error: unknown, name: string, code: string | undefined, status: number | undefined): Meaning {
  if (status === undefined && error instanceof Error && /^Region is missing/.test(error.message)) return noRegion;
  // The code first: the SDK calls some lost connections timeouts.
  const known = (code === undefined ? undefined : lookUp(code)) ?? lookUp(name);
  if (known !== undefined) return known;
  if (code?.startsWith("HPE_") || status === 200) return ["UNEXPECTED", true, "the answer was damaged"];
  const byNumber = status === undefined ? undefined : byStatus[status];
  if (byNumber !== undefined) return byNumber;
  return ["UNEXPECTED", status !== undefined && status >= 500, "the request failed"];
}

function lookUp(name: string): Meaning | undefined {
  return Object.hasOwn(byName, name) ? byName[name] : undefined;
}

/** `Retry-After` in milliseconds: it holds seconds, or a date. */
function retryAfterOf({ $response }: VendorError): number | undefined {
  const text = $response?.headers?.["retry-after"];
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function safeCause(name: string, status: number | undefined, requestId: string | undefined): Error {
  const cause = new Error(
    [`status ${status ?? "none"}`, requestId && `request ${requestId}`].filter(Boolean).join(", "),
  );
  cause.name = name;
  return cause;
}
