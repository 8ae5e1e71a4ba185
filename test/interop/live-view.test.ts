/** Finished files of scans, read by h5py and zarr-python. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Layout } from "../../src/live/view/layout.ts";
import { LiveFile } from "../../src/live/view/live-file.ts";
import { writeHdf5 } from "../../src/live/view/write-hdf5.ts";
import { writeZarr } from "../../src/live/view/write-zarr.ts";
import { memoryStore, startScan } from "../live/view/scans.ts";
import { sendPoints, startWholeScan } from "../live/view/whole-scan.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

interface Found {
  readonly root: Readonly<Record<string, unknown>>;
  readonly found: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly signal?: unknown;
}

/** An entry that says what to plot, as NeXus has it. */
const plotted: Layout = {
  children: {
    "2.1": [
      { NX_class: "NXentry", default: "plot" },
      {
        plot: [
          { NX_class: "NXdata", signal: "y", axes: ["x"] },
          { x: [1, 2], y: [3.5, 4.5] },
        ],
      },
    ],
  },
} as never;

function attributesOf(item: Found["found"][string] | undefined): Record<string, unknown> {
  return { ...(item?.attributes as object) };
}

describe.skipIf(!isPythonExpected)("finished files", () => {
  let folder = "";
  let hdf5: Found;
  let zarr: Found;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-interop-"));
    const [path, to] = [join(folder, "data.h5"), join(folder, "data.zarr")];
    const store = memoryStore();
    for (const file of [join(folder, "other.h5"), path]) {
      const scan = await startWholeScan(store, file);
      await sendPoints(scan);
      await scan.close();
      if (file === path) await (await startScan(store, { file, number: 2, layout: plotted })).close();
      await using view = await LiveFile.open(store, file);
      await writeHdf5(view);
      if (file === path) await writeZarr(view, { to });
    }
    ({ hdf5, zarr } = runPython("live_view.py", path, to) as { hdf5: Found; zarr: Found });
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  it("HDF5: h5py has the values, with their types", () => {
    const { found } = hdf5;
    const diode = { dtype: "float64", shape: [6], value: [0, 0.25, 0.5, 0.75, 1, 1.25] };
    expect(found["/1.1/instrument/diode/data"]).toEqual({ ...diode, attributes: { units: "A" } });
    const pixels = Array.from({ length: 6 }, (_, i) =>
      Array.from({ length: 4 }, (_, y) => Array.from({ length: 5 }, (_, x) => 100 * i + 5 * y + x)),
    );
    expect(found["/1.1/instrument/camera/data"]).toMatchObject({ dtype: "uint16", shape: [6, 4, 5], value: pixels });
    const counts = Array.from({ length: 6 }, (_, i) => String(2n ** 60n + BigInt(i)));
    const values: Record<string, readonly [dtype: string, value: unknown]> = {
      "/1.1/title": ["object", "a scan 🃏"],
      "/1.1/instrument/counts": ["int64", counts],
      "/1.1/instrument/flags": ["uint8", [1, 0, 1, 0, 1, 0]],
      "/1.1/instrument/never": ["int8", []],
      "/1.1/instrument/ragged/shapes": ["int64", [0, 1, 2, 3, 4, 5].map((i) => [2, i])],
      "/1.1/static/int": ["int64", 7],
      "/1.1/static/nan": ["float32", ["nan", "-inf", 1]],
      "/1.1/static/complex": ["complex128", ["(1+2j)", "(3-4j)"]],
      "/1.1/static/bytes": ["int16", [[1], [2]]],
      "/1.1/raw": [
        "uint16",
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
      ],
      "/1.1/virtual": [
        "float64",
        [
          [0, 0, 0],
          [0, 0.5, 1],
        ],
      ],
    };
    for (const [path, [dtype, value]] of Object.entries(values)) expect(found[path]).toMatchObject({ dtype, value });
    expect(found["/1.1/static/texts"]?.value).toEqual([
      ["a", "ü"],
      ["", "d"],
    ]);
    expect(found["/1.1/instrument/notes"]?.value).toContain('{"i":5,"text":"ü"}');
    expect(found["/1.1/static/records"]?.value).toEqual([
      { name: "x", n: 1 },
      { name: "yy", n: 2 },
    ]);
  });

  it("HDF5: h5py has the links, the attributes and the NeXus classes", () => {
    const { found } = hdf5;
    expect(found["/1.1/measurement/diode"]).toEqual({ soft: "/1.1/instrument/diode/data" });
    expect(found["/1.1/measurement/beside"]).toEqual({ soft: "diode" });
    expect(found["/1.1/measurement/other"]).toEqual({ external: ["other.h5", "/1.1/static/int"], value: 7 });
    const { version, limits, names, on } = attributesOf(found["/1.1/instrument"]);
    expect([version, limits, names, on]).toEqual([3, [0.5, 1.5], ["a", "bc"], 1]);
    expect(
      ["/1.1", "/1.1/instrument", "/1.1/instrument/diode", "/1.1/measurement"].map(
        (path) => attributesOf(found[path]).NX_class,
      ),
    ).toEqual(["NXentry", "NXinstrument", "NXdetector", "NXdata"]);
  });

  it("HDF5: the newest scan is what the file is about, and leads to its plot", () => {
    expect(hdf5.root).toMatchObject({ NX_class: "NXroot", default: "2.1", creator: "sluice" });
    expect([hdf5.root.file_name, hdf5.root.file_time]).toEqual([
      join(folder, "data.h5"),
      expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    ]);
    expect(hdf5.signal).toEqual([3.5, 4.5]);
  });

  it("Zarr: zarr-python has the same numbers as plain arrays, and the rest in attributes of groups", () => {
    const { found } = zarr;
    let arrays = 0;
    for (const [path, { dtype, shape, value }] of Object.entries(found)) {
      if (dtype === undefined) continue;
      arrays++;
      if (dtype === "bool") expect([value].flat().map(Number)).toEqual([hdf5.found[path]?.value].flat().map(Number));
      else
        expect({ path, shape, value }).toEqual({
          path,
          shape: hdf5.found[path]?.shape,
          value: hdf5.found[path]?.value,
        });
    }
    expect(arrays).toBe(17);
    expect(found["/1.1/instrument/half"]?.dtype).toBe("float16");
    expect(found["/1.1/instrument"]?.attributes).toEqual({
      NX_class: "NXinstrument",
      version: 3,
      limits: [0.5, 1.5],
      names: ["a", "bc"],
      on: true,
    });
    expect(found["/1.1/measurement/beside"]?.attributes).toEqual({
      sluice_link: { type: "soft_link", target_path: "diode" },
    });
    expect(found["/1.1/title"]?.attributes).toEqual({ sluice_value: "a scan 🃏" });
    expect(zarr.root).toEqual({ NX_class: "NXroot" });
  });
});
