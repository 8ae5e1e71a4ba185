import { describe, expect, it } from "vitest";
import { recoverZarr } from "../../../../backends/zarr/index.ts";
import {
  batchFiles,
  readBioformats2raw,
  readImage,
  validateNgff,
  writeBioformats2raw,
  writeImage,
  writeLabels,
  writeWell,
} from "../../../../backends/zarr/ngff/index.ts";
import type { ByteStore } from "../../../../src/core/byte-store.ts";
import { arraysEqual, ndArray, sliceArray, zeros } from "../../../../src/core/nd-array.ts";
import { rejectionOf } from "../../../support/rejection.ts";
import { useBucket } from "../../../support/s3-fixture.ts";
import { hasS3 } from "../../../support/s3-server.ts";
import { folderOf } from "../../../support/s3-subjects.ts";
import { ended, startSaver } from "./savers.ts";
import { ramp } from "./stores.ts";

type Where = Parameters<typeof startSaver>[0];

const units = { y: "micrometer", x: "micrometer" };

describe.skipIf(!hasS3)("OME-NGFF in a bucket", { timeout: 120_000 }, () => {
  const service = useBucket();

  async function withFolder(
    run: (store: ByteStore, keys: () => Promise<string[]>, where: Where) => Promise<void>,
  ): Promise<void> {
    const prefix = `run of é/${crypto.randomUUID()}`;
    const options = { endpoint: service.endpoint, bucket: service.bucket.name, prefix, region: "us-east-1" };
    const where = { use: "s3", options };
    const { store } = await folderOf(service.bucket, service.endpoint, { prefix });
    try {
      const keys = async () =>
        (await service.bucket.side.keys(`${prefix}/`)).map((key) => key.slice(prefix.length + 1));
      await run(store, keys, where);
    } finally {
      await store.close();
    }
  }

  it.each(["0.4", "0.5"] as const)(
    "images and labels of %s are whole, read in parts, replaced and removed",
    async (version) => {
      await withFolder(async (store, keys) => {
        const array = ramp([2, 61, 45]);
        const options = {
          version,
          axes: ["c", "y", "x"],
          units,
          levels: 3,
          channels: [{ label: "DAPI" }, {}],
          name: "i",
        };
        await writeImage(store, "a/i", array, options);
        const labels = ndArray(
          Uint8Array.from({ length: 61 * 45 }, (_, i) => i % 3),
          [61, 45],
        );
        await writeLabels(store, "a/i", "nuclei", labels);
        expect(await validateNgff(store, "a/i")).toMatchObject({ version, images: 1, labels: 1, violations: [] });
        const image = await readImage(store, "a/i");
        const part = [1, [10, 20], [40, 45]] as const;
        expect(arraysEqual((await image.levels[0]?.read(part))!, sliceArray(array, part))).toBe(true);
        expect((await image.levels[2]?.read())?.shape).toEqual([2, 16, 12]);
        expect(await image.labels()).toEqual(["a/i/labels/nuclei"]);
        expect((await rejectionOf(writeImage(store, "a/i", array, options))).code).toBe("ALREADY_EXISTS");
        // With fewer levels and no labels: nothing of the old one is left.
        await writeImage(store, "a/i", array, { ...options, levels: 1, ifExists: "replace" });
        expect((await keys()).filter((key) => /^a\/i\/([12]|labels)\//.test(key))).toEqual([]);
        expect((await validateNgff(store, "a/i")).isValid).toBe(true);
        expect(await recoverZarr(store, { olderThanMs: 0 })).toEqual([]);
      });
    },
  );

  it("an image comes from another array of the bucket, and the images of one file in parts", async () => {
    await withFolder(async (store) => {
      const array = ramp([3, 61, 45]);
      await writeImage(store, "raw", array, { axes: ["z", "y", "x"], levels: 1, chunkShape: [2, 32, 32] });
      const source = await (await readImage(store, "raw")).levels[0]!.open();
      await writeImage(store, "i", source, { axes: ["z", "y", "x"], levels: 2, chunkShape: [1, 61, 45], units });
      expect(arraysEqual((await (await readImage(store, "i")).levels[0]?.read())!, array)).toBe(true);
      const parts = [0, 1, 2].map((z) => sliceArray(array, [z]));
      const image = { array: { shape: [3, 61, 45], dtype: "uint16", parts } as const, axes: ["z", "y", "x"] };
      const omeXml = '<OME><Image ID="Image:0"/></OME>';
      await writeBioformats2raw(store, "file", [image], { omeXml });
      const series = await readBioformats2raw(store, "file");
      expect(new TextDecoder().decode(await series.omeXml())).toBe(omeXml);
      expect(arraysEqual((await (await readImage(store, "file/0")).levels[0]?.read())!, array)).toBe(true);
      expect((await validateNgff(store, "file")).isValid).toBe(true);
    });
  });

  it("what is refused or aborted leaves nothing", async () => {
    await withFolder(async (store, keys) => {
      const controller = new AbortController();
      const source = {
        shape: [64, 64],
        dtype: "uint16" as const,
        read: () => {
          controller.abort();
          return zeros([32, 32], "uint16");
        },
      };
      const options = { chunkShape: [32, 32], levels: 2 };
      const aborted = writeImage(store, "i", source, { ...options, signal: controller.signal });
      expect((await rejectionOf(aborted)).code).toBe("ABORTED");
      const wrong = { ...source, read: () => zeros([1, 1], "uint16") };
      expect((await rejectionOf(writeImage(store, "i", wrong, options))).code).toBe("SHAPE_MISMATCH");
      expect((await rejectionOf(writeWell(store, "p", { row: "A", column: 1, images: [] }))).code).toBe("INVALID_DATA");
      expect(await keys()).toEqual([]);
      expect(await service.bucket.uploads()).toEqual([]);
    });
  });

  it("processes that save wells of one plate at once lose none of each other's", async () => {
    await withFolder(async (store, keys, where) => {
      const savers = [startSaver(where, "AB", 3, "1"), startSaver(where, "CD", 3, "2")];
      expect(await Promise.all(savers.map(ended))).toEqual([0, 0]);
      const report = await validateNgff(store, "plate");
      expect(report).toMatchObject({ isValid: true, plates: 1, wells: 13, images: 14 });
      const files = await (await batchFiles(store)).list("plate");
      expect([...files.keys()].filter((name) => name.endsWith(".tif"))).toHaveLength(2 * 14);
      expect((await keys()).filter((key) => key.includes(".sluice"))).toEqual([]);
      expect(await recoverZarr(store, { olderThanMs: 0 })).toEqual([]);
    });
  });

  it("a process that is killed leaves a plate that holds up, and what recover removes", async () => {
    await withFolder(async (store, _keys, where) => {
      const child = startSaver(where, "ABCDEFGH", 99, "1");
      const end = ended(child);
      let wells = 0;
      while (wells < 3 && child.exitCode === null) wells = (await validateNgff(store, "plate")).wells;
      child.kill("SIGKILL");
      await end;
      const report = await validateNgff(store, "plate");
      expect(report.violations.filter(({ level }) => level === "error")).toEqual([]);
      expect(report.wells).toBeGreaterThanOrEqual(3);
      await recoverZarr(store, { remove: true, olderThanMs: 0 });
      expect(await recoverZarr(store, { olderThanMs: 0 })).toEqual([]);
      const after = await validateNgff(store, "plate");
      expect([after.isValid, after.wells]).toEqual([true, report.wells]);
    });
  });
});
