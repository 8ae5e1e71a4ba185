import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { createArray, openZarr, type ZarrArray } from "../../../backends/zarr/index.ts";
import { type AxisSelection, arraysEqual, contiguous, ndArray, sliceArray } from "../../../src/core/nd-array.ts";

const shape = [7, 50, 61];
const image = ndArray(
  Uint16Array.from({ length: 7 * 50 * 61 }, (_, i) => (i * 40503) % 65521),
  shape,
);
const layouts = {
  plain: { chunkShape: [2, 16, 16], compressor: "none" },
  "plain, big-endian": {
    chunkShape: [2, 16, 16],
    codecs: [{ name: "bytes", configuration: { endian: "big" } }],
  },
  "plain shards": { chunkShape: [1, 16, 16], shardShape: [4, 32, 64], compressor: "none" },
  planes: { chunkShape: [1, 50, 61], compressor: "none" },
  "one chunk": { chunkShape: shape, compressor: "none" },
  packed: { chunkShape: [2, 16, 16], compressor: "blosc-zstd" },
  "packed shards": { chunkShape: [1, 16, 16], shardShape: [4, 32, 64], compressor: "zstd" },
} as const;

let root: string;
let near: DiskStore;
const arrays = new Map<string, readonly [near: ZarrArray, far: ZarrArray]>();

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "sluice-in-place-"));
  near = new DiskStore({ root, durability: "none" });
  const far = new DiskStore({ root, durability: "none", inPlace: "never" });
  for (const [name, layout] of Object.entries(layouts)) {
    const made = await createArray(near, name, { shape, dtype: "uint16", ...(layout as object) });
    await made.write([], image);
    const open = async (store: DiskStore) => (await openZarr(store, name)) as ZarrArray;
    arrays.set(name, [await open(near), await open(far)]);
  }
});
afterAll(() => rmSync(root, { recursive: true }));

/** A range, an index or all of an axis. */
const partOf = (length: number): fc.Arbitrary<AxisSelection> =>
  fc.oneof(
    fc.constant(null),
    fc.nat(length - 1),
    fc.tuple(fc.nat(length), fc.nat(length)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
  );

describe("what is read in place", () => {
  for (const name of Object.keys(layouts)) {
    it(`is what is read otherwise: ${name}`, async () => {
      const [here, there] = arrays.get(name) as readonly [ZarrArray, ZarrArray];
      await fc.assert(
        fc.asyncProperty(fc.tuple(...shape.map(partOf)), async (selection) => {
          const wanted = contiguous(sliceArray(image, selection));
          const found = await here.read(selection);
          expect(found.shape).toEqual(wanted.shape);
          expect(arraysEqual(found, wanted)).toBe(true);
          expect(arraysEqual(await there.read(selection), wanted)).toBe(true);
        }),
        { numRuns: 60 },
      );
    });
  }

  it("has the fill value where nothing is stored", async () => {
    const options = { shape: [8, 8], dtype: "uint16", chunkShape: [4, 4], compressor: "none", fillValue: 9 } as const;
    for (const extra of [{}, { shardShape: [8, 8] }]) {
      const array = await createArray(near, `sparse-${Object.keys(extra)}`, { ...options, ...extra });
      await array.write([[4, 8]], ndArray(new Uint16Array(32).fill(1), [4, 8]));
      await setImmediate();
      const { data } = await array.read([
        [2, 6],
        [2, 6],
      ]);
      expect([...data]).toEqual([9, 9, 9, 9, 9, 9, 9, 9, 1, 1, 1, 1, 1, 1, 1, 1]);
    }
  });

  it("is the new shard as soon as it is replaced", async () => {
    const options = { shape: [4, 4], dtype: "uint8", chunkShape: [2, 2], shardShape: [4, 4] } as const;
    const array = await createArray(near, "replaced", { ...options, compressor: "none" });
    const reader = (await openZarr(near, "replaced")) as ZarrArray;
    for (let value = 1; value <= 20; value++) {
      await array.write([], ndArray(new Uint8Array(16).fill(value), [4, 4]));
      await setImmediate();
      const { data } = await reader.read([
        [1, 3],
        [1, 3],
      ]);
      expect([...data]).toEqual([value, value, value, value]);
    }
  });

  it("is CORRUPT, by the name of the chunk, if a chunk was cut short", async () => {
    const array = await createArray(near, "cut", { shape: [8], dtype: "uint16", chunkShape: [4], compressor: "none" });
    await array.write([], ndArray(new Uint16Array(8).fill(1)));
    truncateSync(join(root, "cut/c/1"), 6);
    for (const selection of [[], [[3, 5]], [[4, 8]], [5]] as AxisSelection[][]) {
      await setImmediate();
      await expect(array.read(selection)).rejects.toMatchObject({
        code: "CORRUPT",
        message: expect.stringContaining("Chunk [1]"),
      });
    }
  });
});
