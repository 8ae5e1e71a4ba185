/** A store in a bucket of a real service, for the state machine. */
import { CreateMultipartUploadCommand } from "@aws-sdk/client-s3";
import { S3Store } from "../../backends/s3/store.ts";
import type { ModelSubject } from "../../src/testing/model-state.ts";
import type { TestBucket } from "./s3-subjects.ts";

/** A store in a new folder; what a killed process leaves is an upload that nobody finishes. */
export async function s3Subject(bucket: TestBucket, endpoint: string): Promise<ModelSubject & { store: S3Store }> {
  const prefix = `model/${crypto.randomUUID()}`;
  const root = `${prefix}/`;
  const { side, client, name } = bucket;
  // Attempts: the gateway answers 500 when a value is read in the moment of its replacement.
  const open = () => S3Store.open({ endpoint, bucket: name, prefix, maxAttempts: 4 });
  return {
    store: await open(),
    side: {
      put: (key, bytes) => side.put(root + key, bytes),
      get: (key) => side.get(root + key),
      keys: async () => {
        const left = (await bucket.uploads()).filter((key) => key.startsWith(root));
        return [
          ...(await side.keys(root)).map((key) => key.slice(root.length)),
          ...left.map((key) => `upload: ${key}`),
        ];
      },
    },
    reopen: open,
    crash: async (key) => void (await client.send(new CreateMultipartUploadCommand({ Bucket: name, Key: root + key }))),
    recover: async () => {
      await using store = await open();
      await store.removeUploads({ olderThanMs: 0 });
    },
  };
}
