import { describe, expect, it } from "vitest";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { consolidateMetadata, openZarr } from "../../../backends/zarr/index.ts";
import { freshZip, ourZip } from "../../support/archives.ts";
import { bitsOf, ramp } from "../../support/arrays.ts";
import { freshHttp } from "../../support/http-store.ts";
import { keysOf, memoryStore } from "./support.ts";

const image = ramp([20, 30], "uint16");

describe.each([
  ["an archive", () => freshZip(ourZip("store", false))],
  ["a web server", () => freshHttp()],
] as const)("a hierarchy in %s", (_, fresh) => {
  it("is read: arrays, parts of them, files beside them, predicates", async () => {
    const { store, side, dispose } = await fresh();
    try {
      const made = memoryStore();
      const maker = new ZarrBackend(made);
      await maker.ensureDirectory("A/01");
      await maker.save(image, "A/01/0", { chunkShape: [10, 10], shardShape: [20, 30] });
      await maker.save({ field: 3 }, "A/01/info.json");
      await consolidateMetadata(made);
      for (const key of await keysOf(made)) await side.put(key, await made.read(key));
      const backend = new ZarrBackend(store);
      expect(backend.capabilities.write).toBe(false);
      expect(bitsOf(await backend.load("A/01/0"))).toEqual(bitsOf(image));
      expect(await backend.load("A/01/0", { selection: [3, [10, 12]] })).toMatchObject({ shape: [2] });
      expect(await backend.load("A/01/info.json")).toEqual({ field: 3 });
      expect(await backend.stat("A/01/0")).toMatchObject({ kind: "file", shape: [20, 30], dtype: "uint16" });
      expect([await backend.isDir("A/01"), await backend.exists("A/02"), await backend.exists("A/01/0/c")]).toEqual([
        true,
        false,
        false,
      ]);
      await expect(backend.save(image, "A/01/1")).rejects.toMatchObject({ code: "READ_ONLY" });
      const group = await openZarr(store, "");
      expect(group).toMatchObject({ kind: "group", groups: ["A"] });
      if (store.capabilities.list) {
        expect(await backend.listFiles("A", { recursive: true })).toEqual(["A/01/0", "A/01/info.json"]);
      }
    } finally {
      await store.close();
      await dispose?.();
    }
  });
});
