import { describe, expect, it } from "vitest";
import { TinyArchive, TinyPlates, TinyViewer } from "./tiny-backends.ts";

describe("read-only backends", () => {
  it("load and list, have no save at all, and validate no file-system paths", async () => {
    const archive = new TinyArchive();
    expect(await archive.load("a.txt")).toBe("one");
    expect(await archive.listFiles("")).toEqual(["a.txt"]);
    expect(await archive.exists("b.txt")).toBe(false);
    expect("save" in archive).toBe(false);
    expect(archive.requiresFilesystemValidation).toBe(false);
  });
});

describe("virtual backends", () => {
  it("hand the context of a call to the hooks", async () => {
    const plates = new TinyPlates();
    expect(await plates.load("A01.tif", { plateId: 7 })).toBe("A01.tif of plate 7");
    expect(await plates.loadBatch(["A01.tif"], { plateId: 7 } as object)).toEqual(["A01.tif of plate 7"]);
    expect(await plates.listFiles("", { plateId: 7 })).toEqual(["A01.tif", "B02.tif"]);
  });

  it("name what is missing from the context, for every operation that needs it", async () => {
    const plates = new TinyPlates({ instance: "screen" });
    const attempts = {
      load: () => plates.load("A01.tif"),
      listFiles: () => plates.listFiles(""),
      save: () => plates.save(1, "A01.tif"),
    };
    for (const [operation, attempt] of Object.entries(attempts)) {
      await expect(attempt()).rejects.toMatchObject({ code: "INVALID_DATA", backend: "screen", operation });
      await expect(attempt()).rejects.toThrow(`"screen" needs "plateId" in the options of ${operation}`);
    }
  });

  it("need not be writable", async () => {
    const plates = new TinyPlates();
    await expect(plates.save(1, "A01.tif", { plateId: 7 })).rejects.toMatchObject({ code: "READ_ONLY" });
    await expect(plates.saveBatch([1], ["A01.tif"], { plateId: 7 })).rejects.toMatchObject({ code: "READ_ONLY" });
    expect(plates.requiresFilesystemValidation).toBe(false);
  });
});

describe("streaming backends", () => {
  it("send values, under normalised keys, and answer when the receiver has", async () => {
    const viewer = new TinyViewer();
    expect(await viewer.save(1, "./a")).toEqual({ status: "created", identifier: "./a" });
    await viewer.saveBatch([2, 3], ["b", "b"], { concurrency: 1 });
    expect(viewer.sent).toEqual([
      ["a", 1],
      ["b", 2],
      ["b", 3],
    ]);
    expect("load" in viewer).toBe(false);
  });

  it("report the failure of a send, and a batch of unequal lists before anything is sent", async () => {
    const viewer = new TinyViewer();
    await expect(viewer.save(1, "a", { format: "broken" })).rejects.toMatchObject({
      code: "UNEXPECTED",
      operation: "save",
    });
    await expect(viewer.saveBatch([1], ["a", "b"])).rejects.toMatchObject({ code: "INVALID_DATA" });
    const [failed] = await viewer.saveBatch([1], ["a"], { format: "broken", onError: "collect" });
    expect(failed).toMatchObject({ status: "failed", identifier: "a", error: { code: "UNEXPECTED" } });
    expect(viewer.sent).toEqual([]);
  });

  it("send nothing once closed", async () => {
    const viewer = new TinyViewer();
    await viewer.close();
    await expect(viewer.save(1, "a")).rejects.toMatchObject({ code: "NOT_OPEN" });
  });
});
