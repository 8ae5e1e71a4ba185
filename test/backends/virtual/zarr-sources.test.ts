/** Workspaces over Zarr: parts are read without the rest, as the meter of the store can tell. */
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { openWorkspace } from "../../../backends/virtual/index.ts";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { createGroup } from "../../../backends/zarr/index.ts";
import { copyArray, type NdArray, sliceArray } from "../../../src/core/nd-array.ts";
import { bitsOf } from "../../support/arrays.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { counted } from "./sources.ts";

/** A Zarr backend in memory, and the keys of chunks that were read from it. */
async function zarr() {
  const store = new MemoryStore();
  const chunks: string[] = [];
  for (const name of ["read", "readRanges"] as const) {
    const original = store[name].bind(store) as (key: string, ...rest: never[]) => Promise<never>;
    Object.assign(store, {
      [name]: (key: string, ...rest: never[]) => {
        if (key.includes("/c/")) chunks.push(key);
        return original(key, ...rest);
      },
    });
  }
  return { store, backend: new ZarrBackend(store, { instance: "plates" }), chunks };
}

describe("a workspace over Zarr", () => {
  it("reads one plane of a stack by its chunk alone, and a batch of neighbours each chunk once", async () => {
    const { backend, chunks } = await zarr();
    const stack = counted(60, 8, 8);
    await backend.save(stack, "well", { chunkShape: [1, 8, 8] } as object);
    chunks.length = 0;
    const entries = Object.fromEntries(
      Array.from({ length: 60 }, (_, z) => [`z${z}.tif`, { backend: "plates", address: "well", axes: [z] }]),
    );
    const workspace = await openWorkspace({
      mapping: { version: 1, entries },
      backends: new Map([["plates", backend]]),
    });
    expect(bitsOf(await workspace.load("z7.tif"))).toEqual(bitsOf(sliceArray(stack, [7])));
    expect(chunks.splice(0)).toEqual(["well/c/7/0/0"]);
    const planes = (await workspace.loadBatch(["z12.tif", "z10.tif", "z11.tif"])) as NdArray[];
    expect(planes.map(({ data }) => data[0])).toEqual([768, 640, 704]);
    expect(chunks.sort()).toEqual(["well/c/10/0/0", "well/c/11/0/0", "well/c/12/0/0"]);
  });

  it("samples a region of a pyramid at the resolution that is asked for, and says which", async () => {
    const { store, backend, chunks } = await zarr();
    const full = counted(64, 64);
    const every = (array: NdArray, step: number) =>
      copyArray({ ...array, shape: array.shape.map((n) => n / step), stride: array.stride.map((n) => n * step) });
    const datasets = [1, 2, 4].map((_, level) => ({ path: String(level) }));
    await createGroup(store, "img", { attributes: { ome: { version: "0.5", multiscales: [{ datasets }] } } });
    for (const [level, step] of [1, 2, 4].entries()) {
      await backend.save(every(full, step), `img/${level}`, { chunkShape: [8, 8] } as object);
    }
    const entries = { "a.tif": { backend: "plates", address: "img/0" } };
    const workspace = await openWorkspace({
      mapping: { version: 1, entries },
      backends: new Map([["plates", backend]]),
    });
    chunks.length = 0;
    const request = { origin: [32, 16], shape: [32, 32] };
    const sample = await workspace.sample("a.tif", { ...request, resolution: 2 });
    expect(sample).toMatchObject({
      readAs: "region",
      resolution: 2,
      resolutionCount: 3,
      resolutionShape: [16, 16],
      sourceShape: [64, 64],
      downsampling: [4, 4],
      origin: [8, 4],
      address: "img/0",
    });
    expect(bitsOf(sample.array)).toEqual(
      bitsOf(
        sliceArray(every(full, 4), [
          [8, 16],
          [4, 12],
        ]),
      ),
    );
    expect(chunks.sort()).toEqual(["img/2/c/1/0", "img/2/c/1/1"]);
    expect((await workspace.sample("a.tif", { ...request, resolution: "auto", autoLength: 16 })).resolution).toBe(1);
    expect(await rejectionOf(workspace.sample("a.tif", { ...request, resolution: 3 }))).toMatchObject({
      code: "OUT_OF_RANGE",
      identifier: "a.tif",
    });
    // A lower resolution by itself is an array like any other.
    expect((await backend.levels("img/1")).length).toBe(1);
  });

  it("says of an image whose resolutions are not there that it is damaged", async () => {
    const { store, backend } = await zarr();
    const multiscales = [{ datasets: [{ path: "0" }, { path: "1" }] }];
    await createGroup(store, "img", { attributes: { ome: { version: "0.5", multiscales } } });
    await backend.save(counted(4, 4), "img/0");
    expect(await rejectionOf(backend.levels("img/0"))).toMatchObject({ code: "CORRUPT", identifier: "img/1" });
  });

  it("reads parts of plain files beside the arrays too", async () => {
    const { backend } = await zarr();
    await backend.save(counted(4, 4), "a.npy", { format: "npy" });
    expect(await backend.levels("a.npy")).toMatchObject([{ shape: [4, 4], dtype: "uint32", downsampling: [1, 1] }]);
    expect((await backend.readRegion("a.npy", [1, [1, 3]])).shape).toEqual([2]);
  });
});
