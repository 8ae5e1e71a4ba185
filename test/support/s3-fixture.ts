/** A bucket of a real service for the tests of a suite. */
import { afterAll, beforeAll } from "vitest";
import { type S3Server, startS3 } from "./s3-server.ts";
import { freshBucket, type TestBucket } from "./s3-subjects.ts";

/** What {@link useBucket} gives; there while tests and hooks run that are declared after it. */
export interface BucketFixture {
  /** Of the service. */
  readonly endpoint: string;
  /** Empty at first, and gone after the suite. */
  readonly bucket: TestBucket;
}

/** Reaches or starts the service before the tests of a suite, and makes a bucket; called inside of `describe`. */
export function useBucket(): BucketFixture {
  let server: S3Server | undefined;
  let bucket: TestBucket | undefined;
  beforeAll(async () => {
    server = await startS3();
    bucket = await freshBucket(server.endpoint);
  }, 120_000);
  afterAll(async () => {
    await bucket?.remove();
    await server?.stop();
  }, 120_000);
  return {
    get endpoint() {
      return present(server).endpoint;
    },
    get bucket() {
      return present(bucket);
    },
  };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("The service is there in tests and hooks, not while they are declared");
  return value;
}
