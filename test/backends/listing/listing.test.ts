import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { ListingBackend } from "../../../backends/listing/backend.ts";
import listing from "../../../backends/listing/index.ts";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { openWorkspace, workspaceFromFolder } from "../../../backends/virtual/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { FileBackend } from "../../../src/codecs/file-backend.ts";
import type { ListOptions } from "../../../src/core/byte-store.ts";
import type { StorageBackend } from "../../../src/core/storage-backend.ts";
import { FileManager } from "../../../src/io/file-manager.ts";
import { backendConformance } from "../../../src/testing/backend-kit.ts";
import { sample } from "../../../src/testing/backend-subject.ts";
import { rejectionOf } from "../../support/rejection.ts";

const bytes = new TextEncoder().encode("1");

for (const prefix of ["", "plates/7/", "plates/7_"]) {
  backendConformance({ describe, test }, `listing of "${prefix}"`, {
    capabilities: listing.capabilities,
    make: async () => {
      const store = new MemoryStore();
      const files = new FileBackend(store, { key: "memory" });
      await store.write("elsewhere.npy", bytes);
      if (prefix === "") await store.delete("elsewhere.npy");
      return {
        backend: new ListingBackend(store, { prefix }) as unknown as StorageBackend,
        side: {
          put: async (path, value) => void (await files.save(value, prefix + path, { createParents: true })),
          get: async (path) => files.load(prefix + path),
        },
      };
    },
  });
}

describe("a listing", () => {
  it("of a tree is one listing of the store", async () => {
    const store = new MemoryStore();
    for (let i = 0; i < 50; i++) await store.write(`w${i}/a.json`, bytes);
    const asked: (ListOptions | undefined)[] = [];
    const list = store.list.bind(store);
    store.list = (options) => {
      asked.push(options);
      return list(options);
    };
    const backend = new ListingBackend(store);
    expect((await backend.listFiles("", { recursive: true })).length).toBe(50);
    expect(asked.map((options) => options?.delimiter)).toEqual([undefined]);
  });

  it("by pages asks for no more than is taken", async () => {
    const store = new MemoryStore();
    for (let i = 0; i < 9; i++) await store.write(`p/${i}.json`, bytes);
    let given = 0;
    const list = store.list.bind(store);
    store.list = async function* (options) {
      for await (const entry of list(options)) {
        given++;
        yield entry;
      }
    };
    for await (const path of new ListingBackend(store, { prefix: "p/" }).walkFiles("", { pattern: "2*" })) {
      expect(path).toBe("2.json");
      break;
    }
    expect(given).toBe(3);
  });

  it("sees new values at once, and takes none", async () => {
    const store = new MemoryStore();
    const files = new FileManager({ v: new ListingBackend(store, { prefix: "p/" }) });
    expect(await files.exists("a.json", "v")).toBe(false);
    await store.write("p/a.json", bytes);
    expect([await files.exists("a.json", "v"), await files.load("a.json", "v")]).toEqual([true, 1]);
    expect(await rejectionOf(files.save(1, "b.json", "v"))).toMatchObject({ code: "READ_ONLY" });
    await (await files.backend("v")).close();
    expect((await store.stat("p/a.json")).kind).toBe("file");
  });

  it("of a disk shows links to files as files, and neither links to directories nor empty ones", async () => {
    const root = await mkdtemp(join(tmpdir(), "sluice-listing-"));
    await mkdir(join(root, "p/empty/deeper"), { recursive: true });
    await mkdir(join(root, "p/full"));
    await writeFile(join(root, "p/full/a.json"), "1");
    await symlink("full", join(root, "p/link"));
    await symlink("a.json", join(root, "p/full/b.json"));
    await symlink("gone.json", join(root, "p/full/c.json"));
    const backend = new ListingBackend(new DiskStore({ root }), { prefix: "p/" });
    expect(await backend.listDir("")).toEqual(["full"]);
    expect([await backend.exists("empty"), await backend.isDir("full")]).toEqual([false, true]);
    expect(await backend.listFiles("", { recursive: true })).toEqual(["full/a.json", "full/b.json"]);
    expect([await backend.listDir("full"), await backend.load("full/b.json")]).toEqual([["a.json", "b.json"], 1]);
    expect([await backend.exists("full/b.json"), await backend.exists("full/c.json")]).toEqual([true, false]);
    await rm(root, { recursive: true });
  });

  it("is a plate that a workspace is made of", async () => {
    await using set = new BackendSet(createRegistry(), {
      bucket: { use: "memory" },
      plate: { use: "listing", store: "bucket", prefix: "2026/p7/" },
      images: { use: "virtual", source: "plate", grammar: "opera_phenix" },
    });
    const store = await set.store("bucket");
    const files = new FileManager(set);
    await new FileBackend(store, { key: "memory" }).save(sample(), "2026/p7/Images/r01c01f01p01-ch1sk1fk1fl1.tiff");
    expect(await files.listFiles("", "images", { recursive: true })).toEqual(["A01/A01_f001_c1_z001_t001.tiff"]);
    expect(await files.load("A01/A01_f001_c1_z001_t001.tiff", "images")).toMatchObject({ shape: [2, 3] });
    const { mapping } = await workspaceFromFolder(await set.get("plate"), "Images", "opera_phenix");
    await using byHand = await openWorkspace({ mapping, backends: set });
    expect(await byHand.findBroken()).toEqual([]);
  });

  it("needs a store", async () => {
    expect(await rejectionOf(createRegistry().open("listing", {}))).toMatchObject({ code: "CONFIG_INVALID" });
  });
});
