/** PolyStore reads what we wrote, and we what it wrote, as far as its formats go. */
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { openWorkspace, type WorkspaceEntry, type WorkspaceMapping } from "../../backends/virtual/index.ts";
import type { Compressor } from "../../backends/zarr/index.ts";
import { openArray, setAttributes } from "../../backends/zarr/index.ts";
import { batchFiles, saveBatch, validateNgff } from "../../backends/zarr/ngff/index.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/index.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import type { DType } from "../../src/core/dtype.ts";
import { arrayToBytes, isNdArray, type NdArray, ndArray } from "../../src/core/nd-array.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { mergeJson } from "../../src/io/merge-json.ts";
import { ramp } from "../support/arrays.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

/** What PolyStore says of a value: an array by its bytes, anything else as it is. */
type Seen = unknown;
type SeenByName = Readonly<Record<string, Seen>>;

interface Report {
  /** Files of the disk that we wrote. */
  readonly disk: SeenByName;
  /** Its own plates: each image by name. */
  readonly plates: Readonly<Record<string, SeenByName>>;
  /** Our arrays and plates. */
  readonly read: SeenByName;
  readonly workspace: { readonly ours: SeenByName; readonly theirs: SeenByName };
}

function seen(value: unknown): Seen {
  if (!isNdArray(value)) return value;
  const { dtype, shape } = value;
  return { dtype, shape: [...shape], sha: createHash("sha256").update(arrayToBytes(value, "little")).digest("hex") };
}

/** A ramp in which each image of a well is another. */
function imageOf(field: number, channel: number): NdArray {
  const { data, shape } = ramp([16, 20], "uint16");
  return ndArray(
    (data as Uint16Array).map((value) => value + 10 * field + channel),
    shape,
  );
}

const items = [1, 2].flatMap((field) => [1, 2].map((channel) => ({ field, c: `w${channel}`, channel })));
const wells = [
  ["A", "01"],
  ["AA", "02"],
  ["R01", "C02"],
] as const;
const dtypes: readonly DType[] = ["uint8", "uint16", "int32", "float32", "float64"];
const compressors = ["none", "zlib", "lz4", "blosc", "zstd"] as const;

/** Gives the arrays of a well the two attributes by which PolyStore finds images in them again. */
async function nameAsPolyStore(store: ByteStore): Promise<void> {
  const byArray = new Map<string, Record<string, readonly number[]>>();
  for (const [path, { array, index }] of await (await batchFiles(store)).all("")) {
    byArray.set(array, { ...byArray.get(array), [path]: index });
  }
  for (const [array, index] of byArray) {
    await setAttributes(store, array, { polystore_filename_map: index, polystore_output_paths: Object.keys(index) });
  }
}

/** Our mapping as PolyStore writes one, and the other way round. */
function toPolyStore({ entries }: WorkspaceMapping): object {
  const mapping = Object.entries(entries).map(([path, { backend, address, axes = [] }]) => {
    return [path, { backend, backend_address: address, source_axis_indices: axes }];
  });
  return { subdirectories: { ".": { workspace_mapping: Object.fromEntries(mapping) } } };
}

function fromPolyStore(metadata: { readonly subdirectories: object }): WorkspaceMapping {
  const entries: Record<string, WorkspaceEntry> = {};
  for (const { workspace_mapping = {} } of Object.values(metadata.subdirectories)) {
    for (const [path, ref] of Object.entries<Record<string, unknown>>(workspace_mapping)) {
      const [address, axes] = [ref.backend_address as string, ref.source_axis_indices as number[]];
      entries[path] = { backend: ref.backend as string, address, axes };
    }
  }
  return { version: 1, entries };
}

const ourMapping: WorkspaceMapping = {
  version: 1,
  entries: {
    "A01/z2.npy": { backend: "disk", address: "stack.npy", axes: [2] },
    "A01/all.npy": { backend: "disk", address: "stack.npy" },
  },
};

// In .ci/run the interpreter must be there: the tests run, and fail, without it.
describe.skipIf(!isPythonExpected)("PolyStore", () => {
  let root = "";
  let report: Report;
  let backends: BackendSet;
  let files: FileManager;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "sluice-polystore-"));
    const at = (path: string) => ({ use: "disk", root: join(root, path), durability: "none" });
    backends = new BackendSet(createRegistry(), {
      "ours/disk": at("ours/disk"),
      "theirs/disk": at("theirs/disk"),
      "ours/workspace": at("ours/workspace"),
      "theirs/workspace": at("theirs/workspace"),
      "theirs/flat": { use: "zarr", root: join(root, "theirs/flat") },
    });
    files = new FileManager(backends);
    for (const folder of ["disk", "workspace"]) await mkdir(join(root, "ours", folder), { recursive: true });
    for (const dtype of dtypes) {
      await files.save(ramp([3, 4], dtype), `${dtype}.npy`, "ours/disk");
      await files.save(ramp([2, 3, 4], dtype), `${dtype}.tif`, "ours/disk");
    }
    await files.save(ramp([3, 4], "float16"), "float16.npy", "ours/disk");
    await files.save(ramp([3, 4], "uint16"), "image.png", "ours/disk");
    await files.save({ wells: 384, rows: ["A", "B"], µ: null }, "plate.json", "ours/disk");
    await files.save([{ well: "A01", "dose, nM": 1.5 }], "table.csv", "ours/disk");
    await files.save("zwei\nLinien µ\n", "note.txt", "ours/disk");
    await files.save(ramp([3, 4, 5], "uint16"), "stack.npy", "ours/workspace");
    await files.save(toPolyStore(ourMapping), "polystore_metadata.json", "ours/workspace");

    const arrays: { store: string; array: string }[] = [];
    const plates: string[] = [];
    const add = async (plate: string, compressor: Compressor, version: "0.4" | "0.5") => {
      await using store = new DiskStore({ root: join(root, "ours", plate), durability: "none" });
      for (const [row, column] of wells) {
        const coordinates = items.map(({ field, c }) => ({ field, c }));
        const layout = { axes: [{ name: "field" }, { name: "c" }], image: "field", coordinates, row, column };
        const paths = items.map(({ field, c }) => `${row}${column}_s${field}_${c}.tif`);
        const images = items.map(({ field, channel }) => imageOf(field, channel));
        await saveBatch(store, images, paths, { layout, compressor, version });
      }
      await nameAsPolyStore(store);
      arrays.push({ store: plate, array: "AA/02/2/0" });
      plates.push(plate);
    };
    for (const compressor of compressors) await add(`v2-${compressor}`, compressor, "0.4");
    await add("v3", "blosc-zstd", "0.5");
    for (const zarrFormat of [2, 3] as const) {
      const set = new BackendSet(createRegistry(), {
        flat: { use: "zarr", root: join(root, `ours/flat${zarrFormat}`) },
      });
      await using open = set;
      await new FileManager(open).save<{ zarrFormat: number }>(ramp([3, 4], "uint16"), "A01.tif", "flat", {
        zarrFormat,
      });
    }
    await using store = new DiskStore({ root: join(root, "ours"), durability: "none" });
    await mergeJson(store, "polystore_metadata.json", {
      microscope: "ours",
      subdirectories: { images: { available_backends: { disk: true }, main: true } },
    });
    await mkdir(join(root, "theirs"));
    await writeFile(join(root, "theirs/polystore_metadata.json"), '{"microscope": "theirs"}');
    await chmod(join(root, "theirs/polystore_metadata.json"), 0o664);
    const flat = ["flat2/A01.tif", "flat3/A01.tif"];
    await writeFile(join(root, "request.json"), JSON.stringify({ arrays, plates, flat }));
    report = runPython("with_polystore.py", root) as Report;
  }, 120_000);
  afterAll(async () => {
    await backends.close();
    await rm(root, { recursive: true });
  });

  it("reads our npy and TIFF of every dtype that both have", () => {
    for (const dtype of dtypes) {
      expect(report.disk[`${dtype}.npy`]).toEqual(seen(ramp([3, 4], dtype)));
      expect(report.disk[`${dtype}.tif`]).toEqual(seen(ramp([2, 3, 4], dtype)));
    }
    expect(report.disk["float16.npy"]).toEqual(seen(ramp([3, 4], "float16")));
    expect(report.disk["image.png"]).toEqual(seen(ramp([3, 4], "uint16")));
  });

  it("reads our JSON, CSV and text", () => {
    expect(report.disk["plate.json"]).toEqual({ wells: 384, rows: ["A", "B"], µ: null });
    expect(report.disk["table.csv"]).toEqual([{ well: "A01", "dose, nM": "1.5" }]);
    expect(report.disk["note.txt"]).toBe("zwei\nLinien µ\n");
  });

  it("writes npy, TIFF and PNG that we read", async () => {
    for (const dtype of dtypes) {
      expect(seen(await files.load(`${dtype}.npy`, "theirs/disk"))).toEqual(seen(ramp([3, 4], dtype)));
      expect(seen(await files.load(`${dtype}.tif`, "theirs/disk"))).toEqual(seen(ramp([2, 3, 4], dtype)));
    }
    expect(seen(await files.load("float16.npy", "theirs/disk"))).toEqual(seen(ramp([3, 4], "float16")));
    expect(seen(await files.load("image.png", "theirs/disk"))).toEqual(seen(ramp([3, 4], "uint16")));
  });

  it("writes JSON, CSV and text that we read", async () => {
    expect(await files.load("plate.json", "theirs/disk")).toEqual({ wells: 384, rows: ["A", "B"], µ: null });
    const table = [
      { well: "A01", "dose, nM": 1.5 },
      { well: "A02", "dose, nM": 3 },
    ];
    const codecOptions = { types: { "dose, nM": "number" } };
    expect(await files.load("table.csv", "theirs/disk", { codecOptions })).toEqual(table);
    expect(await files.load("note.txt", "theirs/disk")).toBe("zwei\nLinien µ\n");
  });

  it("writes regions that we read: polygon, polyline, point and ellipse", async () => {
    const corners = [
      [1.5, 2.5],
      [8.25, 2.5],
      [8.25, 7],
    ] as const;
    // It makes outlines that are drawn by hand of all its polygons.
    const expected = [
      { kind: "freehand", points: corners, subpixel: true },
      { kind: "polyline", points: corners, subpixel: true },
      { kind: "point", points: [[4.25, 3.5]], subpixel: true },
      { kind: "ellipse", x: 15, y: 7, width: 10, height: 6 },
    ];
    const loaded = (await files.load("regions.roi.zip", "theirs/disk")) as unknown[];
    expect(loaded).toHaveLength(expected.length);
    expect(loaded).toMatchObject(expected);
  });

  it("writes arrays by path that we read, and a file beside them; and reads ours of both versions", async () => {
    expect(seen(await files.load("A01.tif", "theirs/flat"))).toEqual(seen(ramp([3, 4], "uint16")));
    expect(await files.load("settings.json", "theirs/flat")).toEqual({ gain: 1.5 });
    for (const format of [2, 3]) expect(report.read[`flat${format}/A01.tif`]).toEqual(seen(ramp([3, 4], "uint16")));
  });

  it.each(["well", "file"].flatMap((chunks) => compressors.map((compressor) => [chunks, compressor] as const)))(
    "writes plates that hold up, and that we read: a chunk for each %s, %s",
    async (chunks, compressor) => {
      await using store = new DiskStore({ root: join(root, "theirs", `${chunks}-${compressor}`) });
      const { plates, wells: found, images, violations } = await validateNgff(store);
      expect([plates, found, images]).toEqual([1, 3, 6]);
      // No units; one acquisition without the wells' images naming it.
      expect(violations.filter(({ level }) => level === "error")).toEqual([]);
      for (const [row, column] of wells) {
        for (const field of [1, 2]) {
          const array = await openArray(store, `${row}/${column}/${field - 1}/0`);
          expect(array.chunkShape).toEqual(chunks === "well" ? [2, 16, 20] : [1, 16, 20]);
          const places = Object.entries(array.attributes.polystore_filename_map as Record<string, number[]>);
          expect(places).toHaveLength(2);
          for (const [name, index] of places) {
            const channel = Number(/_w(\d)\.tif$/.exec(name)?.[1]);
            const image = seen(await array.read(index));
            expect(image).toEqual(seen(imageOf(field, channel)));
            expect(report.plates[`${chunks}-${compressor}`]?.[name]).toEqual(image);
          }
        }
      }
    },
  );

  it.each([...compressors.map((compressor) => `v2-${compressor}`), "v3"])(
    "reads arrays of our plate %s by their place, and images by name where its two attributes are set",
    (plate) => {
      const [first, second] = [imageOf(2, 1), imageOf(2, 2)];
      const field = ndArray(
        Uint16Array.from([...(first.data as Uint16Array), ...(second.data as Uint16Array)]),
        [2, 16, 20],
      );
      expect(report.read[`${plate}/AA/02/2/0`]).toEqual(seen(field));
      const named = wells.flatMap(([row, column]) =>
        items.map(({ field, c, channel }) => [`${row}${column}_s${field}_${c}.tif`, seen(imageOf(field, channel))]),
      );
      expect(report.read[plate]).toEqual(Object.fromEntries(named));
    },
  );

  it("its plates load by the names of their files through a workspace of its own attributes", async () => {
    await using store = new DiskStore({ root: join(root, "theirs/file-zlib") });
    const entries: Record<string, WorkspaceEntry> = {};
    for (const [row, column] of wells) {
      for (const image of ["0", "1"]) {
        const address = `${row}/${column}/${image}/0`;
        const { attributes } = await openArray(store, address);
        for (const [name, axes] of Object.entries(attributes.polystore_filename_map as Record<string, number[]>)) {
          entries[name] = { backend: "plate", address, axes };
        }
      }
    }
    const set = new BackendSet(createRegistry(), { plate: { use: "zarr", root: join(root, "theirs/file-zlib") } });
    await using opened = set;
    await using workspace = await openWorkspace({ mapping: { version: 1, entries }, backends: opened });
    expect(await workspace.listFiles("", { pattern: "R01*" })).toHaveLength(4);
    expect(seen(await workspace.load("R01C02_s2_w1.tif"))).toEqual(seen(imageOf(2, 1)));
  });

  it("merges into our metadata, and we into its, and both keep what was there", async () => {
    const path = (side: string) => join(root, side, "polystore_metadata.json");
    const merged = { available_backends: { disk: true, zarr: true }, main: false };
    expect(JSON.parse(await readFile(path("ours"), "utf8"))).toEqual({
      microscope: "ours",
      subdirectories: { images: merged },
    });
    await using store = new DiskStore({ root: join(root, "theirs"), durability: "none" });
    const { mode } = await stat(path("theirs"));
    await mergeJson(
      store,
      "polystore_metadata.json",
      { subdirectories: { images: { available_backends: { disk: true } } } },
      { policies: { subdirectories: "deep" } },
    );
    expect(JSON.parse(await readFile(path("theirs"), "utf8"))).toEqual({
      microscope: "theirs",
      subdirectories: { images: merged },
    });
    expect((await stat(path("theirs"))).mode).toBe(mode);
  });

  it("opens the mapping of our workspace, and we its, with a few lines that rename the fields", async () => {
    expect(report.workspace.ours).toEqual({
      "A01/all.npy": seen(ramp([3, 4, 5], "uint16")),
      "A01/z2.npy": seen(planeOf(2)),
    });
    const text = await readFile(join(root, "theirs/workspace/polystore_metadata.json"), "utf8");
    const mapping = fromPolyStore(JSON.parse(text));
    const source = new Map([["disk", await backends.get("theirs/workspace")]]);
    await using workspace = await openWorkspace({ mapping, backends: source });
    const paths = await workspace.listFiles("A01");
    const values = await workspace.loadBatch(paths);
    expect(Object.fromEntries(paths.map((path, i) => [path, seen(values[i])]))).toEqual(report.workspace.theirs);
    expect(seen(await workspace.load("A01/z1.npy"))).toEqual(seen(planeOf(1)));
  });
});

/** One plane of the stack of the workspaces. */
function planeOf(z: number): NdArray {
  const data = ramp([3, 4, 5], "uint16").data as Uint16Array;
  return ndArray(data.slice(20 * z, 20 * (z + 1)), [4, 5]);
}
