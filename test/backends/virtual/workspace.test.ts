import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { formatMapping, openWorkspace, type WorkspaceEntry } from "../../../backends/virtual/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import type { BackendBase } from "../../../src/core/backend.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { type NdArray, sliceArray } from "../../../src/core/nd-array.ts";
import { FileManager } from "../../../src/io/file-manager.ts";
import { bitsOf } from "../../support/arrays.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { CountedMemory, counted, RegionMemory } from "./sources.ts";

const at = (address: string, rest: Partial<WorkspaceEntry> = {}): WorkspaceEntry => ({
  backend: "m",
  address,
  ...rest,
});

/** A workspace over one backend, `m`. */
async function over(memory: BackendBase, entries: Record<string, WorkspaceEntry>, options: object = {}) {
  return openWorkspace({ mapping: { version: 1, entries }, backends: new Map([["m", memory]]), ...options });
}

/** A stack of three planes at `stack`, and the planes as virtual paths. */
async function planes<T extends MemoryBackend>(memory: T) {
  const stack = counted(3, 4, 5);
  await memory.save(stack, "stack");
  const entries = Object.fromEntries([0, 1, 2].map((z) => [`z${z}.tif`, at("stack", { axes: [z] })]));
  return { memory, stack, workspace: await over(memory, entries) };
}

it.each([CountedMemory, RegionMemory])("cuts a selection out of the part that a path shows: %o", async (Memory) => {
  const { stack, workspace } = await planes(new Memory());
  const selection = [[1, 3], -1] as const;
  const wanted = (z: number) => bitsOf(sliceArray(sliceArray(stack, [z]), selection));
  expect(bitsOf((await workspace.load("z2.tif", { selection })) as NdArray)).toEqual(wanted(2));
  const batch = (await workspace.loadBatch(["z2.tif", "z0.tif"], { selection })) as NdArray[];
  expect(batch.map((array) => bitsOf(array))).toEqual([wanted(2), wanted(0)]);
});

describe("a reference", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-virtual-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("goes to its own backend: a disk, memory and a folder of another disk in one workspace", async () => {
    await mkdir(join(folder, "b"), { recursive: true });
    await writeFile(join(folder, "a.json"), '{"from":"disk"}');
    await writeFile(join(folder, "b/a.json"), '{"from":"other disk"}');
    const mapping = {
      version: 1,
      entries: {
        "x/disk.json": { backend: "raw", address: "a.json" },
        "x/memory.json": { backend: "scratch", address: "a.json" },
        "x/other.json": { backend: `file://${folder}/b`, address: "a.json" },
      },
    };
    await using set = new BackendSet(
      createRegistry(),
      { raw: { use: "disk", root: "." }, scratch: { use: "memory" }, all: { use: "virtual", mapping } },
      { baseDirectory: folder },
    );
    const files = new FileManager(set);
    await files.save({ from: "memory" }, "a.json", "scratch");
    const paths = ["x/other.json", "x/memory.json", "x/disk.json"];
    const expected = [{ from: "other disk" }, { from: "memory" }, { from: "disk" }];
    expect(await files.loadBatch(paths, "all")).toEqual(expected);
    expect(await Promise.all(paths.map((path) => files.load(path, "all")))).toEqual(expected);
  });

  it("cannot leave the root of its backend", async () => {
    const entries = { passwd: { backend: "raw", address: "../../etc/passwd" } };
    await using set = new BackendSet(createRegistry(), {
      raw: { use: "disk", root: folder },
      w: { use: "virtual", mapping: { version: 1, entries } },
    });
    const error = await rejectionOf(((await set.get("w")) as MemoryBackend).load("passwd"));
    expect(error).toMatchObject({ code: "INVALID_KEY", backend: "w", identifier: "passwd" });
  });

  it("fails in the name of its virtual path, its backend and its address, with what the backend said as cause", async () => {
    const workspace = await over(new MemoryBackend({ instance: "m" }), { "a/b.tif": at("gone.tif") });
    for (const work of [workspace.load("a/b.tif"), workspace.loadBatch(["a/b.tif"])]) {
      const error = await rejectionOf(work);
      expect(error).toMatchObject({ code: "NOT_FOUND", backend: "virtual_workspace", identifier: "a/b.tif" });
      expect(error.message).toBe('"a/b.tif" ("gone.tif" in "m"): No "gone.tif" in "m"');
      expect(error.cause).toMatchObject({ code: "NOT_FOUND", backend: "m" });
    }
  });

  it("keeps what the backend says of trying again", async () => {
    const busy = new CountedMemory();
    busy.load = async () => {
      throw new StorageError("RATE_LIMITED", "slower", { retryable: true, retryAfterMs: 50 });
    };
    const workspace = await over(busy, { a: at("a") });
    expect(await rejectionOf(workspace.load("a"))).toMatchObject({ retryable: true, retryAfterMs: 50 });
  });

  it("must lead to a backend that is there and can be read", async () => {
    const set = new BackendSet(createRegistry(), {
      frames: { use: "tiff" },
      w: {
        use: "virtual_workspace",
        mapping: {
          version: 1,
          entries: { a: { backend: "nowhere", address: "a" }, b: { backend: "frames", address: "b" } },
        },
      },
    });
    const w = (await set.get("w")) as MemoryBackend;
    expect(await rejectionOf(w.load("a"))).toMatchObject({ code: "UNKNOWN_BACKEND" });
    expect(await rejectionOf(w.load("b"))).toMatchObject({ code: "UNSUPPORTED" });
    await set.close();
  });

  it("cannot lead back to the workspace, at once or by way of others", async () => {
    const to = (backend: string) => ({ version: 1, entries: { a: { backend, address: "a" } } });
    const set = new BackendSet(createRegistry(), {
      self: { use: "virtual", mapping: to("self") },
      one: { use: "virtual", mapping: to("two") },
      two: { use: "virtual", mapping: to("one") },
    });
    for (const name of ["self", "one"]) {
      const error = await rejectionOf(((await set.get(name)) as MemoryBackend).load("a"));
      expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    }
    await set.close();
    const live = new Map<string, BackendBase>();
    for (const [name, next] of [
      ["x", "y"],
      ["y", "z"],
      ["z", "x"],
    ] as const) {
      const mapping = { version: 1, entries: { a: { backend: next, address: "a" } } } as const;
      live.set(name, await openWorkspace({ mapping, backends: live, instance: name }));
    }
    const error = await rejectionOf((live.get("x") as MemoryBackend).load("a"));
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).toContain("leads back");
  });

  it("can lead to another workspace", async () => {
    const memory = new RegionMemory();
    const plain = new CountedMemory();
    await memory.save(counted(2, 3, 4, 5), "a");
    const inner = await over(memory, { v: at("a", { axes: [1] }) });
    const outer = await over(inner, { w: at("v", { axes: [2], selection: [[1, 3], null] }) });
    expect(bitsOf(await outer.load("w"))).toEqual(bitsOf(sliceArray(counted(2, 3, 4, 5), [1, 2, [1, 3], null])));
    expect(memory.regions).toEqual([{ path: "a", shape: [2, 5] }]);
    expect(await outer.levels("w")).toEqual([{ shape: [2, 5], dtype: "uint32", downsampling: [1, 1] }]);
    // Also by way of a FileManager, and of memory that reads no parts: the record is that of the value behind.
    await plain.save(counted(2, 3, 4, 5), "a");
    const views = [await over(plain, { v: at("a", { axes: [1] }) }), inner];
    for (const [view, readAs] of [
      [views[0], "whole"],
      [views[1], "region"],
    ] as const) {
      const files = new FileManager({ o: await over(view as BackendBase, { w: at("v", { axes: [2] }) }) });
      const sample = await files.sample("w", "o", { origin: [1, 3], shape: [2, 9] });
      expect(sample).toMatchObject({ readAs, address: "a", sourceShape: [4, 5], array: { shape: [2, 2] } });
      expect(bitsOf(sample.array)).toEqual(bitsOf(sliceArray(counted(2, 3, 4, 5), [1, 2, [1, 3], [3, 5]])));
    }
    expect(plain.loads).toEqual(["a"]);
    expect(await outer.sample("w", { origin: [1, 3], shape: [9, 9] })).toMatchObject({
      sourceShape: [2, 5],
      backend: "m",
    });
  });
});

describe("axes and selection", () => {
  it("take a plane of a stack: [1] of shape (2, 4, 5) is (4, 5)", async () => {
    const memory = new MemoryBackend();
    await memory.save(counted(2, 4, 5), "s");
    const workspace = await over(memory, { p: at("s", { axes: [1] }) });
    const plane = (await workspace.load("p")) as NdArray;
    expect([plane.shape, plane.data[0]]).toEqual([[4, 5], 20]);
    expect(await workspace.stat("p")).toMatchObject({ kind: "file", shape: [4, 5], dtype: "uint32" });
    const sample = await workspace.sample("p", { origin: [1, 1], shape: [2, 3] });
    expect([...(sample.array.data as Uint32Array)]).toEqual([26, 27, 28, 31, 32, 33]);
    expect(sample).toMatchObject({ readAs: "whole", origin: [1, 1], sourceShape: [4, 5], backend: "m", address: "s" });
  });

  it("give what the loaded array gives when it is sliced by them, from any source (a law)", async () => {
    const index = (length: number) => fc.integer({ min: -length, max: length - 1 });
    const part = fc.oneof(
      index(4),
      fc.constant(null),
      fc.constantFrom([0, 2], [1, 4], [2, 2]) as fc.Arbitrary<[number, number]>,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(index(3), { maxLength: 2 }),
        fc.array(part, { maxLength: 2 }),
        async (axes, selection) => {
          const stack = counted(3, 3, 4, 4);
          for (const memory of [new MemoryBackend(), new RegionMemory()]) {
            await memory.save(stack, "s");
            const lead =
              axes.length < 2
                ? [...selection.slice(0, 0), ...new Array(2 - axes.length).fill(null), ...selection]
                : selection;
            const workspace = await over(memory, { p: at("s", { axes, selection: lead }) });
            const expected = bitsOf(sliceArray(stack, [...axes, ...lead]));
            expect(bitsOf(await workspace.load("p"))).toEqual(expected);
            const [one, two] = await workspace.loadBatch(["p", "p"]);
            expect([bitsOf(one), bitsOf(two)]).toEqual([expected, expected]);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("outside the array are OUT_OF_RANGE in the name of the path; of what is no array INVALID_DATA", async () => {
    const memory = new MemoryBackend();
    await memory.save(counted(2, 4, 5), "s");
    await memory.save({ a: 1 }, "j");
    const workspace = await over(memory, {
      p: at("s", { axes: [2] }),
      j: at("j", { axes: [0] }),
      ok: at("s", { axes: [0] }),
    });
    for (const load of [() => workspace.load("p"), () => workspace.loadBatch(["p"]), () => workspace.stat("p")]) {
      expect(await rejectionOf(load())).toMatchObject({ code: "OUT_OF_RANGE", identifier: "p" });
    }
    expect(await rejectionOf(workspace.load("j"))).toMatchObject({ code: "INVALID_DATA", identifier: "j" });
    const [bad, good] = await workspace.loadBatch(["p", "ok"], { onError: "collect" });
    expect(bad).toMatchObject({ code: "OUT_OF_RANGE", identifier: "p" });
    expect((good as NdArray).shape).toEqual([4, 5]);
  });
});

describe("a batch", () => {
  it("loads each value once, and answers in the order asked for, also permuted and repeated", async () => {
    const { memory, workspace } = await planes(new CountedMemory());
    const loaded = (await workspace.loadBatch(["z2.tif", "z0.tif", "z1.tif", "z0.tif"])) as NdArray[];
    expect(loaded.map(({ data, shape }) => [data[0], shape])).toEqual([
      [40, [4, 5]],
      [0, [4, 5]],
      [20, [4, 5]],
      [0, [4, 5]],
    ]);
    expect(memory.loads).toEqual(["stack"]);
    // Memory of their own, also for the same path twice.
    (loaded[1] as NdArray).data.fill(7 as never);
    expect([(loaded[3] as NdArray).data[1], (loaded[0] as NdArray).data.buffer.byteLength]).toEqual([1, 80]);
  });

  it("gives each of those who want all of one value memory of its own", async () => {
    const memory = new CountedMemory();
    await memory.save({ deep: [1] }, "j");
    const workspace = await over(memory, { a: at("j"), b: at("j"), c: at("j") });
    const [a, b, c] = (await workspace.loadBatch(["a", "b", "c"])) as { deep: number[] }[];
    a?.deep.push(2);
    expect([b, c, memory.loads]).toEqual([{ deep: [1] }, { deep: [1] }, ["j"]]);
  });

  it("of neighbouring parts reads the box around them once; of distant ones each part, and no more", async () => {
    const memory = new RegionMemory();
    await memory.save(counted(60, 4, 4), "s");
    const entries = Object.fromEntries(Array.from({ length: 60 }, (_, z) => [`z${z}`, at("s", { axes: [z] })]));
    const workspace = await over(memory, entries);
    const near = (await workspace.loadBatch(["z12", "z10", "z11"])) as NdArray[];
    expect(near.map(({ data }) => data[0])).toEqual([192, 160, 176]);
    expect(memory.regions.splice(0)).toEqual([{ path: "s", shape: [3, 4, 4] }]);
    const far = (await workspace.loadBatch(["z59", "z0"])) as NdArray[];
    expect(far.map(({ data }) => data[0])).toEqual([59 * 16, 0]);
    expect(memory.regions.splice(0).map(({ shape }) => shape)).toEqual([
      [4, 4],
      [4, 4],
    ]);
    await workspace.load("z7");
    expect([memory.regions.map(({ shape }) => shape), memory.loads]).toEqual([[[4, 4]], []]);
  });

  it.each([false, true])("holds no more than its bytes beside the results (sizes unknown: %s)", async (isReticent) => {
    const memory = new CountedMemory();
    memory.isReticent = isReticent;
    const entries: Record<string, WorkspaceEntry> = {};
    for (let i = 0; i < 12; i++) {
      await memory.save(counted(2, 8, 8), `s${i}`);
      for (const z of [0, 1]) entries[`${i}-${z}`] = at(`s${i}`, { axes: [z] });
    }
    const size = 2 * 8 * 8 * 4;
    const workspace = await over(memory, entries, { memoryBytes: 3 * size });
    await workspace.loadBatch(Object.keys(entries), { concurrency: 12 });
    expect(memory.peak / size).toBe(3);
    const tiny = await over(memory, entries, { memoryBytes: 0 });
    memory.peak = 0;
    expect((await tiny.loadBatch(Object.keys(entries), { concurrency: 12 })).length).toBe(24);
    expect(memory.peak / size).toBe(1);
  });

  it("keeps to its concurrency", async () => {
    const memory = new CountedMemory();
    const entries: Record<string, WorkspaceEntry> = {};
    for (let i = 0; i < 9; i++) {
      await memory.save(counted(8, 8), `s${i}`);
      entries[i] = at(`s${i}`);
    }
    await (await over(memory, entries)).loadBatch(Object.keys(entries), { concurrency: 2 });
    expect(memory.peak).toBe(2 * 256);
  });

  it("throws all failures in the order of the paths, or collects them in their places", async () => {
    const { workspace } = await planes(new CountedMemory());
    const paths = ["none", "z1.tif", "../up", "", "z0.tif"];
    const collected = await workspace.loadBatch(paths, { onError: "collect" });
    expect(collected.map((value) => (value as StorageError).code)).toEqual([
      "NOT_FOUND",
      undefined,
      "INVALID_KEY",
      "IS_A_DIRECTORY",
      undefined,
    ]);
    const error = (await rejectionOf(workspace.loadBatch(paths))) as unknown as AggregateError;
    expect(error.errors.map(({ code }) => code)).toEqual(["NOT_FOUND", "INVALID_KEY", "IS_A_DIRECTORY"]);
  });

  it("tells the failure of a shared value to each path in its own name", async () => {
    const memory = new CountedMemory();
    const workspace = await over(memory, { a: at("gone", { axes: [0] }), b: at("gone", { axes: [1] }) });
    const errors = (await workspace.loadBatch(["b", "a"], { onError: "collect" })) as StorageError[];
    expect(errors.map(({ code, identifier }) => [code, identifier])).toEqual([
      ["NOT_FOUND", "b"],
      ["NOT_FOUND", "a"],
    ]);
    expect(memory.loads.length).toBe(1);
  });

  it("stops when it is aborted", async () => {
    const { workspace, memory } = await planes(new CountedMemory());
    const controller = new AbortController();
    const work = workspace.loadBatch(["z0.tif"], { signal: controller.signal });
    controller.abort();
    expect(await rejectionOf(work)).toMatchObject({ code: "ABORTED" });
    expect(memory.loads.length).toBeLessThanOrEqual(1);
  });
});

describe("listings and predicates", () => {
  const entries = Object.fromEntries(
    ["A01/f1.tif", "A01/f2.TIF", "A01/notes/x.txt", "B02/f1.tif"].map((path) => [path, at("s")]),
  );

  it("agree: what is listed exists, and what exists is listed", async () => {
    const workspace = await over(new MemoryBackend(), entries);
    const files = await workspace.listFiles("", { recursive: true });
    expect(files).toEqual(["A01/f1.tif", "A01/f2.TIF", "B02/f1.tif", "A01/notes/x.txt"]);
    for (const file of files)
      expect([await workspace.exists(file), await workspace.isFile(file)]).toEqual([true, true]);
    expect(await workspace.listDir("A01")).toEqual(["f1.tif", "f2.TIF", "notes"]);
    expect(await workspace.isDir("A01/notes")).toBe(true);
    expect(await workspace.listFiles("A01", { extensions: ["tif"] })).toEqual(["A01/f1.tif", "A01/f2.TIF"]);
    expect(await workspace.listFiles("A01")).toEqual(["A01/f1.tif", "A01/f2.TIF"]);
    expect(await workspace.listFiles("", { pattern: "B*/*.tif", recursive: true })).toEqual(["B02/f1.tif"]);
  });

  it("of what is not there say so: a listing is NOT_FOUND, and never an empty list", async () => {
    const workspace = await over(new MemoryBackend(), entries);
    expect(await rejectionOf(workspace.listFiles("C03"))).toMatchObject({ code: "NOT_FOUND" });
    expect(await rejectionOf(workspace.listDir("A01/f1.tif"))).toMatchObject({ code: "NOT_A_DIRECTORY" });
    expect(await rejectionOf(workspace.listFiles("../.."))).toMatchObject({ code: "INVALID_KEY" });
    expect(await workspace.listFiles("")).toEqual([]);
    expect([
      await workspace.exists("C03"),
      await workspace.isFile("A01"),
      await workspace.isDir("A01/f1.tif/x"),
    ]).toEqual([false, false, false]);
  });

  it("list as any backend lists, whatever the paths (a law)", async () => {
    const name = fc.constantFrom("a", "b", "a-b", "B", "é", "0");
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join("/")}.npy`);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { maxLength: 12 }), fc.boolean(), async (paths, recursive) => {
        const memory = new MemoryBackend();
        for (const each of paths) await memory.save(1, each, { createParents: true });
        const workspace = await over(memory, Object.fromEntries(paths.map((each) => [each, at(each)])));
        for (const directory of ["", "a", "a/b"]) {
          const expected = await memory.listFiles(directory, { recursive }).catch((error) => error.code);
          expect(await workspace.listFiles(directory, { recursive }).catch((error) => error.code)).toEqual(expected);
          const names = await memory.listDir(directory).catch((error) => error.code);
          expect(await workspace.listDir(directory).catch((error) => error.code)).toEqual(names);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("speak of the mapping; findBroken asks the backends", async () => {
    const memory = new MemoryBackend();
    await memory.save(1, "there");
    const workspace = await over(memory, { good: at("there"), bad: at("gone"), lost: { backend: "x", address: "y" } });
    expect(await workspace.exists("bad")).toBe(true);
    expect((await workspace.findBroken()).map(({ path, error }) => [path, error.code])).toEqual([
      ["bad", "NOT_FOUND"],
      ["lost", "UNKNOWN_BACKEND"],
    ]);
  });
});

describe("saves", () => {
  it("are READ_ONLY without writeTo, also through a FileManager, and so is what a workspace does not have UNSUPPORTED", async () => {
    const files = new FileManager({ w: await over(new MemoryBackend(), { a: at("a") }) });
    for (const work of [files.save(1, "b.json", "w"), files.saveBatch([1], ["b.json"], "w")]) {
      expect(await rejectionOf(work)).toMatchObject({ code: "READ_ONLY", backend: "virtual_workspace" });
    }
    expect(await rejectionOf(files.delete("a", "w"))).toMatchObject({ code: "UNSUPPORTED" });
    expect(await rejectionOf(files.ensureDirectory("a", "w"))).toMatchObject({ code: "UNSUPPORTED" });
  });

  it("go to the backend of writeTo and into the mapping file, and leave what the path led to before", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-virtual-"));
    await writeFile(
      join(folder, "map.json"),
      JSON.stringify({ version: 1, entries: { "A01/a.npy": { backend: "raw", address: "x.npy", axes: [1] } } }),
    );
    await using set = new BackendSet(
      createRegistry(),
      {
        raw: { use: "memory" },
        archive: { use: "disk", root: "archive", durability: "none" },
        w: { use: "virtual", mapping: "map.json", writeTo: { backend: "archive", folder: "2026" } },
        other: { use: "virtual", mapping: "map.json" },
      },
      { baseDirectory: folder },
    );
    const files = new FileManager(set);
    await files.save(counted(2, 3, 3), "x.npy", "raw");
    expect(await rejectionOf(files.save(counted(3, 3), "A01/a.npy", "w"))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await files.save(counted(4), "A01/a.npy", "w", { ifExists: "replace" })).toMatchObject({
      status: "replaced",
      identifier: "A01/a.npy",
    });
    expect(await files.save(counted(5), "new/b.npy", "w")).toMatchObject({ status: "created" });
    expect(((await files.load("x.npy", "raw")) as NdArray).shape).toEqual([2, 3, 3]);
    // By other doors: the disk, the file, and a second workspace that was open all the time.
    expect((await readFile(join(folder, "archive/2026/new/b.npy"))).byteLength).toBeGreaterThan(20);
    expect(JSON.parse(await readFile(join(folder, "map.json"), "utf8")).entries).toEqual({
      "A01/a.npy": { backend: "archive", address: "2026/A01/a.npy" },
      "new/b.npy": { backend: "archive", address: "2026/new/b.npy" },
    });
    expect(((await files.load("A01/a.npy", "other")) as NdArray).shape).toEqual([4]);
    expect(await files.listFiles("", "other", { recursive: true })).toEqual(["A01/a.npy", "new/b.npy"]);
    await rm(folder, { recursive: true });
  });

  it("never write over a value that is in the target and not in the workspace, or that another path shows", async () => {
    const memory = new MemoryBackend();
    await memory.save("theirs", "b");
    const workspace = await over(memory, { a: at("c") }, { writeTo: "m" });
    expect(await rejectionOf(workspace.save("ours", "b"))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await rejectionOf(workspace.save("ours", "c", { ifExists: "replace" }))).toMatchObject({ code: "CONFLICT" });
    expect([await memory.load("b"), await memory.exists("c")]).toEqual(["theirs", false]);
    // The answer speaks of the path as it was given.
    expect(await workspace.save("ours", "./d//e")).toMatchObject({ status: "created", identifier: "./d//e" });
  });

  it("fail in the name of the path, the target and the address; also where nothing can be saved", async () => {
    const memory = new MemoryBackend({ instance: "m" });
    const workspace = await over(memory, { a: at("x") }, { writeTo: { backend: "m", folder: "out" } });
    const error = await rejectionOf(workspace.save(() => 1, "d/b"));
    expect(error).toMatchObject({ code: "INVALID_DATA", identifier: "d/b" });
    expect(error.message).toMatch(/^"d\/b" \("out\/d\/b" in "m"\): /);
    expect([await workspace.exists("d/b"), await memory.exists("out/d/b")]).toEqual([false, false]);
    const onlyReads = await over(await over(memory, {}), {}, { writeTo: "m" });
    expect(await rejectionOf(onlyReads.save(1, "b"))).toMatchObject({ code: "READ_ONLY" });
  });

  it("in the place of an image keep its well and field", async () => {
    const coordinates = { well: "A01", field: 1, channel: 1, z: 1, t: 1 };
    const workspace = await over(new MemoryBackend(), { a: at("x", { coordinates, axes: [0] }) }, { writeTo: "m" });
    await workspace.save(counted(2), "a", { ifExists: "replace" });
    expect(await workspace.entry("a")).toEqual({ backend: "m", address: "a", coordinates });
  });

  it("of a batch are all checked before the first is written", async () => {
    const memory = new MemoryBackend();
    const workspace = await over(memory, { a: at("a"), "d/x": at("x") }, { writeTo: "m" });
    for (const [paths, code] of [
      [["b", "a"], "ALREADY_EXISTS"],
      [["b", "b"], "INVALID_DATA"],
      [["b", "d"], "IS_A_DIRECTORY"],
      [["b", "a/below"], "NOT_A_DIRECTORY"],
      [["b", "../up"], "INVALID_KEY"],
    ] as const) {
      expect(await rejectionOf(workspace.saveBatch([1, 2], paths))).toMatchObject({ code });
    }
    expect(await memory.listFiles("")).toEqual([]);
    await workspace.saveBatch([1, 2, 3], ["c", "d/y", "e"]);
    expect(await workspace.loadBatch(["e", "d/y", "c"])).toEqual([3, 2, 1]);
  });

  it("that the mapping refuses fail alone, and those beside them arrive", async () => {
    const memory = new MemoryBackend({ instance: "m" });
    const store = new MemoryStore();
    const write = (entries: Record<string, WorkspaceEntry>) =>
      store.write("map.json", new TextEncoder().encode(formatMapping({ version: 1, entries })));
    await write({});
    const mapping = { store, key: "map.json" };
    const backends = new Map([["m", memory]]);
    const workspace = await openWorkspace({ mapping, backends, writeTo: "m", refresh: "manual" });
    // Somebody else maps two of the paths, unseen.
    await write({ x: at("elsewhere"), "d/below": at("elsewhere") });
    const results = await workspace.saveBatch([1, 2, 3, 4], ["w", "x", "y", "d"], { onError: "collect" });
    expect(results.map((result) => (result.status === "failed" ? result.error.code : result.status))).toEqual([
      "created",
      "CONFLICT",
      "created",
      "IS_A_DIRECTORY",
    ]);
    const { entries } = await workspace.toMapping();
    expect(Object.keys(entries)).toEqual(["x", "d/below", "w", "y"]);
    expect(entries.x).toEqual(at("elsewhere"));
  });

  it("of two processes into one mapping file both arrive", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-virtual-"));
    const instances = {
      data: { use: "disk", root: "data", durability: "none" },
      w: { use: "virtual", mapping: "map.json", create: true, writeTo: "data" },
    };
    const sets = [1, 2, 3].map(() => new BackendSet(createRegistry(), instances, { baseDirectory: folder }));
    const save = async (set: BackendSet, who: number) => {
      const w = (await set.get("w")) as MemoryBackend;
      await Promise.all(Array.from({ length: 8 }, (_, i) => w.save({ who, i }, `${who}/${i}.json`)));
    };
    await Promise.all(sets.map(save));
    const w = (await (sets[0] as BackendSet).get("w")) as MemoryBackend;
    expect((await w.listFiles("", { recursive: true })).length).toBe(24);
    await Promise.all(sets.map((set) => set.close()));
    await rm(folder, { recursive: true });
  });
});

it("several workspaces are open at once, and none sees the others", async () => {
  const memory = new MemoryBackend();
  await memory.save("one", "1");
  await memory.save("two", "2");
  const [a, b] = await Promise.all([over(memory, { x: at("1") }), over(memory, { x: at("2"), y: at("1") })]);
  expect([await a.load("x"), await b.load("x")]).toEqual(["one", "two"]);
  expect([await a.listDir(""), await b.listDir("")]).toEqual([["x"], ["x", "y"]]);
  await a.close();
  expect(await b.load("y")).toBe("one");
  expect(memory.isOpen).toBe(true);
});

it("a workspace without its backends' owner says what it needs", async () => {
  const registry = createRegistry();
  const mapping = { version: 1, entries: { a: at("a") } };
  const alone = (await registry.open("virtual", { mapping })) as MemoryBackend;
  expect(await rejectionOf(alone.load("a"))).toMatchObject({ code: "CONFIG_INVALID" });
  for (const [options, message] of [
    [{}, /mapping/],
    [{ mapping, source: "raw" }, /keep one/],
    [{ source: "raw" }, /grammar/],
    [{ source: "raw", grammar: "imagexpres" }, /known: imagexpress/],
    [{ mapping, writeTo: {} }, /writeTo/],
    [{ mappin: mapping }, /mapping/],
  ] as const) {
    const error = await rejectionOf(registry.open("virtual", options));
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).toMatch(message);
  }
});

it("copies of the mapping are copies", async () => {
  const workspace = await over(new MemoryBackend(), { a: at("s", { axes: [1] }) });
  const copy = (await workspace.toMapping()).entries as Record<string, WorkspaceEntry>;
  copy.b = at("x");
  ((await workspace.entry("a")).axes as number[]).push(2);
  expect(await workspace.toMapping()).toEqual({
    version: 1,
    entries: { a: { backend: "m", address: "s", axes: [1] } },
  });
});
