/**
 * Objects in a bucket: the descriptor of the S3 backend. Light; the SDK is loaded when a store is opened.
 *
 * @module sluice/backends/s3
 */
import type { ByteStore, ByteWriter, OperationOptions, WriteOptions } from "../../src/core/byte-store.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import type { IfExists } from "../../src/core/data-sink.ts";
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";

/** Options of the S3 backend. Credentials are none of them: they come from the SDK's own chain only. */
export interface S3Options {
  /** The bucket. It must exist. */
  readonly bucket?: string | undefined;
  /** Folder within the bucket that contains everything. Default: the whole bucket. */
  readonly prefix?: string | undefined;
  /** `s3://bucket/prefix` instead of the two above. */
  readonly uri?: string | undefined;
  /** Address of a service other than Amazon's, for example `https://s3.example.org`. */
  readonly endpoint?: string | undefined;
  /** Region. Default: what the SDK's chain says; `us-east-1` where an endpoint is named and the chain says nothing. */
  readonly region?: string | undefined;
  /** The bucket is the first part of the path, not of the host name. Default: true where an endpoint is named, here or in the environment. */
  readonly forcePathStyle?: boolean | undefined;
  /** Profile in the SDK's shared files that has the credentials. */
  readonly profile?: string | undefined;
  /** When the SDK adds checksums of its own: `"required"` suits every service, `"supported"` wants a recent one. */
  readonly checksums?: "required" | "supported" | undefined;
  /**
   * Compares what was read whole with its etag, where that is made of MD5s. Default: unless the connection is
   * encrypted, which lets no damage through by itself.
   */
  readonly verifyReads?: boolean | undefined;
  /** Bytes in one part of an upload, from 5 MiB. A value has 10,000 parts at most. Default 8 MiB. */
  readonly partBytes?: number | undefined;
  /** Parts of one upload under way at once. A writer holds one more than these in memory. Default 4. */
  readonly partsInFlight?: number | undefined;
  /** Whole values from this length on are sent in parts, several at once. Default 16 MiB. */
  readonly multipartFrom?: number | undefined;
  /**
   * Ranges of one long value that are read at once, each as long as a part at most, and 4 MiB in streams, which hold no
   * more of them than these. 1: a value is one request. Default: 4 where
   * one connection turns out to be slow; 1 with `checksums: "supported"`, since the SDK verifies whole answers only.
   */
  readonly readPartsInFlight?: number | undefined;
  /** Requests under way at once. Default 64. */
  readonly maxSockets?: number | undefined;
  /** Attempts that the SDK makes. Default 1: trying again is the business of the retry layer. */
  readonly maxAttempts?: number | undefined;
  /** Milliseconds without any traffic after which a request fails. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /**
   * Whether the service honours `If-None-Match` and `If-Match`. `"probe"` finds out with a small object when the store
   * is opened, `"native"` takes it for granted, `"none"` does without. Default `"probe"`.
   */
  readonly conditionalWrites?: "probe" | "native" | "none" | undefined;
  /**
   * `"flat"`: keys are what they are to the service, and a value may lie above others. `"checked"` looks before each
   * write that no value is above the key and no key below it, as on a disk; it costs a request for each folder of the
   * key, and two writers at once can get past it. Default `"flat"`.
   */
  readonly tree?: "checked" | "flat" | undefined;
  /** Overwrite policy of saves that name none. Default `"error"`. */
  readonly ifExists?: IfExists | undefined;
}

/** An upload that was begun and neither finished nor given up. It is paid for, and no listing shows it. */
export interface PendingUpload {
  /** Key that the value would have. */
  readonly key: string;
  /** Its name at the service; good for {@link S3Extras.resumeWriter}. */
  readonly uploadId: string;
  /** When it was begun, in milliseconds since 1970-01-01 UTC. */
  readonly startedMs: number;
}

/** Which uploads are meant. */
export interface UploadOptions extends OperationOptions {
  /** Only keys that begin with this. */
  readonly prefix?: string | undefined;
  /** Only uploads begun at least this long ago. To find: default 0. To remove: default a day, to spare living ones. */
  readonly olderThanMs?: number | undefined;
}

/** Options of {@link S3Extras.presign}. */
export interface PresignOptions {
  /** What the URL allows. Default `"GET"`. */
  readonly method?: "GET" | "PUT" | undefined;
  /** How long it holds, up to a week. Default 900 s. */
  readonly expiresSeconds?: number | undefined;
}

/** What the byte store of this backend offers besides the contract. */
export interface S3Extras {
  /** Finds uploads that nobody finished. Those of this store's own open writers are left out. */
  findUploads(options?: UploadOptions): AsyncIterable<PendingUpload>;
  /** Gives them up, so that the service frees their parts; answers which. */
  removeUploads(options?: UploadOptions): Promise<PendingUpload[]>;
  /** A writer that goes on where a killed one stopped: write what follows its `byteLength`. */
  resumeWriter(key: string, uploadId: string, options?: WriteOptions): Promise<ByteWriter>;
  /** A URL that lets its holder read or write one key without credentials. It is a secret: do not log it. */
  presign(key: string, options?: PresignOptions): Promise<string>;
}

const isBoolean = (value: unknown) => (typeof value === "boolean" ? undefined : "true or false");
const atLeast = (minimum: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= minimum ? undefined : `a whole number ≥ ${minimum}`;

const optionsOfS3 = optionsSchema<S3Options>({
  bucket: field.text,
  prefix: field.text,
  uri: field.text,
  endpoint: field.text,
  region: field.text,
  forcePathStyle: isBoolean,
  profile: field.text,
  checksums: field.oneOf("required", "supported"),
  verifyReads: isBoolean,
  partBytes: atLeast(5 << 20),
  partsInFlight: atLeast(1),
  multipartFrom: atLeast(5 << 20),
  readPartsInFlight: atLeast(1),
  maxSockets: atLeast(1),
  maxAttempts: atLeast(1),
  requestTimeoutMs: atLeast(1),
  conditionalWrites: field.oneOf("probe", "native", "none"),
  tree: field.oneOf("checked", "flat"),
  ifExists: field.oneOf("error", "replace", "skip"),
});

/** The S3 backend, key `"s3"`, scheme `s3:`. */
export const s3: BackendDescriptor<S3Options> = defineBackend<S3Options>({
  key: "s3",
  schemes: ["s3"],
  summary: "Objects in a bucket of Amazon S3 or a service that speaks it",
  capabilities: { ...storageCapabilities, directories: false, flatKeys: true, requiresFilesystemValidation: false },
  options: async () => optionsOfS3,
  openStore: async (options, context): Promise<ByteStore & S3Extras> => {
    const { S3Store } = await import("./store.ts");
    return S3Store.open(options, { name: context.instance, signal: context.signal });
  },
});

export default s3;
