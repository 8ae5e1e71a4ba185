import { describe, expect, it, test } from "vitest";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { createArray, openArray, openZarr, type ZarrArray } from "../../../backends/zarr/index.ts";
import { arraysEqual, ndArray } from "../../../src/core/nd-array.ts";
import { backendConformance } from "../../../src/testing/backend-kit.ts";
import { bitsOf, ramp } from "../../support/arrays.ts";
import { useBucket } from "../../support/s3-fixture.ts";
import { hasS3 } from "../../support/s3-server.ts";
import { folderOf } from "../../support/s3-subjects.ts";
import { valueDoor, zarrCapabilities } from "./backend-subjects.ts";
import { frameOf, writerOver } from "./support.ts";

describe.skipIf(!hasS3)("Zarr in a bucket", { timeout: 60_000 }, () => {
  const service = useBucket();

  backendConformance({ describe, test }, "zarr in a bucket", {
    capabilities: zarrCapabilities(true),
    make: async () => {
      const { store, side } = await folderOf(service.bucket, service.endpoint, { maxAttempts: 3 });
      return { backend: new ZarrBackend(store), side: valueDoor(side) };
    },
  });

  it("loses nothing of regions that several write into one chunk", async () => {
    const { store } = await folderOf(service.bucket, service.endpoint, { maxAttempts: 3 });
    await createArray(store, "a", { shape: [12], dtype: "int32", chunkShape: [12] });
    const arrays = await Promise.all([openArray(store, "a"), openArray(store, "a"), openArray(store, "a")]);
    const put = (i: number) => arrays[i % 3]!.write([[i, i + 1]], ndArray(Int32Array.of(i + 1)));
    await Promise.all(Array.from({ length: 12 }, (_, i) => put(i)));
    expect([...(await arrays[0]!.read()).data]).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    await store.close();
  });

  it("takes shards, grows and shrinks, and is read in parts", async () => {
    const { store } = await folderOf(service.bucket, service.endpoint);
    const options = { shape: [0, 64, 64], dtype: "uint16", chunkShape: [1, 64, 64], shardShape: [4, 64, 64] } as const;
    const array = await createArray(store, "run/cam", options);
    const frames = ramp([6, 64, 64], "uint16");
    await array.append(frames);
    expect(bitsOf(await array.read())).toEqual(bitsOf(frames));
    await array.resize([5, 64, 64]);
    const other = (await openZarr(store, "run/cam")) as ZarrArray;
    expect(arraysEqual(await other.frame(4), await array.read([4]))).toBe(true);
    await store.close();
  });

  it("takes the frames of an acquisition, each shard one upload, and leaves none unfinished", async () => {
    const { store, side } = await folderOf(service.bucket, service.endpoint);
    const shape = [256, 256];
    const writer = writerOver(store, { shardBytes: 3 * 256 * 256 * 2, codec: "blosc-zstd" });
    writer.updateSource("cam", "uint16", shape);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    for (let i = 0; i < 7; i++) await sink.write(frameOf(i, shape));
    await sink.close();
    expect((await side.keys()).filter((key) => key.includes("/c/"))).toHaveLength(3);
    expect(await service.bucket.uploads()).toEqual([]);
    const array = (await openZarr(store, "cam")) as ZarrArray;
    expect(array.shape).toEqual([7, ...shape]);
    for (let i = 0; i < 7; i++) expect(arraysEqual(await array.frame(i), frameOf(i, shape))).toBe(true);
    await store.close();
  });
});
