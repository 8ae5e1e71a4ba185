/** Values in files: over a real disk, and over a store whose directories are implied. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { Codec } from "../../src/codecs/codec.ts";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ByteSource, ByteStore } from "../../src/core/byte-store.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { bitsOf, ramp } from "../support/arrays.ts";
import { hasRealData, realData } from "../support/real-data.ts";

let root: string;
let store: ByteStore;
let files: FileBackend;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-files-"));
});

afterEach(async () => {
  await files.close();
  await rm(root, { recursive: true, force: true });
});

function onDisk(): void {
  store = new DiskStore({ root, durability: "none", name: "disk" });
  files = new FileBackend(store, { key: "disk" });
}

function inMemory(): void {
  store = new MemoryStore();
  files = new FileBackend(store, { key: "objects" });
}

describe.each([
  ["over a disk", onDisk],
  ["over a store without directories", inMemory],
])("FileBackend %s", (_what, open) => {
  beforeEach(open);

  it.each([
    ["a.npy", ramp([3, 4], "float32")],
    ["a.tif", ramp([3, 4], "int16")],
    ["a.ome.tif", ramp([3, 4], "uint16")],
    ["a.png", ramp([3, 4, 3], "uint8")],
    ["a [1] #?%20 µ.npy", ramp([3], "uint64")],
  ])("gives back the array saved as %s", async (identifier, array) => {
    const result = await files.save(array, identifier);
    const stored = await store.stat(identifier);
    expect(result).toMatchObject({ status: "created", identifier, byteLength: stored.byteLength, etag: stored.etag });
    expect(bitsOf(await files.load(identifier))).toEqual(bitsOf(array));
  });

  it.each([
    ["a.json", { well: "A01", sizes: [1, 2] }],
    ["a.txt", "plain µ"],
    ["a.csv", [{ well: "A01", n: "3" }]],
    ["a.bin", Uint8Array.of(1, 2, 3)],
  ])("gives back the value saved as %s", async (identifier, value) => {
    await files.save(value, identifier);
    expect(await files.load(identifier)).toEqual(value);
  });

  it("stores bytes and text as they are under a suffix without a codec, and loads them with a format", async () => {
    await files.save(Uint8Array.of(1, 2, 3), "a.blob");
    await files.save("text", "a.log");
    expect(await store.read("a.blob")).toEqual(Uint8Array.of(1, 2, 3));
    expect(await files.load("a.blob", { format: "bytes" })).toEqual(Uint8Array.of(1, 2, 3));
    expect(await files.load("a.log", { format: "text" })).toBe("text");
    await expect(files.load("a.log")).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining(".npy"),
    });
  });

  it.each([
    ["opaque bytes under .tif", Uint8Array.of(1, 2), "a.tif", "INVALID_DATA"],
    ["text under .tif", "hello", "a.tif", "INVALID_DATA"],
    ["an array under an unknown suffix", ramp([2, 2], "uint8"), "a.xyz", "INVALID_DATA"],
    ["a dtype that the format cannot keep", ramp([2, 2], "float32"), "a.png", "DTYPE_MISMATCH"],
  ])("refuses %s and writes nothing", async (_what_, value, identifier, code) => {
    await expect(files.save(value, identifier, { ifExists: "replace" })).rejects.toMatchObject({ code });
    expect(await files.listDir("")).toEqual([]);
  });

  it("keeps the old value when the new one is refused", async () => {
    const old = ramp([2, 2], "uint8");
    await files.save(old, "a.png");
    await expect(files.save(ramp([2, 2], "int32"), "a.png", { ifExists: "replace" })).rejects.toMatchObject({
      code: "DTYPE_MISMATCH",
    });
    expect(bitsOf(await files.load("a.png"))).toEqual(bitsOf(old));
  });

  it("takes the format from the options before the suffix", async () => {
    await files.save(ramp([2, 2], "uint8"), "a.frame", { format: "npy" });
    expect(new TextDecoder("latin1").decode(await store.read("a.frame"))).toContain("NUMPY");
    expect(bitsOf(await files.load("a.frame", { format: "npy" }))).toEqual(bitsOf(ramp([2, 2], "uint8")));
  });

  it("hands codec options to the codec, which refuses those it does not know", async () => {
    const array = ramp([100, 100], "uint8");
    await files.save(array, "a.tif", { codecOptions: { compression: "deflate" } });
    expect((await store.stat("a.tif")).byteLength).toBeLessThan(5000);
    expect(bitsOf(await files.load("a.tif"))).toEqual(bitsOf(array));
    await expect(files.save(array, "b.npy", { codecOptions: { level: 3 } })).rejects.toMatchObject({
      code: "INVALID_DATA",
    });
  });

  it("keeps what is there by default, replaces or skips when told, and says which", async () => {
    const [first, second] = [ramp([2], "uint8"), ramp([3], "uint16")];
    await files.save(first, "a.npy");
    await expect(files.save(second, "a.npy")).rejects.toMatchObject({ code: "ALREADY_EXISTS", backend: files.name });
    expect(await files.save(second, "a.npy", { ifExists: "skip" })).toEqual({ status: "skipped", identifier: "a.npy" });
    expect(bitsOf(await files.load("a.npy"))).toEqual(bitsOf(first));
    expect(await files.save(second, "a.npy", { ifExists: "replace" })).toMatchObject({ status: "replaced" });
    expect(bitsOf(await files.load("a.npy"))).toEqual(bitsOf(second));
    expect(await files.save(first, "b.npy", { ifExists: "replace" })).toMatchObject({ status: "created" });
    expect(await files.save(first, "c.npy", { ifExists: "skip" })).toMatchObject({ status: "created" });
  });

  it("lets one of many savers of a key win", async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => files.save(ramp([i + 1], "uint8"), "a.npy")),
    );
    const winners = results.flatMap((result, i) => (result.status === "fulfilled" ? [i] : []));
    expect(winners).toHaveLength(1);
    expect(await files.load("a.npy")).toMatchObject({ shape: [(winners[0] as number) + 1] });
    const skips = await Promise.all(
      Array.from({ length: 8 }, () => files.save(ramp([1], "uint8"), "b.npy", { ifExists: "skip" })),
    );
    expect(skips.map(({ status }) => status).sort()).toEqual(["created", ...new Array(7).fill("skipped")]);
  });

  it.each(["a.npy", "a.tif", "a.bin"])("does not alias the caller's memory, saved or loaded, as %s", async (key) => {
    const array = ramp([4, 4], "uint8");
    const value = key === "a.bin" ? (array.data as Uint8Array) : array;
    const before = key === "a.bin" ? array.data.slice() : bitsOf(array);
    await files.save(value, key);
    array.data.fill(0 as never);
    const read = async () => {
      const loaded = await files.load(key);
      return key === "a.bin" ? loaded : bitsOf(loaded);
    };
    expect(await read()).toEqual(before);
    const loaded = (await files.load(key)) as NdArray & Uint8Array;
    (key === "a.bin" ? loaded : loaded.data).fill(7 as never);
    expect(await read()).toEqual(before);
  });

  it("writes the pixels from the caller's own memory and decodes a view of what was read", async () => {
    const array = ramp([64, 64], "uint16");
    const write = vi.spyOn(store, "write");
    await files.save(array, "a.tif");
    await files.save(array, "a.npy");
    for (const [, bytes] of write.mock.calls) {
      const parts = bytes as readonly Uint8Array[];
      expect(parts[parts.length - 1]?.buffer).toBe(array.data.buffer);
    }
    const read = vi.spyOn(store, "read");
    for (const key of ["a.tif", "a.npy"]) {
      const { data } = (await files.load(key)) as NdArray;
      const bytes = (await read.mock.results.at(-1)?.value) as Uint8Array;
      // Small reads may come out of a shared pool at an odd place; then a copy is right.
      if (bytes.byteOffset % 8 === 0) expect(data.buffer).toBe(bytes.buffer);
    }
  });

  it("says NOT_FOUND and IS_A_DIRECTORY of what is no file, with and without a suffix", async () => {
    await files.save("text", "run.tif/notes.txt", { createParents: true });
    await files.save("text", "plain/notes.txt", { createParents: true });
    for (const missing of ["gone.tif", "gone", "plain/gone.xyz"]) {
      await expect(files.load(missing)).rejects.toMatchObject({ code: "NOT_FOUND" });
    }
    for (const directory of ["run.tif", "plain", ""]) {
      await expect(files.load(directory)).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    }
    for (const ifExists of ["error", "replace", "skip"] as const) {
      await expect(files.save(ramp([2, 2], "uint8"), "run.tif", { ifExists })).rejects.toMatchObject({
        code: "IS_A_DIRECTORY",
      });
    }
    expect(await files.load("run.tif/notes.txt")).toBe("text");
  });

  it("says CORRUPT of a file that is not what its suffix says, and leaves it", async () => {
    await store.write("a.tif", new TextEncoder().encode("hello"));
    await expect(files.load("a.tif")).rejects.toMatchObject({ code: "CORRUPT", identifier: "a.tif" });
    expect(await files.load("a.tif", { format: "text" })).toBe("hello");
  });

  it("says of what a codec refuses in which backend, by which operation and of what that was", async () => {
    await store.write("a.json", new TextEncoder().encode("{"));
    const place = { backend: files.name, identifier: "a.json" };
    await expect(files.load("a.json")).rejects.toMatchObject({ ...place, operation: "load", code: "CORRUPT" });
    await expect(files.save({ at: new Date() }, "a.json", { ifExists: "replace" })).rejects.toMatchObject({
      ...place,
      operation: "save",
      code: "INVALID_DATA",
    });
    const [result] = await files.loadBatch(["a.json"], { onError: "collect" });
    expect(result).toMatchObject(place);
  });

  it("lists files and directories, and describes them", async () => {
    await files.save(ramp([2], "uint8"), "run/b/2.npy", { createParents: true });
    await files.save(ramp([2], "uint8"), "run/1.npy");
    await files.save("x", "run/note.txt");
    expect(await files.listDir("run")).toEqual(["1.npy", "b", "note.txt"]);
    expect(await files.listFiles("run", { recursive: true, extensions: ["npy"] })).toEqual([
      "run/1.npy",
      "run/b/2.npy",
    ]);
    expect(await files.isDir("run/b")).toBe(true);
    expect(await files.stat("run/b")).toMatchObject({ kind: "directory", exists: true });
    expect(await files.stat("run/1.npy")).toMatchObject({ kind: "file", exists: true, byteLength: 130 });
    expect(await files.stat("run/none")).toEqual({ path: "run/none", kind: "missing", exists: false });
    expect(await files.exists("run/1.npy/below")).toBe(false);
    await expect(files.listDir("run/1.npy")).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
    await expect(files.listDir("none")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("copies and moves bytes without decoding them, files and trees", async () => {
    const damaged = Uint8Array.of(9, 9, 9);
    await store.write("run/damaged.tif", damaged);
    await store.write("run/deep/er/a.bin", Uint8Array.of(1));
    await files.copy("run/damaged.tif", "copy.tif");
    await files.copy("run", "copied");
    await files.move("run", "moved");
    for (const key of ["copy.tif", "copied/damaged.tif", "moved/damaged.tif"]) {
      expect(await store.read(key)).toEqual(damaged);
    }
    expect(await files.load("moved/deep/er/a.bin")).toEqual(Uint8Array.of(1));
    expect(await files.exists("run")).toBe(false);
    await files.move("copy.tif", "renamed.tif");
    expect(await files.exists("copy.tif")).toBe(false);
    await expect(files.copy("renamed.tif", "moved/damaged.tif")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(files.move("moved", "moved/deep/self")).rejects.toMatchObject({ code: "INVALID_KEY" });
    await store.write("other.bin", Uint8Array.of(4));
    await files.copy("other.bin", "renamed.tif", { ifExists: "replace" });
    expect(await store.read("renamed.tif")).toEqual(Uint8Array.of(4));
  });

  it("deletes a file, refuses a full directory, and deletes a tree and nothing beside it", async () => {
    for (const key of ["run/a.bin", "run/b/c.bin", "run2/a.bin", "run.bin"]) await store.write(key, Uint8Array.of(1));
    await files.delete("run/a.bin");
    await expect(files.delete("run")).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    await files.deleteAll("run");
    expect(await files.listFiles("", { recursive: true })).toEqual(["run.bin", "run2/a.bin"]);
    await expect(files.delete("run")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("stops before it writes when the signal fires while the value is encoded", async () => {
    const stop = new AbortController();
    const slow: Codec = {
      name: "slow",
      suffixes: [".slow"],
      mimeTypes: [],
      encode: (): ByteSource => {
        stop.abort();
        return Uint8Array.of(1);
      },
      decode: (bytes) => bytes,
    };
    files.codecs.register(slow);
    await expect(files.save(1, "a.slow", { signal: stop.signal })).rejects.toMatchObject({ code: "ABORTED" });
    expect(await files.exists("a.slow")).toBe(false);
  });

  it("closes its store", async () => {
    await files.close();
    await expect(store.read("a")).rejects.toMatchObject({ code: "NOT_OPEN" });
    await expect(files.load("a.npy")).rejects.toMatchObject({ code: "NOT_OPEN" });
  });
});

describe("FileBackend over a disk", () => {
  beforeEach(onDisk);

  it("leaves exactly the bytes of the codec in the file, and no other file", async () => {
    await files.save({ a: 1 }, "a.json");
    expect(await readFile(join(root, "a.json"), "utf8")).toBe('{\n  "a": 1\n}\n');
    expect(await readdir(root)).toEqual(["a.json"]);
  });

  it("asks for the parent directory unless told to make it", async () => {
    await expect(files.save("x", "run/a.txt")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await files.ensureDirectory("run");
    await files.save("x", "run/a.txt");
    expect(await readFile(join(root, "run/a.txt"), "utf8")).toBe("x");
    await expect(files.save("x", "run/a.txt/b.txt")).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
  });

  it("makes links, follows them, and deletes and moves the link itself", async () => {
    await files.save("x", "a.txt");
    await files.createSymlink("a.txt", "link.txt");
    expect(await files.load("link.txt")).toBe("x");
    expect(await files.stat("link.txt")).toMatchObject({ kind: "symlink", exists: true });
    await files.move("link.txt", "other.txt");
    expect(await files.isSymlink("other.txt")).toBe(true);
    expect(await files.load("other.txt")).toBe("x");
    await files.delete("other.txt");
    expect(await files.load("a.txt")).toBe("x");
  });

  it("describes, lists and deletes a broken link, which exists for no one else", async () => {
    await symlink(join(root, "gone.txt"), join(root, "link.txt"));
    expect(await files.stat("link.txt")).toMatchObject({ kind: "symlink", exists: false });
    expect(await files.exists("link.txt")).toBe(false);
    expect(await files.listDir("")).toEqual(["link.txt"]);
    expect(await files.listFiles("")).toEqual([]);
    await files.delete("link.txt");
    expect(await readdir(root)).toEqual([]);
  });

  it("copies what links lead to, and refuses a circle or a broken link before it writes", async () => {
    await files.save("x", "run/a.txt", { createParents: true });
    await files.save("y", "y.txt");
    await files.createSymlink("y.txt", "run/link.txt");
    await files.copy("run", "copy");
    expect(await files.isSymlink("copy/link.txt")).toBe(false);
    expect(await files.load("copy/link.txt")).toBe("y");
    await files.createSymlink("run", "run/loop");
    await expect(files.copy("run", "again")).rejects.toMatchObject({ code: "INVALID_DATA" });
    await files.delete("run/loop");
    await symlink(join(root, "gone"), join(root, "run/broken"));
    await expect(files.copy("run", "again")).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await files.exists("again")).toBe(false);
  });

  it("deletes everything under its root and keeps the root", async () => {
    await mkdir(join(root, "a/b"), { recursive: true });
    await writeFile(join(root, "a/b/c.txt"), "x");
    await writeFile(join(root, "d.txt"), "x");
    await files.deleteAll("");
    expect(await readdir(root)).toEqual([]);
  });

  it("takes absolute paths inside its root, and none outside", async () => {
    await files.save("x", join(root, "a.txt"));
    expect(await files.load("a.txt")).toBe("x");
    await expect(files.load(join(root, "../b.txt"))).rejects.toMatchObject({ code: "INVALID_KEY" });
  });

  it("declares what its store has", () => {
    expect(files.capabilities).toMatchObject({
      write: true,
      directories: true,
      symlinks: true,
      requiresFilesystemValidation: true,
      persistent: true,
    });
    expect(new FileBackend(new MemoryStore(), { key: "objects" }).capabilities).toMatchObject({
      directories: false,
      symlinks: false,
      requiresFilesystemValidation: false,
      persistent: false,
    });
  });

  it("shares a set of codecs that it is given, and has one of its own otherwise", async () => {
    const codecs = createCodecs();
    expect(new FileBackend(store, { key: "disk", codecs }).codecs).toBe(codecs);
    expect(files.codecs).not.toBe(new FileBackend(store, { key: "disk" }).codecs);
  });

  it.skipIf(!hasRealData())("lists, loads and copies files with brackets in their names", async () => {
    const real = new FileBackend(new DiskStore({ root: realData("names"), durability: "none", name: "names" }), {
      key: "disk",
    });
    const names = await real.listFiles("", { pattern: "*_w2_*.tif" });
    expect(names).toEqual(["101210OranePlt1_C16_w2_[EFB0F53A-F40F-46D8-A61A-51C2BE61E460].tif"]);
    const [name = ""] = names;
    expect(await real.listFiles("", { pattern: name })).toEqual(names);
    const frame = await real.load(name);
    expect(frame).toMatchObject({ shape: [520, 696], dtype: "uint16" });
    for (const copy of [name, name.replace(/tif$/, "npy")]) {
      await files.save(frame, copy);
      await files.copy(copy, `copy of ${copy}`);
      expect(bitsOf(await files.load(`copy of ${copy}`))).toEqual(bitsOf(frame));
    }
    await real.close();
  });
});
