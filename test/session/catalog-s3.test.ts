/** A session whose frames go to a real S3 service, and whose catalogue finds them there again. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { Catalog } from "../../src/catalog/index.ts";
import { arraysEqual, BackendSet, createRegistry, FileManager, type NdArray } from "../../src/index.ts";
import { count, type SessionCatalog, type SimulatedCamera } from "../../src/session/index.ts";
import { sluice } from "../cli/command.ts";
import { useBucket } from "../support/s3-fixture.ts";
import { hasS3 } from "../support/s3-server.ts";
import { deviceOf, open, temporaryFolder } from "./support.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe.skipIf(!hasS3)("a catalogue of frames in a bucket", () => {
  const service = useBucket();
  const archive = () => {
    const { endpoint, bucket } = service;
    return { use: "s3", bucket: bucket.name, endpoint, region: "us-east-1", prefix: "é 1" };
  };

  it("reads them through the named backend of its session, and of another program", async () => {
    const folder = await temporaryFolder();
    const session = await open(
      {
        backends: { archive: archive() },
        catalog: "beamtime.db",
        storage: {
          basePath: "data",
          writers: { default: { use: "zarr", store: "archive", path: "frames of 2026" } },
        },
        devices: { camera: { use: "simulated-camera", shape: [24, 32], blobs: 2 } },
      },
      { baseDirectory: folder },
    );
    const { runUid } = await session.run(count({ num: 5 }));
    const camera = deviceOf<SimulatedCamera>(session, "camera");
    const check = async (catalog: Catalog) => {
      const images = await (await catalog.get(runUid)).images("camera");
      expect([images.shape, images.dtype]).toEqual([[5, 24, 32], "uint16"]);
      expect(images.places).toEqual([expect.stringMatching(/^s3:/)]);
      for (const index of [0, 4]) expect(arraysEqual(await images.at(index), camera.preview(index))).toBe(true);
      expect((await images.slice(1, undefined, 2).load()).shape).toEqual([2, 24, 32]);
    };
    await check((session.catalog as SessionCatalog).runs);
    // All frames are in the bucket, and none of them on the disk.
    expect((await service.bucket.side.keys("é 1/frames of 2026")).some((key) => key.includes("camera/c/"))).toBe(true);
    await session.close();

    const backends = new BackendSet(createRegistry(), { store: archive() });
    const catalog = await Catalog.open(join(folder, "beamtime.db"), { backends });
    await check(catalog);
    await catalog.close();
    await backends.close();
  });

  it("is written by sluice acquire, and its frames are read by sluice runs", async () => {
    const folder = await temporaryFolder();
    const { use, bucket, endpoint, region, prefix } = archive();
    const text = [
      "session: bucket",
      "catalog: {path: beamtime.db, index: index.db, researcher: Josiah Carberry}",
      `backends: {archive: {use: ${use}, bucket: ${bucket}, endpoint: "${endpoint}", region: ${region}, prefix: "${prefix}"}}`,
      "storage: {basePath: data, writers: {default: {use: zarr, store: archive, path: by command}}}",
      "devices: {camera: {use: simulated-camera, shape: [16, 24], exposure: 0.001}}",
      "plan: {use: count, num: 4}",
    ];
    writeFileSync(join(folder, "s.yaml"), text.join("\n"));
    const run = async (...args: string[]) => {
      const { code, output, errors } = await sluice([...args, "--json"], folder);
      expect(code, errors).toBe(0);
      expect(output + errors).not.toContain(process.env.AWS_SECRET_ACCESS_KEY);
      return JSON.parse(output);
    };
    await run("acquire", "s.yaml");
    const shown = await run("runs", "show", "last", "--catalog", "s.yaml");
    expect(shown).toMatchObject({ status: "success", numEvents: 4, images: [{ field: "camera", shape: [4, 16, 24] }] });
    expect(shown.images[0].places[0]).toMatch(/^s3:.*by%20command/);
    // With the session's backend, and back into its bucket by name.
    await run("runs", "image", "last", "--catalog", "s.yaml", "-o", "frame.npy");
    await run("runs", "image", "last", "--catalog", "s.yaml", "--frame", "-1", "-o", "archive:copies/frame.npy");
    const backends = new BackendSet(createRegistry(), { disk: { use: "disk", root: folder }, archive: archive() });
    const files = new FileManager(backends);
    const [here, there] = [await files.load("frame.npy", "disk"), await files.load("copies/frame.npy", "archive")];
    expect(arraysEqual(here as NdArray, there as NdArray)).toBe(true);
    expect(here).toMatchObject({ shape: [16, 24], dtype: "uint16" });
    expect(new Set((here as NdArray).data as Uint16Array).size).toBeGreaterThan(10);
    await backends.close();
    const found = await run("index", "search", "--researcher", "Josiah Carberry", "--index", "s.yaml");
    expect(found.runs).toMatchObject([{ uid: shown.uid }]);
  });
});
