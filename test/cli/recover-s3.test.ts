import { CreateMultipartUploadCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasS3, type S3Server, startS3 } from "../support/s3-server.ts";
import { freshBucket, type TestBucket } from "../support/s3-subjects.ts";
import { scratchFolder, sluice } from "./command.ts";

describe.skipIf(!hasS3)("sluice recover of a bucket", { timeout: 60_000 }, () => {
  let server: S3Server;
  let bucket: TestBucket;
  beforeAll(async () => {
    server = await startS3();
    bucket = await freshBucket(server.endpoint);
  }, 60_000);
  afterAll(async () => {
    await bucket?.remove();
    await server?.stop();
  });

  it("lists unfinished uploads, spares young ones, and removes those that are old enough", async () => {
    for (const Key of ["run1/a", "run10/b"]) {
      await bucket.client.send(new CreateMultipartUploadCommand({ Bucket: bucket.name, Key }));
    }
    const archive = `{ use: s3, bucket: ${bucket.name}, endpoint: "${server.endpoint}" }`;
    const layers = "layers: [{ use: retry }, { use: prefix, prefix: run1 }]";
    const layered = archive.replace("}", `, ${layers} }`);
    const session = `session: s\nbackends: { archive: ${archive}, layered: ${layered} }\n`;
    const folder = scratchFolder({ "session.yaml": session });
    const recover = (...args: string[]) => sluice(["recover", ...args, "--session", "session.yaml"], folder);
    const found = await recover("archive:run1");
    expect(found.errors + found.output).toMatch(/run1\/a .*\n1 unfinished upload, found; /);
    expect((await recover("layered:")).output).toBe(found.output);
    expect((await recover("archive:", "--remove")).output).toBe("0 unfinished uploads, removed\n");
    expect((await recover("archive:run1", "--remove", "--older-than", "0")).output).toMatch(
      /^run1\/a .*\n1 unfinished/,
    );
    expect(await bucket.uploads()).toEqual(["run10/b"]);
  });
});
