import { describe, expect, it, vi } from "vitest";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import type { FileBackend } from "../../src/codecs/file-backend.ts";
import { rejectionOf } from "../support/rejection.ts";

/** Every test gets the module's state anew, as a new process does. */
async function fresh() {
  vi.resetModules();
  return import("../../registry/default-set.ts");
}

describe("the default set", () => {
  it("has disk and memory, and gives the same instance to all, in any case", async () => {
    const { getBackend, storageRegistry } = await fresh();
    expect(storageRegistry.keys()).toEqual(["disk", "memory"]);
    const [disk, ...others] = await Promise.all(
      Array.from({ length: 100 }, (_, i) => (i % 2 ? getBackend("DISK") : storageRegistry.get("disk"))),
    );
    expect(new Set([disk, ...others]).size).toBe(1);
    expect(disk?.key).toBe("disk");
    expect((await getBackend("memory")).key).toBe("memory");
  });

  it("opens each instance once, whichever question comes first", async () => {
    const { defaultRegistry, ensureStorageRegistry, getBackend, storageRegistry } = await fresh();
    const load = vi.spyOn(defaultRegistry, "open");
    expect([storageRegistry.has("memory"), storageRegistry.has("zarr"), storageRegistry.keys().length]).toEqual([
      true,
      false,
      2,
    ]);
    expect(load).not.toHaveBeenCalled();
    await Promise.all([
      ensureStorageRegistry(),
      ensureStorageRegistry(),
      getBackend("memory"),
      storageRegistry.values(),
      storageRegistry.items(),
    ]);
    expect(load.mock.calls.map(([key]) => key)).toEqual(["memory"]);
  });

  it("takes a live instance without opening anything", async () => {
    const { defaultRegistry, getBackend, storageRegistry } = await fresh();
    const load = vi.spyOn(defaultRegistry, "load");
    const live = new MemoryBackend();
    storageRegistry.set("Omero", live);
    storageRegistry.set("memory", live, { override: true });
    expect(load).not.toHaveBeenCalled();
    expect([await getBackend("omero"), await getBackend("memory")]).toEqual([live, live]);
  });

  it("answers an unknown key with the known ones", async () => {
    const { getBackend } = await fresh();
    const error = await rejectionOf(getBackend("memry"));
    expect(error.message).toBe('Unknown backend "memry". Did you mean "memory"? Known: disk, memory');
  });

  it("resets the memory backend: files and links go, directories stay", async () => {
    const { getBackend, resetMemoryBackend } = await fresh();
    await resetMemoryBackend();
    const memory = (await getBackend("memory")) as MemoryBackend;
    await memory.save([1], "plate/out/a.json", { createParents: true });
    await memory.createSymlink("plate/out/a.json", "plate/l.json");
    await resetMemoryBackend();
    expect(await memory.listFiles("", { recursive: true })).toEqual([]);
    expect([await memory.isSymlink("plate/l.json"), await memory.isDir("plate/out")]).toEqual([false, true]);
    expect(await getBackend("memory")).toBe(memory);
  });

  it("says so where memory was replaced by what cannot be reset", async () => {
    const { getBackend, resetMemoryBackend, storageRegistry } = await fresh();
    const disk = (await getBackend("disk")) as FileBackend;
    storageRegistry.set("memory", disk, { override: true });
    expect(await rejectionOf(resetMemoryBackend())).toMatchObject({ code: "UNSUPPORTED" });
  });
});
