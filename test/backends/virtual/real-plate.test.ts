/** The real plate, and the real names with brackets: from a folder to images by well, field and channel. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VirtualWorkspace } from "../../../backends/virtual/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { createCodecs } from "../../../src/codecs/default-codecs.ts";
import { contiguous, type NdArray, sliceArray } from "../../../src/core/nd-array.ts";
import { sampleRegion } from "../../../src/core/region.ts";
import { FileManager } from "../../../src/io/file-manager.ts";
import { bitsOf } from "../../support/arrays.ts";
import { hasRealData, realData } from "../../support/real-data.ts";

describe.skipIf(!hasRealData())("the real plate", () => {
  let set: BackendSet;
  let files: FileManager;
  let plate: VirtualWorkspace;

  beforeAll(async () => {
    set = new BackendSet(createRegistry(), {
      raw: { use: "disk", root: realData("plate") },
      results: { use: "memory" },
      plate: { use: "virtual", source: "raw", grammar: "as_barcode", writeTo: "results" },
      names: { use: "disk", root: realData("names") },
      worms: { use: "virtual", source: "names", grammar: "imagexpress" },
      human: { use: "disk", root: realData("human") },
      cells: { use: "virtual", source: "human", grammar: "as_barcode" },
    });
    files = new FileManager(set);
    plate = (await set.get("plate")) as unknown as VirtualWorkspace;
  });
  afterAll(() => set.close());

  it("has six wells of three fields in one channel, and no file is left over", async () => {
    expect(await files.listDir("", "plate")).toEqual(["O01", "O02", "O03", "O04", "O05", "O06"]);
    const paths = await files.listFiles("", "plate", { recursive: true });
    expect(paths.length).toBe(18);
    expect(paths.slice(0, 4)).toEqual([
      "O01/O01_f001_c3_z001_t001.tif",
      "O01/O01_f002_c3_z001_t001.tif",
      "O01/O01_f003_c3_z001_t001.tif",
      "O02/O02_f001_c3_z001_t001.tif",
    ]);
    expect([plate.unparsed, await plate.findBroken()]).toEqual([[], []]);
    expect((await plate.entry("O06/O06_f003_c3_z001_t001.tif")).coordinates).toEqual({
      plate: "09047_050428030001",
      well: "O06",
      field: 3,
      channel: 3,
      z: 1,
      t: 1,
    });
  });

  it("loads the pixels of its files, in any order", async () => {
    const paths = (await files.listFiles("", "plate", { recursive: true })).reverse();
    const images = (await files.loadBatch(paths, "plate")) as NdArray[];
    const codec = createCodecs().forIdentifier("a.tif");
    for (const [i, path] of paths.entries()) {
      const { address } = await plate.entry(path);
      const bytes = new Uint8Array(await readFile(join(realData("plate"), address)));
      const expected = await codec.decode(bytes, { identifier: address, options: {} });
      expect(bitsOf(images[i]), path).toEqual(bitsOf(expected));
    }
  });

  it("gives a region of an image, and says how it was read", async () => {
    const path = "O03/O03_f002_c3_z001_t001.tif";
    const sample = await plate.sample(path, { origin: [500, 100], shape: [64, 32] });
    expect(sample).toMatchObject({
      array: { shape: [12, 32] },
      origin: [500, 100],
      sourceShape: [512, 512],
      readAs: "whole",
      backend: "raw",
      address: "AS_09047_050428030001_O03f01d2.TIF",
    });
    const image = (await files.load(path, "plate")) as NdArray;
    const expected = sliceArray(image, [
      [500, 512],
      [100, 132],
    ]);
    expect(bitsOf(sample.array)).toEqual(bitsOf(expected));
    // The same without a workspace.
    const raw = (await set.get("raw")) as never;
    const alone = await sampleRegion(raw, sample.address, { origin: [500, 100], shape: [64, 32] });
    expect(bitsOf(alone.array)).toEqual(bitsOf(sample.array));
  });

  it("takes results beside the images, which stay as they are", async () => {
    const images = (await files.loadBatch(await files.listFiles("O01", "plate"), "plate")) as NdArray[];
    const mean = images.map(({ data }) => (data as Uint8Array).reduce((sum, value) => sum + value, 0) / data.length);
    expect(Math.min(...mean)).toBeGreaterThan(0);
    await files.save({ mean }, "O01/mean.json", "plate");
    expect(await files.load("O01/mean.json", "plate")).toEqual({ mean });
    expect(await files.load("O01/mean.json", "results")).toEqual({ mean });
    expect((await files.listDir("O01", "plate")).length).toBe(4);
  });

  it("and the names with brackets and identifiers are read by imagexpress", async () => {
    const paths = await files.listFiles("", "worms", { recursive: true });
    expect(paths).toEqual([1, 2, 3].map((channel) => `C16/C16_f001_c${channel}_z001_t001.tif`));
    const [image] = (await files.loadBatch(paths, "worms")) as NdArray[];
    expect([image?.shape, image?.dtype]).toEqual([[520, 696], "uint16"]);
    expect(contiguous(image as NdArray).data.length).toBe(520 * 696);
  });

  it("and the human field has three channels", async () => {
    expect(await files.listDir("D03", "cells")).toEqual([1, 2, 3].map((c) => `D03_f001_c${c}_z001_t001.tif`));
  });
});
