import { rename } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DiskStore } from "../../../../backends/disk/store.ts";
import { createGroup } from "../../../../backends/zarr/index.ts";
import {
  type BatchLayout,
  batchFiles,
  readImage,
  type SaveBatchOptions,
  saveBatch,
  validateNgff,
  writePlate,
  writeWell,
} from "../../../../backends/zarr/ngff/index.ts";
import { openZarrArray } from "../../../../backends/zarr/reader.ts";
import { arraysEqual, type NdArray, ndArray, zeros } from "../../../../src/core/nd-array.ts";
import { rejectionOf } from "../../../support/rejection.ts";
import { documentAt, freshStore, ramp } from "./stores.ts";

interface Batch {
  readonly items: NdArray[];
  readonly paths: string[];
  readonly layout: BatchLayout;
}

/** Two times, two channels, one z and two fields of 3 by 4, in an order that is none. */
function batchOf(row = "A", column: string | number = "01", plate = "p", fields = ["1", "2"]): Batch {
  const coordinates = [0, 1].flatMap((t) =>
    fields.flatMap((field) => ["w2", "w1"].map((c) => ({ t, c, z: 1, field }))),
  );
  const axes = [{ name: "t" }, { name: "c" }, { name: "z" }, { name: "field" }];
  return {
    items: coordinates.map((_, item) => ramp([3, 4], 1000 * item)),
    paths: coordinates.map(({ t, c, field }) => `${plate}/${row}${column}_s${field}_t${t}_${c}.tif`),
    layout: { axes, image: "field", coordinates, row, column },
  };
}

function save(store: Parameters<typeof saveBatch>[0], batch: Batch, options: Partial<SaveBatchOptions> = {}) {
  return saveBatch(store, batch.items, batch.paths, { layout: batch.layout, ...options });
}

const units = { y: "micrometer", x: "micrometer", z: "micrometer", t: "second" };

describe.each(["memory", "disk"] as const)("a batch, in %s", (kind) => {
  it.each(["0.4", "0.5"] as const)(
    "is a well of a valid plate of OME-NGFF %s, one image for each field",
    async (version) => {
      const { store, side } = await freshStore(kind);
      const batch = batchOf();
      const results = await save(store, batch, { version, units, scale: { y: 0.5, x: 0.5, t: 60 }, levels: 2 });
      expect(results).toEqual(batch.paths.map((identifier) => ({ status: "created", identifier })));
      const report = await validateNgff(store, "p");
      expect(report).toMatchObject({
        plates: 1,
        wells: 1,
        images: 2,
        version,
        violations: [],
      });
      for (const field of ["1", "2"]) {
        const image = await readImage(store, `p/A/01/${field}`);
        expect(image.axes.map(({ name }) => name)).toEqual(["t", "c", "z", "y", "x"]);
        expect(image.levels[0]!.scale).toEqual([60, 1, 1, 0.5, 0.5]);
        expect(image.omero?.channels.map(({ label }) => label)).toEqual(["w1", "w2"]);
        const array = await image.levels[0]!.open();
        expect(array.shape).toEqual([2, 2, 1, 3, 4]);
        expect(array.chunkShape).toEqual([1, 1, 1, 3, 4]);
        for (const [item, coordinate] of batch.layout.coordinates.entries()) {
          if (coordinate.field !== field) continue;
          const place = [coordinate.t as number, coordinate.c === "w1" ? 0 : 1, 0];
          expect(arraysEqual(await array.read(place), batch.items[item]!)).toBe(true);
        }
      }
      const text = (
        await Promise.all(
          (await side.keys()).filter((key) => /zarr\.json|zattrs/.test(key)).map((key) => documentAt(side, key)),
        )
      )
        .map((one) => JSON.stringify(one))
        .join();
      expect(text).not.toMatch(/"(p\/|\/[^"]|file:)/);
    },
  );

  it("has one chunk for each item, or for a whole image", async () => {
    const { store } = await freshStore(kind);
    await save(store, batchOf(), { chunks: "file" });
    await save(store, batchOf("A", "02"), { chunks: "well" });
    expect((await openZarrArray(store, "p/A/01/1/0")).chunkShape).toEqual([1, 1, 1, 3, 4]);
    expect((await openZarrArray(store, "p/A/02/1/0")).chunkShape).toEqual([2, 2, 1, 3, 4]);
  });

  it.each([
    ["0.4", "none"],
    ["0.4", "zlib"],
    ["0.4", "lz4"],
    ["0.4", "blosc"],
    ["0.4", "zstd"],
    ["0.5", "none"],
    ["0.5", "gzip"],
    ["0.5", "blosc-lz4"],
    ["0.5", "zstd"],
  ] as const)("of OME-NGFF %s is packed by %s, at the level that is asked for", async (version, name) => {
    const { store, side } = await freshStore(kind);
    const batch = batchOf();
    const compressor = name === "none" ? name : { name, level: 2 };
    await save(store, batch, { version, compressor });
    const key = version === "0.4" ? "p/A/01/1/0/.zarray" : "p/A/01/1/0/zarr.json";
    const document = JSON.stringify(await documentAt(side, key));
    if (name === "none") expect(document).not.toMatch(/zlib|gzip|lz4|blosc|zstd/);
    else {
      expect(document).toContain(name.replace(/-.*/, ""));
      expect(document).toMatch(/"(level|clevel|acceleration)":2/);
    }
    const files = await batchFiles(store);
    const file = await files.find(batch.paths[3]!);
    expect(arraysEqual(await files.load(file!, undefined), batch.items[3]!)).toBe(true);
  });

  it("goes to wells of any row and column, which stand in natural order", async () => {
    const { store, side } = await freshStore(kind);
    const wells = [
      ["AA", "01"],
      ["B", 12],
      ["A", 3],
      ["Z", 3],
      ["A", 12],
    ] as const;
    for (const [row, column] of wells) await save(store, batchOf(row, column));
    await save(store, batchOf("R01", "C02", "q"));
    await save(store, batchOf("R10", "C02", "q"));
    await save(store, batchOf("R02", "C02", "q"));
    const { plate } = (
      (await documentAt(side, "p/zarr.json")) as never as {
        attributes: { ome: { plate: Record<string, { name: string; path: string }[]> } };
      }
    ).attributes.ome;
    expect(plate.rows!.map(({ name }) => name)).toEqual(["A", "B", "Z", "AA"]);
    expect(plate.columns!.map(({ name }) => name)).toEqual(["01", "3", "12"]);
    expect(plate.wells!.map(({ path }) => path)).toEqual(["A/3", "A/12", "B/12", "Z/3", "AA/01"]);
    expect(await validateNgff(store, "p")).toMatchObject({ isValid: true, wells: 5, images: 10 });
    expect(await validateNgff(store, "q")).toMatchObject({ isValid: true, wells: 3 });
    const files = await batchFiles(store);
    expect(await files.find("p/AA01_s1_t0_w2.tif")).toMatchObject({ image: "p/AA/01/1" });
    expect(await files.find("q/R01C02_s2_t1_w1.tif")).toMatchObject({ image: "q/R01/C02/2" });
  });

  it("never destroys one before it: other fields come beside, the same ones are refused, or replaced if it is said", async () => {
    const { store } = await freshStore(kind);
    const first = batchOf("A", "01", "p", ["1", "2"]);
    await save(store, first);
    const files = await batchFiles(store);
    const same = batchOf("A", "01", "p", ["2", "3"]);
    expect(await rejectionOf(save(store, same))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await files.find("p/A01_s3_t0_w1.tif")).toBeUndefined();
    await save(store, batchOf("A", "01", "p", ["4"]));
    const image = await readImage(store, "p/A/01/2");
    expect((await image.levels[0]!.read()).data[0]).toBe(
      first.items[first.layout.coordinates.findIndex(({ c, field }) => c === "w1" && field === "2")]!.data[0],
    );
    const results = await save(
      store,
      { ...same, items: same.items.map(() => zeros([3, 4], "uint16")) },
      { ifExists: "replace" },
    );
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["replaced", "created"]));
    expect(new Set((await image.levels[0]!.read()).data as Uint16Array)).toEqual(new Set([0]));
    expect(await validateNgff(store, "p")).toMatchObject({ isValid: true, wells: 1, images: 4 });
    for (const path of [...first.paths, ...same.paths, "p/A01_s4_t0_w1.tif"])
      expect(await files.find(path), path).toBeDefined();
  });

  it("is skipped, if it is said and all its images are there", async () => {
    const { store } = await freshStore(kind);
    const batch = batchOf();
    const first = await save(store, batch, { ifExists: "skip" });
    expect(new Set(first.map(({ status }) => status))).toEqual(new Set(["created"]));
    const again = await save(store, { ...batch, items: batch.items.toReversed() }, { ifExists: "skip" });
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set(["skipped"]));
    const files = await batchFiles(store);
    const file = await files.find(batch.paths[0]!);
    expect(arraysEqual(await files.load(file!, undefined), batch.items[0]!)).toBe(true);
    const some = save(store, batchOf("A", "01", "p", ["2", "3"]), { ifExists: "skip" });
    expect(await rejectionOf(some)).toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("that is refused leaves nothing", async () => {
    const { store, side } = await freshStore(kind);
    const good = batchOf();
    const layout = (change: Partial<BatchLayout>): Batch => ({ ...good, layout: { ...good.layout, ...change } });
    const swap = (item: number, value: unknown): Batch => ({ ...good, items: good.items.with(item, value as NdArray) });
    const [, ...fewer] = good.layout.coordinates;
    const refused: [string, Batch, Partial<SaveBatchOptions>, string][] = [
      ["a 3-D item", swap(2, zeros([1, 3, 4], "uint16")), {}, "INVALID_DATA"],
      ["no array", swap(2, { gain: 1 }), {}, "INVALID_DATA"],
      ["another shape", swap(2, zeros([3, 5], "uint16")), {}, "SHAPE_MISMATCH"],
      ["another type", swap(2, zeros([3, 4], "uint8")), {}, "DTYPE_MISMATCH"],
      [
        "a cast that loses",
        swap(2, ndArray(new Float32Array(12).fill(0.5), [3, 4])),
        { cast: { to: "uint16" } },
        "DTYPE_MISMATCH",
      ],
      [
        "a sparse layout",
        {
          ...good,
          items: good.items.slice(1),
          paths: good.paths.slice(1),
          layout: { ...good.layout, coordinates: fewer },
        },
        {},
        "INVALID_DATA",
      ],
      ["a place twice", layout({ coordinates: [fewer[0]!, ...fewer] }), {}, "INVALID_DATA"],
      ["too few coordinates", layout({ coordinates: fewer }), {}, "INVALID_DATA"],
      ["an axis of no layout", layout({ axes: good.layout.axes.slice(1) }), {}, "INVALID_DATA"],
      ["an axis twice", layout({ axes: [...good.layout.axes, { name: "c" }] }), {}, "INVALID_DATA"],
      ["x said again", layout({ axes: [...good.layout.axes, { name: "x" }] }), {}, "INVALID_DATA"],
      ["no such image axis", layout({ image: "site" }), {}, "INVALID_DATA"],
      [
        "axes out of order",
        layout({ axes: [good.layout.axes[1]!, good.layout.axes[0]!, ...good.layout.axes.slice(2)] }),
        {},
        "INVALID_DATA",
      ],
      [
        "a type that is missing",
        layout({ axes: [...good.layout.axes, { name: "q", labels: [1] }] }),
        {},
        "INVALID_DATA",
      ],
      [
        "labels that lack one",
        layout({ axes: good.layout.axes.with(1, { name: "c", labels: ["w1", "w3"] }) }),
        {},
        "INVALID_DATA",
      ],
      ["a row that is no name", layout({ row: "A-1" }), {}, "INVALID_DATA"],
      ["a column that is no name", layout({ column: "../1" }), {}, "INVALID_DATA"],
      ["a path twice", { ...good, paths: good.paths.with(1, good.paths[0]!) }, {}, "INVALID_DATA"],
      ["a path of another folder", { ...good, paths: good.paths.with(1, "elsewhere/a.tif") }, {}, "INVALID_KEY"],
      ["a path too few", { ...good, paths: good.paths.slice(1) }, {}, "INVALID_DATA"],
      ["a bad acquisition", layout({ acquisition: -1 }), {}, "INVALID_DATA"],
      ["a compressor of v2 on v3", good, { compressor: "zlib" }, "INVALID_DATA"],
      ["a bad level", good, { compressor: { name: "zstd", level: 99 } }, "INVALID_DATA"],
      ["a bad scale", good, { scale: { y: -1 } }, "INVALID_DATA"],
      ["bad chunks", good, { chunks: "plane" as "file" }, "INVALID_DATA"],
      ["no policy", good, { ifExists: "keep" as "error" }, "INVALID_DATA"],
    ];
    for (const [name, batch, options, code] of refused) {
      const error = await rejectionOf(() => save(store, batch, options));
      expect(error.code, `${name}: ${error.message}`).toBe(code);
      expect(await side.keys(), name).toEqual([]);
    }
  });

  it("of several types is cast by the rule that is said", async () => {
    const { store } = await freshStore(kind);
    const good = batchOf();
    const items = good.items.with(0, ndArray(new Uint8Array(12).fill(7), [3, 4]));
    await save(store, { ...good, items }, { cast: { to: "uint16" } });
    const files = await batchFiles(store);
    const loaded = await files.load((await files.find(good.paths[0]!))!, undefined);
    expect(loaded.dtype).toBe("uint16");
    expect(new Set(loaded.data as Uint16Array)).toEqual(new Set([7]));
  });

  it("is refused where a path is taken by a value, or by another well", async () => {
    const { store, side } = await freshStore(kind);
    const batch = batchOf();
    await store.write(batch.paths[5]!, new Uint8Array(3));
    const taken = await rejectionOf(save(store, batch));
    expect(taken).toMatchObject({ code: "ALREADY_EXISTS", identifier: batch.paths[5] });
    expect(await side.keys()).toEqual([batch.paths[5]]);
    await store.delete(batch.paths[5]!);
    await save(store, batch);
    const twice = { ...batchOf("B"), paths: batch.paths };
    expect(await rejectionOf(save(store, twice, { ifExists: "replace" }))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect((await validateNgff(store, "p")).wells).toBe(1);
  });

  it("does not go into what is no plate", async () => {
    const { store } = await freshStore(kind);
    await createGroup(store, "p", { attributes: { ome: { version: "0.5", multiscales: [] } } });
    expect(await rejectionOf(save(store, batchOf()))).toMatchObject({ code: "INVALID_DATA" });
  });

  it("is found by its paths: files and folders, whole and in parts", async () => {
    const { store } = await freshStore(kind);
    const batch = batchOf();
    const nested = { ...batchOf("B"), paths: batch.paths.map((path) => path.replace("p/", "p/day 1/")) };
    await save(store, batch);
    await save(store, nested, { plate: "p" });
    const files = await batchFiles(store);
    expect(await files.list("p")).toEqual(
      new Map([...batch.paths.map((path) => [path.slice(2), "file"] as const), ["day 1", "directory"]]),
    );
    expect([...(await files.list("p/day 1")).keys()].toSorted()).toEqual(
      batch.paths.map((path) => path.slice(2)).toSorted(),
    );
    expect(await files.list("p/A")).toEqual(new Map());
    expect(await files.find("p/none.tif")).toBeUndefined();
    for (const [item, path] of nested.paths.entries()) {
      const file = await files.find(path);
      expect(arraysEqual(await files.load(file!, undefined), nested.items[item]!)).toBe(true);
    }
    const part = await files.load((await files.find(batch.paths[1]!))!, [1, [0, 2]]);
    expect([...part.data]).toEqual([...batch.items[1]!.data.subarray(4, 6)]);
  });

  it("is one of many that come at once: every well is in the plate", async () => {
    const { store } = await freshStore(kind);
    const wells = Array.from({ length: 12 }, (_, n) => batchOf("ABC"[n % 3], String(n + 1)));
    await Promise.all(wells.map((batch) => save(store, batch)));
    expect(await validateNgff(store, "p")).toMatchObject({ isValid: true, wells: 12, images: 24 });
  });
});

describe("a plate", () => {
  it("can be moved: its paths are relative", async () => {
    const { store, root } = await freshStore("disk");
    const batch = batchOf();
    await save(store, batch);
    await rename(join(root!, "p"), join(root!, "moved"));
    await using alone = new DiskStore({ root: join(root!, "moved"), durability: "none" });
    expect(await validateNgff(alone)).toMatchObject({ isValid: true, wells: 1 });
    const files = await batchFiles(alone);
    const file = await files.find(batch.paths[0]!.slice(2));
    expect(arraysEqual(await files.load(file!, undefined), batch.items[0]!)).toBe(true);
  });

  it.each(["0.4", "0.5"] as const)("is written well by well, with acquisitions, in version %s", async (version) => {
    const { store } = await freshStore("memory");
    const options = { version, plateName: "assay" };
    const image = {
      array: ramp([2, 8, 8]),
      axes: ["c", "y", "x"],
      units: { y: "micrometer", x: "micrometer" },
      levels: 2,
      name: "field",
    };
    const wells = ["A", "B"].map((row) => ({ row, column: 1, images: [image, image] }));
    await writePlate(store, "plate", wells, options);
    await writeWell(
      store,
      "plate",
      { row: "A", column: 1, images: [{ ...image, path: "2" }], acquisition: { id: 1, name: "again" } },
      options,
    );
    expect(await validateNgff(store, "plate")).toMatchObject({ wells: 2, images: 5, violations: [] });
    const again = writeWell(store, "plate", { row: "A", column: 1, images: [image] });
    expect(await rejectionOf(again)).toMatchObject({ code: "ALREADY_EXISTS" });
    const refused = [
      { row: "A/1", column: 1, images: [image] },
      { row: "A", column: 2, images: [] },
      {
        row: "A",
        column: 2,
        images: [
          { ...image, path: "a" },
          { ...image, path: "a" },
        ],
      },
      { row: "A", column: 2, images: [{ ...image, path: "a b" }] },
    ];
    for (const well of refused)
      expect(await rejectionOf(writeWell(store, "plate", well))).toMatchObject({ code: "INVALID_DATA" });
    expect((await validateNgff(store, "plate")).wells).toBe(2);
  });
});
