import { describe, expect, it } from "vitest";
import { createGroup } from "../../../../backends/zarr/index.ts";
import { downsample } from "../../../../backends/zarr/ngff/downsample.ts";
import {
  readImage,
  validateNgff,
  type WriteImageOptions,
  writeImage,
  writeLabels,
} from "../../../../backends/zarr/ngff/index.ts";
import { arraysEqual, ndArray, zeros } from "../../../../src/core/nd-array.ts";
import { rejectionOf } from "../../../support/rejection.ts";
import { documentAt, freshStore, ramp } from "./stores.ts";

const micrometers = { y: "micrometer", x: "micrometer" };
const cells: WriteImageOptions = {
  axes: ["c", "y", "x"],
  scale: { y: 0.5, x: 0.25 },
  units: micrometers,
  levels: 3,
  name: "cells",
  channels: [{ label: "DAPI" }, { label: "GFP", color: "#00ff00", window: { start: 100, end: 4000 } }],
};

describe.each(["memory", "disk"] as const)("an image, in %s", (kind) => {
  describe.each(["0.4", "0.5"] as const)("of OME-NGFF %s", (version) => {
    it("has levels, scales, translations, units and channels, and no rule is broken", async () => {
      const { store, side } = await freshStore(kind);
      const array = ramp([2, 37, 50]);
      await writeImage(store, "a/cells", array, { ...cells, version });
      const report = await validateNgff(store, "a/cells");
      expect(report).toMatchObject({ isValid: true, version, images: 1, violations: [] });
      const image = await readImage(store, "a/cells");
      expect(image).toMatchObject({ version, name: "cells", path: "a/cells" });
      expect(image.axes).toEqual([
        { name: "c", type: "channel" },
        { name: "y", type: "space", unit: "micrometer" },
        { name: "x", type: "space", unit: "micrometer" },
      ]);
      expect(image.levels.map(({ scale, translation }) => ({ scale, translation }))).toEqual([
        { scale: [1, 0.5, 0.25], translation: [0, 0, 0] },
        { scale: [1, 1, 0.5], translation: [0, 0.25, 0.125] },
        { scale: [1, 2, 1], translation: [0, 0.75, 0.375] },
      ]);
      const [half, quarter] = [downsample(array, [1, 2, 2], "mean")].flatMap((one) => [
        one,
        downsample(one, [1, 2, 2], "mean"),
      ]);
      for (const [index, expected] of [array, half!, quarter!].entries()) {
        expect(arraysEqual(await image.levels[index]!.read(), expected), String(index)).toBe(true);
      }
      expect(quarter!.shape).toEqual([2, 10, 13]);
      const attributes =
        version === "0.4"
          ? await documentAt(side, "a/cells/.zattrs")
          : ((await documentAt(side, "a/cells/zarr.json")) as { attributes: { ome: Record<string, unknown> } })
              .attributes.ome;
      expect(attributes.omero).toMatchObject({
        channels: [
          { label: "DAPI", color: "0000FF", window: { min: 0, max: 65535, start: 0, end: 65535 } },
          { label: "GFP", color: "00FF00", window: { min: 0, max: 65535, start: 100, end: 4000 } },
        ],
      });
      const name = version === "0.4" ? "a/cells/0/.zarray" : "a/cells/0/zarr.json";
      const level = await documentAt(side, name);
      expect(level).toMatchObject(
        version === "0.4" ? { zarr_format: 2, dimension_separator: "/" } : { dimension_names: ["c", "y", "x"] },
      );
    });

    it("has labels with its axes and levels, listed after they are written", async () => {
      const { store } = await freshStore(kind);
      await writeImage(store, "i", ramp([2, 37, 50]), { ...cells, version });
      const labels = ndArray(
        Uint8Array.from({ length: 37 * 50 }, (_, i) => (i % 50 < 25 ? 3 : 9)),
        [37, 50],
      );
      const colors = [{ "label-value": 3, rgba: [255, 0, 0, 255] }];
      await writeLabels(store, "i", "nuclei", labels, { colors, properties: [{ "label-value": 9, area: 12.5 }] });
      await writeLabels(store, "i", "cells", zeros([2, 37, 50], "int32"));
      expect(await validateNgff(store, "i")).toMatchObject({ images: 1, labels: 2, violations: [] });
      const image = await readImage(store, "i");
      expect(await image.labels()).toEqual(["i/labels/nuclei", "i/labels/cells"]);
      const nuclei = await readImage(store, "i/labels/nuclei");
      expect(nuclei.imageLabel).toMatchObject({ colors, source: { image: "../../" } });
      expect(nuclei.levels.map(({ scale }) => scale)).toEqual(image.levels.map(({ scale }) => scale));
      const coarse = await nuclei.levels[2]!.read();
      expect(coarse.shape).toEqual([1, 10, 13]);
      expect(new Set(coarse.data as Uint8Array)).toEqual(new Set([3, 9]));
      const again = await rejectionOf(writeLabels(store, "i", "nuclei", labels));
      expect(again.code).toBe("ALREADY_EXISTS");
      await writeLabels(store, "i", "nuclei", labels, { ifExists: "replace" });
      expect(await image.labels()).toHaveLength(2);
    });
  });

  it("is not written over, unless it is said, and then it is another", async () => {
    const { store, side } = await freshStore(kind);
    const first = ramp([20, 20]);
    await writeImage(store, "i", first, { levels: 2 });
    const error = await rejectionOf(writeImage(store, "i", ramp([9, 9]), { levels: 1 }));
    expect(error.code).toBe("ALREADY_EXISTS");
    expect(arraysEqual(await (await readImage(store, "i")).levels[0]!.read(), first)).toBe(true);
    await writeImage(store, "i", ramp([9, 9], 5), { levels: 1, ifExists: "replace" });
    const image = await readImage(store, "i");
    expect(arraysEqual(await image.levels[0]!.read(), ramp([9, 9], 5))).toBe(true);
    expect((await side.keys()).filter((key) => !key.match(/^(zarr\.json|i\/zarr\.json|i\/0\/)/))).toEqual([]);
  });

  it("that is refused leaves nothing", async () => {
    const { store, side } = await freshStore(kind);
    const image = ramp([4, 4]);
    const refused: [() => Promise<void>, string][] = [
      [() => writeImage(store, "i", image, { axes: ["x"] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { axes: ["c", "x"] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { axes: ["q", "x"] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { scale: [0, 1] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { scale: { z: 1 } }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { units: { z: "meter" } }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { channels: [{}, {}] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { channels: [{ color: "red" }] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { levels: 0 }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { levels: 4 }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { factors: { x: 1.5 } }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { method: "median" as "mean" }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { chunkShape: [2] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { version: "0.4", shardShape: [4, 4] }), "INVALID_DATA"],
      [() => writeImage(store, "i", image, { version: "0.6" as "0.5" }), "INVALID_DATA"],
      [() => writeImage(store, "i", zeros([4], "uint8")), "INVALID_DATA"],
      [() => writeImage(store, "i", zeros([2, 2], "bool"), { method: "mean" }), "INVALID_DATA"],
      [() => writeLabels(store, "i", "n", image), "NOT_FOUND"],
    ];
    for (const [work, code] of refused) {
      const error = await rejectionOf(work);
      expect(error.code, error.message).toBe(code);
    }
    expect(await side.keys()).toEqual([]);
  });

  it("that fails on its way leaves nothing below its place", async () => {
    const { store, side } = await freshStore(kind);
    const controller = new AbortController();
    const work = writeImage(store, "i", ramp([300, 300]), { levels: 5, signal: controller.signal });
    controller.abort();
    expect((await rejectionOf(work)).code).toBe("ABORTED");
    expect((await side.keys()).filter((key) => key !== "zarr.json")).toEqual([]);
  });

  it("refuses labels that do not fit", async () => {
    const { store, side } = await freshStore(kind);
    await writeImage(store, "i", ramp([2, 8, 8]), { axes: ["c", "y", "x"], levels: 2 });
    const before = (await side.keys()).length;
    const refused: [() => Promise<void>, string][] = [
      [() => writeLabels(store, "i", "n", zeros([8, 7], "uint8")), "SHAPE_MISMATCH"],
      [() => writeLabels(store, "i", "n", zeros([8, 8], "float32")), "DTYPE_MISMATCH"],
      [() => writeLabels(store, "i", "a/b", zeros([8, 8], "uint8")), "INVALID_DATA"],
      [() => writeLabels(store, "i", "n", zeros([8, 8], "bool")), "DTYPE_MISMATCH"],
      [() => writeLabels(store, "i", "n", zeros([8, 8], "uint8"), { axes: ["x", "y"] }), "INVALID_DATA"],
      [() => writeLabels(store, "i", "n", zeros([8, 8], "uint8"), { method: "mean" as "mode" }), "INVALID_DATA"],
      [() => writeLabels(store, "i", "../n", zeros([8, 8], "uint8")), "INVALID_KEY"],
      [
        () => writeLabels(store, "i", "n", zeros([8, 8], "uint8"), { colors: [{ "label-value": 1, rgba: [1] }] }),
        "INVALID_DATA",
      ],
    ];
    for (const [work, code] of refused) {
      const error = await rejectionOf(work);
      expect(error.code, error.message).toBe(code);
    }
    expect((await side.keys()).length).toBe(before);
  });

  it("can be the root of its store", async () => {
    const { store } = await freshStore(kind);
    await writeImage(store, "", ramp([300, 300]), { name: "root" });
    expect(await validateNgff(store)).toMatchObject({ images: 1, isValid: true });
    expect((await readImage(store)).levels).toHaveLength(2);
  });

  it("takes the version of the groups above, and refuses the other", async () => {
    const { store } = await freshStore(kind);
    await createGroup(store, "old", { zarrFormat: 2 });
    await writeImage(store, "old/i", ramp([4, 4]));
    expect((await readImage(store, "old/i")).version).toBe("0.4");
    const error = await rejectionOf(writeImage(store, "old/j", ramp([4, 4]), { version: "0.5" }));
    expect(error.code).toBe("INVALID_DATA");
  });

  it("keeps shards, codecs and attributes that are asked for", async () => {
    const { store, side } = await freshStore(kind);
    const attributes = { microscope: "M1" };
    await writeImage(store, "i", ramp([64, 64]), {
      levels: 2,
      chunkShape: [16, 16],
      shardShape: [32, 32],
      compressor: { name: "zstd", level: 3 },
      attributes,
    });
    const level = JSON.stringify(await documentAt(side, "i/0/zarr.json"));
    expect(level).toContain("sharding_indexed");
    expect(level).toContain('"zstd"');
    expect((await readImage(store, "i")).attributes).toMatchObject(attributes);
    expect(arraysEqual(await (await readImage(store, "i")).levels[0]!.read(), ramp([64, 64]))).toBe(true);
  });
});

describe("labels", () => {
  it("follow levels that other programs cut off at odd edges", async () => {
    const { store } = await freshStore("memory");
    await writeImage(store, "i", ramp([5, 8]), { levels: 1 });
    const { createArray, setAttributes } = await import("../../../../backends/zarr/index.ts");
    await createArray(store, "i/1", { shape: [2, 4], dtype: "uint16", dimensionNames: ["y", "x"] });
    await setAttributes(store, "i", (before) => {
      const ome = structuredClone(before.ome) as { multiscales: { datasets: object[] }[] };
      const scale = { type: "scale", scale: [2, 2] };
      ome.multiscales[0]!.datasets.push({ path: "1", coordinateTransformations: [scale] });
      return { ...before, ome };
    });
    await writeLabels(
      store,
      "i",
      "n",
      ndArray(
        Uint8Array.from({ length: 40 }, (_, i) => i),
        [5, 8],
      ),
      { method: "nearest" },
    );
    expect([...(await (await readImage(store, "i/labels/n")).levels[1]!.read()).data]).toEqual([
      0, 2, 4, 6, 16, 18, 20, 22,
    ]);
    expect((await validateNgff(store, "i")).isValid).toBe(true);
  });
});

describe("readImage", () => {
  it("refuses what is no image, and metadata that is wrong", async () => {
    const { store, side } = await freshStore("memory");
    expect((await rejectionOf(readImage(store, "i"))).code).toBe("NOT_FOUND");
    await createGroup(store, "g");
    expect((await rejectionOf(readImage(store, "g"))).code).toBe("INVALID_DATA");
    await writeImage(store, "i", ramp([4, 4]));
    const document = await documentAt(side, "i/zarr.json");
    const broken = JSON.stringify(document).replace('"scale":[1,1]', '"scale":[1]');
    await side.put("i/zarr.json", new TextEncoder().encode(broken));
    expect((await rejectionOf(readImage(store, "i"))).code).toBe("CORRUPT");
  });

  it("puts the transformations of the whole image after those of a level", async () => {
    const { store } = await freshStore("memory");
    await writeImage(store, "i", ramp([4, 4]), { levels: 2, scale: [1, 2] });
    const { setAttributes } = await import("../../../../backends/zarr/index.ts");
    await setAttributes(store, "i", (before) => {
      const ome = structuredClone(before.ome) as { multiscales: Record<string, unknown>[] };
      const scale = { type: "scale", scale: [10, 10] };
      ome.multiscales[0]!.coordinateTransformations = [scale, { type: "translation", translation: [3, 4] }];
      return { ...before, ome };
    });
    const { levels } = await readImage(store, "i");
    expect(levels[1]).toMatchObject({ scale: [20, 40], translation: [8, 14] });
  });
});
