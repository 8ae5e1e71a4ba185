import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import type { FileEntry } from "../../../backends/memory/memory-tree.ts";
import { MemoryTree } from "../../../backends/memory/memory-tree.ts";
import { isNdArray, ndArray } from "../../../src/core/nd-array.ts";
import { rejectionOf } from "../../support/rejection.ts";

const pixels = (...values: number[]) => ndArray(Uint8Array.from(values));

describe("memory", () => {
  it("stores null as a value, never as a directory", async () => {
    const memory = new MemoryBackend();
    await memory.save(null, "nothing");
    expect([await memory.isFile("nothing"), await memory.isDir("nothing")]).toEqual([true, false]);
    expect(await memory.load("nothing")).toBeNull();
  });

  it("keeps the caller's own memory with transfer, and still copies on load", async () => {
    const tree = new MemoryTree();
    const memory = new MemoryBackend({}, tree);
    const array = pixels(1, 2, 3);
    await memory.save(array, "a", { transfer: true });
    expect((tree.entry("a") as FileEntry).value).toBe(array);
    const loaded = await memory.load("a");
    expect(loaded).toEqual(array);
    expect(isNdArray(loaded) && loaded.data.buffer === array.data.buffer).toBe(false);
  });

  it("refuses class instances and functions with transfer too, wherever they are, and names where", async () => {
    const memory = new MemoryBackend();
    class Stage {}
    for (const transfer of [false, true]) {
      const error = await rejectionOf(memory.save({ list: [{ stage: new Stage() }] }, "a", { transfer }));
      expect(error).toMatchObject({ code: "INVALID_DATA" });
      expect(error.message).toContain('"list[0].stage" is an instance of Stage');
      expect(await memory.exists("a")).toBe(false);
    }
  });

  it("tells absolute keys from relative ones", async () => {
    const memory = new MemoryBackend();
    await memory.save("relative", "a");
    await memory.save("absolute", "/a");
    expect([await memory.load("a"), await memory.load("/a")]).toEqual(["relative", "absolute"]);
    expect([await memory.listDir(""), await memory.listDir("/")]).toEqual([["a"], ["a"]]);
    expect([await memory.listFiles(""), await memory.listFiles("/")]).toEqual([["a"], ["/a"]]);
    await memory.deleteAll("/");
    expect([await memory.exists("a"), await memory.exists("/a")]).toEqual([true, false]);
  });

  it("ends where links lead in a circle", async () => {
    const memory = new MemoryBackend();
    await memory.save(1, "a");
    await memory.createSymlink("a", "b");
    await memory.createSymlink("b", "c");
    await memory.createSymlink("c", "b", { ifExists: "replace" });
    expect([await memory.exists("b"), await memory.isSymlink("b")]).toEqual([false, true]);
    expect(await rejectionOf(memory.load("b"))).toMatchObject({ code: "NOT_FOUND" });
    expect(await rejectionOf(memory.save(2, "b", { ifExists: "replace" }))).toMatchObject({ code: "NOT_FOUND" });
    expect(await rejectionOf(memory.ensureDirectory("b/d"))).toMatchObject({ code: "NOT_A_DIRECTORY" });
    await memory.delete("b");
    expect(await memory.listDir("")).toEqual(["a", "c"]);
  });

  it("writes through a link to what it leads to", async () => {
    const memory = new MemoryBackend();
    await memory.save(1, "a");
    await memory.createSymlink("a", "l");
    expect((await memory.save(2, "l", { ifExists: "replace" })).status).toBe("replaced");
    expect([await memory.load("a"), await memory.isSymlink("l")]).toEqual([2, true]);
  });

  it("refuses to move a directory into itself also through a link", async () => {
    const memory = new MemoryBackend();
    await memory.save(1, "a/b/x", { createParents: true });
    await memory.createSymlink("a/b", "link");
    for (const verb of ["move", "copy"] as const) {
      expect(await rejectionOf(memory[verb]("a", "link/a"))).toMatchObject({ code: "INVALID_KEY" });
    }
    expect(await memory.load("a/b/x")).toBe(1);
  });

  it("describes arrays with dtype and shape, and everything with its size and a tag that changes", async () => {
    const memory = new MemoryBackend();
    await memory.save(ndArray(new Uint16Array(6), [2, 3]), "a");
    const before = await memory.stat("a");
    expect(before).toMatchObject({ kind: "file", byteLength: 12, dtype: "uint16", shape: [2, 3] });
    await memory.save("ab", "a", { ifExists: "replace" });
    const after = await memory.stat("a");
    expect(after).toMatchObject({ byteLength: 4 });
    expect([after.dtype, after.etag === before.etag]).toEqual([undefined, false]);
  });

  it("clears files and links only, everywhere, and is safe when empty", async () => {
    const memory = new MemoryBackend({ quotaBytes: 100 });
    memory.clearFilesOnly();
    await memory.save(pixels(1), "a/b/x", { createParents: true });
    await memory.save(pixels(1), "/abs/x", { createParents: true });
    await memory.createSymlink("a/b", "a/link");
    memory.clearFilesOnly();
    expect(await memory.listFiles("", { recursive: true })).toEqual([]);
    expect([await memory.isDir("a/b"), await memory.isDir("/abs"), await memory.isSymlink("a/link")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(memory.byteLength).toBe(0);
    await memory.close();
    expect(() => memory.clearFilesOnly()).toThrow(expect.objectContaining({ code: "NOT_OPEN" }));
  });

  it("shares a tree that it is given, and leaves it when it closes", async () => {
    const tree = new MemoryTree();
    const [one, other] = [new MemoryBackend({}, tree), new MemoryBackend({}, tree)];
    await one.save("shared", "a");
    await one.close();
    expect(await other.load("a")).toBe("shared");
  });

  it("lists a directory by looking at its own entries, however many lie elsewhere", async () => {
    const tree = new MemoryTree();
    const memory = new MemoryBackend({}, tree);
    await memory.ensureDirectory("elsewhere");
    await memory.ensureDirectory("empty");
    const elsewhere = tree.entry("elsewhere");
    if (elsewhere?.kind !== "directory") throw new Error("no directory");
    let looks = 0;
    const children = elsewhere.children;
    children[Symbol.iterator] = () => {
      looks++;
      return Map.prototype[Symbol.iterator].call(children) as never;
    };
    expect(await memory.listFiles("empty", { recursive: true })).toEqual([]);
    expect(looks).toBe(0);
  });
});

describe("a quota", () => {
  it("refuses what is too much with NO_SPACE, and keeps the old value", async () => {
    const memory = new MemoryBackend({ quotaBytes: 10 });
    await memory.save(pixels(1, 2, 3, 4, 5, 6), "a");
    expect(await rejectionOf(memory.save(pixels(1, 2, 3, 4, 5), "b"))).toMatchObject({ code: "NO_SPACE" });
    const more = memory.save(ndArray(new Uint8Array(11)), "a", { ifExists: "replace" });
    expect(await rejectionOf(more)).toMatchObject({ code: "NO_SPACE" });
    expect(await rejectionOf(memory.copy("a", "c"))).toMatchObject({ code: "NO_SPACE" });
    expect(await memory.load("a")).toEqual(pixels(1, 2, 3, 4, 5, 6));
    await memory.save(ndArray(new Uint8Array(10)), "a", { ifExists: "replace" });
    await memory.delete("a");
    await memory.save(ndArray(new Uint8Array(10)), "b");
    expect(await memory.listDir("")).toEqual(["b"]);
  });

  it("must be a whole number", () => {
    expect(() => new MemoryBackend({ quotaBytes: -1 })).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
  });

  it("counts what is there after any sequence of operations", async () => {
    const path = fc.constantFrom("a", "b", "d/a", "d/b", "d/e/a", "l");
    const operation = fc.record({
      verb: fc.constantFrom("save", "delete", "deleteAll", "copy", "move", "link", "clear"),
      from: path,
      to: path,
      size: fc.integer({ min: 0, max: 20 }),
      ifExists: fc.constantFrom("error" as const, "replace" as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
        const memory = new MemoryBackend();
        for (const { verb, from, to, size, ifExists } of operations) {
          try {
            if (verb === "save")
              await memory.save(ndArray(new Uint8Array(size)), to, { ifExists, createParents: true });
            else if (verb === "delete") await memory.delete(from);
            else if (verb === "deleteAll") await memory.deleteAll(from.includes("/") ? "d" : from);
            else if (verb === "copy") await memory.copy(from, to, { ifExists });
            else if (verb === "move") await memory.move(from, to, { ifExists });
            else if (verb === "link") await memory.createSymlink(from, to, { ifExists });
            else memory.clearFilesOnly();
          } catch (error) {
            expect(error).toMatchObject({ name: "StorageError" });
            expect(error).not.toMatchObject({ code: "UNEXPECTED" });
          }
        }
        let total = 0;
        for (const file of await memory.listFiles("", { recursive: true })) {
          const stat = await memory.stat(file);
          if (stat.kind === "file") total += stat.byteLength ?? 0;
        }
        expect(memory.byteLength).toBe(total);
      }),
    );
  });
});
