import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { createPngCodec } from "../../src/codecs/index.ts";
import { count, type SimulatedCamera, writePreview } from "../../src/session/index.ts";
import { useBucket } from "../support/s3-fixture.ts";
import { hasS3 } from "../support/s3-server.ts";
import { deviceOf, open, temporaryFolder } from "./support.ts";

describe.skipIf(!hasS3)("the preview of a run in a bucket", { timeout: 60_000 }, () => {
  const service = useBucket();

  it("shows a frame that was read from there", async () => {
    const archive = {
      use: "s3",
      bucket: service.bucket.name,
      endpoint: service.endpoint,
      region: "us-east-1",
      prefix: "é 1",
    };
    const session = await open({
      backends: { archive },
      storage: {
        basePath: await temporaryFolder(),
        writers: { default: { use: "zarr", store: "archive", path: "frames of 2026" } },
      },
      devices: { camera: { use: "simulated-camera", shape: [24, 32], blobs: 2 } },
    });
    const summary = await session.run(count({ num: 4 }));
    const preview = await writePreview(session, summary, { frame: 2 });
    const values = [...(deviceOf<SimulatedCamera>(session, "camera").preview(2).data as Uint16Array)];
    expect(preview).toMatchObject({ frame: 2, black: Math.min(...values), white: Math.max(...values) });
    const png = await readFile(preview?.path as string);
    const shown = await createPngCodec().decode(png, { identifier: "preview.png", options: {} });
    expect(shown).toMatchObject({ shape: [24, 32] });
    await session.close();
  });
});
