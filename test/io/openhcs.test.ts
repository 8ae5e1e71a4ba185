/**
 * What was measured of OpenHCS's managers and backends, where no other test says it: each is a case in which it lost
 * something, said something untrue, or said the same in several ways.
 */
import { spawnSync } from "node:child_process";
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { ZarrBackend } from "../../backends/zarr/backend.ts";
import { type BatchLayout, validateNgff } from "../../backends/zarr/ngff/index.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import { naturalSort } from "../../src/core/natural-sort.ts";
import { ndArray, zeros } from "../../src/core/nd-array.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { updateJson } from "../../src/io/update-json.ts";
import { MeterStore } from "../../src/layers/meter.ts";
import { repository } from "../structure/source-files.ts";
import { runModule } from "../support/built.ts";
import { freshDisk } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";

let disk: Awaited<ReturnType<typeof freshDisk>>;
let memory: MemoryBackend;
let files: FileManager;
beforeEach(async () => {
  disk = await freshDisk();
  memory = new MemoryBackend();
  files = new FileManager({ disk: new FileBackend(disk.store, { key: "disk" }), memory });
});
afterEach(() => disk.dispose?.());

const isLinux = process.platform === "linux";
const both = ["disk", "memory"] as const;

describe("names of backends", () => {
  it("have one rule, whoever asks: any case, and no space around them", async () => {
    const set = new BackendSet(createRegistry(), { scratch: { use: "memory" } });
    for (const name of ["scratch", "Scratch", "SCRATCH"]) {
      expect(set.has(name)).toBe(true);
      expect(await set.get(name)).toBe(await set.get("scratch"));
    }
    for (const name of [" scratch", "scratch ", ""]) {
      expect(set.has(name)).toBe(false);
      expect(await rejectionOf(set.get(name))).toMatchObject({ code: "UNKNOWN_BACKEND" });
      expect(await rejectionOf(files.exists("a", name))).toMatchObject({ code: "UNKNOWN_BACKEND" });
    }
    expect(() => set.set(" scratch ", new MemoryBackend())).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
    await set.close();
  });
});

describe.each(both)("listings of %s", (key) => {
  it("say the same by files and by names, what begins with dots included", async () => {
    const names = ["._a.json", ".hidden.json", "a.json", "~b.json"];
    for (const name of names) await files.save({}, `d/${name}`, key, { createParents: true });
    expect(await files.listDir("d", key)).toEqual(naturalSort(names));
    expect(await files.listFiles("d", key)).toEqual(naturalSort(names.map((name) => `d/${name}`)));
  });

  it("take digits of any script for what they are", async () => {
    const names = ["²", "a²", "a10", "a9", "٣", "①"];
    for (const name of names) await files.save("x", `${name}.txt`, key);
    const listed = await files.listFiles("", key);
    expect([...listed].sort()).toEqual(names.map((name) => `${name}.txt`).sort());
    expect(listed.indexOf("a9.txt")).toBeLessThan(listed.indexOf("a10.txt"));
    expect(naturalSort(["a02", "a2", "a1"])).toEqual(naturalSort(["a2", "a1", "a02"]));
  });

  it("name the root's entries and nothing without a name", async () => {
    await files.save({}, "p/a.json", key, { createParents: true });
    expect(await files.listDir("", key)).toEqual(["p"]);
    expect(await files.listDir(".", key)).toEqual(["p"]);
  });
});

describe.each(both)("values in %s", (key) => {
  it("are under the name that was given, and under no other", async () => {
    const array = ndArray(Float32Array.of(1, 2), [2]);
    const values = { "q.npz": { first: array }, "q.npy": array, "q.tif": zeros([2, 2], "uint8"), "q.roi.zip": [] };
    for (const [name, value] of Object.entries(values)) await files.save(value, name, key);
    expect((await files.listDir("", key)).sort()).toEqual(Object.keys(values).sort());
    if (key === "disk") expect((await readdir(disk.root)).sort()).toEqual(Object.keys(values).sort());
    for (const [name, value] of Object.entries(values)) expect(await files.load(name, key)).toEqual(value);
  });

  it("have no value below them, and a batch is refused as a whole for one that would", async () => {
    await files.save({}, "a.json", key);
    const lists = [[1], [2]] as const;
    const error = await rejectionOf(files.saveBatch(lists, ["b.json", "a.json/c.json"], key, { createParents: true }));
    expect(error).toMatchObject({ code: "NOT_A_DIRECTORY" });
    expect(await files.listDir("", key)).toEqual(["a.json"]);
  });
});

describe("tables", () => {
  it("come back with as many rows as they had, and no row becomes a heading", async () => {
    const rows = [
      [1, 2],
      [3, 4],
    ];
    expect(await rejectionOf(files.save(rows, "rows.csv", "disk"))).toMatchObject({ code: "INVALID_DATA" });
    expect(await files.listDir("", "disk")).toEqual([]);
    await files.save(rows, "rows.csv", "disk", { codecOptions: { header: false } });
    expect(await files.load("rows.csv", "disk", { codecOptions: { header: false } })).toEqual([
      ["1", "2"],
      ["3", "4"],
    ]);
  });
});

describe("a broken link", () => {
  it("is no file of a listing, is named by its directory, and can be deleted", async () => {
    await mkdir(join(disk.root, "d/sub"), { recursive: true });
    await symlink("nowhere", join(disk.root, "d/broken.tif"));
    await symlink("sub", join(disk.root, "d/folder.tif"));
    await writeFile(join(disk.root, "d/real.tif"), "");
    expect(await files.listFiles("d", "disk")).toEqual(["d/real.tif"]);
    expect(await files.listDir("d", "disk")).toEqual(["broken.tif", "folder.tif", "real.tif", "sub"]);
    expect(await files.exists("d/broken.tif", "disk")).toBe(false);
    await files.delete("d/broken.tif", "disk");
    expect(await readdir(join(disk.root, "d"))).toEqual(["folder.tif", "real.tif", "sub"]);
  });
});

describe("Zarr", () => {
  const layoutOf = (column: number): BatchLayout => ({
    axes: [{ name: "field" }, { name: "c" }],
    image: "field",
    coordinates: ["w1", "w2"].map((c) => ({ field: 1, c })),
    row: "A",
    column,
  });
  const pathsOf = (column: number) => ["w1", "w2"].map((c) => `plate/A${column}_${c}.tif`);

  it("makes nothing by looking: failed loads, predicates and listings leave a disk as it was", async () => {
    const zarr = new ZarrBackend(disk.store);
    for (const path of ["a", "plate.zarr/A01.tif", "deep/er/b.json"]) {
      expect(await rejectionOf(zarr.load(path))).toMatchObject({ code: "NOT_FOUND" });
      expect(await zarr.exists(path)).toBe(false);
      expect([await zarr.isFile(path), await zarr.isDir(path)]).toEqual([false, false]);
      expect(await zarr.stat(path)).toMatchObject({ exists: false });
      expect(await rejectionOf(zarr.listFiles(path))).toMatchObject({ code: "NOT_FOUND" });
      expect(await rejectionOf(zarr.delete(path))).toMatchObject({ code: "NOT_FOUND" });
    }
    expect(await readdir(disk.root)).toEqual([]);
  });

  it("costs a well of a plate as many requests as the first ones did, however many wells there are", async () => {
    const store = new MeterStore(new MemoryStore());
    const zarr = new ZarrBackend(store);
    const requests = () => [...store.counts().values()].reduce((sum, { count }) => sum + count, 0);
    const costs: number[] = [];
    for (let column = 1; column <= 24; column++) {
      const before = requests();
      await zarr.saveBatch([zeros([4, 4], "uint8"), zeros([4, 4], "uint8")], pathsOf(column), {
        layout: layoutOf(column),
      });
      costs.push(requests() - before);
    }
    expect(costs.at(-1)).toBeLessThanOrEqual((costs[3] as number) + 4);
  });

  it("shows what metadata declares and no other group; one image that is gone takes no other with it", async () => {
    const zarr = new ZarrBackend(disk.store);
    for (const column of [1, 2]) {
      const items = [zeros([4, 4], "uint8"), zeros([4, 4], "uint8")];
      await zarr.saveBatch(items, pathsOf(column), { layout: layoutOf(column) });
    }
    // A stranger puts an image into a well without a word to the well, and removes another.
    await cp(join(disk.root, "plate/A/1/1"), join(disk.root, "plate/A/1/9"), { recursive: true });
    await rm(join(disk.root, "plate/A/2/1"), { recursive: true });
    const again = new ZarrBackend(disk.store);
    expect(await again.listFiles("plate")).toEqual(pathsOf(1));
    for (const path of pathsOf(1)) expect(await again.load(path)).toMatchObject({ shape: [4, 4] });
    for (const path of pathsOf(2)) {
      expect(await again.exists(path)).toBe(false);
      expect(await rejectionOf(again.load(path))).toMatchObject({ code: "NOT_FOUND" });
    }
    const { isValid, violations } = await validateNgff(disk.store, "plate");
    const broken = violations.flatMap(({ level, code }) => (level === "error" ? [code] : []));
    expect([isValid, broken]).toEqual([false, ["node-missing"]]);
  });
});

describe("nothing is left behind", () => {
  it("registering and listing backends leaves no file anywhere that another process would read", async () => {
    const folder = join(disk.root, "home");
    await mkdir(folder);
    const code = `
      import { createRegistry, storageRegistry, getBackend } from "sluice/registry";
      const registry = createRegistry();
      registry.register({ key: "mine", contractVersion: 1, capabilities: registry.descriptor("disk").capabilities,
        open: async () => getBackend("memory") });
      for (const key of registry.keys()) await registry.load(key).catch(() => {});
      storageRegistry.keys();
      console.log(registry.has("mine"));
    `;
    const before: NodeJS.ProcessEnv = { ...process.env };
    const places = { HOME: folder, XDG_CACHE_HOME: folder, XDG_CONFIG_HOME: folder, TMPDIR: folder };
    Object.assign(process.env, places);
    try {
      expect(runModule(code)).toMatchObject({ code: 0, output: "true\n" });
    } finally {
      for (const name of Object.keys(places)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it.skipIf(!isLinux)("waiting for a document that others hold leaves no file open (only told on Linux)", async () => {
    await updateJson(disk.store, "count.json", () => 0, { default: 0 });
    const open = async () => (await readdir("/proc/self/fd")).length;
    const before = await open();
    await Promise.all(
      Array.from({ length: 40 }, () => updateJson<number>(disk.store, "count.json", (count) => count + 1)),
    );
    expect(JSON.parse(await readFile(join(disk.root, "count.json"), "utf8"))).toBe(40);
    expect(await open()).toBe(before);
  });
});

describe("rights", () => {
  it.skipIf(process.platform === "win32")(
    "that are missing are PERMISSION_DENIED, whatever is done, and nothing changes",
    async () => {
      const set = new BackendSet(createRegistry(), { it: { use: "disk", root: disk.root } });
      await new FileManager(set).saveBatch([1, 2], ["shut/a.json", "shut/secret.json"], "it", { createParents: true });
      await set.close();
      await chmod(disk.root, 0o755);
      await chmod(join(disk.root, "shut/secret.json"), 0o000);
      await chmod(join(disk.root, "shut"), 0o555);
      const code = `
      import { BackendSet, createRegistry, FileManager } from "sluice";
      const root = ${JSON.stringify(disk.root)};
      const set = new BackendSet(createRegistry(), { it: { use: "disk", root } });
      const files = new FileManager(set, { ifExists: "replace" });
      const codeOf = (promise) => promise.then(() => "done", ({ code }) => code);
      console.log(JSON.stringify([
        await codeOf(files.save(3, "shut/a.json", "it")),
        await codeOf(files.save(3, "shut/b.json", "it")),
        await codeOf(files.ensureDirectory("shut/c", "it")),
        await codeOf(files.delete("shut/a.json", "it")),
        await codeOf(files.move("shut/a.json", "shut/d.json", "it")),
        await codeOf(files.load("shut/secret.json", "it")),
        await files.load("shut/a.json", "it"),
        await files.exists("shut/secret.json", "it"),
      ]));`;
      // Root may do everything: nobody asks instead.
      const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
      const options = { cwd: repository, encoding: "utf8", ...nobody } as const;
      const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], options);
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toEqual([...new Array(6).fill("PERMISSION_DENIED"), 1, true]);
      expect((await readdir(join(disk.root, "shut"))).sort()).toEqual(["a.json", "secret.json"]);
      expect(await readFile(join(disk.root, "shut/a.json"), "utf8")).toBe("1\n");
    },
  );
});
