import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { ZarrBackend } from "../../backends/zarr/backend.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { WriteOptions } from "../../src/core/byte-store.ts";
import { type NdArray, ndArray } from "../../src/core/nd-array.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { materialize } from "../../src/io/materialize.ts";
import { freshDisk } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";

/** A store whose writes wait until the test lets them go. */
class GatedStore extends MemoryStore {
  readonly waiting: (() => void)[] = [];
  isOpen = false;
  most = 0;
  #now = 0;

  override async write(key: string, data: Parameters<MemoryStore["write"]>[1], options?: WriteOptions) {
    this.most = Math.max(this.most, ++this.#now);
    try {
      if (!this.isOpen) {
        await new Promise<void>((resolve, reject) => {
          this.waiting.push(resolve);
          options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
        });
      }
      return await super.write(key, data, options);
    } finally {
      this.#now--;
    }
  }

  open(): void {
    this.isOpen = true;
    for (const go of this.waiting.splice(0)) go();
  }
}

const image = (value: number): NdArray => ndArray(new Uint16Array(500).fill(value), [20, 25]); // 1000 bytes
/** Lets everything run that can. */
const settle = async () => {
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
};

let disk: Awaited<ReturnType<typeof freshDisk>>;
let gated: GatedStore;
let memory: MemoryBackend;
let files: FileManager;
beforeEach(async () => {
  disk = await freshDisk();
  gated = new GatedStore();
  memory = new MemoryBackend();
  files = new FileManager({
    memory,
    disk: new FileBackend(disk.store, { key: "disk" }),
    slow: new FileBackend(gated, { key: "slow" }),
  });
});
afterEach(() => disk.dispose?.());

describe("materialize", () => {
  it("stores values of memory on disk under their paths, and reports each in the order of adding", async () => {
    await files.saveBatch([image(1), { cells: 3 }, "note"], ["r/a.npy", "r/b.json", "r/c.txt"], "memory", {
      createParents: true,
    });
    await using job = materialize(files, { from: "memory", to: "disk" });
    await job.add("r/b.json");
    await job.add("r/a.npy", "other/name.tif");
    await job.add("r/c.txt");
    const report = await job.finish();
    expect(report).toMatchObject({
      isComplete: true,
      items: [
        { path: "r/b.json", target: "r/b.json", status: "created", isReleased: false },
        { path: "r/a.npy", target: "other/name.tif", status: "created", byteLength: 1000 },
        { path: "r/c.txt", status: "created" },
      ],
    });
    expect(JSON.parse(await readFile(join(disk.root, "r/b.json"), "utf8"))).toEqual({ cells: 3 });
    expect(await files.load("other/name.tif", "disk")).toEqual(image(1));
    expect(await files.exists("r/a.npy", "memory")).toBe(true);
  });

  it("stores arrays in Zarr, with the options of its saves", async () => {
    await using backends = new BackendSet(createRegistry(), {
      memory: { use: "memory" },
      plates: { use: "zarr", store: `file://${disk.root}`, path: "p.zarr" },
    });
    const manager = new FileManager(backends);
    await manager.save(image(7), "A01_s1.tif", "memory");
    await using job = materialize(manager, {
      from: "memory",
      to: "plates",
      saveOptions: { chunkShape: [10, 25] } as object,
    });
    await job.add("A01_s1.tif");
    expect((await job.finish()).isComplete).toBe(true);
    const metadata = JSON.parse(await readFile(join(disk.root, "p.zarr/A01_s1.tif/zarr.json"), "utf8")) as {
      chunk_grid: { configuration: object };
    };
    expect(metadata.chunk_grid.configuration).toEqual({ chunk_shape: [10, 25] });
  });

  it("holds no more bytes than it may: a producer waits until there is room, and a giant goes alone", async () => {
    for (let i = 0; i < 6; i++) await files.save(image(i), `${i}.npy`, "memory");
    await files.save(ndArray(new Uint8Array(9000)), "giant.npy", "memory");
    await using job = materialize(files, { from: "memory", to: "slow", maxBytes: 2500, concurrency: 8 });
    let accepted = 0;
    const adding = [0, 1, 2, 3, 4, 5].map((i) => job.add(`${i}.npy`).then(() => accepted++));
    adding.push(job.add("giant.npy").then(() => accepted++));
    await settle();
    expect([accepted, job.pendingBytes, gated.waiting.length]).toEqual([2, 2000, 2]);
    gated.waiting.shift()?.();
    await settle();
    expect([accepted, job.pendingBytes]).toEqual([3, 2000]);
    gated.open();
    await Promise.all(adding);
    expect((await job.finish()).isComplete).toBe(true);
    expect(gated.most).toBe(2);
    expect(job.pendingBytes).toBe(0);
  });

  it("stores no more at once than it may", async () => {
    for (let i = 0; i < 6; i++) await files.save(image(i), `${i}.npy`, "memory");
    await using job = materialize(files, { from: "memory", to: "slow", concurrency: 2 });
    for (let i = 0; i < 6; i++) await job.add(`${i}.npy`);
    await settle();
    expect(gated.waiting).toHaveLength(2);
    gated.open();
    await job.finish();
    expect(gated.most).toBe(2);
  });

  it("one bad item stops no other, and the end tells of all of them", async () => {
    await files.saveBatch([image(1), image(2), new Map()], ["a.npy", "b.npy", "c.json"], "memory");
    await files.save(image(9), "b.npy", "disk");
    const job = materialize(files, { from: "memory", to: "disk" });
    for (const path of ["a.npy", "b.npy", "missing.npy", "c.json"]) await job.add(path);
    const error = (await rejectionOf(job.finish())) as AggregateError;
    expect(error.errors.map(({ code }: { code: string }) => code)).toEqual([
      "ALREADY_EXISTS",
      "NOT_FOUND",
      "INVALID_DATA",
    ]);
    const { items, isComplete, byteLength } = await job.finish({ onError: "collect" });
    expect([isComplete, byteLength]).toEqual([false, 1000]);
    expect(items.map(({ status }) => status)).toEqual(["created", "failed", "failed", "failed"]);
    expect(await files.load("b.npy", "disk")).toEqual(image(9));
    await job[Symbol.asyncDispose]();
    await expect(job.add("a.npy")).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  it("obeys ifExists, its own before that of the manager", async () => {
    await files.save(image(1), "a.npy", "memory");
    await files.save(image(9), "a.npy", "disk");
    const backends = { memory, disk: new FileBackend(disk.store, { key: "disk" }) };
    for (const [usual, ifExists, status, value] of [
      [undefined, "skip", "skipped", 9],
      ["replace", "skip", "skipped", 9],
      ["skip", "replace", "replaced", 1],
      ["replace", undefined, "replaced", 1],
    ] as const) {
      const manager = new FileManager(backends, { ifExists: usual });
      await using job = materialize(manager, { from: "memory", to: "disk", ifExists });
      await job.add("a.npy");
      expect((await job.finish()).items[0]?.status).toBe(status);
      expect(await files.load("a.npy", "disk")).toEqual(image(value));
    }
  });

  it("cancelled, gives up what is under way and tells what is not there", async () => {
    for (let i = 0; i < 4; i++) await files.save(image(i), `${i}.npy`, "memory");
    const job = materialize(files, { from: "memory", to: "slow", maxBytes: 2000, concurrency: 1 });
    await job.add("0.npy");
    await job.add("1.npy");
    const adding = [job.add("2.npy"), job.add("3.npy")];
    await settle();
    gated.waiting.shift()?.();
    await settle();
    job.cancel();
    await Promise.all(adding);
    expect(await rejectionOf(job.finish())).toMatchObject({ code: "ABORTED" });
    const { items } = await job.finish({ onError: "collect" });
    expect(items.map(({ status }) => status)).toEqual(["created", "cancelled", "cancelled", "cancelled"]);
    expect(await files.listFiles("", "slow")).toEqual(["0.npy"]);
    expect(job.pendingBytes).toBe(0);
    await expect(job.add("0.npy")).rejects.toMatchObject({ code: expect.stringMatching(/ABORTED|NOT_OPEN/) });
  });

  it("with a signal that never fires can still be cancelled", async () => {
    await files.save(image(1), "a.npy", "memory");
    const job = materialize(files, { from: "memory", to: "slow", signal: new AbortController().signal });
    await job.add("a.npy");
    await settle();
    job.cancel();
    expect((await job.finish({ onError: "collect" })).items[0]?.status).toBe("cancelled");
  });

  it("a signal of the caller calls it off too", async () => {
    await files.save(image(1), "a.npy", "memory");
    const controller = new AbortController();
    await using job = materialize(files, { from: "memory", to: "slow", signal: controller.signal });
    await job.add("a.npy");
    await settle();
    controller.abort();
    expect((await job.finish({ onError: "collect" })).items[0]?.status).toBe("cancelled");
  });

  it("leaving the block waits until everything is stored, and throws what nobody was told of", async () => {
    await files.save(image(1), "a.npy", "memory");
    {
      await using job = materialize(files, { from: "memory", to: "disk" });
      await job.add("a.npy");
    }
    expect(await files.load("a.npy", "disk")).toEqual(image(1));
    const work = async () => {
      await using job = materialize(files, { from: "memory", to: "disk" });
      await job.add("missing.npy");
    };
    await expect(work()).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("releases what is stored, though not what has changed since, and not what failed", async () => {
    await files.saveBatch([image(1), image(2)], ["a.npy", "b.npy"], "memory");
    await using job = materialize(files, { from: "memory", to: "slow", release: true });
    await job.add("a.npy");
    await job.add("b.npy");
    await job.add("missing.npy");
    await settle();
    await files.save(image(20), "b.npy", "memory", { ifExists: "replace" });
    gated.open();
    const { items } = await job.finish({ onError: "collect" });
    expect(items.map(({ isReleased }) => isReleased)).toEqual([true, false, false]);
    expect(await files.listFiles("", "memory")).toEqual(["b.npy"]);
    expect(await files.load("b.npy", "memory")).toEqual(image(20));
  });

  it("releases nothing that was skipped: the target has another value, or none of its own", async () => {
    await files.saveBatch([image(1), image(2)], ["a.npy", "b.npy"], "memory");
    await files.save(image(9), "a.npy", "disk");
    await using job = materialize(files, { from: "memory", to: "disk", release: true, ifExists: "skip" });
    await job.add("a.npy");
    await job.add("b.npy");
    const { items } = await job.finish();
    expect(items.map(({ status, isReleased }) => [status, isReleased])).toEqual([
      ["skipped", false],
      ["created", true],
    ]);
    expect(await files.load("a.npy", "memory")).toEqual(image(1));
    expect(await files.load("a.npy", "disk")).toEqual(image(9));
  });

  it("releases nothing that was stored over itself, also where two names lead to one folder", async () => {
    const twin = new FileBackend(new DiskStore({ root: disk.root }), { key: "twin" });
    files.registerBackend("twin", twin);
    await files.save(image(1), "a.npy", "disk");
    await files.save(image(2), "m.npy", "memory");
    for (const [from, to, path, target] of [
      ["disk", "disk", "a.npy", "./a.npy"],
      ["disk", "twin", "a.npy", "a.npy"],
      ["memory", "memory", "m.npy", "m.npy"],
    ] as const) {
      await using job = materialize(files, { from, to, release: true, ifExists: "replace" });
      await job.add(path, target);
      expect((await job.finish()).items).toMatchObject([{ status: "replaced", isReleased: false }]);
    }
    expect(await files.load("a.npy", "disk")).toEqual(image(1));
    expect(await files.load("m.npy", "memory")).toEqual(image(2));
  });

  it("releases nothing of a place that is the same by its address, whatever it says of versions", async () => {
    /** As a bucket is: its etag is that of the content, and its times are those of a second. */
    class Bucket extends MemoryStore {
      override readonly capabilities = { ...new MemoryStore().capabilities, persistent: true };
      override async stat(key: string) {
        return { ...(await super.stat(key)), etag: "same", modifiedMs: 0 };
      }
      override uri(key: string): string {
        return `s3://lab/${key}`;
      }
    }
    const store = new Bucket();
    files.registerBackend("one", new FileBackend(store, { key: "one" }));
    files.registerBackend("two", new FileBackend(store, { key: "two" }));
    await files.save(image(1), "a.npy", "one");
    for (const to of ["one", "two"]) {
      await using job = materialize(files, { from: "one", to, release: true, ifExists: "replace" });
      await job.add("a.npy");
      expect((await job.finish()).items).toMatchObject([{ status: "replaced", isReleased: false }]);
    }
    expect(await files.load("a.npy", "one")).toEqual(image(1));
    await using job = materialize(files, { from: "one", to: "two", release: true });
    await job.add("a.npy", "b.npy");
    expect((await job.finish()).items).toMatchObject([{ status: "created", isReleased: true }]);
    expect(await files.load("b.npy", "one")).toEqual(image(1));
  });

  it("releases nothing of a source that cannot tell whether a value has changed, and stores it all the same", async () => {
    const zarr = new ZarrBackend(disk.store);
    files.registerBackend("plates", zarr);
    await files.save(image(1), "a", "plates");
    await using job = materialize(files, { from: "plates", to: "plates", release: true, ifExists: "replace" });
    await job.add("a");
    await job.add("a", "b");
    const { items } = await job.finish();
    expect(items.map(({ status, isReleased }) => [status, isReleased])).toEqual([
      ["replaced", false],
      ["created", false],
    ]);
    for (const path of ["a", "b"]) expect(await files.load(path, "plates")).toEqual(image(1));
  });

  it("that cannot release what is stored says so, and says that it is stored", async () => {
    await files.save(image(1), "a.npy", "memory");
    const job = materialize(files, { from: "memory", to: "disk", release: true });
    memory.delete = () => Promise.reject(new Error("a hand is on it"));
    await job.add("a.npy");
    const error = await rejectionOf(job.finish());
    expect(error).toMatchObject({ code: "UNEXPECTED", backend: "memory", identifier: "a.npy" });
    const report = await job.finish({ onError: "collect" });
    expect(report).toMatchObject({
      isComplete: true,
      byteLength: 1000,
      items: [{ status: "created", isReleased: false }],
    });
    expect(await files.load("a.npy", "disk")).toEqual(image(1));
    expect(await files.exists("a.npy", "memory")).toBe(true);
  });

  it("stores values for one target in the order they were added", async () => {
    await files.saveBatch([image(1), image(2), image(3)], ["1.npy", "2.npy", "3.npy"], "memory");
    await using job = materialize(files, {
      from: "memory",
      to: "disk",
      ifExists: "replace",
      concurrency: 8,
      maxBytes: 1000,
    });
    await Promise.all([1, 2, 3].map((i) => job.add(`${i}.npy`, "last.npy")));
    await job.finish();
    expect(await files.load("last.npy", "disk")).toEqual(image(3));
  });

  it("begins with a value only when the one before it for the same target is stored", async () => {
    await files.saveBatch([image(1), image(2), image(3)], ["1.npy", "2.npy", "3.npy"], "memory");
    await using job = materialize(files, { from: "memory", to: "slow", ifExists: "replace", concurrency: 8 });
    const adding = [job.add("1.npy", "last.npy"), job.add("2.npy", "last.npy")];
    await settle();
    expect(gated.waiting).toHaveLength(1);
    gated.waiting.shift()?.();
    await settle();
    // The first is done, the second under way.
    adding.push(job.add("3.npy", "last.npy"));
    await settle();
    expect(gated.waiting).toHaveLength(1);
    gated.open();
    await Promise.all(adding);
    await job.finish();
    expect(gated.most).toBe(1);
    expect(await files.load("last.npy", "slow")).toEqual(image(3));
  });

  it("lets a value of unknown size go alone", async () => {
    await files.saveBatch([image(1), image(2)], ["1.npy", "2.npy"], "memory");
    const stat = memory.stat.bind(memory);
    memory.stat = async (...args: Parameters<typeof stat>) => ({ ...(await stat(...args)), byteLength: undefined });
    await using job = materialize(files, { from: "memory", to: "slow", concurrency: 8 });
    const adding = [job.add("1.npy"), job.add("2.npy")];
    await settle();
    expect(gated.waiting).toHaveLength(1);
    gated.open();
    await Promise.all(adding);
    expect((await job.finish()).items.map(({ byteLength }) => byteLength)).toEqual([undefined, undefined]);
    expect(gated.most).toBe(1);
  });

  it("takes whole trees, and finds no such directory at once", async () => {
    await files.saveBatch([image(1), image(2)], ["r/10.npy", "r/2.npy"], "memory", { createParents: true });
    await files.save(image(3), "r/x/1.npy", "memory", { createParents: true });
    await using job = materialize(files, { from: "memory", to: "disk" });
    await job.addTree("r", "out");
    await expect(job.addTree("nowhere")).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await job.finish()).items.map(({ target }) => target)).toEqual(["out/2.npy", "out/10.npy", "out/x/1.npy"]);
    expect((await readdir(join(disk.root, "out"))).sort()).toEqual(["10.npy", "2.npy", "x"]);
  });
});
