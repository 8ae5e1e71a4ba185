import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import type { SaveResult } from "../../src/core/data-sink.ts";
import type { LoadOptions } from "../../src/core/data-source.ts";
import { StorageError, StorageResolutionError } from "../../src/core/errors.ts";
import { compareNatural } from "../../src/core/natural-sort.ts";
import { type NdArray, ndArray } from "../../src/core/nd-array.ts";
import type { BackendStat } from "../../src/core/readable-backend.ts";
import {
  ReadOnlyBackend,
  StreamingBackend,
  VirtualBackend,
  type WithContext,
} from "../../src/core/special-backends.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { imageExtensions } from "../../src/io/image-extensions.ts";
import { rejectionOf } from "../support/rejection.ts";

/** A viewer: takes values, gives none. */
class Viewer extends StreamingBackend {
  readonly key = "viewer";
  readonly capabilities = { ...storageCapabilities, read: false, list: false };
  readonly sent: unknown[] = [];

  protected async doSend(data: unknown, key: string): Promise<void> {
    this.sent.push([key, data]);
  }
}

/** A plate on a server: loads need the number of the plate. */
class Omero extends VirtualBackend<{ readonly plateId: number }> {
  readonly key = "omero";
  readonly capabilities = { ...storageCapabilities, requiresFilesystemValidation: false };
  override readonly requiredContext = ["plateId"] as const;

  protected async doLoad(
    key: string,
    options: WithContext<LoadOptions, { readonly plateId: number }>,
  ): Promise<unknown> {
    return `${options.plateId}/${key}`;
  }

  protected async doStat(key: string): Promise<BackendStat> {
    return key === "" ? { kind: "directory", exists: true } : { kind: "file", exists: true };
  }

  protected async *doList() {
    for (const name of ["f10.tif", "f9.tif"]) yield { name, kind: "file" as const };
  }

  protected override async doSave(): Promise<SaveResult> {
    throw new StorageError("PERMISSION_DENIED", "Not yours");
  }
}

class Archive extends ReadOnlyBackend {
  readonly key = "archive";
  readonly capabilities = { ...storageCapabilities, write: false, requiresFilesystemValidation: false };

  protected async doLoad(): Promise<unknown> {
    throw new TypeError("vendor trouble");
  }

  protected async doStat(): Promise<BackendStat> {
    return { kind: "missing", exists: false };
  }

  protected async *doList() {}
}

function manager() {
  const [memory, viewer] = [new MemoryBackend(), new Viewer()];
  const files = new FileManager({ memory, viewer, omero: new Omero(), archive: new Archive() });
  return { files, memory, viewer };
}

async function tree(...paths: readonly string[]) {
  const { files, memory } = manager();
  for (const path of paths) await memory.save(path, path, { createParents: true });
  return { files, memory };
}

describe("a FileManager", () => {
  it("needs its backends", () => {
    for (const nothing of [null, undefined, "memory"]) {
      expect(() => new FileManager(nothing as never)).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
    }
  });

  it("takes a backend set, a map or a record, and gives the same instance in any case", async () => {
    const memory = new MemoryBackend();
    const set = new BackendSet(createRegistry(), { Memory: { use: "memory" } });
    expect(await new FileManager(set).backend("MEMORY")).toBe(await set.get("memory"));
    for (const backends of [{ Raw: memory }, new Map([["Raw", memory]])]) {
      const files = new FileManager(backends);
      expect([await files.backend("raw"), await files.backend("RAW")]).toEqual([memory, memory]);
    }
  });

  it("rejects an unknown backend in every method, with the known ones: no default, no falling back", async () => {
    const { files } = manager();
    const calls: ((backend: string) => Promise<unknown>)[] = [
      (backend) => files.load("a", backend),
      (backend) => files.loadBatch(["a"], backend),
      (backend) => files.save(1, "a", backend),
      (backend) => files.saveBatch([1], ["a"], backend),
      (backend) => files.listFiles("", backend),
      (backend) => files.listImageFiles("", backend),
      (backend) => files.listDir("", backend),
      (backend) => files.findFileRecursive("", "a", backend),
      (backend) => files.collectDirsAndFiles("", backend),
      (backend) => files.exists("a", backend),
      (backend) => files.isFile("a", backend),
      (backend) => files.isDir("a", backend),
      (backend) => files.isSymlink("a", backend),
      (backend) => files.stat("a", backend),
      (backend) => files.ensureDirectory("a", backend),
      (backend) => files.delete("a", backend),
      (backend) => files.deleteAll("a", backend),
      (backend) => files.copy("a", "b", backend),
      (backend) => files.move("a", "b", backend),
      (backend) => files.createSymlink("a", "b", backend),
      (backend) => files.mirrorDirectoryWithSymlinks("a", "b", backend),
      (backend) => files.transfer({ backend, path: "a" }, { backend: "memory", path: "a" }),
      (backend) => files.transfer({ backend: "memory", path: "a" }, { backend, path: "a" }),
    ];
    for (const call of calls) {
      for (const key of ["memry", "", " memory ", undefined as never]) {
        const error = await rejectionOf(call(key));
        expect(error).toBeInstanceOf(StorageResolutionError);
        expect(error.message).toContain("Known: memory, viewer, omero, archive");
      }
    }
  });

  it("passes the errors of backends on untouched", async () => {
    const { files, memory } = manager();
    const own = await rejectionOf(memory.load("none"));
    const routed = await rejectionOf(files.load("none", "memory"));
    expect(routed).toEqual(own);
    expect(await rejectionOf(files.save(1, "a", "omero", { plateId: 1 } as object))).toMatchObject({
      code: "PERMISSION_DENIED",
    });
    expect(await rejectionOf(files.load("a", "archive"))).toMatchObject({
      code: "UNEXPECTED",
      backend: "archive",
      cause: expect.any(TypeError),
    });
  });

  it("takes streaming and virtual backends for what they can do, and names what they cannot", async () => {
    const { files, viewer } = manager();
    await files.save([1], "a", "viewer");
    await files.saveBatch([[2], [3]], ["b", "c"], "viewer", { concurrency: 1 });
    expect(viewer.sent).toEqual([
      ["a", [1]],
      ["b", [2]],
      ["c", [3]],
    ]);
    for (const [operation, call] of [
      ["load", () => files.load("a", "viewer")],
      ["listFiles", () => files.listImageFiles("", "viewer")],
      ["exists", () => files.exists("a", "viewer")],
      ["save", () => files.save(1, "a", "archive")],
      ["copy", () => files.copy("a", "b", "omero")],
      ["ensureDirectory", () => files.ensureDirectory("a", "archive")],
    ] as const) {
      const error = await rejectionOf(call);
      expect(error).toMatchObject({ code: "UNSUPPORTED", operation });
      expect(error.message).toMatch(new RegExp(`"(viewer|archive|omero)" does not have the operation ${operation}`));
    }
  });

  it("hands the context of a virtual backend on", async () => {
    const { files } = manager();
    expect(await files.load<{ plateId: number }>("f9.tif", "omero", { plateId: 7 })).toBe("7/f9.tif");
    expect(await files.listFiles<{ plateId: number }>("", "omero", { plateId: 7 })).toEqual(["f9.tif", "f10.tif"]);
    expect(await rejectionOf(files.load("f9.tif", "omero"))).toMatchObject({ code: "INVALID_DATA" });
  });

  it("has an overwrite policy of its own, between the call's and the backend's", async () => {
    const memory = new MemoryBackend({ ifExists: "skip" });
    const plain = new FileManager({ memory });
    const replacing = new FileManager({ memory }, { ifExists: "replace" });
    await plain.save(1, "a", "memory");
    expect((await plain.save(2, "a", "memory")).status).toBe("skipped");
    expect((await replacing.save(3, "a", "memory")).status).toBe("replaced");
    expect((await replacing.saveBatch([4], ["a"], "memory")).map(({ status }) => status)).toEqual(["replaced"]);
    expect(await rejectionOf(replacing.save(5, "a", "memory", { ifExists: "error" }))).toMatchObject({
      code: "ALREADY_EXISTS",
    });
    expect(await plain.load("a", "memory")).toBe(4);
  });

  it("registers live backends for itself alone, and no key twice", async () => {
    const set = new BackendSet(createRegistry(), { memory: { use: "memory" } });
    const [files, other] = [new FileManager(set), new FileManager(set)];
    const viewer = new Viewer();
    files.registerBackend("Viewer", viewer);
    expect(await files.backend("VIEWER")).toBe(viewer);
    expect([files.keys(), other.keys(), set.keys()]).toEqual([["memory", "viewer"], ["memory"], ["memory"]]);
    for (const key of ["viewer", "MEMORY"]) {
      expect(() => files.registerBackend(key, new Viewer())).toThrow(
        expect.objectContaining({ code: "ALREADY_EXISTS" }),
      );
    }
    files.registerBackend("memory", viewer, { override: true });
    expect([await files.backend("memory"), (await other.backend("memory")).key]).toEqual([viewer, "memory"]);
    expect(() => files.registerBackend("", viewer)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect((await rejectionOf(files.backend("vewer"))).message).toContain(
      'Did you mean "viewer"? Known: memory, viewer',
    );
  });

  it("loads and saves batches in order, and reports every failure", async () => {
    const { files } = await tree("x");
    await files.saveBatch([1, 2, 3], ["a", "b", "c"], "memory");
    expect(await files.loadBatch(["c", "a", "b"], "memory")).toEqual([3, 1, 2]);
    const error = (await rejectionOf(files.loadBatch(["no", "a", "none"], "memory"))) as AggregateError;
    expect(error.errors.map(({ identifier }) => identifier)).toEqual(["no", "none"]);
  });
});

describe("arrays of a FileManager", () => {
  it("are loaded as arrays, and what is none is refused by its path", async () => {
    const { files } = await tree("x");
    const [a, b] = [ndArray(Uint8Array.of(1)), ndArray(Uint8Array.of(2))];
    await files.saveBatch([a, b, { wells: 384 }], ["a", "b", "plate.json"], "memory");
    const loaded: NdArray = await files.loadArray("a", "memory");
    expect(loaded).toEqual(a);
    expect(await files.loadArrays(["b", "a"], "memory", { concurrency: 1 })).toEqual([b, a]);
    const wrong = { code: "INVALID_DATA", backend: "memory", identifier: "plate.json" };
    const said = expect.stringMatching(/^"plate\.json": Expected an array .*got a plain object$/);
    for (const loading of [files.loadArray("plate.json", "memory"), files.loadArrays(["a", "plate.json"], "memory")]) {
      expect(await rejectionOf(loading)).toMatchObject({ ...wrong, message: said });
    }
    expect(await rejectionOf(files.loadArray("none", "memory"))).toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("listings of a FileManager", () => {
  it("are in natural order", async () => {
    const { files } = await tree("d/image_10.tif", "d/image_2.tif", "d/image_1.tif", "d/image_20.tif");
    const expected = ["image_1.tif", "image_2.tif", "image_10.tif", "image_20.tif"];
    expect(await files.listFiles("d", "memory")).toEqual(expected.map((name) => `d/${name}`));
    expect(await files.listDir("d", "memory")).toEqual(expected);
  });

  it("are naturally ordered and complete for any names", async () => {
    const name = fc.stringMatching(/^[a-c0-3_.é]{1,6}$/).filter((text) => !/^\.+$/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { maxLength: 12 }), async (names) => {
        const { files } = await tree(...names);
        expect(await files.listFiles("", "memory")).toEqual([...names].sort(compareNatural));
      }),
    );
  });

  it("of images keep image files in any case, or those with the endings asked for", async () => {
    const images = imageExtensions.map((extension, i) => `${i}${i % 2 ? extension.toUpperCase() : extension}`);
    const { files } = await tree(...images, "a.npy", "b.tif.txt", "sub/c.tif");
    expect(await files.listImageFiles("", "memory")).toEqual(images);
    expect(await files.listImageFiles("", "memory", { extensions: ["npy"] })).toEqual(["a.npy"]);
    expect(await files.listImageFiles("", "memory", { recursive: true, pattern: "sub/*" })).toEqual(["sub/c.tif"]);
  });

  it("find a file by its whole name, brackets and stars included, in natural order", async () => {
    const { files } = await tree("p10/a [1]*.tif", "p9/a [1]*.tif", "p9/deep/b.tif", "a 1x.tif");
    expect(await files.findFileRecursive("", "a [1]*.tif", "memory")).toBe("p9/a [1]*.tif");
    expect(await files.findFileRecursive("", "b.tif", "memory")).toBe("p9/deep/b.tif");
    expect(await files.findFileRecursive("", "B.tif", "memory")).toBeUndefined();
    expect(await rejectionOf(files.findFileRecursive("none", "a", "memory"))).toMatchObject({ code: "NOT_FOUND" });
  });

  it("collect directories and files, each once, without going through links", async () => {
    const { files, memory } = await tree("top/b10/x", "top/b9/x", "top/a", "top/b9/c/y");
    await memory.createSymlink("top", "top/loop");
    await memory.createSymlink("top/a", "top/broken");
    await memory.createSymlink("top/b9/x", "top/link");
    await memory.delete("top/a");
    expect(await files.collectDirsAndFiles("top", "memory")).toEqual({
      directories: ["top/b9", "top/b9/c", "top/b10", "top/loop"],
      files: ["top/b9/c/y", "top/b9/x", "top/b10/x", "top/link"],
    });
    expect(await files.collectDirsAndFiles("top", "memory", { recursive: false })).toEqual({
      directories: ["top/b9", "top/b10", "top/loop"],
      files: ["top/link"],
    });
  });
});

describe("links of a FileManager", () => {
  it("mirror a directory, with every file a link, and count them", async () => {
    const { files, memory } = await tree("src/a", "src/d/b", "src/d/e/c");
    await memory.ensureDirectory("src/empty");
    expect(await files.mirrorDirectoryWithSymlinks("src", "dst", "memory")).toBe(3);
    expect(await files.collectDirsAndFiles("dst", "memory")).toEqual({
      directories: ["dst/d", "dst/d/e", "dst/empty"],
      files: ["dst/a", "dst/d/b", "dst/d/e/c"],
    });
    expect(await memory.isSymlink("dst/d/e/c")).toBe(true);
    expect(await files.load("dst/d/e/c", "memory")).toBe("src/d/e/c");
  });

  it("mirror one level without recursive, and into a folder of the source itself", async () => {
    const { files, memory } = await tree("src/a", "src/d/b");
    expect(await files.mirrorDirectoryWithSymlinks("src", "flat", "memory", { recursive: false })).toBe(1);
    expect(await memory.listDir("flat")).toEqual(["a"]);
    expect(await files.mirrorDirectoryWithSymlinks("src", "src/mirror", "memory")).toBe(2);
    expect(await memory.listFiles("src/mirror", { recursive: true })).toEqual(["src/mirror/a", "src/mirror/d/b"]);
  });

  it("mirror again only over links", async () => {
    const { files } = await tree("src/a", "dst2/a");
    await files.mirrorDirectoryWithSymlinks("src", "dst", "memory");
    const again = () => files.mirrorDirectoryWithSymlinks("src", "dst", "memory");
    expect(await rejectionOf(again)).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await files.mirrorDirectoryWithSymlinks("src", "dst", "memory", { replaceSymlinks: true })).toBe(1);
    const over = files.mirrorDirectoryWithSymlinks("src", "dst2", "memory", { replaceSymlinks: true });
    expect(await rejectionOf(over)).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await files.load("dst2/a", "memory")).toBe("dst2/a");
  });

  it("are replaced by a move only when asked, and files never", async () => {
    const { files, memory } = await tree("a", "b", "d/x", "keep");
    for (const link of ["l", "l2"]) await memory.createSymlink("keep", link);
    expect(await rejectionOf(files.move("a", "l", "memory"))).toMatchObject({ code: "ALREADY_EXISTS" });
    const missing = files.move("none", "l", "memory", { replaceSymlinks: true });
    expect(await rejectionOf(missing)).toMatchObject({ code: "NOT_FOUND" });
    expect(await memory.isSymlink("l")).toBe(true);
    await files.move("a", "l", "memory", { replaceSymlinks: true });
    await files.move("d", "l2", "memory", { replaceSymlinks: true });
    expect([await memory.load("l"), await memory.load("l2/x"), await memory.load("keep")]).toEqual([
      "a",
      "d/x",
      "keep",
    ]);
    expect(await rejectionOf(files.move("l", "b", "memory", { replaceSymlinks: true }))).toMatchObject({
      code: "ALREADY_EXISTS",
    });
  });
});

describe("a move of a directory over a link", () => {
  it("replaces the link, and leaves nothing beside it", async () => {
    const files = new FileManager({ memory: new MemoryBackend() });
    await files.ensureDirectory("d", "memory");
    await files.save(1, "d/a", "memory");
    await files.createSymlink("d/a", "l", "memory");
    await files.move("d", "l", "memory", { replaceSymlinks: true });
    expect(await files.load("l/a", "memory")).toBe(1);
    expect(await files.listDir("", "memory")).toEqual(["l"]);
  });

  it("keeps the link if the move is refused", async () => {
    const files = new FileManager({ memory: new MemoryBackend() });
    await files.ensureDirectory("d", "memory");
    await files.save(1, "a", "memory");
    await files.createSymlink("a", "d/l", "memory");
    const error = await rejectionOf(files.move("d", "d/l", "memory", { replaceSymlinks: true }));
    expect(error).toMatchObject({ code: "INVALID_KEY" });
    expect(await files.listDir("d", "memory")).toEqual(["l"]);
    expect(await files.load("d/l", "memory")).toBe(1);
  });
});
