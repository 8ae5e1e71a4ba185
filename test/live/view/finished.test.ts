import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ndArray } from "../../../src/core/nd-array.ts";
import type { DataStore } from "../../../src/live/data-store.ts";
import type { LayoutItem } from "../../../src/live/view/layout.ts";
import type { LiveDataset } from "../../../src/live/view/live-dataset.ts";
import { LiveFile } from "../../../src/live/view/live-file.ts";
import { writeHdf5 } from "../../../src/live/view/write-hdf5.ts";
import { writeZarr } from "../../../src/live/view/write-zarr.ts";
import type { WritableScan } from "../../../src/live/writable-scan.ts";
import { memoryStore, startScan } from "./scans.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-view-"));
  path = join(folder, "data.h5");
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function children(): Record<string, LayoutItem> {
  return {
    title: "a scan 🃏",
    instrument: {
      type: "group",
      attributes: { NX_class: "NXinstrument", version: 3, limits: [0.5, 1.5], names: ["a", "bc"], on: true },
      children: {
        diode: [{ NX_class: "NXdetector" }, { data: [{ units: "A" }, "STREAM", "diode"] }],
        camera: [{ NX_class: "NXdetector" }, { data: [{}, "STREAM", "camera"] }],
        flags: { type: "stream", stream: "flags" },
        half: { type: "stream", stream: "half" },
        counts: { type: "stream", stream: "counts" },
        notes: { type: "stream", stream: "notes" },
        ragged: { type: "stream", stream: "ragged" },
        never: { type: "stream", stream: "never" },
      },
    },
    static: {
      type: "group",
      children: {
        int: 7,
        bool: true,
        texts: [
          ["a", "ü"],
          ["", "d"],
        ],
        nan: { type: "inline", dtype: "float32", value: ["nan", "-inf", 1] },
        complex: { type: "inline", dtype: "complex128", value: ["1+2j", "3-4j"] },
        bytes: { type: "inline_b64", dtype: ">i2", shape: [2, 1], value: "AAEAAg==" },
        records: {
          type: "compound",
          columns: [
            ["name", ["x", "yy"]],
            ["n", { type: "inline", dtype: "int16", value: [1, 2] }],
          ],
        },
        empty: [],
      },
    },
    measurement: {
      type: "group",
      attributes: { NX_class: "NXdata", signal: "diode" },
      children: {
        diode: { type: "soft_link", target_path: "/1.1/instrument/diode/data" },
        camera: { type: "soft_link", target_path: "../instrument" },
        beside: { type: "soft_link", target_path: "diode" },
        broken: { type: "soft_link", target_path: "/1.1/nowhere" },
        other: { type: "external_link", target_file: "other.h5", target_path: "/1.1/static/int" },
      },
    },
    raw: {
      type: "external_binary_dataset",
      dtype: "<u2",
      shape: [3, 2],
      files: [{ name: "raw.bin", offset: 2, size: 12 }],
    },
    virtual: {
      type: "virtual_dataset",
      dtype: "<f8",
      shape: [2, 3],
      virtual_sources: [
        {
          vspace: { start: [1, 0], count: [1, 3] },
          src_file: ".",
          src_dataset: "/1.1/instrument/diode/data",
          src_space: { start: [0], stride: [2], count: [3] },
        },
      ],
    },
  };
}

const streams = {
  diode: { dtype: "float64" },
  camera: { dtype: "uint16", shape: [4, 5] },
  flags: { dtype: "bool" },
  half: { dtype: "float16", shape: [2] },
  counts: { dtype: ">i8" },
  notes: { type: "json" },
  ragged: { dtype: "int32", shape: [-1, -1] },
  never: { dtype: "int8", shape: [3] },
} as const;

async function writeScan(store: DataStore, file = path): Promise<WritableScan> {
  await writeFile(join(folder, "raw.bin"), new Uint8Array(Uint16Array.from({ length: 8 }, (_, i) => i).buffer));
  const scan = await startScan(store, { file, children: children(), streams });
  for (let i = 0; i < 6; i++) {
    await scan.writer("diode").send(i / 4);
    await scan.writer("camera").send(
      ndArray(
        Uint16Array.from({ length: 20 }, (_, n) => 100 * i + n),
        [4, 5],
      ),
    );
    await scan.writer("flags").send(i % 2 === 0);
    await scan.writer("half").send({ ...ndArray(new Uint16Array([0x3c00 + i, 0xfc00])), dtype: "float16" });
    await scan.writer("counts").send(2n ** 60n + BigInt(i));
    await scan.writer("notes").send({ i, text: "ü" });
    await scan.writer("ragged").send(
      ndArray(
        Int32Array.from({ length: 2 * i }, (_, n) => n),
        [2, i],
      ),
    );
  }
  return scan;
}

/** The one script: everything that a reader can find, and some selections. */
async function script(file: LiveFile): Promise<unknown> {
  const found: Record<string, unknown> = {};
  const visit = async (at: string): Promise<void> => {
    for (const name of await file.keys({ path: at })) {
      const below = at === "/" ? `/${name}` : `${at}/${name}`;
      if (!(await file.has(below))) {
        found[below] = "leads nowhere";
        continue;
      }
      const item = await file.get(below);
      found[below] = { name: item.name, attributes: item.attributes };
      if (item.kind === "dataset") found[below] = { ...(found[below] as object), ...(await everythingOf(item)) };
      else if (item.name === below) await visit(below);
    }
  };
  await visit("/");
  const camera = await file.dataset("/instrument/camera");
  const values: unknown[] = [];
  for await (const value of await file.dataset("/instrument/diode")) values.push(value);
  return {
    found,
    values,
    frames: await camera.select("0:3"),
    part: await camera.select([-1, "...", [null, null, -2]]),
    corner: await camera.select("::2, 1:3, 0"),
    pixel: await camera.select([2, 3, 4]),
  };
}

async function everythingOf(dataset: LiveDataset) {
  const values: unknown[] = [];
  if ((await dataset.shape()).length > 0) for await (const value of dataset) values.push(value);
  return { dtype: dataset.dtype, shape: await dataset.shape(), value: await dataset.read(), values };
}

describe("a file that was written as HDF5", () => {
  it("is read by the script that reads the scan while it is there (case 53)", async () => {
    const store = memoryStore();
    const other = await writeScan(store, join(folder, "other.h5"));
    await other.close();
    const scan = await writeScan(store);
    await scan.close();
    await using live = await LiveFile.open(store, path);
    const before = await script(live);
    expect(await writeHdf5(live)).toEqual(["1.1"]);
    await using others = await LiveFile.open(store, join(folder, "other.h5"));
    await writeHdf5(others);
    // While both are there; then without the scan, in the same file; then without a store.
    expect(await script(live)).toEqual(before);
    await store.deleteScan(scan.key);
    await store.deleteScan(other.key);
    expect(await script(live)).toEqual(before);
    await using afterwards = await LiveFile.open(undefined, path);
    expect(await script(afterwards)).toEqual(before);
    expect((await readdir(folder)).sort()).toEqual(["data.h5", "other.h5", "raw.bin"]);
  });

  it("goes on under a dataset that a reader has, and under an iteration", async () => {
    const store = memoryStore();
    const scan = await writeScan(store);
    await using file = await LiveFile.open(store, path);
    const diode = await file.dataset("/instrument/diode");
    const points = diode[Symbol.asyncIterator]();
    const values = [(await points.next()).value, (await points.next()).value];
    await scan.close();
    await writeHdf5(file);
    await store.deleteScan(scan.key);
    for (let next = await points.next(); !next.done; next = await points.next()) values.push(next.value);
    expect(values).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25]);
    expect(await diode.select("-2:")).toMatchObject({ data: Float64Array.of(1, 1.25) });
    expect(await diode.shape()).toEqual([6]);
  });

  it("gets further scans, and keeps those that it has", async () => {
    const store = memoryStore();
    await using file = await LiveFile.open(store, path);
    const first = await startScan(store, { file: path, number: 1, children: { a: 1 } });
    await first.close();
    await writeHdf5(file);
    await store.deleteScan(first.key);
    await (await startScan(store, { file: path, number: 2, children: { b: 2 } })).close();
    expect(await file.keys()).toEqual(["1.1", "2.1"]);
    expect(await writeHdf5(file)).toEqual(["2.1"]);
    await using afterwards = await LiveFile.open(undefined, path);
    expect(await (await afterwards.dataset("/1.1/a")).read()).toBe(1n);
    expect(await (await afterwards.dataset("/2.1/b")).read()).toBe(2n);
    expect((await afterwards.group("/")).attributes).toMatchObject({
      NX_class: "NXroot",
      default: "2.1",
      creator: "sluice",
    });
    await expect(writeHdf5(file, { ifExists: "error" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("waits for streams that are still written", async () => {
    const store = memoryStore();
    const scan = await writeScan(store);
    await using file = await LiveFile.open(store, path);
    const writing = writeHdf5(file);
    await scan.writer("diode").send(9);
    await scan.close();
    await writing;
    await using afterwards = await LiveFile.open(undefined, path);
    expect(await (await afterwards.dataset("/instrument/diode")).at(-1)).toBe(9);
  });

  it("is not there, nor anything else, when writing fails or is aborted", async () => {
    const store = memoryStore();
    await startScan(store, { file: path, children: { a: 1, b: { type: "stream", stream: "missing" } } });
    await using file = await LiveFile.open(store, path);
    await expect(writeHdf5(file)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(writeHdf5(file, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
    expect(await readdir(folder)).toEqual([]);
  });

  it("is an error if it is none", async () => {
    await writeFile(path, "no HDF5");
    await expect(LiveFile.open(undefined, path)).rejects.toMatchObject({ code: "CORRUPT" });
    await expect(LiveFile.open(undefined, join(folder, "none.h5"))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a file that was written as Zarr", () => {
  it("is read by the script that reads the scan while it is there (case 53)", async () => {
    const zarr = join(folder, "data.zarr");
    const store = memoryStore();
    await (await writeScan(store, join(folder, "other.h5"))).close();
    const scan = await writeScan(store);
    await scan.close();
    await using live = await LiveFile.open(store, path, { finished: zarr });
    const before = await script(live);
    expect(await writeZarr(live, { to: zarr })).toEqual(["1.1"]);
    expect(await script(live)).toEqual(before);
    await store.deleteScan(scan.key);
    expect(await script(live)).toEqual(before);
    expect((await readdir(folder)).sort()).toEqual(["data.zarr", "raw.bin"]);
    await using others = await LiveFile.open(store, join(folder, "other.h5"));
    await writeHdf5(others);
    await using afterwards = await LiveFile.open(undefined, path, { finished: zarr });
    expect(await script(afterwards)).toEqual(before);
  });

  it("gets further scans, and keeps those that it has; what fails leaves nothing", async () => {
    const zarr = join(folder, "data.zarr");
    const store = memoryStore();
    await using file = await LiveFile.open(store, zarr);
    const first = await startScan(store, { file: zarr, number: 1, children: { a: 1 } });
    await first.close();
    await writeZarr(file);
    await store.deleteScan(first.key);
    const bad = { b: { type: "stream", stream: "missing" } } as const;
    const second = await startScan(store, { file: zarr, number: 2, children: bad });
    await expect(writeZarr(file)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await store.deleteScan(second.key, { force: true });
    await (await startScan(store, { file: zarr, number: 3, children: { c: 3 } })).close();
    expect(await writeZarr(file)).toEqual(["3.1"]);
    expect([await file.keys(), await readdir(folder)]).toEqual([["1.1", "3.1"], ["data.zarr"]]);
    await using afterwards = await LiveFile.open(undefined, zarr);
    expect(await (await afterwards.dataset("/1.1/a")).read()).toBe(1n);
    await expect(writeZarr(file, { ifExists: "error" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("has much text as bytes", async () => {
    const zarr = join(folder, "data.zarr");
    const store = memoryStore();
    await using file = await LiveFile.open(store, zarr);
    const scan = await startScan(store, {
      file: zarr,
      children: { notes: { type: "stream", stream: "notes" } },
      streams: { notes: { type: "json" } },
    });
    const texts = Array.from({ length: 300 }, (_, i) => ({ i, text: "ü".repeat(i) }));
    for (const text of texts) await scan.writer("notes").sendNoWait(text);
    await scan.close();
    await writeZarr(file);
    await using afterwards = await LiveFile.open(undefined, zarr);
    const notes = await afterwards.dataset("/1.1/notes");
    expect([notes.dtype, await notes.shape()]).toEqual(["string", [300]]);
    const part = (await notes.select("10:200:95")) as unknown as { data: string[] };
    expect(part.data.map((text) => JSON.parse(text) as unknown)).toEqual([texts[10], texts[105]]);
  });
});
