import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { createArray, openArray, recoverZarr, zarr } from "../../../backends/zarr/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import type { ByteStore } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { type NdArray, ndArray, zeros } from "../../../src/core/nd-array.ts";
import { StorageBackend } from "../../../src/core/storage-backend.ts";
import { MeterStore } from "../../../src/layers/meter.ts";
import { WrappedStore } from "../../../src/layers/wrapped-store.ts";
import { bitsOf, ramp } from "../../support/arrays.ts";
import { freshDisk, freshMemory } from "../../support/byte-stores.ts";
import { keysOf, memoryStore, readJson } from "./support.ts";

/** An array with a chunk for each row, so that half of it could be seen. */
const rows = (value: number): NdArray => ndArray(new Uint8Array(24).fill(value), [6, 4]);
const byRow = { chunkShape: [1, 4], compressor: "none" } as const;

/** A store on which something runs after every change, and on which changes can be made to fail. */
class WatchedStore extends WrappedStore {
  /** Runs after each change; may throw in its place. */
  after: (change: number) => Promise<void> = async () => {};
  before: (change: number) => Promise<void> = async () => {};
  changes = 0;
  underWay = 0;
  failAt = Number.POSITIVE_INFINITY;

  constructor(inner: ByteStore) {
    super("meter", inner);
  }

  override write(...args: Parameters<WrappedStore["write"]>): ReturnType<WrappedStore["write"]> {
    return this.#watched(() => super.write(...args));
  }

  override copy(...args: Parameters<WrappedStore["copy"]>): ReturnType<WrappedStore["copy"]> {
    return this.#watched(() => super.copy(...args));
  }

  override renameDirectory(...args: Parameters<WrappedStore["renameDirectory"]>): Promise<void> {
    return this.#watched(() => super.renameDirectory(...args));
  }

  async #watched<T>(run: () => Promise<T>): Promise<T> {
    const change = ++this.changes;
    if (change === this.failAt) throw new StorageError("NO_SPACE", "the store is full");
    await this.before(change);
    this.underWay++;
    const result = await run().finally(() => this.underWay--);
    await this.after(change);
    return result;
  }
}

const places = [
  ["in memory", freshMemory],
  ["on disk", () => freshDisk({ durability: "none" })],
] as const;

describe.each(places)("the Zarr backend %s", (_, fresh) => {
  async function withStore(run: (store: ByteStore) => Promise<void>): Promise<void> {
    const { store, dispose } = await fresh();
    try {
      await run(store);
    } finally {
      await store.close();
      await dispose?.();
    }
  }

  it("keeps arrays as nodes at exactly their paths, and JSON, tables, text and bytes as files beside them", () =>
    withStore(async (store) => {
      const backend = new ZarrBackend(store);
      await backend.ensureDirectory("plate/A");
      const image = ramp([64, 48], "uint16");
      const table = [
        { well: "A01", count: "3" },
        { well: "AA12", count: "5" },
      ];
      await backend.saveBatch(
        [image, { gain: 1.5 }, table, "dry", Uint8Array.of(1, 2)],
        ["A01_s1.tif", "a.json", "cells.csv", "notes.txt", "raw.bin"].map((name) => `plate/A/${name}`),
      );
      expect(await readJson(store, "plate/A/A01_s1.tif/zarr.json")).toMatchObject({ node_type: "array" });
      expect(await readJson(store, "plate/A/a.json")).toEqual({ gain: 1.5 });
      expect(bitsOf(await backend.load("plate/A/A01_s1.tif"))).toEqual(bitsOf(image));
      expect(await backend.load("plate/A/cells.csv")).toEqual(table);
      expect(await backend.load("plate/A/notes.txt")).toBe("dry");
      expect(await backend.load("plate/A/raw.bin")).toEqual(Uint8Array.of(1, 2));
      const names = ["A01_s1.tif", "a.json", "cells.csv", "notes.txt", "raw.bin"];
      expect(await backend.listDir("plate/A")).toEqual(names);
      expect(await backend.listDir("")).toEqual(["plate"]);
      expect(await backend.listFiles("", { recursive: true, extensions: ["tif"] })).toEqual(["plate/A/A01_s1.tif"]);
      for (const name of names) expect(await backend.isFile(`plate/A/${name}`), name).toBe(true);
      expect(await backend.stat("plate/A/A01_s1.tif")).toEqual({
        path: "plate/A/A01_s1.tif",
        kind: "file",
        exists: true,
        shape: [64, 48],
        dtype: "uint16",
      });
      // What Zarr has for itself is nowhere.
      for (const path of [
        "zarr.json",
        "plate/A/A01_s1.tif/zarr.json",
        "plate/A/A01_s1.tif/c",
        "plate/A/A01_s1.tif/c/0/0",
      ]) {
        expect(await backend.exists(path), path).toBe(false);
        await expect(backend.load(path), path).rejects.toMatchObject({ code: "NOT_FOUND" });
      }
      for (const path of ["zarr.json", "plate/.zattrs", "plate/.sluice-new-0123456789abcdef"]) {
        await expect(backend.save("x", path, { format: "text" }), path).rejects.toMatchObject({ code: "INVALID_KEY" });
      }
    }));

  it("loads a part of an array, and moves only the chunks that it touches", () =>
    withStore(async (store) => {
      const meter = new MeterStore(store);
      const backend = new ZarrBackend(meter);
      const well = ramp([60, 16, 16], "uint16");
      await backend.save(well, "well", { chunkShape: [1, 16, 16], shardShape: [30, 16, 16], compressor: "none" });
      const before = meter.counts().get("read")?.bytesOut ?? 0;
      const plane = await backend.load("well", { selection: [41, null, [0, 8]] });
      expect(bitsOf(plane)).toEqual(bitsOf(await (await openArray(store, "well")).read([41, null, [0, 8]])));
      const moved = (meter.counts().get("read")?.bytesOut ?? 0) - before;
      const metadata = (await store.read("well/zarr.json")).byteLength;
      expect(moved).toBe(metadata + 30 * 16 + 4 + 512);
      const planes = await backend.loadBatch(["well", "well"], { selection: [0] });
      expect(planes).toHaveLength(2);
      await backend.save({ a: 1 }, "a.json");
      await expect(backend.load("a.json", { selection: [0] })).rejects.toMatchObject({ code: "INVALID_DATA" });
    }));

  it("stores arrays as they are told to be: chunks, shards, codecs, names of axes, fill value, type", () =>
    withStore(async (store) => {
      const backend = new ZarrBackend(store, { layout: { compressor: "gzip" } });
      const values = ramp([6, 4], "int16");
      await backend.save(values, "a", {
        chunkShape: [1, 4],
        shardShape: [3, 4],
        fillValue: -1,
        dimensionNames: ["y", "x"],
        attributes: { well: "A01" },
      });
      const metadata = await readJson(store, "a/zarr.json");
      expect(metadata).toMatchObject({ fill_value: -1, dimension_names: ["y", "x"], attributes: { well: "A01" } });
      expect(JSON.stringify(metadata)).toContain('"gzip"');
      await backend.save(values, "b", { codecs: [{ name: "zstd" }] });
      expect(JSON.stringify(await readJson(store, "b/zarr.json"))).not.toContain("gzip");
      await backend.save(ndArray(Float32Array.of(0.4, -3, 300, Number.NaN)), "c", {
        cast: { to: "uint8", mode: "saturate" },
      });
      expect([...((await backend.load("c")) as NdArray).data]).toEqual([0, 0, 255, 0]);
      await expect(backend.save(ramp([4], "uint16"), "d", { chunkShape: [0] })).rejects.toMatchObject({
        code: "INVALID_DATA",
      });
      await expect(backend.save(ndArray(Uint16Array.of(300)), "d", { cast: { to: "uint8" } })).rejects.toMatchObject({
        code: "DTYPE_MISMATCH",
      });
      expect(await backend.exists("d")).toBe(false);
      // An explicit format makes a file of it.
      await backend.save(values, "e.npy", { format: "npy" });
      expect((await store.stat("e.npy")).kind).toBe("file");
      expect(bitsOf(await backend.load("e.npy"))).toEqual(bitsOf(values));
    }));

  it("shows the old array, or the new one, or none while one is replaced, and never half of both", () =>
    withStore(async (store) => {
      const watched = new WatchedStore(store);
      const backend = new ZarrBackend(watched);
      const reader = new ZarrBackend(store);
      await backend.save(rows(1), "a", byRow);
      const seen = new Set<string>();
      watched.after = async () => {
        const value = (await reader.exists("a")) ? ((await reader.load("a")) as NdArray).data : undefined;
        expect(new Set<number | bigint>(value ?? []).size).toBeLessThan(2);
        seen.add(value === undefined ? "none" : String(value[0]));
      };
      expect(await backend.save(rows(2), "a", { ...byRow, ifExists: "replace" })).toMatchObject({ status: "replaced" });
      expect(seen.size).toBeGreaterThan(1);
      expect(seen.has("none") || seen.has("1")).toBe(true);
      // A smaller one leaves nothing of the larger.
      await backend.save(ndArray(Uint8Array.of(9), [1, 1]), "a", { ifExists: "replace" });
      expect((await keysOf(store)).filter((key) => key.startsWith("a/"))).toEqual(["a/c/0/0", "a/zarr.json"]);
    }));

  it("leaves no trace of a save that fails, wherever it does", () =>
    withStore(async (store) => {
      const first = new ZarrBackend(store);
      await first.save(rows(1), "kept", byRow);
      const before = await keysOf(store);
      for (let failAt = 1; ; failAt++) {
        const watched = new WatchedStore(store);
        watched.failAt = failAt;
        const backend = new ZarrBackend(watched);
        const outcome = await backend.save(rows(2), "a", byRow).then(
          () => "saved",
          (error) => error.code,
        );
        if (outcome === "saved") break;
        expect(outcome).toBe("NO_SPACE");
        expect(await keysOf(store), `failing at change ${failAt}`).toEqual(before);
        expect(await first.listDir("")).toEqual(["kept"]);
        expect(failAt).toBeLessThan(50);
      }
      expect(bitsOf(await first.load("a"))).toEqual(bitsOf(rows(2)));
      expect(bitsOf(await first.load("kept"))).toEqual(bitsOf(rows(1)));
    }));

  it("copies and moves arrays with their bytes as they are, and groups with all in them", () =>
    withStore(async (store) => {
      const backend = new ZarrBackend(store);
      await backend.ensureDirectory("g/deep");
      await backend.save(rows(3), "g/deep/a", { ...byRow, attributes: { x: 1 } });
      await backend.save({ n: 1 }, "g/deep/a.json");
      await backend.copy("g/deep/a", "b");
      await backend.copy("g", "h");
      await backend.move("g/deep/a", "g/c");
      expect(await backend.listFiles("", { recursive: true })).toEqual([
        "b",
        "g/c",
        "g/deep/a.json",
        "h/deep/a",
        "h/deep/a.json",
      ]);
      for (const path of ["b", "g/c", "h/deep/a"]) {
        expect(bitsOf(await backend.load(path)), path).toEqual(bitsOf(rows(3)));
        expect((await openArray(store, path)).attributes).toEqual({ x: 1 });
      }
      await backend.save(rows(4), "b", { ...byRow, ifExists: "replace" });
      await backend.copy("b", "g/c", { ifExists: "replace" });
      expect(bitsOf(await backend.load("g/c"))).toEqual(bitsOf(rows(4)));
      // An array takes the place of a file, and a file that of an array.
      await backend.copy("g/c", "g/deep/a.json", { ifExists: "replace" });
      expect(bitsOf(await backend.load("g/deep/a.json"))).toEqual(bitsOf(rows(4)));
      await backend.save({ n: 2 }, "g/deep/a.json", { ifExists: "replace" });
      expect(await backend.load("g/deep/a.json")).toEqual({ n: 2 });
      await backend.copy("h/deep/a.json", "b", { ifExists: "replace" });
      expect(await backend.load("b", { format: "json" })).toEqual({ n: 1 });
      await expect(backend.save(() => 1, "g/c", { ifExists: "replace", format: "json" })).rejects.toMatchObject({
        code: "INVALID_DATA",
      });
      expect(bitsOf(await backend.load("g/c"))).toEqual(bitsOf(rows(4)));
      await backend.deleteAll("");
      expect(await keysOf(store)).toEqual([]);
    }));

  it("has one winner among the savers of several backends over one store", () =>
    withStore(async (store) => {
      const backends = Array.from({ length: 8 }, () => new ZarrBackend(store));
      const outcomes = await Promise.allSettled(backends.map((backend, i) => backend.save(rows(i + 1), "a", byRow)));
      const winners = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
      expect(winners).toHaveLength(1);
      const codes = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason.code] : []));
      expect(new Set(codes)).toEqual(new Set(["ALREADY_EXISTS"]));
      expect(bitsOf(await backends[0]!.load("a"))).toEqual(bitsOf(rows((winners[0] as number) + 1)));
      expect((await keysOf(store)).filter((key) => key.includes(".sluice-"))).toEqual([]);
    }));

  it("keeps a whole hierarchy of Zarr v2 when told to, and goes on with one that is there", () =>
    withStore(async (store) => {
      const backend = new ZarrBackend(store, { layout: { zarrFormat: 2 } });
      await backend.ensureDirectory("d");
      await backend.save(rows(1), "d/a", byRow);
      await new ZarrBackend(store).save(rows(2), "d/b");
      await new ZarrBackend(store).save(rows(3), "d/a", { ifExists: "replace" });
      const keys = await keysOf(store);
      expect(keys.filter((key) => key.endsWith("zarr.json"))).toEqual([]);
      expect(keys).toEqual(expect.arrayContaining([".zgroup", "d/.zgroup", "d/a/.zarray", "d/b/.zarray"]));
      expect(bitsOf(await backend.load("d/a"))).toEqual(bitsOf(rows(3)));
      expect(await backend.stat("d/b")).toMatchObject({ shape: [6, 4], dtype: "uint8" });
      await backend.delete("d/a");
      expect(await backend.listDir("d")).toEqual(["b"]);
    }));
});

describe("the Zarr backend", () => {
  it("says what is wrong with damaged metadata when it is loaded, and lists what is beside it", async () => {
    const store = memoryStore();
    const backend = new ZarrBackend(store);
    await backend.save(rows(1), "a");
    await backend.save(rows(1), "b");
    await store.write("a/zarr.json", new TextEncoder().encode('{"zarr_format":'));
    expect(await backend.listDir("")).toEqual(["a", "b"]);
    expect(await backend.isFile("a")).toBe(true);
    await expect(backend.load("a")).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("takes over what a killed process has left when told to replace, and tells of it otherwise", async () => {
    const store = memoryStore();
    const dying = new WatchedStore(store);
    dying.after = (change) => (change === 4 ? new Promise(() => {}) : Promise.resolve());
    void new ZarrBackend(dying).save(rows(1), "a", byRow);
    await expect.poll(() => dying.changes).toBeGreaterThan(3);
    const backend = new ZarrBackend(store);
    expect(await backend.exists("a")).toBe(false);
    expect(await backend.listFiles("", { recursive: true })).toEqual([]);
    await expect(backend.save(rows(2), "a")).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      message: expect.stringMatching(/being saved by somebody, or was when the process was killed/),
    });
    const replacing = () => backend.save(rows(2), "a", { ifExists: "replace" });
    await expect(replacing()).rejects.toMatchObject({ code: "CONFLICT", retryable: true });
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 61_000);
    onTestFinished(() => clock.mockRestore());
    await replacing();
    expect(bitsOf(await backend.load("a"))).toEqual(bitsOf(rows(2)));
  });

  it("does not write over what came after it when it was paused, and leaves that alone", async () => {
    const store = memoryStore();
    const paused = new WatchedStore(store);
    let goOn = () => {};
    const pause = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    // The claim is made, and the first chunks; then nothing goes on.
    paused.after = (change) => (change >= 2 ? pause : Promise.resolve());
    const many = ndArray(new Uint8Array(40).fill(1), [40, 1]);
    const first = new ZarrBackend(paused).save(many, "a", { chunkShape: [1, 1] });
    const outcome = first.then(
      () => "saved",
      (error) => error.code,
    );
    await expect.poll(() => paused.changes, { interval: 1 }).toBeGreaterThan(8);
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 61_000);
    onTestFinished(() => clock.mockRestore());
    await new ZarrBackend(store).save(rows(2), "a", { ...byRow, ifExists: "replace" });
    goOn();
    expect(await outcome).toBe("CONFLICT");
    expect(bitsOf(await new ZarrBackend(store).load("a"))).toEqual(bitsOf(rows(2)));
  });

  it.each(places)(
    "has what a killed process left removed, and an array that was away put back (%s)",
    async (_, fresh) => {
      const { store, dispose } = await fresh();
      const hour = 3_600_000;
      const later = () => Date.now() + hour;
      const keys = async () => (await keysOf(store)).filter((key) => key !== "zarr.json");
      await new ZarrBackend(store).save(rows(1), "kept", byRow);
      const before = await keys();
      // Killed at each change of a first save, and of one that replaces it.
      for (const ifExists of ["error", "replace"] as const) {
        for (let killedAt = 1; killedAt < 12; killedAt++) {
          const dying = new WatchedStore(store);
          const dead = new Promise<never>(() => {});
          let isDead = false;
          dying.before = async (change) => {
            isDead ||= change >= killedAt;
            if (isDead) await dead;
          };
          const path = ifExists === "replace" ? "kept" : "a";
          const ended = new ZarrBackend(dying).save(rows(2), path, { ...byRow, ifExists }).then(() => "saved");
          await Promise.race([ended, expect.poll(() => isDead, { interval: 1, timeout: 5000 }).toBe(true)]);
          if (!isDead) {
            expect(bitsOf(await new ZarrBackend(store).load(path))).toEqual(bitsOf(rows(2)));
            if (path === "a") await new ZarrBackend(store).delete("a");
            break;
          }
          // What was begun before the kill ends as it would.
          await expect.poll(() => dying.underWay, { interval: 1 }).toBe(0);
          const spared = await recoverZarr(store, { remove: true, olderThanMs: 2 * hour, nowMs: later() });
          expect(spared).toEqual([]);
          await recoverZarr(store, { remove: true, olderThanMs: hour - 1000, nowMs: later() });
          expect(await recoverZarr(store, { olderThanMs: 0, nowMs: later() })).toEqual([]);
          const backend = new ZarrBackend(store);
          if (store.capabilities.directories || ifExists === "error") {
            expect(await keys(), `${ifExists}, killed at ${killedAt}`).toEqual(before);
            expect(bitsOf(await backend.load("kept"))).toEqual(bitsOf(rows(1)));
          } else {
            // Where there are no directories, an array that is replaced is lost with the process.
            expect([before, []]).toContainEqual(await keys());
            await backend.save(rows(1), "kept", { ...byRow, ifExists: "replace" });
          }
        }
      }
      await store.close();
      await dispose?.();
    },
  );

  it("only reads where the store only reads", async () => {
    const inner = memoryStore();
    await new ZarrBackend(inner).save(rows(1), "a");
    class ReadOnly extends WrappedStore {
      constructor() {
        super("meter", inner, { ...inner.capabilities, write: false });
      }
    }
    const backend = new ZarrBackend(new ReadOnly());
    expect(backend.capabilities).toMatchObject({
      write: false,
      directories: false,
      requiresFilesystemValidation: false,
    });
    expect(bitsOf(await backend.load("a", { selection: [[0, 6]] }))).toEqual(bitsOf(rows(1)));
    await expect(backend.save(rows(1), "b")).rejects.toMatchObject({ code: "READ_ONLY" });
  });

  it("is opened over a named store, a folder of it, a disk folder or a URL, and says where it is missing", async () => {
    const root = await mkdtemp(join(tmpdir(), "sluice-plates-"));
    try {
      await using set = new BackendSet(
        createRegistry(),
        {
          archive: { use: "disk", root, durability: "none" },
          plates: { use: "zarr", store: "archive", path: "2026/plates", ifExists: "replace" },
          folder: { use: "zarr", root: join(root, "2026/plates"), durability: "none" },
          whole: { use: "zarr", uri: `file://${root}` },
          nowhere: { use: "zarr" },
          twice: { use: "zarr", root, store: "archive" },
        },
        {},
      );
      const plates = (await set.get("plates")) as StorageBackend;
      expect(plates).toBeInstanceOf(StorageBackend);
      expect([plates.name, plates.capabilities]).toEqual(["plates", zarr.capabilities]);
      await plates.save(zeros([2, 2], "uint8"), "a");
      await plates.save(rows(7), "a");
      for (const [name, path] of [
        ["folder", "a"],
        ["whole", "2026/plates/a"],
      ] as const) {
        expect(bitsOf(await ((await set.get(name)) as StorageBackend).load(path))).toEqual(bitsOf(rows(7)));
      }
      const files = (await set.get("archive")) as StorageBackend;
      expect(await files.load("2026/plates/a/zarr.json")).toMatchObject({ shape: [6, 4] });
      for (const name of ["nowhere", "twice"]) {
        await expect(set.get(name)).rejects.toMatchObject({
          code: "CONFIG_INVALID",
          message: expect.stringContaining("one of store"),
        });
      }
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it("loses nothing of regions that two processes' stores write into one array", async () => {
    const root = await mkdtemp(join(tmpdir(), "sluice-plates-"));
    try {
      const stores = [0, 1].map(() => new DiskStore({ root, durability: "none" }));
      await createArray(stores[0]!, "a", { shape: [16], dtype: "int32", chunkShape: [16] });
      const arrays = await Promise.all(stores.map((store) => openArray(store, "a")));
      const put = (i: number) => arrays[i % 2]!.write([[i, i + 1]], ndArray(Int32Array.of(i + 1)));
      await Promise.all(Array.from({ length: 16 }, (_, i) => put(i)));
      expect([...(await arrays[0]!.read()).data]).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
