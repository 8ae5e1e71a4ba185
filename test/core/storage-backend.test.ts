import { describe, expect, it } from "vitest";
import { ndArray } from "../../src/core/nd-array.ts";
import { type Entry, TinyBackend } from "./tiny-backends.ts";

/** A backend with these entries, by key. */
function holding(entries: Readonly<Record<string, Entry>>, options = {}): TinyBackend {
  const backend = new TinyBackend(options);
  for (const [key, entry] of Object.entries(entries)) backend.entries.set(key, entry);
  return backend;
}

const file = (value: unknown): Entry => ({ value });
const link = (target: string): Entry => ({ link: target });

describe("the life of a backend", () => {
  it("ends once, and then every operation is NOT_OPEN", async () => {
    const backend = holding({ a: file(1) });
    expect(backend.isOpen).toBe(true);
    await backend.close();
    await backend.close();
    await backend[Symbol.asyncDispose]();
    expect(backend.calls).toEqual(["close"]);
    expect(backend.isOpen).toBe(false);
    const attempts = [
      backend.load("a"),
      backend.save(1, "b"),
      backend.exists("a"),
      backend.listFiles(""),
      backend.listDir(""),
      backend.delete("a"),
      backend.copy("a", "b"),
      backend.stat("a"),
      backend.ensureDirectory("d"),
    ];
    for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: "NOT_OPEN", backend: "tiny" });
    expect([...backend.entries.keys()]).toEqual(["a"]);
  });

  it("is named by its instance, else by its key", () => {
    expect(new TinyBackend().name).toBe("tiny");
    expect(new TinyBackend({ instance: "raw" }).name).toBe("raw");
  });

  it("checks paths against the backend by default, as its capabilities say", () => {
    expect(new TinyBackend().requiresFilesystemValidation).toBe(true);
    const free = new TinyBackend({ capabilities: { requiresFilesystemValidation: false } });
    expect(free.requiresFilesystemValidation).toBe(false);
  });
});

describe("arguments", () => {
  it("are normalised before a hook sees them", async () => {
    const backend = holding({ d: null });
    await backend.save(1, "./d//x/../a");
    expect(backend.calls).toEqual(["save d/a error"]);
  });

  it.each([["../a"], ["a\0"], [7], [undefined]])("the key %j is refused before any hook runs", async (key) => {
    const backend = new TinyBackend();
    await expect(backend.load(key as string)).rejects.toMatchObject({ code: "INVALID_KEY" });
    await expect(backend.save(1, key as string)).rejects.toMatchObject({ code: "INVALID_KEY" });
    expect(backend.calls).toEqual([]);
  });

  it("a fired signal stops an operation before any hook runs", async () => {
    const backend = holding({ a: file(1) });
    const signal = AbortSignal.abort("enough");
    await expect(backend.load("a", { signal })).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
    await expect(backend.save(1, "b", { signal })).rejects.toMatchObject({ code: "ABORTED" });
    expect(backend.calls).toEqual([]);
  });

  it("what a hook throws leaves as a StorageError that says where", async () => {
    const error = await new TinyBackend({ instance: "raw" }).load("a").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "UNEXPECTED", backend: "raw", operation: "load", identifier: "a" });
    expect(error).toMatchObject({ cause: { code: "ENOENT" } });
  });
});

describe("save", () => {
  it("answers what it did, under the identifier that was given", async () => {
    const backend = new TinyBackend();
    expect(await backend.save(1, "./a")).toMatchObject({ status: "created", identifier: "./a" });
    expect(await backend.save(2, "a", { ifExists: "replace" })).toMatchObject({ status: "replaced" });
    expect(await backend.save(3, "a", { ifExists: "skip" })).toMatchObject({ status: "skipped" });
    expect(backend.entries.get("a")).toEqual({ value: 2 });
  });

  it("takes the policy of the call, else of the backend, else error", async () => {
    const strict = new TinyBackend();
    const lax = new TinyBackend({ ifExists: "replace" });
    await strict.save(1, "a");
    await lax.save(1, "a");
    await lax.save(1, "a", { ifExists: "skip" });
    expect([...strict.calls, ...lax.calls]).toEqual(["save a error", "save a replace", "save a skip"]);
  });

  it("wants a parent directory, and says what would help", async () => {
    const backend = holding({ f: file(1) });
    await expect(backend.save(1, "d/a")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(backend.save(1, "d/a")).rejects.toThrow(/No directory "d".*ensureDirectory.*createParents/);
    await expect(backend.save(1, "f/a")).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
    expect(backend.calls).toEqual([]);
    await backend.save(1, "d/e/a", { createParents: true });
    expect(backend.entries.get("d/e")).toBeNull();
  });

  it("does not look at parents where the backend has no paths to validate", async () => {
    const backend = new TinyBackend({ capabilities: { requiresFilesystemValidation: false } });
    await backend.save(1, "d/a");
    expect(backend.entries.get("d/a")).toEqual({ value: 1 });
  });

  it("refuses the root", async () => {
    await expect(new TinyBackend().save(1, "/")).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
  });

  it("refuses every write where the capabilities declare none", async () => {
    const backend = holding({ a: file(1), d: null }, { capabilities: { write: false } });
    const attempts = [
      backend.save(1, "b"),
      backend.delete("a"),
      backend.deleteAll("d"),
      backend.ensureDirectory("e"),
      backend.copy("a", "b"),
      backend.move("a", "b"),
      backend.createSymlink("a", "b"),
      backend.saveBatch([1], ["b"]),
    ];
    for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: "READ_ONLY" });
    expect([...backend.entries.keys()]).toEqual(["a", "d"]);
  });
});

describe("saveBatch", () => {
  it("saves in order and answers for each", async () => {
    const backend = new TinyBackend();
    const results = await backend.saveBatch([1, 2], ["a", "b"]);
    expect(results.map((result) => [result.status, result.identifier])).toEqual([
      ["created", "a"],
      ["created", "b"],
    ]);
    expect(await backend.saveBatch([], [])).toEqual([]);
  });

  it.each([
    ["lists of different lengths", [1], ["a", "b"], "INVALID_DATA"],
    ["the same key twice", [1, 2], ["x/../a", "a"], "INVALID_DATA"],
    ["one that exists", [1, 2], ["new", "there"], "ALREADY_EXISTS"],
    ["one that is a directory", [1, 2], ["new", "d"], "IS_A_DIRECTORY"],
    ["one without a parent", [1, 2], ["new", "e/a"], "NOT_FOUND"],
    ["one bad key", [1, 2], ["new", "../a"], "INVALID_KEY"],
  ])("writes nothing at all for %s", async (_, data, identifiers, code) => {
    const backend = holding({ there: file(0), d: null });
    await expect(backend.saveBatch(data, identifiers)).rejects.toMatchObject({ code });
    expect(backend.calls).toEqual([]);
  });

  it.each([
    ["below a file", ["new/a", "there/b"]],
    ["far below a file", ["new", "there/b/c/d"]],
    ["below another of the batch", ["n/a", "n/a/b/c"]],
    ["above another of the batch", ["n/a/b", "n"]],
  ])("writes nothing at all, and makes no parents, for one %s", async (_, identifiers) => {
    const backend = holding({ there: file(0), d: null });
    const saving = backend.saveBatch([1, 2], identifiers, { createParents: true });
    await expect(saving).rejects.toMatchObject({ code: "NOT_A_DIRECTORY", operation: "saveBatch" });
    expect(backend.calls).toEqual([]);
    await backend.saveBatch([1, 2], ["d/e/a", "f/b"], { createParents: true });
    expect(backend.calls).not.toEqual([]);
  });

  it("saves one value above another where keys are flat", async () => {
    const backend = holding({}, { capabilities: { flatKeys: true, requiresFilesystemValidation: false } });
    const results = await backend.saveBatch([1, 2], ["n/a", "n/a/b"]);
    expect(results.map(({ status }) => status)).toEqual(["created", "created"]);
  });

  it("passes over or replaces what exists when told to", async () => {
    const backend = holding({ a: file(0) });
    const [skipped] = await backend.saveBatch([1], ["a"], { ifExists: "skip" });
    const [replaced] = await backend.saveBatch([2], ["a"], { ifExists: "replace" });
    expect([skipped?.status, replaced?.status]).toEqual(["skipped", "replaced"]);
  });
});

describe("load and loadBatch", () => {
  it("give the values in the order asked for, each failure in its place when collecting", async () => {
    const backend = holding({ a: file(1), b: file(2) });
    expect(await backend.loadBatch(["b", "a", "b"])).toEqual([2, 1, 2]);
    const [first, second] = await backend.loadBatch(["a", "zz"], { onError: "collect" });
    expect(first).toBe(1);
    expect(second).toMatchObject({ code: "UNEXPECTED", identifier: "zz" });
    await expect(backend.loadBatch(["a", "zz"])).rejects.toMatchObject({ identifier: "zz" });
  });
});

describe("loadArray and loadArrays", () => {
  it("give arrays in the order asked for, and refuse other values by their path", async () => {
    const [a, b] = [ndArray(Uint8Array.of(1)), ndArray(Uint8Array.of(2))];
    const backend = holding({ a: file(a), b: file(b), c: file("text") });
    expect(await backend.loadArray("a")).toEqual(a);
    expect(await backend.loadArrays(["b", "a"])).toEqual([b, a]);
    const wrong = { code: "INVALID_DATA", identifier: "c", message: expect.stringContaining("got a string") };
    await expect(backend.loadArray("c")).rejects.toMatchObject(wrong);
    await expect(backend.loadArrays(["a", "c"])).rejects.toMatchObject(wrong);
  });
});

describe("predicates and stat", () => {
  const tree = {
    a: file(1),
    d: null,
    "d/b": file(2),
    good: link("d"),
    broken: link("nowhere"),
    x: link("y"),
    y: link("x"),
  };

  it.each([
    ["a", true, true, false, "file"],
    ["d", true, false, true, "directory"],
    ["d/b", true, true, false, "file"],
    ["good", true, false, true, "symlink"],
    ["good/b", true, true, false, "file"],
    ["broken", false, false, false, "symlink"],
    ["x", false, false, false, "symlink"],
    ["nowhere", false, false, false, "missing"],
    ["", true, false, true, "directory"],
  ])("%j: exists %s, file %s, directory %s, itself a %s", async (path, exists, isFile, isDir, kind) => {
    const backend = holding(tree);
    expect(await backend.exists(path)).toBe(exists);
    expect(await backend.isFile(path)).toBe(isFile);
    expect(await backend.isDir(path)).toBe(isDir);
    expect(await backend.stat(path)).toMatchObject({ path, kind, exists });
    expect(await backend.isSymlink(path)).toBe(kind === "symlink");
  });
});

describe("listings", () => {
  const tree = {
    "b.tif": file(1),
    "a.TIF": file(1),
    "n.ome.tif": file(1),
    d: null,
    "d/c.tif": file(1),
    "d/e": null,
    "d/e/f.txt": file(1),
    "link.tif": link("b.tif"),
    "broken.tif": link("nowhere"),
    z: link("d"),
    "d/up": link(""),
  };

  it("listFiles: files at this level, in byte order, each beginning with the directory as given", async () => {
    const backend = holding(tree);
    expect(await backend.listFiles("")).toEqual(["a.TIF", "b.tif", "link.tif", "n.ome.tif"]);
    expect(await backend.listFiles("./d")).toEqual(["./d/c.tif"]);
    expect(await backend.listFiles("d/")).toEqual(["d/c.tif"]);
  });

  it("recursive: shallower first, links to directories not entered", async () => {
    expect(await holding(tree).listFiles("", { recursive: true })).toEqual([
      "a.TIF",
      "b.tif",
      "link.tif",
      "n.ome.tif",
      "d/c.tif",
      "d/e/f.txt",
    ]);
  });

  it("following links enters each real directory once, also in a circle", async () => {
    const files = await holding(tree).listFiles("", { recursive: true, followSymlinks: true });
    expect(files.filter((path) => path.endsWith("c.tif"))).toHaveLength(1);
    expect(files.filter((path) => path.endsWith("f.txt"))).toHaveLength(1);
  });

  it("filters by extension whatever its case, with or without the dot, compound ones too; none keeps nothing", async () => {
    const backend = holding(tree);
    expect(await backend.listFiles("", { extensions: ["tif"] })).toHaveLength(4);
    expect(await backend.listFiles("", { extensions: new Set([".TIF"]) })).toHaveLength(4);
    expect(await backend.listFiles("", { extensions: [".ome.tif"] })).toEqual(["n.ome.tif"]);
    expect(await backend.listFiles("", { extensions: [] })).toEqual([]);
  });

  it("filters by a glob: names without a slash, paths with one", async () => {
    const backend = holding(tree);
    const all = { recursive: true };
    expect(await backend.listFiles("", { ...all, pattern: "*.tif" })).toEqual([
      "b.tif",
      "link.tif",
      "n.ome.tif",
      "d/c.tif",
    ]);
    expect(await backend.listFiles("", { ...all, pattern: "d/*" })).toEqual(["d/c.tif"]);
    expect(await backend.listFiles("", { pattern: "*.tif", extensions: ["ome.tif"] })).toEqual(["n.ome.tif"]);
  });

  it("listDir: names of all entries, broken links included", async () => {
    const names = ["a.TIF", "b.tif", "broken.tif", "d", "link.tif", "n.ome.tif", "z"];
    expect(await holding(tree).listDir("")).toEqual(names);
  });

  it("of a file and of nothing are refused", async () => {
    const backend = holding(tree);
    for (const list of [backend.listFiles.bind(backend), backend.listDir.bind(backend)]) {
      await expect(list("b.tif")).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
      await expect(list("nothing")).rejects.toMatchObject({ code: "NOT_FOUND" });
    }
  });

  it("are UNSUPPORTED where the capabilities declare none", async () => {
    const backend = holding(tree, { capabilities: { list: false } });
    await expect(backend.listFiles("")).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await expect(backend.listDir("")).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});

describe("delete and deleteAll", () => {
  const tree = { a: file(1), d: null, "d/b": file(2), "d/c": link("a"), e: null, l: link("d") };

  it("remove a file, an empty directory, and a link but never what it leads to", async () => {
    const backend = holding(tree);
    for (const path of ["a", "e", "l"]) await backend.delete(path);
    expect([...backend.entries.keys()]).toEqual(["d", "d/b", "d/c"]);
  });

  it("delete keeps a directory that is not empty, deleteAll removes it with its links, not their targets", async () => {
    const backend = holding(tree);
    await expect(backend.delete("d")).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    await backend.deleteAll("l");
    expect(backend.entries.has("d/b")).toBe(true);
    await backend.deleteAll("d");
    expect([...backend.entries.keys()]).toEqual(["a", "e"]);
  });

  it("say so when nothing is there", async () => {
    const backend = new TinyBackend();
    await expect(backend.delete("a")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(backend.deleteAll("a")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("copy and move", () => {
  const tree = { a: file(1), d: null, "d/b": file(2), "d/e": null, "d/e/c": file(3), t: file(9), l: link("a") };

  it("copy a file and a tree", async () => {
    const backend = holding(tree);
    await backend.copy("a", "d/a");
    await backend.copy("d", "d2");
    expect(backend.entries.get("d/a")).toEqual({ value: 1 });
    expect(await backend.listFiles("d2", { recursive: true })).toEqual(["d2/a", "d2/b", "d2/e/c"]);
    expect(backend.entries.get("a")).toEqual({ value: 1 });
  });

  it("move a file and a tree", async () => {
    const backend = holding(tree);
    await backend.move("d", "d2");
    await backend.move("a", "a2");
    expect(backend.entries.has("a")).toBe(false);
    expect([...backend.entries.keys()].filter((key) => key.startsWith("d/") || key === "d")).toEqual([]);
    expect(backend.entries.get("d2/e/c")).toEqual({ value: 3 });
  });

  it("the default of move never turns a link into what it leads to", async () => {
    const backend = holding(tree);
    await expect(backend.move("l", "l2")).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect(backend.entries).toEqual(new Map(Object.entries(tree)));
  });

  it.each(["copy", "move"] as const)("%s keeps an existing target unless told to replace a file", async (operation) => {
    const backend = holding(tree);
    await expect(backend[operation]("a", "t")).rejects.toMatchObject({ code: "ALREADY_EXISTS", identifier: "t" });
    await expect(backend[operation]("a", "d", { ifExists: "replace" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(backend[operation]("d", "t", { ifExists: "replace" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    expect(backend.entries.get("t")).toEqual({ value: 9 });
    await backend[operation]("a", "t", { ifExists: "replace" });
    expect(backend.entries.get("t")).toEqual({ value: 1 });
  });

  it.each(["copy", "move"] as const)(
    "%s refuses itself, its own inside, what is missing and a missing parent",
    async (operation) => {
      const backend = holding(tree);
      const before = new Map(backend.entries);
      await expect(backend[operation]("a", "./a")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
      await expect(backend[operation]("d", "d/e/d")).rejects.toMatchObject({ code: "INVALID_KEY" });
      await expect(backend[operation]("zz", "b")).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(backend[operation]("a", "zz/b")).rejects.toMatchObject({ code: "NOT_FOUND" });
      await expect(backend[operation]("a", "t/b")).rejects.toMatchObject({ code: "NOT_A_DIRECTORY" });
      expect(backend.entries).toEqual(before);
    },
  );
});

describe("directories and links", () => {
  it("ensureDirectory makes all above it and may be repeated", async () => {
    const backend = new TinyBackend();
    await backend.ensureDirectory("a/b/c");
    await backend.ensureDirectory("a/b/c");
    await backend.ensureDirectory("");
    expect([...backend.entries]).toEqual([
      ["a", null],
      ["a/b", null],
      ["a/b/c", null],
    ]);
  });

  it("ensureDirectory is legal where directories are only implied", async () => {
    const backend = new TinyBackend({ capabilities: { directories: false } });
    await expect(backend.ensureDirectory("a")).resolves.toBeUndefined();
    expect(backend.entries.size).toBe(0);
  });

  it("createSymlink links to what exists, and replaces a link only when told to", async () => {
    const backend = holding({ a: file(1), b: file(2) });
    await backend.createSymlink("a", "l");
    expect(backend.entries.get("l")).toEqual({ link: "a" });
    await expect(backend.createSymlink("b", "l")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await backend.createSymlink("b", "l", { ifExists: "replace" });
    expect(backend.entries.get("l")).toEqual({ link: "b" });
    await expect(backend.createSymlink("a", "b", { ifExists: "replace" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(backend.createSymlink("zz", "m")).rejects.toMatchObject({ code: "NOT_FOUND", identifier: "zz" });
  });

  it("createSymlink is UNSUPPORTED where the capabilities declare none", async () => {
    const backend = holding({ a: file(1) }, { capabilities: { symlinks: false } });
    await expect(backend.createSymlink("a", "l")).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});

describe("the advice for a target that is there", () => {
  const backend = () => holding({ a: file(1), b: file(2), d: null, l: link("a") });

  it.each([
    ["copy", "a", "b", "error", "pass ifExists"],
    ["copy", "a", "a", "replace", "it is what you copy"],
    ["move", "a", "a", "replace", "it is what you move"],
    ["copy", "d", "a", "replace", "only files replace files"],
    ["createSymlink", "a", "b", "replace", "a link replaces only links"],
    ["createSymlink", "a", "l", "error", "pass ifExists"],
  ] as const)("%s of %s to %s with ifExists %s says what would work", async (operation, from, to, ifExists, advice) => {
    const rejecting = backend()[operation](from, to, { ifExists });
    await expect(rejecting).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(rejecting).rejects.toThrow(advice);
  });
});
