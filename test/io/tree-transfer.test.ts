import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { BackendBase } from "../../src/core/backend.ts";
import type { ByteWriter, WriteOptions } from "../../src/core/byte-store.ts";
import { arraysEqual, type NdArray, ndArray } from "../../src/core/nd-array.ts";
import { copyTree, moveTree, syncTree, type TreeProgress } from "../../src/io/tree-transfer.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";
import { replaceMethods } from "../support/replace-methods.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** Two file-like backends over different stores, with side doors. */
async function pair() {
  const from = await freshDisk({ durability: "none" });
  const to = await freshMemory();
  await from.side.put("run/a.txt", text("alpha"));
  await from.side.put(
    "run/deep/b.bin",
    new Uint8Array(3_000_000).map((_, i) => i % 251),
  );
  await from.side.put("run/deep/c d#.json", text("{}"));
  const source = new FileBackend(from.store, { key: "disk" });
  const target = new FileBackend(to.store, { key: "mem" });
  return {
    from,
    to,
    source,
    target,
    ends: { source, from: "run", target, to: "copy" },
    close: async () => {
      await source.close();
      await target.close();
      await from.dispose?.();
    },
  };
}

describe("copyTree", () => {
  test("copies bytes between stores, tells of each file, and counts to the end", async () => {
    const { from, to, ends, close } = await pair();
    const seen: TreeProgress[] = [];
    const items = await copyTree(ends, { onProgress: (each) => seen.push(each) });
    expect(items).toEqual([
      { path: "a.txt", status: "copied", byteLength: 5 },
      { path: "deep/b.bin", status: "copied", byteLength: 3_000_000 },
      { path: "deep/c d#.json", status: "copied", byteLength: 2 },
    ]);
    for (const key of ["a.txt", "deep/b.bin", "deep/c d#.json"]) {
      const [copied, wanted] = [await to.side.get(`copy/${key}`), await from.side.get(`run/${key}`)];
      expect(Buffer.compare(copied as Uint8Array, wanted as Uint8Array), key).toBe(0);
    }
    expect(seen.at(-1)).toMatchObject({ files: 3, filesTotal: 3, byteLength: 3_000_007, byteLengthTotal: 3_000_007 });
    expect(seen.length).toBeGreaterThan(3);
    await close();
  });

  test("does not write again what is equal, keeps or refuses what differs, replaces it when told", async () => {
    const { to, ends, close } = await pair();
    await copyTree(ends);
    const before = await ends.target.store.stat("copy/deep/b.bin");
    await to.side.put("copy/a.txt", text("other"));
    expect((await rejectionOf(copyTree(ends))).code).toBe("ALREADY_EXISTS");
    const statuses = async (options: object) => (await copyTree(ends, options)).map((item) => item.status);
    expect(await statuses({ ifExists: "skip" })).toEqual(["kept", "equal", "equal"]);
    expect(await to.side.get("copy/a.txt")).toEqual(text("other"));
    expect(await statuses({ ifExists: "skip", compare: "size" })).toEqual(["equal", "equal", "equal"]);
    expect(await statuses({ ifExists: "replace" })).toEqual(["replaced", "equal", "equal"]);
    expect(await to.side.get("copy/a.txt")).toEqual(text("alpha"));
    expect((await ends.target.store.stat("copy/deep/b.bin")).etag).toBe(before.etag);
    await close();
  });

  test("goes on after an abort, and leaves no part of a file", async () => {
    const { to, ends, close } = await pair();
    const controller = new AbortController();
    const onProgress = ({ path, byteLength }: TreeProgress) => {
      if (path === "deep/b.bin" && byteLength > 5) controller.abort();
    };
    const error = await rejectionOf(copyTree(ends, { concurrency: 1, signal: controller.signal, onProgress }));
    expect(error.code).toBe("ABORTED");
    expect(await to.side.keys()).toEqual(["copy/a.txt"]);
    expect((await copyTree(ends)).map((item) => item.status)).toEqual(["equal", "copied", "copied"]);
    await close();
  });

  test("a dry run writes nothing and says the same", async () => {
    const { to, ends, close } = await pair();
    const dry = await copyTree(ends, { dryRun: true });
    expect(await to.side.keys()).toEqual([]);
    expect(await copyTree(ends)).toEqual(dry);
    await close();
  });

  test("a target that writes something else is found out: by its checksum, or by reading it back", async () => {
    const { from, to, source, close } = await pair();
    const bend = (isHonest: boolean) =>
      replaceMethods(to.store, {
        openWriter: async (key: string, options?: WriteOptions) => {
          const writer = await to.store.openWriter(key, isHonest ? options : { ...options, checksum: undefined });
          return {
            ...({} as ByteWriter),
            write: (chunk) => writer.write((chunk as Uint8Array).map((byte) => byte ^ 1)),
            close: (options) => writer.close(options),
            abort: () => writer.abort(),
          };
        },
      });
    const target = (isHonest: boolean) => new FileBackend(bend(isHonest), { key: "bent" });
    const ends = (isHonest: boolean) => ({ source, from: "run/a.txt", target: target(isHonest), to: "a.txt" });
    expect((await rejectionOf(copyTree(ends(true)))).code).toBe("CORRUPT");
    expect((await rejectionOf(copyTree(ends(false), { verify: "read" }))).code).toBe("CORRUPT");
    expect((await rejectionOf(moveTree(ends(false)))).code).toBe("CORRUPT");
    expect(await to.side.keys()).toEqual([]);
    expect(await from.side.get("run/a.txt")).toEqual(text("alpha"));
    await close();
  });

  test("copies values where one side has no bytes, and finds them equal", async () => {
    const { store, dispose } = await freshDisk({ durability: "none" });
    const disk = new FileBackend(store, { key: "disk" });
    const memory = new MemoryBackend();
    const array = ndArray(Uint16Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    await memory.save(array, "run/deep/a.npy", { createParents: true });
    await memory.save({ wells: 384 }, "run/plate.json");
    const ends = { source: memory as BackendBase, from: "run", target: disk, to: "out" };
    const statuses = async (options = {}) => (await copyTree(ends, options)).map((item) => item.status);
    expect(await statuses({ verify: "read" })).toEqual(["copied", "copied"]);
    expect(await statuses()).toEqual(["equal", "equal"]);
    expect(arraysEqual((await disk.load("out/deep/a.npy")) as NdArray, array)).toBe(true);
    await disk.close();
    await memory.close();
    await dispose?.();
  });

  test("refuses trees of which one lies in the other, also by two stores of one folder", async () => {
    const { from, source, close } = await pair();
    const inner = new FileBackend(from.store, { key: "inner" });
    for (const to of ["run", "run/deep/x", ""]) {
      const error = await rejectionOf(copyTree({ source, from: "run", target: inner, to }));
      expect(error.code, to).toBe("INVALID_KEY");
    }
    expect((await copyTree({ source, from: "run", target: source, to: "run2" })).length).toBe(3);
    expect((await rejectionOf(copyTree({ source, from: "nowhere", target: inner, to: "x" }))).code).toBe("NOT_FOUND");
    await close();
  });

  test("refuses the same also where a link leads to it by another name", async () => {
    const { from, source, close } = await pair();
    await symlink(".", join(from.root, "link"));
    const other = new FileBackend(new DiskStore({ root: join(from.root, "link") }), { key: "other" });
    const nearby = new FileBackend(new DiskStore({ root: join(from.root, "link/run/new") }), { key: "nearby" });
    for (const [target, to] of [
      [other, "run"],
      [source, "link/run"],
      [nearby, "x"],
    ] as const) {
      const ends = { source, from: "run", target, to };
      for (const transfer of [copyTree, moveTree, syncTree]) {
        expect((await rejectionOf(transfer(ends, { delete: true }))).code, `${transfer.name} ${to}`).toBe(
          "INVALID_KEY",
        );
      }
    }
    expect(await from.side.keys()).toHaveLength(4);
    await close();
  });

  test("collects failures, and tries every file", async () => {
    const { from, to, ends, close } = await pair();
    await to.side.put("copy/deep/b.bin/in-the-way", text("x"));
    const items = await copyTree({ ...ends }, { onError: "collect" });
    expect(items.map((item) => item.status)).toEqual(["copied", "failed", "copied"]);
    expect(items[1]?.error?.code).toBe("IS_A_DIRECTORY");
    expect(await from.side.keys()).toHaveLength(3);
    await close();
  });
});

describe("sync", () => {
  test("replaces what differs; with delete it removes what the source lacks, empty directories too", async () => {
    const { from, source, close } = await pair();
    const other = await freshDisk({ durability: "none" });
    const target = new FileBackend(other.store, { key: "disk" });
    const ends = { source, from: "run", target, to: "mirror" };
    await syncTree(ends);
    await other.side.put("mirror/a.txt", text("older"));
    await other.side.put("mirror/extra/x/y.txt", text("?"));
    await symlink("nowhere", join(other.root, "mirror/link"));
    await other.side.put("outside.txt", text("stays"));
    await mkdir(join(from.root, "run/empty"));
    const brief = async (options: object) =>
      (await syncTree(ends, options)).map((item) => `${item.path} ${item.status}`);
    const unchanged = ["deep/b.bin equal", "deep/c d#.json equal"];
    expect(await brief({ delete: true, dryRun: true })).toEqual([
      "a.txt replaced",
      ...unchanged,
      "extra/x/y.txt deleted",
      "link deleted",
    ]);
    expect(await readFile(join(other.root, "mirror/a.txt"), "utf8")).toBe("older");
    expect(await brief({})).toEqual(["a.txt replaced", ...unchanged]);
    expect(await brief({ delete: true })).toEqual([
      "a.txt equal",
      ...unchanged,
      "extra/x/y.txt deleted",
      "link deleted",
    ]);
    expect((await readdir(join(other.root, "mirror"))).sort()).toEqual(["a.txt", "deep", "empty"]);
    expect(await readFile(join(other.root, "outside.txt"), "utf8")).toBe("stays");
    await target.close();
    await other.dispose?.();
    await close();
  });

  test("removes nothing if a copy failed, or if the source is not there", async () => {
    const { to, ends, close } = await pair();
    await to.side.put("copy/extra.txt", text("?"));
    await to.side.put("copy/deep/b.bin/in-the-way", text("x"));
    const items = await syncTree(ends, { delete: true, onError: "collect" });
    expect(items.filter((item) => item.status === "deleted")).toEqual([]);
    expect((await rejectionOf(syncTree(ends, { delete: true }))).code).toBe("IS_A_DIRECTORY");
    expect((await rejectionOf(syncTree({ ...ends, from: "gone" }, { delete: true }))).code).toBe("NOT_FOUND");
    expect(await to.side.get("copy/extra.txt")).toEqual(text("?"));
    await close();
  });
});

describe("moveTree", () => {
  test("keeps the only copy where two instances lead to one bucket", async () => {
    const { from, close } = await pair();
    const seenAs = (uri: string) => {
      const store = replaceMethods(from.store, { uri: (key) => `${uri}/${key}` });
      return new FileBackend(store, { key: "bucket" });
    };
    const ends = { source: seenAs("s3://raw"), from: "run", target: seenAs("s3://raw"), to: "run" };
    const items = await moveTree(ends, { onError: "collect" });
    expect(items.map(({ status, error }) => [status, error?.code])).toEqual(
      Array.from({ length: 3 }, () => ["failed", "INVALID_KEY"]),
    );
    expect(await from.side.keys()).toHaveLength(3);
    await close();
  });

  test("moves a tree, and its directories are gone; a single file too", async () => {
    const { from, to, ends, close } = await pair();
    await from.side.put("other/z.txt", text("z"));
    expect((await moveTree(ends)).map((item) => item.status)).toEqual(["copied", "copied", "copied"]);
    expect((await readdir(from.root)).sort()).toEqual(["other"]);
    expect((await to.side.keys()).sort()).toEqual(["copy/a.txt", "copy/deep/b.bin", "copy/deep/c d#.json"]);
    await moveTree({ ...ends, from: "other/z.txt", to: "z.txt" });
    expect(await from.side.keys()).toEqual([]);
    expect(await to.side.get("z.txt")).toEqual(text("z"));
    await close();
  });

  test("removes no source before every copy is right", async () => {
    const { from, to, ends, close } = await pair();
    await to.side.put("copy/deep/c d#.json/in-the-way", text("x"));
    expect((await rejectionOf(moveTree(ends))).code).toBe("IS_A_DIRECTORY");
    expect(await from.side.keys()).toHaveLength(3);
    const items = await moveTree(ends, { onError: "collect" });
    expect(items.map((item) => item.status)).toEqual(["equal", "equal", "failed"]);
    expect(await from.side.keys()).toEqual(["run/deep/c d#.json"]);
    await close();
  });

  test("a file that changes after it was copied stays", async () => {
    const { from, ends, close } = await pair();
    let isChanged = false;
    const onProgress = ({ files }: TreeProgress) => {
      if (files < 3 || isChanged) return;
      isChanged = true;
      changing = writeFile(join(from.root, "run/a.txt"), "newer");
    };
    let changing: Promise<void> | undefined;
    const slow = replaceMethods(ends.target.store, {
      stat: async (key, options) => ends.target.store.stat(key, options),
    });
    const target = new FileBackend(slow, { key: "mem" });
    // The change is complete before the first look at the source again: deletions begin after all copies.
    const source = new FileBackend(
      replaceMethods(from.store, {
        stat: async (key, options) => {
          await changing;
          return from.store.stat(key, options);
        },
      }),
      { key: "disk" },
    );
    const items = await moveTree({ source, from: "run", target, to: "copy" }, { onProgress, onError: "collect" });
    expect(items.map((item) => item.error?.code)).toEqual(["CONFLICT", undefined, undefined]);
    expect(await readFile(join(from.root, "run/a.txt"), "utf8")).toBe("newer");
    await close();
  });

  test("refuses a tree with links, which would be lost", async () => {
    const { from, to, ends, close } = await pair();
    await symlink("a.txt", join(from.root, "run/link"));
    expect((await rejectionOf(moveTree(ends))).code).toBe("UNSUPPORTED");
    expect(await to.side.keys()).toEqual([]);
    expect((await copyTree(ends)).map((item) => item.path)).toContain("link");
    await close();
  });
});
