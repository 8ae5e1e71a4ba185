/** One workspace over a disk, memory, a ZIP archive and a bucket of a real S3 service. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createArchive } from "../../../backends/zip/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import { FileManager } from "../../../src/io/file-manager.ts";
import { useBucket } from "../../support/s3-fixture.ts";
import { hasS3 } from "../../support/s3-server.ts";
import { counted } from "./sources.ts";

describe.skipIf(!hasS3)("a workspace over a real S3 service and others", { timeout: 60_000 }, () => {
  const service = useBucket();
  let folder: string;
  let set: BackendSet;
  let files: FileManager;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-virtual-s3-"));
    const entries = {
      "in/disk.json": { backend: "raw", address: "a.json" },
      "in/memory.json": { backend: "scratch", address: "a.json" },
      "in/zip.json": { backend: "old", address: "a.json" },
      "in/s3.npy": { backend: "archive", address: "p/stack.npy", axes: [1] },
    };
    await writeFile(join(folder, "a.json"), '"disk"');
    const s3 = { bucket: service.bucket.name, endpoint: service.endpoint, region: "us-east-1", forcePathStyle: true };
    set = new BackendSet(
      createRegistry(),
      {
        raw: { use: "disk", root: "." },
        scratch: { use: "memory" },
        old: { use: "zip", archive: "old.zip" },
        archive: { use: "s3", ...s3 },
        all: { use: "virtual", store: "archive", mapping: "map.json", writeTo: { backend: "archive", folder: "out" } },
        plate: { use: "listing", store: "archive", prefix: "p/" },
      },
      { baseDirectory: folder },
    );
    files = new FileManager(set);
    await using zip = await createArchive(await set.store("raw"), "old.zip");
    await zip.add("a.json", new TextEncoder().encode('"zip"'));
    await zip.close();
    await files.save("memory", "a.json", "scratch");
    await files.save(counted(2, 3, 4), "p/stack.npy", "archive");
    await service.bucket.side.put("map.json", new TextEncoder().encode(JSON.stringify({ version: 1, entries })));
  }, 60_000);
  afterAll(async () => {
    await set?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it("loads each reference from its own backend, in one batch", async () => {
    const paths = ["in/s3.npy", "in/zip.json", "in/memory.json", "in/disk.json"];
    const [plane, ...rest] = await files.loadBatch(paths, "all");
    expect(rest).toEqual(["zip", "memory", "disk"]);
    expect([(plane as NdArray).shape, (plane as NdArray).data[0]]).toEqual([[3, 4], 12]);
  });

  it("saves into the bucket and its mapping, by many at once, and nothing is lost", async () => {
    const paths = Array.from({ length: 12 }, (_, i) => `new/${i}.json`);
    await Promise.all(paths.map((path, i) => files.save(i, path, "all")));
    const text = new TextDecoder().decode(await service.bucket.side.get("map.json"));
    expect(Object.keys(JSON.parse(text).entries).length).toBe(16);
    expect((await service.bucket.side.keys("out/new/")).length).toBe(12);
    expect(await files.loadBatch(paths, "all")).toEqual(paths.map((_, i) => i));
  });

  it("lists a prefix of the bucket as a backend of its own", async () => {
    expect(await files.listFiles("", "plate", { recursive: true })).toEqual(["stack.npy"]);
    expect(((await files.load("stack.npy", "plate")) as NdArray).shape).toEqual([2, 3, 4]);
  });
});
