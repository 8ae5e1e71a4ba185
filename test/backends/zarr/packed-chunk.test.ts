import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { createArray, openZarr, type ZarrArray } from "../../../backends/zarr/index.ts";
import type { ByteStore } from "../../../src/core/byte-store.ts";
import { type AxisSelection, arraysEqual, contiguous, ndArray, sliceArray } from "../../../src/core/nd-array.ts";

const shape = [9, 40, 52];
let state = 1;
const image = ndArray(
  Uint32Array.from({ length: 9 * 40 * 52 }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return i + (state >>> 26);
  }),
  shape,
);
/** Of which each plane is 128 KiB, and half of what a frame of Blosc that we write has in a block. */
const noise = ndArray(
  Uint16Array.from({ length: 8 * 256 * 256 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 20;
  }),
  [8, 256, 256],
);
const blosc = (configuration: object) => [
  { name: "bytes", configuration: { endian: "little" } },
  { name: "blosc", configuration: { cname: "zstd", clevel: 3, shuffle: "shuffle", blocksize: 4096, ...configuration } },
];
const layouts = {
  "blocks of Zstandard": { codecs: blosc({ typesize: 4 }) },
  "an item size that is not that of the elements": { codecs: blosc({ typesize: 3 }) },
  "no shuffle": { codecs: blosc({ shuffle: "noshuffle" }) },
  "blocks of LZ4": { codecs: blosc({ cname: "lz4" }) },
  "bit shuffle": { codecs: blosc({ shuffle: "bitshuffle" }) },
  "big-endian elements": {
    codecs: [{ name: "bytes", configuration: { endian: "big" } }, ...blosc({}).slice(1)],
  },
  "a checksum after it": { codecs: [...blosc({}), { name: "crc32c" }] },
  "shards of such chunks": { codecs: blosc({}), shardShape: [9, 80, 52], chunkShape: [9, 20, 26] },
};

const partOf = (length: number): fc.Arbitrary<AxisSelection> =>
  fc.oneof(
    fc.constant(null),
    fc.nat(length - 1),
    fc.tuple(fc.nat(length), fc.nat(length)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
  );

let root: string;
let disk: DiskStore;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "sluice-packed-"));
  disk = new DiskStore({ root, durability: "none" });
});
afterAll(() => rmSync(root, { recursive: true }));

/** A store that says how many bytes were read of it in place. */
function counting(store: DiskStore): { readonly store: ByteStore; bytes: number } {
  const counted = { store: store as ByteStore, bytes: 0 };
  const openInPlace = (key: string) => {
    const value = store.openInPlace(key);
    return (
      value && {
        byteLength: value.byteLength,
        etag: value.etag,
        read: (into: Uint8Array, offset: number) => {
          counted.bytes += into.byteLength;
          return value.read(into, offset);
        },
        close: () => value.close(),
      }
    );
  };
  const get = (target: DiskStore, name: keyof DiskStore) => {
    if (name === "openInPlace") return openInPlace;
    const value: unknown = target[name];
    return typeof value === "function" ? value.bind(target) : value;
  };
  counted.store = new Proxy(store, { get: get as never });
  return counted;
}

describe("parts of packed chunks", () => {
  for (const [name, layout] of Object.entries(layouts)) {
    it(`are those of the whole, near and far: ${name}`, async () => {
      const memory = new MemoryStore();
      const arrays: ZarrArray[] = [];
      for (const store of [disk, memory]) {
        const path = name.replaceAll(" ", "-");
        const made = await createArray(store, path, { shape, dtype: "uint32", chunkShape: [9, 40, 52], ...layout });
        await made.write([], image);
        arrays.push((await openZarr(store, path)) as ZarrArray);
      }
      await fc.assert(
        fc.asyncProperty(fc.tuple(...shape.map(partOf)), async (selection) => {
          const wanted = contiguous(sliceArray(image, selection));
          for (const array of arrays) expect(arraysEqual(await array.read(selection), wanted)).toBe(true);
        }),
        { numRuns: 60 },
      );
    });
  }

  it("move only the blocks that they are in", async () => {
    const chunk = { shape: noise.shape, dtype: "uint16", chunkShape: noise.shape, compressor: "blosc-zstd" } as const;
    await (await createArray(disk, "well", chunk)).write([], noise);
    const counted = counting(disk);
    const array = (await openZarr(counted.store, "well")) as ZarrArray;
    const stored = readFileSync(join(root, "well/c/0/0/0")).byteLength;
    const plane = await array.read([3]);
    expect(arraysEqual(plane, contiguous(sliceArray(noise, [3])))).toBe(true);
    expect(counted.bytes).toBeGreaterThan(0);
    // One plane of 128 KiB, out of one block of 256 KiB of four.
    expect(counted.bytes).toBeLessThan(0.3 * stored);
  });

  it("of damaged chunks are CORRUPT, with chunk and codec; those of other blocks are still read", async () => {
    const made = await createArray(disk, "hurt", {
      shape: noise.shape,
      dtype: "uint16",
      chunkShape: noise.shape,
      compressor: "blosc-zstd",
    });
    await made.write([], noise);
    const file = join(root, "hurt/c/0/0/0");
    const bytes = readFileSync(file);
    const second = bytes.readInt32LE(20);
    bytes.fill(0xff, second + 4, second + 30);
    writeFileSync(file, bytes);
    const array = (await openZarr(disk, "hurt")) as ZarrArray;
    await expect(array.read([2])).rejects.toMatchObject({
      code: "CORRUPT",
      message: expect.stringMatching(/Chunk \[0, 0, 0\] of "hurt" is damaged: codec "blosc"/),
    });
    expect(arraysEqual(await array.read([7]), contiguous(sliceArray(noise, [7])))).toBe(true);
    writeFileSync(file, bytes.subarray(0, 1000));
    await expect(array.read([7])).rejects.toMatchObject({ code: "CORRUPT" });
  });
});
