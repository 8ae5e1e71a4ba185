import { CreateMultipartUploadCommand } from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { useBucket } from "../support/s3-fixture.ts";
import { hasS3 } from "../support/s3-server.ts";
import { scratchFolder, sluice } from "./command.ts";

describe.skipIf(!hasS3)("sluice recover of a bucket", { timeout: 60_000 }, () => {
  const service = useBucket();

  it("lists unfinished uploads, spares young ones, and removes those that are old enough", async () => {
    for (const Key of ["run1/a", "run10/b"]) {
      await service.bucket.client.send(new CreateMultipartUploadCommand({ Bucket: service.bucket.name, Key }));
    }
    const archive = `{ use: s3, bucket: ${service.bucket.name}, endpoint: "${service.endpoint}" }`;
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
    expect(await service.bucket.uploads()).toEqual(["run10/b"]);
  });
});
