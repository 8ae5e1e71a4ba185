import { describe, expect, it } from "vitest";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { createArray, openZarr, type ZarrArray } from "../../../backends/zarr/index.ts";
import type { ByteStore, ReadOptions } from "../../../src/core/byte-store.ts";
import { type NdArray, zeros } from "../../../src/core/nd-array.ts";
import { FileManager } from "../../../src/io/file-manager.ts";
import { MeterStore } from "../../../src/layers/meter.ts";
import { memoryStore } from "./support.ts";

/** Stack of 60 planes of 512², none of them empty. */
const shape = [60, 512, 512];

async function stackOf(options: object): Promise<{ meter: Meter; array: ZarrArray }> {
  const store = memoryStore();
  const written = await createArray(store, "a", { shape, dtype: "uint8", compressor: "none", ...options });
  const plane = zeros([1, 512, 512], "uint8");
  for (let z = 0; z < 60; z++) {
    plane.data.fill((z + 1) as never);
    await written.write([[z, z + 1]], plane);
  }
  const meter = new Meter(store);
  return { meter, array: (await openZarr(meter, "a")) as ZarrArray };
}

/** Counts calls and bytes, and remembers which keys were read. */
class Meter extends MeterStore {
  readonly keys: string[] = [];

  constructor(inner: ByteStore) {
    super(inner);
  }

  override read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    this.keys.push(key);
    return super.read(key, options);
  }

  /** What something makes the store do. */
  async during(run: () => Promise<unknown>): Promise<{ keys: string[]; bytes: number; operations: string[] }> {
    this.keys.length = 0;
    const before = this.counts();
    await run();
    const after = this.counts();
    const bytesOf = (counts: typeof after) =>
      (counts.get("read")?.bytesOut ?? 0) + (counts.get("readRanges")?.bytesOut ?? 0);
    const bytes = bytesOf(after) - bytesOf(before);
    const operations = [...after].filter(([name, { count }]) => count > (before.get(name)?.count ?? 0));
    return { keys: [...this.keys].sort(), bytes, operations: operations.map(([name]) => name).sort() };
  }
}

describe("a read", () => {
  it("of one plane fetches its chunk and no other", async () => {
    const { meter, array } = await stackOf({ chunkShape: [1, 512, 512] });
    expect(await meter.during(() => array.read([17]))).toEqual({
      keys: ["a/c/17/0/0"],
      bytes: 512 * 512,
      operations: ["read"],
    });
  });

  it("of a region fetches the chunks that it touches and no other", async () => {
    const { meter, array } = await stackOf({ chunkShape: [1, 128, 128] });
    const region = [3, [100, 300], [256, 384]] as const;
    expect(await meter.during(() => array.read(region))).toEqual({
      keys: ["a/c/3/0/2", "a/c/3/1/2", "a/c/3/2/2"],
      bytes: 3 * 128 * 128,
      operations: ["read"],
    });
    expect(await meter.during(() => array.read([[5, 5]]))).toMatchObject({ keys: [] });
  });

  it("from a shard fetches the index once, and then the bytes of the chunks that it needs", async () => {
    const { meter, array } = await stackOf({ chunkShape: [1, 512, 512], shardShape: [20, 512, 512] });
    const index = 20 * 16 + 4;
    const first = await meter.during(() => array.read([21]));
    expect(first).toEqual({ keys: ["a/c/1/0/0", "a/c/1/0/0"], bytes: index + 512 * 512, operations: ["read", "stat"] });
    const second = await meter.during(() => array.read([39]));
    expect(second).toEqual({ keys: ["a/c/1/0/0"], bytes: 512 * 512, operations: ["read"] });
    // Two chunks of each of two shards: those of one shard by one request.
    const line = await meter.during(() => array.read([[38, 42], 0]));
    expect(line).toMatchObject({ bytes: 4 * 512 * 512 + index, operations: ["read", "readRanges", "stat"] });
    expect(line.keys).toEqual(["a/c/2/0/0"]);
  });

  it("of a part of a plane in small chunks of a shard moves only those", async () => {
    const { meter, array } = await stackOf({
      chunkShape: [1, 64, 64],
      shardShape: [60, 512, 512],
      indexLocation: "start",
    });
    const { bytes } = await meter.during(() => array.read([7, [64, 192], [0, 64]]));
    expect(bytes).toBe(60 * 64 * 16 + 4 + 2 * 64 * 64);
  });

  it("changes nothing in the store", async () => {
    const { meter, array } = await stackOf({ chunkShape: [60, 512, 512] });
    const { operations } = await meter.during(async () => {
      await array.read();
      await array.refresh();
      await openZarr(meter, "none").catch(() => {});
    });
    expect(operations).toEqual(["read"]);
  });
});

describe("a load by path", () => {
  const planes = Array.from({ length: 60 }, (_, z) => z);
  const layout = {
    axes: [{ name: "field" }, { name: "z" }],
    image: "field",
    coordinates: planes.map((z) => ({ field: 1, z })),
    row: "A",
    column: "01",
  };
  const items = planes.map((z) => {
    const plane = zeros([64, 64], "uint16");
    plane.data.fill((z + 1) as never);
    return plane;
  });

  for (const [chunks, wanted] of [["file", "c/17/0/0"] as const, ["well", "c/0/0/0"] as const]) {
    it(`of one plane of a well of 60, one chunk a ${chunks}, fetches its chunk and no other`, async () => {
      const store = memoryStore();
      const paths = planes.map((z) => `plate/z${z}.tif`);
      await new ZarrBackend(store).saveBatch(items, paths, { layout, chunks });
      const meter = new Meter(store);
      const files = new FileManager({ plates: new ZarrBackend(meter) });
      // What wells say is looked at once.
      await files.load(paths[3] as string, "plates");
      let loaded: unknown;
      const { keys } = await meter.during(async () => {
        loaded = await files.load(paths[17] as string, "plates", { selection: [[10, 12], null] } as object);
      });
      const { data, shape } = loaded as NdArray;
      expect([shape, new Set(data as Uint16Array)]).toEqual([[2, 64], new Set([18])]);
      expect(keys.filter((key) => key.includes("/c/"))).toEqual([expect.stringMatching(new RegExp(`/0/${wanted}$`))]);
    });
  }

  it("sees at once what another writer has put in the place of an array", async () => {
    const store = memoryStore();
    const [here, there] = [new ZarrBackend(store), new ZarrBackend(store, { ifExists: "replace" })];
    const of = (value: number, length: number, options: object = {}) => {
      const array = zeros([length, 4], "uint8");
      array.data.fill(value as never);
      return there.save(array, "a", options);
    };
    const seen = async () => {
      const { shape, data } = (await here.load("a", { selection: [[0, 2]] })) as NdArray;
      return [...shape, data[0]];
    };
    await of(1, 2);
    expect(await seen()).toEqual([2, 4, 1]);
    await of(2, 2);
    expect(await seen()).toEqual([2, 4, 2]);
    await of(3, 6, { chunkShape: [3, 4] });
    expect(await seen()).toEqual([2, 4, 3]);
    await of(4, 6, { chunkShape: [1, 4], shardShape: [3, 4] });
    expect(await seen()).toEqual([2, 4, 4]);
    await of(5, 6, { chunkShape: [1, 4], shardShape: [3, 4] });
    expect(await seen()).toEqual([2, 4, 5]);
    await there.delete("a");
    await expect(here.load("a")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
