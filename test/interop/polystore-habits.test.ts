/** Where PolyStore does one thing and Sluice another: each row of the table in docs/seeds.md, done by both. */
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { mergeMappings, openWorkspace } from "../../backends/virtual/index.ts";
import type { ZarrBackend, ZarrBatchOptions } from "../../backends/zarr/index.ts";
import { readImage } from "../../backends/zarr/ngff/index.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/index.ts";
import { createRoi } from "../../src/codecs/index.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { naturalSort } from "../../src/core/natural-sort.ts";
import { type NdArray, ndArray } from "../../src/core/nd-array.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { mergeJson } from "../../src/io/merge-json.ts";
import { ramp } from "../support/arrays.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

/** What is at hand for each case: a folder of its own, as a disk, a Zarr hierarchy and a memory. */
interface Bench {
  readonly root: string;
  readonly files: FileManager;
  readonly backends: BackendSet;
}

interface Case {
  /** What PolyStore's side of the case answers: a value, or the class of its error. */
  readonly theirs: unknown;
  /** What ours answers: a value, or the code of its error. */
  readonly ours: unknown;
  readonly run: (bench: Bench) => Promise<unknown>;
}

const image = ramp([4, 5], "uint16");

/** The code of what work rejects with, or what it answers. */
async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (isStorageError(error)) return error.code;
    throw error;
  }
}

async function saveWell(
  { backends }: Bench,
  images: readonly NdArray[],
  column: string,
  options: ZarrBatchOptions = {},
) {
  const coordinates = images.map((_, i) => ({ c: i + 1 }));
  const paths = images.map((_, i) => `plate/A${column}_w${i + 1}.tif`);
  const layout = { axes: [{ name: "c" }], coordinates, row: "A", column };
  await ((await backends.get("plates")) as ZarrBackend).saveBatch(images, paths, { layout, ...options });
}

const entry = (address: string, ...axes: number[]) => ({ backend: "disk", address, axes });

const cases: Readonly<Record<string, Case>> = {
  "a save over a file": {
    theirs: [1, "FileExistsError", "FileExistsError"],
    ours: ["ALREADY_EXISTS", "ALREADY_EXISTS", "ALREADY_EXISTS", "replaced"],
    run: async ({ files }) => {
      const answers: unknown[] = [];
      for (const backend of ["disk", "memory", "plates"]) {
        // The hierarchy is in the same folder.
        const path = backend === "plates" ? "array" : "o.npy";
        await files.save(image, path, backend);
        answers.push(await outcomeOf(files.save(image, path, backend)));
      }
      return [...answers, (await files.save(image, "o.npy", "disk", { ifExists: "replace" })).status];
    },
  },
  "a text under `.tif`": {
    theirs: "hello",
    ours: "INVALID_DATA",
    run: ({ files }) => files.save("hello", "x.tif", "disk"),
  },
  "an array under `.npz`": {
    theirs: ["q.npz.npy"],
    ours: ["q.npz"],
    run: async ({ files }) => {
      await files.save({ image }, "q.npz", "disk");
      return files.listDir("", "disk");
    },
  },
  "NaN in JSON": {
    theirs: '{\n  "a": NaN\n}',
    ours: "INVALID_DATA",
    run: ({ files }) => files.save({ a: Number.NaN }, "n.json", "disk"),
  },
  "rows without a header as CSV": {
    theirs: [{ 1: "3", 2: "4" }],
    ours: [
      ["1", "2"],
      ["3", "4"],
    ],
    run: async ({ files }) => {
      const codecOptions = { header: false };
      await files.save(
        [
          [1, 2],
          [3, 4],
        ],
        "r.csv",
        "disk",
        { codecOptions },
      );
      return files.load("r.csv", "disk", { codecOptions });
    },
  },
  "a load of what is not there": {
    theirs: ["ValueError", "FileNotFoundError", "StorageResolutionError"],
    ours: ["NOT_FOUND", "NOT_FOUND", "NOT_FOUND"],
    run: async ({ files, backends }) => {
      const direct = (await backends.get("disk")) as unknown as FileManager;
      const loads = [direct.load("no.npy", "disk"), files.load("no.npy", "memory"), files.load("no.npy", "disk")];
      return Promise.all(loads.map(outcomeOf));
    },
  },
  "a save below a folder that is not there": {
    theirs: "ValueError",
    ours: ["NOT_FOUND", "created"],
    run: async ({ files }) => {
      const refused = await outcomeOf(files.save(image, "no/o.npy", "disk"));
      return [refused, (await files.save(image, "no/o.npy", "disk", { createParents: true })).status];
    },
  },
  "a listing of a folder that is not there": {
    theirs: ["ValueError", []],
    ours: ["NOT_FOUND", "NOT_FOUND"],
    run: async ({ files, backends }) => {
      await using workspace = await openWorkspace({ mapping: { version: 1, entries: { a: entry("a") } }, backends });
      return [await outcomeOf(files.listFiles("no", "disk")), await outcomeOf(workspace.listFiles("no"))];
    },
  },
  "a question about a file that is not there": {
    theirs: "FileNotFoundError",
    ours: false,
    run: ({ files }) => files.isFile("no.npy", "disk"),
  },
  "what `stat` says of a file": {
    theirs: ["exists", "path", "type"],
    ours: ["byteLength", "etag", "exists", "kind", "modifiedMs", "path"],
    run: async ({ files }) => {
      await files.save(image, "o.npy", "disk");
      const stat = Object.entries(await files.stat("o.npy", "disk"));
      return stat.flatMap(([name, value]) => (value === undefined ? [] : [name])).sort();
    },
  },
  "extensions without a dot": {
    theirs: [],
    ours: ["o.npy"],
    run: async ({ files }) => {
      await files.save(image, "o.npy", "disk");
      return files.listFiles("", "disk", { extensions: ["npy"] });
    },
  },
  "no extensions at all": {
    theirs: [true, false],
    ours: [],
    run: async ({ files }) => {
      await files.save(image, "o.npy", "disk");
      return files.listFiles("", "disk", { extensions: [] });
    },
  },
  "a link to its own folder, listed through": {
    theirs: 41,
    ours: ["a.tif"],
    run: async ({ root, files }) => {
      await writeFile(join(root, "a.tif"), "");
      await symlink(root, join(root, "self"));
      return (await files.listFiles("", "disk", { recursive: true })).filter((path) => path.endsWith(".tif"));
    },
  },
  "a broken link, deleted": {
    theirs: "FileNotFoundError",
    ours: [],
    run: async ({ root, files }) => {
      await symlink("nothing", join(root, "broken"));
      await files.delete("broken", "disk");
      return files.listDir("", "disk");
    },
  },
  "names like `._a.tif` in a listing": {
    theirs: true,
    ours: ["._a.tif", "a.tif"],
    run: async ({ root, files }) => {
      for (const name of ["a.tif", "._a.tif"]) await writeFile(join(root, name), "");
      return files.listFiles("", "disk");
    },
  },
  "a name with a digit that is no number": {
    theirs: "ValueError",
    ours: ["a²", "b"],
    run: async () => naturalSort(["b", "a²"]),
  },
  "an array that is loaded from memory": {
    theirs: true,
    ours: false,
    run: async ({ files }) => {
      await files.save(image, "a.npy", "memory");
      return (await files.loadArray("a.npy", "memory")).data.buffer === image.data.buffer;
    },
  },
  "nothing, saved in memory": {
    theirs: "directory",
    ours: "file",
    run: async ({ files }) => {
      await files.save(null, "none", "memory");
      return (await files.stat("none", "memory")).kind;
    },
  },
  "a directory moved into itself": {
    theirs: [false, false],
    ours: ["INVALID_KEY", true],
    run: async ({ files }) => {
      await files.ensureDirectory("a/b", "memory");
      const refused = await outcomeOf(files.move("a/b", "a/b/c", "memory"));
      return [refused, await files.isDir("a/b", "memory")];
    },
  },
  "images of several types in a well": {
    theirs: 44,
    ours: "DTYPE_MISMATCH",
    run: (bench) => saveWell(bench, [ramp([4, 5], "uint8"), image], "01"),
  },
  "a well saved again, with fewer images": {
    theirs: "KeyError",
    ours: ["ALREADY_EXISTS", [4, 5]],
    run: async (bench) => {
      await saveWell(bench, [image, image], "01");
      const refused = await outcomeOf(saveWell(bench, [image], "01"));
      return [refused, (await bench.files.loadArray("plate/A01_w2.tif", "plates")).shape];
    },
  },
  "an image of a well, asked for by its path": {
    theirs: [false, 1],
    ours: [true, ["plate/A02_w1.tif"]],
    run: async (bench) => {
      await saveWell(bench, [image], "02");
      const listed = await bench.files.listFiles("plate", "plates", { pattern: "A02*" });
      return [await bench.files.exists("plate/A02_w1.tif", "plates"), listed];
    },
  },
  "a plate that was moved": {
    theirs: "plate/A02_w1.tif",
    ours: ["elsewhere/A02_w1.tif"],
    run: async (bench) => {
      await saveWell(bench, [image], "02");
      await rename(join(bench.root, "plate"), join(bench.root, "elsewhere"));
      return bench.files.listFiles("elsewhere", "plates", { pattern: "A02*" });
    },
  },
  "one plane, beside a damaged one": {
    theirs: "RuntimeError",
    ours: [[4, 5], "CORRUPT"],
    run: async (bench) => {
      await saveWell(bench, [image, image], "03");
      await writeFile(join(bench.root, "plate/A/03/0/0/c/1/0/0"), "?");
      const { shape } = await bench.files.loadArray("plate/A03_w1.tif", "plates");
      return [shape, await outcomeOf(bench.files.load("plate/A03_w2.tif", "plates"))];
    },
  },
  "the size of a pixel": {
    theirs: { scale: [1, 1, 1], units: [null, null, null] },
    ours: [
      [1, 0.5, 0.5],
      [undefined, "micrometer", "micrometer"],
    ],
    run: async (bench) => {
      const units = { y: "micrometer", x: "micrometer" };
      await saveWell(bench, [image], "01", { units, scale: { y: 0.5, x: 0.5 } });
      await using store = new DiskStore({ root: bench.root });
      const read = await readImage(store, "plate/A/01/0");
      return [read.levels[0]?.scale, read.axes.map(({ unit }) => unit)];
    },
  },
  "two mappings for one path": {
    theirs: 2,
    ours: "CONFIG_INVALID",
    run: async () => {
      const of = (z: number) => ({ version: 1 as const, entries: { "a.npy": entry("s.npy", z) } });
      return outcomeOf((async () => mergeMappings({ "": of(0), ".": of(2) }))());
    },
  },
  "an address outside of the plate": {
    theirs: [4, 5],
    ours: "INVALID_KEY",
    run: async ({ root, backends }) => {
      await mkdir(join(root, "inside"));
      const mapping = { version: 1 as const, entries: { "a.npy": { backend: "inside", address: "../o.npy" } } };
      await using workspace = await openWorkspace({ mapping, backends });
      return await outcomeOf(workspace.load("a.npy"));
    },
  },
  "parts of one value in a batch": {
    theirs: true,
    ours: false,
    run: async ({ files, backends }) => {
      await files.save(image, "s.npy", "disk");
      const mapping = { version: 1 as const, entries: { "a.npy": entry("s.npy", 0), "b.npy": entry("s.npy") } };
      await using workspace = await openWorkspace({ mapping, backends });
      const [a, b] = await workspace.loadArrays(["a.npy", "b.npy"]);
      return a?.data.buffer === b?.data.buffer;
    },
  },
  "a merge into damaged metadata": {
    theirs: { subdirectories: { y: { main: true } } },
    ours: ["CORRUPT", '{"subdirectories": {"x": {"main": true'],
    run: async ({ root, backends }) => {
      const path = join(root, "damaged.json");
      await writeFile(path, '{"subdirectories": {"x": {"main": true');
      const refused = await outcomeOf(mergeJson(await backends.get("disk"), "damaged.json", { y: { main: true } }));
      return [refused, await readFile(path, "utf8")];
    },
  },
  "the mode of a metadata file": {
    theirs: "0o600",
    ours: "0o664",
    run: async ({ root, backends }) => {
      await writeFile(join(root, "mode.json"), "{}");
      await chmod(join(root, "mode.json"), 0o664);
      await mergeJson(await backends.get("disk"), "mode.json", { y: 1 });
      return `0o${((await stat(join(root, "mode.json"))).mode & 0o777).toString(8)}`;
    },
  },
  "a mask as a region": {
    theirs: "UnsupportedImageJROIShapeError",
    ours: "mask",
    run: async ({ files }) => {
      const mask = createRoi({ kind: "mask", x: 0, y: 0, mask: ndArray(new Uint8Array(9).fill(1), [3, 3], "bool") });
      await files.save([mask], "mask.roi.zip", "disk");
      return ((await files.load("mask.roi.zip", "disk")) as { kind: string }[])[0]?.kind;
    },
  },
  "an archive of regions from ImageJ": {
    theirs: "ValueError",
    ours: 1,
    run: async ({ files }) => {
      // Nothing in it but the regions, as ImageJ itself saves them.
      await files.save(
        [
          createRoi({
            kind: "polygon",
            points: [
              [0, 0],
              [9, 0],
              [9, 9],
            ],
          }),
        ],
        "plain.roi.zip",
        "disk",
      );
      return ((await files.load("plain.roi.zip", "disk")) as unknown[]).length;
    },
  },
};

describe("the table of docs/seeds.md", () => {
  it("has a row for each case, and a case for each row", async () => {
    const page = await readFile(new URL("../../docs/seeds.md", import.meta.url), "utf8");
    const section = page.split(/^## /m).find((text) => text.startsWith("PolyStore")) ?? "";
    const rows = [...section.matchAll(/^\| (.+?) +\| .+\|$/gm)].map(([, name]) => name);
    expect(rows.slice(2)).toEqual(Object.keys(cases));
  });
});

// In .ci/run the interpreter must be there: the tests run, and fail, without it.
describe.skipIf(!isPythonExpected)("where PolyStore and Sluice differ", () => {
  let root = "";
  let theirs: Readonly<Record<string, unknown>>;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "sluice-habits-"));
    await mkdir(join(root, "theirs"));
    theirs = runPython("polystore_habits.py", join(root, "theirs")) as typeof theirs;
  }, 60_000);
  afterAll(() => rm(root, { recursive: true }));

  it("its side has the same cases", () => {
    expect(Object.keys(theirs)).toEqual(Object.keys(cases));
  });

  it.each(Object.entries(cases))("%s", async (name, { theirs: expected, ours, run }) => {
    expect(theirs[name]).toEqual(expected);
    const own = await mkdtemp(join(root, "ours-"));
    await using backends = new BackendSet(createRegistry(), {
      disk: { use: "disk", root: own, durability: "none" },
      inside: { use: "disk", root: join(own, "inside"), durability: "none" },
      plates: { use: "zarr", store: "disk" },
      memory: { use: "memory" },
    });
    expect(await outcomeOf(run({ root: own, files: new FileManager(backends), backends }))).toEqual(ours);
  });
});
