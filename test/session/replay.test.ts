import { dirname } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { arraysEqual, type NdArray, ndArray } from "../../src/index.ts";
import { count, type Session } from "../../src/session/index.ts";
import { realData } from "../support/real-data.ts";
import { arrayOf, documentOf, documentsOf, tiffsOf } from "./run-support.ts";
import { open, temporaryFolder } from "./support.ts";

let basePath: string;
beforeEach(async () => {
  basePath = await temporaryFolder();
});

const writers = (use: string) => ({ basePath, writers: { default: { use } } });

describe("The replay camera", () => {
  const timelapse = realData("timelapse");

  it.skipIf(timelapse === undefined)("plays real images into zarr and tiff, every frame equal", async () => {
    for (const use of ["zarr", "tiff"]) {
      const session = await open({
        backends: { raw: { use: "disk", root: dirname(timelapse as string) } },
        storage: { basePath, writers: { default: { use } } },
        devices: { camera: { use: "replay-camera", backend: "raw", path: "timelapse", pattern: "*.tif" } },
      });
      const summary = await session.run(count({ num: 10 }));
      const paths = await session.files.listFiles("timelapse", "raw", { pattern: "*.tif" });
      expect(paths).toHaveLength(10);
      const tiffs = use === "tiff" ? await tiffsOf(summary, "camera") : [];
      const array = use === "zarr" ? await arrayOf(summary, "camera") : undefined;
      for (const [i, path] of paths.entries()) {
        const original = (await session.files.load(path, "raw")) as NdArray;
        expect(original.shape.at(-1)).toBe(3);
        expect(arraysEqual((await array?.frame(i)) ?? (tiffs[i] as NdArray), original)).toBe(true);
      }
      const { data_keys } = documentOf(await documentsOf(summary.folder), "descriptor");
      expect(data_keys.camera?.dims).toEqual(["time", "y", "x", "c"]);
    }
  });

  async function openReplay(images: Record<string, NdArray>, options: object = {}): Promise<Session> {
    const session = await open({
      backends: { raw: { use: "memory" } },
      storage: writers("memory"),
      devices: { camera: { use: "replay-camera", backend: "raw", path: "in", ...options } },
    });
    for (const [name, image] of Object.entries(images)) {
      await session.files.save(image, `in/${name}`, "raw", { createParents: true });
    }
    return session;
  }

  const pixel = (value: number) => ndArray(Uint8Array.of(value), [1, 1]);

  it("plays in natural order, what its pattern matches", async () => {
    const session = await openReplay(
      { "a_10.npy": pixel(10), "a_2.npy": pixel(2), "b_1.npy": pixel(99) },
      { pattern: "a_*.npy" },
    );
    await session.run(count({ num: 2 }));
    const writer = session.writers.get("default") as unknown as { frames(name: string): readonly NdArray[] };
    expect(writer.frames("camera").map(({ data }) => data[0])).toEqual([2, 10]);
  });

  it("refuses more frames than there are, unless it may begin again", async () => {
    const images = { "1.npy": pixel(1), "2.npy": pixel(2) };
    await expect((await openReplay(images)).run(count({ num: 3 }))).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    const session = await openReplay(images, { loop: true });
    await session.run(count({ num: 5 }));
    const writer = session.writers.get("default") as unknown as { frames(name: string): readonly NdArray[] };
    expect(writer.frames("camera").map(({ data }) => data[0])).toEqual([1, 2, 1, 2, 1]);
  });

  it("fails at an image of another shape or dtype, and names it", async () => {
    const shape = await openReplay({ "1.npy": pixel(1), "2.npy": ndArray(Uint8Array.of(1, 2), [1, 2]) });
    await expect(shape.run(count({ num: 2 }))).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
      identifier: "in/2.npy",
    });
    const dtype = await openReplay({ "1.npy": pixel(1), "2.npy": ndArray(Uint16Array.of(1), [1, 1]) });
    await expect(dtype.run(count({ num: 2 }))).rejects.toMatchObject({
      code: "DTYPE_MISMATCH",
      identifier: "in/2.npy",
    });
  });

  it("says that it finds nothing, or no image", async () => {
    const empty = await openReplay({ "1.npy": pixel(1) }, { pattern: "*.tif" });
    await expect(empty.run(count({ num: 1 }))).rejects.toMatchObject({ code: "NOT_FOUND" });
    const text = await openReplay({});
    await text.files.save("words", "in/1.txt", "raw", { createParents: true });
    await expect(text.run(count({ num: 1 }))).rejects.toMatchObject({ code: "INVALID_DATA" });
  });
});
