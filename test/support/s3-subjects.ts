/** S3 stores on a real service, each in a folder of its own, with the vendor's client as the way past them. */
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from "@aws-sdk/client-s3";
import type { S3Options } from "../../backends/s3/index.ts";
import { S3Store } from "../../backends/s3/store.ts";
import type { ByteStoreSubject, SideDoor } from "../../src/testing/byte-store-kit.ts";

/** A bucket and the vendor's client. */
export interface TestBucket {
  readonly name: string;
  readonly client: S3Client;
  readonly side: SideDoor & { keys(prefix?: string): Promise<string[]> };
  /** Keys of uploads that were begun and not finished. */
  uploads(): Promise<string[]>;
  remove(): Promise<void>;
}

/** Makes an empty bucket. */
export async function freshBucket(endpoint: string): Promise<TestBucket> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const Bucket = `sluice-${crypto.randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket }));
  const keys = async (Prefix = "") => {
    const found: string[] = [];
    for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix })) {
      found.push(...(page.Contents ?? []).map(({ Key = "" }) => Key));
    }
    return found;
  };
  const pending = async () => {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    return Uploads;
  };
  return {
    name: Bucket,
    client,
    uploads: async () => (await pending()).map(({ Key = "" }) => Key),
    side: {
      keys,
      put: async (Key, Body) => void (await client.send(new PutObjectCommand({ Bucket, Key, Body }))),
      get: async (Key) => {
        try {
          const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
          return await Body?.transformToByteArray();
        } catch (error) {
          if (error instanceof NoSuchKey) return undefined;
          throw error;
        }
      },
    },
    remove: async () => {
      for (const { Key, UploadId } of await pending()) {
        await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      }
      const left = await keys();
      for (let at = 0; at < left.length; at += 1000) {
        const Objects = left.slice(at, at + 1000).map((Key) => ({ Key }));
        await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      }
      await client.send(new DeleteBucketCommand({ Bucket }));
      client.destroy();
    },
  };
}

/** A store in a new folder of a bucket: a service makes folders for nothing, and buckets slowly. */
export async function folderOf(
  bucket: TestBucket,
  endpoint: string,
  options: S3Options = {},
): Promise<ByteStoreSubject<S3Store>> {
  const prefix = `run of é/${crypto.randomUUID()}`;
  const root = `${prefix}/`;
  const { side } = bucket;
  return {
    store: await S3Store.open({ endpoint, bucket: bucket.name, prefix, ...options }),
    side: {
      put: (key, bytes) => side.put(root + key, bytes),
      get: (key) => side.get(root + key),
      keys: async () => (await side.keys(root)).map((key) => key.slice(root.length)),
    },
  };
}
