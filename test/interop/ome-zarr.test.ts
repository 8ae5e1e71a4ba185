import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import {
  type NgffLevel,
  readImage,
  saveBatch,
  validateNgff,
  writeBioformats2raw,
  writeImage,
  writeLabels,
  writeWell,
} from "../../backends/zarr/ngff/index.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

function ramp(shape: readonly number[]): NdArray {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndArray(
    Uint16Array.from({ length: size }, (_, i) => (i * 31) % 4096),
    shape,
  );
}

function sum(array: NdArray): number {
  return (array.data as Uint16Array).reduce((total, value) => total + value, 0);
}

// In .ci/run the interpreter must be there: the tests run, and fail, without it.
describe.skipIf(!isPythonExpected)("ome-zarr-models and ome-zarr", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "sluice-ome-"));
  });
  afterAll(() => rm(root, { recursive: true }));

  it("open and accept our images, labels and plates, of both versions", { timeout: 300_000 }, async () => {
    const units = { y: "micrometer", x: "micrometer" };
    const image = ramp([2, 61, 45]);
    const plane = ramp([16, 20]);
    const cases: { path: string; expected: Record<string, unknown> }[] = [];
    for (const version of ["0.4", "0.5"] as const) {
      await using store = new DiskStore({ root: join(root, version), durability: "none" });
      const add = (path: string, expected: Record<string, unknown>) =>
        cases.push({ path: `${version}/${path}`, expected: { version, ...expected } });
      const channels = [{ label: "DAPI" }, { label: "GFP" }];
      await writeImage(store, "image", image, {
        version,
        axes: ["c", "y", "x"],
        units,
        scale: { y: 0.5, x: 0.5 },
        channels,
        levels: 3,
        name: "cells",
      });
      const shapes = [image.shape, [2, 31, 23], [2, 16, 12]];
      add("image", { model: "Image", shapes, axes: ["c", "y", "x"], sum: sum(image) });
      const labels = ndArray(
        Uint8Array.from({ length: 61 * 45 }, (_, i) => i % 3),
        [61, 45],
      );
      await writeLabels(store, "image", "nuclei", labels, {
        colors: [{ "label-value": 1, rgba: [255, 0, 0, 255] }],
        properties: [{ "label-value": 1, area: 3 }],
      });
      const ones = shapes.map(([, y, x]) => [1, y, x]);
      add("image/labels/nuclei", { model: "ImageLabel", shapes: ones, axes: ["c", "y", "x"], sum: sum(labels) });
      await writeImage(store, "movie", ramp([3, 2, 4, 16, 20]), {
        version,
        units: { ...units, t: "second", z: "micrometer" },
        levels: 1,
        name: "movie",
      });
      add("movie", {
        model: "Image",
        shapes: [[3, 2, 4, 16, 20]],
        axes: ["t", "c", "z", "y", "x"],
        sum: sum(ramp([3, 2, 4, 16, 20])),
      });
      const coordinates = [1, 2].flatMap((field) => ["w1", "w2"].map((c) => ({ field, c })));
      for (const [row, column] of [
        ["A", "01"],
        ["AA", "01"],
      ] as const) {
        const layout = { axes: [{ name: "field" }, { name: "c" }], image: "field", coordinates, row, column };
        const paths = coordinates.map(({ field, c }) => `plate/${row}${column}_s${field}_${c}.tif`);
        await saveBatch(
          store,
          paths.map(() => plane),
          paths,
          { version, layout, units, plateName: "assay", levels: 2 },
        );
      }
      const one = { array: ramp([2, 16, 20]), units, levels: 2, axes: ["c", "y", "x"] };
      const images = ["1", "2"].map((path) => ({ ...one, path, name: `B02 ${path}` }));
      await writeWell(store, "plate", { row: "B", column: "02", images, acquisition: 1 });
      const images2 = [
        { ...one, name: "first" },
        { array: plane, units, levels: 2, name: "second" },
      ];
      const omeXml = `<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0" Name="one"/><Image ID="Image:1"/></OME>`;
      await writeBioformats2raw(store, "file", images2, { version, omeXml });
      add("file", {
        model: "BioFormats2Raw",
        images: [
          ["0", "one"],
          ["1", "file Series:1"],
        ],
      });
      add("file/1", {
        model: "Image",
        shapes: [
          [16, 20],
          [8, 10],
        ],
        axes: ["y", "x"],
        sum: sum(plane),
      });
      add("plate", { model: "HCS" });
      add("plate/A/01", { model: "Well" });
      add("plate/A/01/2", {
        model: "Image",
        shapes: [
          [2, 16, 20],
          [2, 8, 10],
        ],
        axes: ["c", "y", "x"],
        sum: 2 * sum(plane),
      });
      for (const path of ["image", "movie", "plate", "file"]) {
        const { violations } = await validateNgff(store, path);
        if (violations.length > 0) throw new Error(`${version}/${path}: ${JSON.stringify(violations)}`);
      }
    }
    await writeFile(join(root, "cases.json"), JSON.stringify(cases));
    const seen = runPython("validate_with_ome.py", root) as Record<string, Record<string, unknown>>;
    for (const { path, expected } of cases) expect(seen[path], path).toMatchObject(expected);
  });

  it("write what we open: a plate with an image and labels, of both versions", {
    timeout: 300_000,
  }, async () => {
    const written = runPython("write_with_ome.py", root) as Record<string, { sum: number; labels: number }>;
    for (const version of ["0.4", "0.5"] as const) {
      await using store = new DiskStore({ root: join(root, `${version}-plate`), durability: "none" });
      const report = await validateNgff(store);
      expect(report).toMatchObject({ version, plates: 1, wells: 1, images: 1, labels: 1 });
      // ome-zarr leaves the version out of the group of labels, which 0.5 wants in every group.
      const errors = report.violations.filter(({ level }) => level === "error").map(({ path, code }) => [path, code]);
      expect(errors).toEqual(version === "0.4" ? [] : [["A/1/0/labels", "version-missing"]]);
      const image = await readImage(store, "A/1/0");
      const { sum: expected, labels } = written[version] as { sum: number; labels: number };
      expect(sum(await (image.levels[0] as NgffLevel).read())).toBe(expected);
      const [cells] = await image.labels();
      expect(cells).toBe("A/1/0/labels/cells");
      expect(sum(await ((await readImage(store, cells)).levels[0] as NgffLevel).read())).toBe(labels);
      // Our own labels, on levels that another program made.
      const own = ndArray(new Uint8Array(133 * 127).fill(4), [133, 127]);
      await writeLabels(store, "A/1/0", "own", own);
      const codes = (await validateNgff(store, "A/1/0/labels/own")).violations.map(({ code }) => code);
      expect(new Set(codes)).toEqual(new Set(["axis-unit"]));
    }
  });
});
