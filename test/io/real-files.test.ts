import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { arraysEqual, type NdArray } from "../../src/core/nd-array.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { hasRealData, realData } from "../support/real-data.ts";

describe.skipIf(!hasRealData())("real microscopy files", () => {
  let folder = "";
  let backends: BackendSet;
  let files: FileManager;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-real-"));
    backends = new BackendSet(createRegistry(), {
      plate: { use: "disk", root: realData("plate") },
      names: { use: "disk", root: realData("names") },
      disk: { use: "disk" },
      out: { use: "disk", root: folder, durability: "none" },
      memory: { use: "memory" },
    });
    files = new FileManager(backends);
  });

  afterAll(async () => {
    await backends?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("of a plate are listed naturally, loaded, saved to memory, then to npy and TIFF, and read back equal", async () => {
    const listed = await files.listImageFiles("", "plate");
    const wells = ["O01", "O02", "O03", "O04", "O05", "O06"];
    const expected = wells.flatMap((well) => ["f00", "f01", "f02"].map((field) => `${well}${field}`));
    expect(listed.map((path) => /_(O\d\df\d\d)d2\.TIF$/.exec(path)?.[1])).toEqual(expected);

    const images = (await files.loadBatch(listed, "plate")) as NdArray[];
    expect(new Set(images.map(({ shape }) => shape.slice(0, 2).join("×")))).toEqual(new Set(["512×512"]));
    await files.saveBatch(images, listed, "memory");
    const kept = (await files.loadBatch(listed, "memory")) as NdArray[];
    for (const suffix of ["npy", "tif"]) {
      const targets = listed.map((path) => `${suffix}/${path.replace(/TIF$/, suffix)}`);
      await files.ensureDirectory(suffix, "out");
      await files.saveBatch(kept, targets, "out");
      const back = (await files.loadBatch(await files.listFiles(suffix, "out"), "out")) as NdArray[];
      expect(back.map((image, i) => arraysEqual(image, images[i] as NdArray))).toEqual(images.map(() => true));
    }
  });

  it("with brackets in their names work in list, glob, find, load, copy and transfer", async () => {
    const listed = await files.listImageFiles("", "names");
    expect(listed.length).toBe(3);
    for (const name of listed) {
      expect(name).toMatch(/\[[0-9A-F-]+\]\.tif$/);
      expect(await files.listFiles("", "names", { pattern: name })).toEqual([name]);
      expect(await files.findFileRecursive("", name, "names")).toBe(name);
      const image = (await files.load(name, "names")) as NdArray;
      expect([image.dtype, image.shape]).toEqual(["uint16", [520, 696]]);

      await cp(join(realData("names"), name), join(folder, name));
      await files.copy(name, `copy of ${name}`, "out");
      await files.transfer({ backend: "names", path: name }, { backend: "out", path: `sent/${name}` });
      const original = await readFile(join(realData("names"), name));
      for (const path of [`copy of ${name}`, `sent/${name}`]) {
        expect((await readFile(join(folder, path))).equals(original)).toBe(true);
        expect(arraysEqual((await files.load(path, "out")) as NdArray, image)).toBe(true);
      }
    }
    expect(await files.listFiles("", "names", { pattern: "*w[12]*" })).toEqual(listed.slice(0, 2));
  });

  it("load by their absolute path through the default disk", async () => {
    const [first] = await files.listImageFiles(realData("names"), "disk");
    expect(first?.startsWith(realData("names"))).toBe(true);
    const viaRoot = (await files.load(basename(first as string), "names")) as NdArray;
    expect(arraysEqual((await files.load(first as string, "disk")) as NdArray, viaRoot)).toBe(true);
  });
});
