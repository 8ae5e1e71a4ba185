import { describe, expect, it } from "vitest";
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import { openWorkspace, type WorkspaceEntry } from "../../../backends/virtual/index.ts";
import type { BackendBase } from "../../../src/core/backend.ts";
import { type NdArray, ndArray, sizeOf, sliceArray } from "../../../src/core/nd-array.ts";
import type { ArrayLevel, ReadRegionOptions, RegionSource } from "../../../src/core/region.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { counted, RegionMemory } from "./sources.ts";

const at = (address: string, rest: Partial<WorkspaceEntry> = {}): WorkspaceEntry => ({
  backend: "m",
  address,
  ...rest,
});

const over = (memory: BackendBase, entries: Record<string, WorkspaceEntry>, options: object = {}) =>
  openWorkspace({ mapping: { version: 1, entries }, backends: new Map([["m", memory]]), ...options });

/** An image of two resolutions whose lower one is shorter than its step says, as some writers round. */
class OddPyramid extends MemoryBackend implements RegionSource {
  readonly asked: (readonly number[])[] = [];

  async levels(path: string): Promise<ArrayLevel[]> {
    const { shape, dtype } = (await super.load(path)) as NdArray;
    const [length = 0] = shape;
    return [
      { shape, dtype, downsampling: [1] },
      { shape: [Math.floor(length / 2.4)], dtype, downsampling: [2] },
    ];
  }

  async readRegion(
    path: string,
    selection: Parameters<RegionSource["readRegion"]>[1],
    { resolution = 0 }: ReadRegionOptions = {},
  ): Promise<NdArray> {
    const level = (await this.levels(path))[resolution] as ArrayLevel;
    return sliceArray(counted(sizeOf(level.shape)), selection);
  }
}

describe("a save", () => {
  it("never writes over a value that another path shows, however that spells its address", async () => {
    for (const address of ["out/a", "./out/a", "out//a", "out/b/../a", "/out/a"]) {
      const memory = new MemoryBackend();
      await memory.save("theirs", "out/a", { createParents: true });
      const workspace = await over(memory, { shown: at(address) }, { writeTo: { backend: "m", folder: "out" } });
      const error = await rejectionOf(workspace.save("ours", "a", { ifExists: "replace" }));
      expect(error, address).toMatchObject({ code: "CONFLICT" });
      expect(await memory.load("out/a")).toBe("theirs");
    }
  });
});

describe("a part of an image", () => {
  it("that begins beyond a lower resolution is what lies at its end there, and never of negative length", async () => {
    const memory = new OddPyramid();
    await memory.save(ndArray(new Uint8Array(100), [100]), "i");
    const workspace = await over(memory, {
      end: at("i", { selection: [[98, 100]] }),
      last: at("i", { selection: [99] }),
    });
    expect((await workspace.levels("end")).map(({ shape }) => shape)).toEqual([[2], [1]]);
    expect((await workspace.readRegion("end", [], { resolution: 1 })).shape).toEqual([1]);
    expect((await workspace.readRegion("last", [], { resolution: 1 })).shape).toEqual([]);
  });
});

describe("a batch", () => {
  it("may want very many parts of one array", async () => {
    const memory = new RegionMemory();
    const length = 150_000;
    await memory.save(counted(length), "a");
    const paths = Array.from({ length }, (_, i) => `${i}`);
    const workspace = await over(memory, Object.fromEntries(paths.map((path, i) => [path, at("a", { axes: [i] })])));
    const values = (await workspace.loadBatch(paths)) as NdArray[];
    expect(values).toHaveLength(length);
    expect(values.at(-1)?.data[0]).toBe(length - 1);
  });
});
