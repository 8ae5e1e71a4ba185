/** Reaches a bucket, and finds out what the service behind it keeps. */
import { StorageError } from "../../src/core/errors.ts";
import { Bucket, importSdk, placeOf, type SdkLoader } from "./bucket.ts";
import { type Conditions, noConditions, probeService, type Service } from "./condition-probe.ts";
import type { S3Options } from "./index.ts";

/** How a store is opened. */
export interface OpenS3 {
  /** Name in messages. Default `"s3"`. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Loads the SDK; replaced in tests of its absence. */
  readonly load?: SdkLoader | undefined;
}

/** A bucket that was reached. */
export interface Connected {
  readonly bucket: Bucket;
  readonly service: Service;
  readonly name: string;
}

/** Loads the SDK and reaches the bucket. Errors are those of `S3Store.open`. */
export async function connect(options: S3Options, how: OpenS3): Promise<Connected> {
  const { name = "s3", signal, load = importSdk } = how;
  const context = { backend: name, operation: "open", identifier: options.bucket ?? options.uri };
  const place = placeOf(options, name);
  const sdk = await load().catch((cause: unknown) => {
    throw new StorageError("MISSING_DEPENDENCY", "S3 needs a package: npm install @aws-sdk/client-s3@~3.1162.0", {
      ...context,
      cause,
    });
  });
  const bucket = new Bucket(sdk, options, place);
  try {
    const { conditionalWrites = "probe" } = options;
    const all: Conditions = { ifAbsent: true, ifMatch: "quoted", onComplete: true };
    const known: Service = { conditions: conditionalWrites === "native" ? all : noConditions, check: "md5" };
    const service = conditionalWrites === "probe" ? await probeService(bucket, context, signal) : known;
    return { bucket, service, name };
  } catch (error) {
    bucket.close();
    throw error;
  }
}
