import { describe, expect, it } from "vitest";
import { ZarrBackend } from "../../../../backends/zarr/backend.ts";
import { type BatchLayout, validateNgff } from "../../../../backends/zarr/ngff/index.ts";
import { arraysEqual, type NdArray, zeros } from "../../../../src/core/nd-array.ts";
import { rejectionOf } from "../../../support/rejection.ts";
import { freshStore, ramp } from "./stores.ts";

const coordinates = [1, 2].flatMap((field) => ["w1", "w2"].map((c) => ({ field, c })));
const layout: BatchLayout = {
  axes: [{ name: "field" }, { name: "c" }],
  image: "field",
  coordinates,
  row: "A",
  column: "01",
};
const names = coordinates.map(({ field, c }) => `A01_s${field}_${c}.tif`);
const paths = names.map((name) => `plate/${name}`);
const items = names.map((_, item) => ramp([4, 5], 100 * item));

describe.each(["memory", "disk"] as const)("the zarr backend, with batches that have a layout, in %s", (kind) => {
  it("tells the truth of every path: exists, isFile, stat, list, load", async () => {
    const { store, side } = await freshStore(kind);
    const plates = new ZarrBackend(store);
    expect(await plates.exists(paths[0]!)).toBe(false);
    await plates.saveBatch(items, paths, { layout });
    await plates.save({ gain: 2 }, "plate/settings.json");
    const before = (await side.keys()).toSorted();
    for (const [item, path] of paths.entries()) {
      expect(await plates.exists(path)).toBe(true);
      expect(await plates.isFile(path)).toBe(true);
      expect(await plates.isDir(path)).toBe(false);
      expect(await plates.stat(path)).toMatchObject({ kind: "file", exists: true, shape: [4, 5], dtype: "uint16" });
      expect(arraysEqual((await plates.load(path)) as NdArray, items[item]!)).toBe(true);
    }
    expect(await plates.exists("plate/none.tif")).toBe(false);
    expect(await plates.listFiles("plate")).toEqual([...paths, "plate/settings.json"]);
    expect(await plates.listFiles("plate", { pattern: "*_w2.tif" })).toEqual([paths[1], paths[3]]);
    expect((await plates.listDir("plate")).toSorted()).toEqual([...names, "A", "settings.json"].toSorted());
    const loaded = (await plates.loadBatch([paths[3]!, paths[0]!])) as NdArray[];
    expect(arraysEqual(loaded[0]!, items[3]!) && arraysEqual(loaded[1]!, items[0]!)).toBe(true);
    const part = (await plates.load(paths[1]!, { selection: [[1, 3], null] })) as NdArray;
    expect(part.shape).toEqual([2, 5]);
    expect(await rejectionOf(plates.load("plate/none.tif"))).toMatchObject({ code: "NOT_FOUND" });
    expect((await side.keys()).toSorted()).toEqual(before);
    expect(await validateNgff(store, "plate")).toMatchObject({ isValid: true, wells: 1, images: 2 });
  });

  it("has folders that only items are in", async () => {
    const { store } = await freshStore(kind);
    const plates = new ZarrBackend(store);
    const nested = names.map((name) => `plate/day 1/${name}`);
    await plates.saveBatch(items, nested, { layout, plate: "plate" });
    expect(await plates.isDir("plate/day 1")).toBe(true);
    expect(await plates.listDir("plate")).toEqual(["A", "day 1"]);
    expect(await plates.listFiles("plate/day 1")).toEqual(nested);
    expect(arraysEqual((await plates.load(nested[2]!)) as NdArray, items[2]!)).toBe(true);
  });

  it("writes over no item: a save, a delete or a move of one is refused, and a copy is an array of its own", async () => {
    const { store } = await freshStore(kind);
    const plates = new ZarrBackend(store);
    await plates.saveBatch(items, paths, { layout });
    const value = zeros([4, 5], "uint16");
    expect(await rejectionOf(plates.save(value, paths[0]!))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await plates.save(value, paths[0]!, { ifExists: "skip" })).toMatchObject({ status: "skipped" });
    expect(await rejectionOf(plates.save(value, paths[0]!, { ifExists: "replace" }))).toMatchObject({
      code: "UNSUPPORTED",
    });
    expect(await rejectionOf(plates.delete(paths[0]!))).toMatchObject({ code: "UNSUPPORTED" });
    expect(await rejectionOf(plates.move(paths[0]!, "plate/b.tif"))).toMatchObject({ code: "UNSUPPORTED" });
    await plates.copy(paths[1]!, "copy.tif");
    expect(arraysEqual((await plates.load("copy.tif")) as NdArray, items[1]!)).toBe(true);
    expect(arraysEqual((await plates.load(paths[0]!)) as NdArray, items[0]!)).toBe(true);
    expect(await rejectionOf(plates.saveBatch(items, paths, { layout }))).toMatchObject({ code: "ALREADY_EXISTS" });
    await plates.saveBatch(items.toReversed(), paths, { layout, ifExists: "replace" });
    expect(arraysEqual((await plates.load(paths[0]!)) as NdArray, items[3]!)).toBe(true);
  });

  it("loses the items with their plate, and moves them with it", async () => {
    const { store } = await freshStore(kind);
    const plates = new ZarrBackend(store);
    await plates.saveBatch(items, paths, { layout });
    await plates.move("plate", "moved");
    expect(await plates.exists(paths[0]!)).toBe(false);
    expect(arraysEqual((await plates.load(`moved/${names[0]}`)) as NdArray, items[0]!)).toBe(true);
    await plates.deleteAll("moved");
    expect(await plates.exists(`moved/${names[0]}`)).toBe(false);
  });

  it("sees what another backend saves after it has looked, and forgets what was replaced", async () => {
    const { store } = await freshStore(kind);
    const [one, other] = [new ZarrBackend(store), new ZarrBackend(store)];
    await one.saveBatch(items, paths, { layout });
    expect(await one.listFiles("plate")).toEqual(paths);
    const more = paths.map((path) => path.replace("A01", "B02"));
    await other.saveBatch(items, more, { layout: { ...layout, row: "B", column: "02" } });
    expect(await one.listFiles("plate")).toEqual([...paths, ...more]);
    const renamed = paths.map((path) => path.replace(".tif", ".npy"));
    await other.saveBatch(items, renamed, { layout, ifExists: "replace" });
    expect(await one.listFiles("plate")).toEqual([...renamed, ...more]);
    expect(await one.exists(paths[0]!)).toBe(false);
  });

  it("takes the version of Zarr and the compressor of the backend", async () => {
    const { store, side } = await freshStore(kind);
    const plates = new ZarrBackend(store, { layout: { zarrFormat: 2, compressor: "zlib" } });
    await plates.saveBatch(items, paths, { layout });
    expect(await validateNgff(store, "plate")).toMatchObject({ isValid: true, version: "0.4" });
    expect(new TextDecoder().decode(await side.get("plate/A/01/1/0/.zarray"))).toContain('"zlib"');
  });
});
