import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { bareStore } from "../support/bare-store.ts";
import { rejectionOf } from "../support/rejection.ts";

let folder = "";
let backends: BackendSet;
let files: FileManager;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-transfer-"));
  await mkdir(join(folder, "here"));
  await mkdir(join(folder, "there"));
  backends = new BackendSet(
    createRegistry(),
    { here: { use: "disk", root: "here" }, there: { use: "disk", root: "there" }, memory: { use: "memory" } },
    { baseDirectory: folder },
  );
  backends.set("bytes", new FileBackend(await backends.store({ use: "memory" }), { key: "memory" }));
  files = new FileManager(backends);
});

afterEach(async () => {
  await backends.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a transfer", () => {
  it("between file-like backends copies bytes as they are, without a codec", async () => {
    const noise = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251);
    await writeFile(join(folder, "here/broken.tif"), noise);
    const [result] = await files.transfer(
      { backend: "here", path: "broken.tif" },
      { backend: "there", path: "n/o.xyz" },
    );
    expect(result).toMatchObject({ status: "created", identifier: "n/o.xyz", byteLength: noise.length });
    expect(new Uint8Array(await readFile(join(folder, "there/n/o.xyz")))).toEqual(noise);
    await files.transfer({ backend: "there", path: "n/o.xyz" }, { backend: "bytes", path: "o.bin" });
    expect(await files.load("o.bin", "bytes")).toEqual(noise);
  });

  it("to a store that knows no conditions looks first, and keeps what is there", async () => {
    const store = bareStore(await backends.store({ use: "memory" }));
    backends.set("bare", new FileBackend(store, { key: "memory" }));
    await writeFile(join(folder, "here/a.bin"), Uint8Array.of(1, 2));
    const [from, to] = [
      { backend: "here", path: "a.bin" },
      { backend: "bare", path: "a.bin" },
    ] as const;
    expect(await files.transfer(from, to)).toMatchObject([{ status: "created", byteLength: 2 }]);
    await writeFile(join(folder, "here/a.bin"), Uint8Array.of(3));
    expect(await rejectionOf(files.transfer(from, to))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await files.transfer(from, to, { ifExists: "skip" })).toMatchObject([{ status: "skipped" }]);
    expect(await files.load("a.bin", "bare")).toEqual(Uint8Array.of(1, 2));
  });

  it("loads and saves where one side keeps values, in the format of the target's suffix", async () => {
    const array = ndArray(Uint16Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    await files.save(array, "a", "memory");
    for (const path of ["sub/a.npy", "sub/a.tif"]) {
      await files.transfer({ backend: "memory", path: "a" }, { backend: "here", path });
      expect(await files.load(path, "here")).toEqual(array);
    }
    expect([...(await readFile(join(folder, "here/sub/a.npy"))).subarray(1, 6)]).toEqual(
      [..."NUMPY"].map((c) => c.charCodeAt(0)),
    );
    await files.transfer({ backend: "here", path: "sub/a.tif" }, { backend: "memory", path: "back/a" });
    expect(await files.load("back/a", "memory")).toEqual(array);
  });

  it('changes the format between file-like backends with as: "values"', async () => {
    await files.save({ a: 1 }, "a.json", "here");
    const array = ndArray(Uint8Array.of(1, 2, 3, 4), [2, 2]);
    await files.save(array, "b.npy", "here");
    await files.transfer({ backend: "here", path: "b.npy" }, { backend: "there", path: "b.tif" }, { as: "values" });
    expect(await files.load("b.tif", "there")).toEqual(array);
  });

  it("copies a tree with its empty directories, and answers for each file in natural order", async () => {
    for (const path of ["d/f10.txt", "d/f9.txt", "d/e/g.txt"]) {
      await files.save(path, path, "here", { createParents: true });
    }
    await files.ensureDirectory("d/empty", "here");
    const results = await files.transfer({ backend: "here", path: "d" }, { backend: "there", path: "copy" });
    expect(results.map(({ identifier }) => identifier)).toEqual(["copy/e/g.txt", "copy/f9.txt", "copy/f10.txt"]);
    expect((await readdir(join(folder, "there/copy"))).sort()).toEqual(["e", "empty", "f10.txt", "f9.txt"]);
    await files.transfer({ backend: "here", path: "d" }, { backend: "memory", path: "copy" });
    expect(await files.load("copy/e/g.txt", "memory")).toBe("d/e/g.txt");
    expect(await files.isDir("copy/empty", "memory")).toBe(true);
  });

  it.each([
    ["bytes", "there"],
    ["values", "memory"],
  ])("keeps the overwrite policy, as %s", async (_, backend) => {
    await files.save("new", "a.txt", "here");
    await files.save("old", "a.txt", backend);
    const go = (ifExists?: "error" | "replace" | "skip") =>
      files.transfer({ backend: "here", path: "a.txt" }, { backend, path: "a.txt" }, { ifExists });
    expect(await rejectionOf(go())).toMatchObject({ code: "ALREADY_EXISTS" });
    expect((await go("skip"))[0]).toEqual({ status: "skipped", identifier: "a.txt" });
    expect(await files.load("a.txt", backend)).toBe("old");
    expect((await go("replace"))[0]).toMatchObject({ status: "replaced" });
    expect(await files.load("a.txt", backend)).toBe("new");
    const replacing = new FileManager(backends, { ifExists: "skip" });
    const [result] = await replacing.transfer({ backend: "here", path: "a.txt" }, { backend, path: "a.txt" });
    expect(result?.status).toBe("skipped");
  });

  it("tries every file, collects failures when asked, and leaves nothing half done", async () => {
    for (const path of ["d/a.txt", "d/b.txt"]) await files.save(path, path, "here", { createParents: true });
    await files.save("taken", "t/a.txt", "there", { createParents: true });
    const go = (onError: "throw" | "collect") =>
      files.transfer({ backend: "here", path: "d" }, { backend: "there", path: "t" }, { onError });
    expect(await rejectionOf(go("throw"))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await files.load("t/b.txt", "there")).toBe("d/b.txt");
    expect((await go("collect")).map(({ status }) => status)).toEqual(["failed", "failed"]);
    expect((await readdir(join(folder, "there/t"))).sort()).toEqual(["a.txt", "b.txt"]);
  });

  it("of what is missing is NOT_FOUND, and a signal stops it", async () => {
    const ends = [
      { backend: "here", path: "a.txt" },
      { backend: "there", path: "a.txt" },
    ] as const;
    expect(await rejectionOf(files.transfer(...ends))).toMatchObject({ code: "NOT_FOUND" });
    await files.save("a", "a.txt", "here");
    expect(await rejectionOf(files.transfer(...ends, { signal: AbortSignal.abort() }))).toMatchObject({
      code: "ABORTED",
    });
    expect(await readdir(join(folder, "there"))).toEqual([]);
  });
});
