/** `sluice acquire` into a bucket, with live scans, killed in the middle: what a reader was told of is there. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { arraysEqual, BackendSet, createRegistry, type NdArray, sliceArray } from "../../src/index.ts";
import { openLive } from "../../src/live/index.ts";
import { SimulatedCamera } from "../../src/session/index.ts";
import { scratchFolder, start } from "../cli/command.ts";
import { requireBuild } from "../support/built.ts";
import { useBucket } from "../support/s3-fixture.ts";
import { hasS3 } from "../support/s3-server.ts";

vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 });

const camera = { shape: [24, 32], blobs: 1, seed: 3 };
const expected = new SimulatedCamera("camera", camera);

describe.skipIf(!hasS3)("A session that writes into a bucket and is killed", () => {
  const service = useBucket();
  beforeAll(requireBuild);

  it.each(["shardBytes: 8000", "shard: frame, codec: blosc-zstd"])(
    "leaves every frame that was announced readable: %s",
    async (options) => {
      const archive = { use: "s3", bucket: service.bucket.name, endpoint: service.endpoint, region: "us-east-1" };
      const folder = scratchFolder();
      const session = {
        session: "killed",
        live: { location: "live", leaseMs: 60_000 },
        backends: { archive },
        storage: { basePath: "data" },
        devices: { camera: { use: "simulated-camera", ...camera, frameRate: 20 } },
        plan: { use: "count", num: 1_000_000 },
      };
      // YAML has JSON in it.
      const text = JSON.stringify(session).replace(
        '"basePath":"data"',
        `"basePath":"data","writers":{"default":{use: zarr, store: archive, path: "killed ${options.length}", ${options}}}`,
      );
      writeFileSync(join(folder, "s.yaml"), text);
      await using backends = new BackendSet(createRegistry(), { archive });
      await using store = await openLive(join(folder, "live"), { backends });
      const next = store.nextScan({ timeoutMs: 120_000 });
      const running = start(["acquire", "s.yaml"], folder);
      try {
        const scan = await store.loadScan((await next).key);
        await scan.waitState(2, { timeoutMs: 120_000 });
        const stream = scan.stream<NdArray, NdArray>("camera");
        const cursor = await stream.cursor();
        let index = 0;
        while (index < 20) {
          for await (const frame of (await cursor.read({ timeoutMs: 120_000 })) ?? []) {
            expect(arraysEqual(frame, expected.preview(index)), `frame ${index}, live`).toBe(true);
            index++;
          }
        }
        running.child.kill("SIGKILL");
        await running.finished;
        const length = await stream.length();
        expect(length).toBeGreaterThanOrEqual(index);
        const last = Math.min(length, 2 * index);
        const frames = await stream.slice(0, last);
        for (let i = 0; i < last; i++) expect(arraysEqual(sliceArray(frames, [i]), expected.preview(i))).toBe(true);
        expect(arraysEqual(await stream.at(length - 1), expected.preview(length - 1))).toBe(true);
        expect(await stream.locate(0)).toMatchObject({ state: "here", uri: expect.stringMatching(/^s3:/) });
      } finally {
        running.child.kill("SIGKILL");
        await running.finished;
      }
    },
  );
});
