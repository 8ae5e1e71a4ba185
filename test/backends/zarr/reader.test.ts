import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import * as zarrita from "zarrita";
import { DiskStore } from "../../../backends/disk/store.ts";
import { openZarr } from "../../../backends/zarr/index.ts";
import { type ArrayMetadata, encodeMetadata } from "../../../backends/zarr/metadata.ts";
import { openZarrArray, openZarrGroup } from "../../../backends/zarr/reader.ts";
import { ShardIndex } from "../../../backends/zarr/shard.ts";
import { ZarritaArray } from "../../../backends/zarr/zarrita-array.ts";
import { ZarritaStore } from "../../../backends/zarr/zarrita-store.ts";
import { crc32c } from "../../../src/codecs/crc32c.ts";
import { arraysEqual, ndArray, sliceArray } from "../../../src/core/nd-array.ts";
import { bytesOf, frameOf, keysOf, memoryStore, readJson, writeFrames } from "./support.ts";

const text = (document: unknown) => new TextEncoder().encode(JSON.stringify(document));

/** Metadata of a regular array of `uint16`, to be altered. */
function regular(changes: Partial<ArrayMetadata> = {}): ArrayMetadata {
  return {
    zarr_format: 3,
    node_type: "array",
    shape: [5, 6],
    data_type: "uint16",
    chunk_grid: { name: "regular", configuration: { chunk_shape: [2, 4] } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: 9,
    codecs: [{ name: "bytes", configuration: { endian: "little" } }],
    attributes: {},
    ...changes,
  };
}

describe("the Zarr reader", () => {
  it("reads any box of an array, as a slice of the whole", async () => {
    const store = memoryStore();
    await writeFrames(store, 7, [4, 5], { shardBytes: 3 * 40, codec: "blosc-zstd" });
    const array = await openZarrArray(store, "cam");
    const whole = await array.read();
    const axis = (length: number) =>
      fc.oneof(
        fc.constant(null),
        fc.integer({ min: -length, max: length - 1 }),
        fc.tuple(fc.nat(length), fc.nat(length)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
      );
    await fc.assert(
      fc.asyncProperty(fc.tuple(axis(7), axis(4), axis(5)), async (selection) => {
        expect(arraysEqual(await array.read(selection), sliceArray(whole, selection))).toBe(true);
      }),
    );
    await expect(array.frame(7)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(array.read([null, null, null, 0])).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    expect(arraysEqual(await array.frame(-1), frameOf(6, [4, 5]))).toBe(true);
  });

  it("gives memory that belongs to the caller", async () => {
    const store = memoryStore();
    await writeFrames(store, 1, [3, 4]);
    const array = await openZarrArray(store, "cam");
    (await array.frame(0)).data.fill(0 as never);
    expect(arraysEqual(await array.frame(0), frameOf(0, [3, 4]))).toBe(true);
  });

  it("fills what was never stored", async () => {
    const store = memoryStore();
    await store.write("zarr.json", encodeMetadata(regular()));
    await store.write(
      "c/0/1",
      bytesOf(
        ndArray(
          Uint16Array.from({ length: 8 }, (_, i) => i),
          [2, 4],
        ),
      ),
    );
    const array = await openZarrArray(store);
    expect([...(await array.read([1])).data]).toEqual([9, 9, 9, 9, 4, 5]);
    expect([...(await array.read([4])).data]).toEqual([9, 9, 9, 9, 9, 9]);
    // A whole chunk of it too belongs to the caller.
    const chunk = await array.read([
      [0, 2],
      [0, 4],
    ]);
    chunk.data.fill(1 as never);
    expect([...(await array.read([0, [0, 4]])).data]).toEqual([9, 9, 9, 9]);
  });

  it("reads big-endian, transposed, gzipped and checksummed chunks", async () => {
    const store = memoryStore();
    const codecs = [
      { name: "transpose", configuration: { order: [1, 0] } },
      { name: "bytes", configuration: { endian: "big" } },
      { name: "gzip", configuration: { level: 1 } },
      { name: "crc32c" },
    ];
    const metadata = regular({
      shape: [2, 3],
      codecs,
      chunk_grid: { name: "regular", configuration: { chunk_shape: [2, 3] } },
      chunk_key_encoding: { name: "v2" },
    });
    await store.write("a/zarr.json", encodeMetadata(metadata));
    const packed = gzipSync(Uint8Array.of(0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6));
    const checksum = new Uint8Array(4);
    new DataView(checksum.buffer).setUint32(0, crc32c(packed), true);
    await store.write("a/0.0", [packed, checksum]);
    const array = await openZarrArray(store, "a");
    expect([...(await array.read()).data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...(await array.read([null, 1])).data]).toEqual([2, 5]);
    checksum[0]! ^= 1;
    await store.write("a/0.0", [packed, checksum]);
    await expect(array.read()).rejects.toMatchObject({
      code: "CORRUPT",
      message: expect.stringMatching(/Chunk \[0, 0\]/),
    });
  });

  it("refuses a shard with a damaged index, or one that points beyond the end, as CORRUPT", async () => {
    const store = memoryStore();
    await writeFrames(store, 2, [3, 4]);
    const shard = await store.read("cam/c/0/0/0");
    const damaged = shard.slice();
    damaged[damaged.length - 20]! ^= 1;
    await store.write("cam/c/0/0/0", damaged);
    const array = await openZarrArray(store, "cam");
    await expect(array.frame(0)).rejects.toMatchObject({ code: "CORRUPT" });
    // The index is right; the frames before it are gone.
    await store.write("cam/c/0/0/0", shard.slice(-shard.length + 48));
    await expect(array.frame(1)).rejects.toMatchObject({ code: "CORRUPT" });
    await store.write("cam/c/0/0/0", shard.slice(0, 10));
    await expect(array.frame(1)).rejects.toMatchObject({ code: "CORRUPT" });
    await store.write("cam/c/0/0/0", shard);
    expect(arraysEqual(await array.frame(1), frameOf(1, [3, 4]))).toBe(true);
  });

  it("sees a shard that was replaced, and one that came later", async () => {
    const store = memoryStore();
    await writeFrames(store, 2, [3, 4]);
    const array = await openZarrArray(store, "cam");
    expect(arraysEqual(await array.frame(0), frameOf(0, [3, 4]))).toBe(true);
    // The same frames in another order within the shard: an index from before would find the wrong one.
    const shard = await store.read("cam/c/0/0/0");
    const index = new ShardIndex((shard.length - 48 - 4) / 16);
    index.set(0, 24, 24);
    index.set(1, 0, 24);
    await store.write("cam/c/0/0/0", [shard.subarray(24, 48), shard.subarray(0, 24), index.encode()]);
    expect(arraysEqual(await array.frame(0), frameOf(0, [3, 4]))).toBe(true);
    expect(arraysEqual(await array.frame(1), frameOf(1, [3, 4]))).toBe(true);
    await store.delete("cam/c/0/0/0");
    expect((await array.frame(0)).data.every((value) => value === 0)).toBe(true);
    await store.write("cam/c/0/0/0", shard);
    expect(arraysEqual(await array.frame(0), frameOf(0, [3, 4]))).toBe(true);
  });

  it("follows an array that grows", async () => {
    const store = memoryStore();
    await writeFrames(store, 4, [3, 4], { shardBytes: 48 });
    const metadata = await readJson(store, "cam/zarr.json");
    await store.write("cam/zarr.json", text({ ...metadata, shape: [2, 3, 4] }));
    const array = await openZarrArray(store, "cam");
    expect(array.shape[0]).toBe(2);
    await store.write("cam/zarr.json", text(metadata));
    await array.refresh();
    expect(array.shape[0]).toBe(4);
    expect(arraysEqual(await array.frame(3), frameOf(3, [3, 4]))).toBe(true);
    await store.write("cam/zarr.json", text({ ...metadata, data_type: "int16" }));
    await expect(array.refresh()).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("reads names that are special in URLs", async () => {
    const store = memoryStore();
    const source = "cam #1 %20?ü";
    await writeFrames(store, 1, [2], { source });
    expect((await openZarrGroup(store)).arrays).toEqual([source]);
    expect(arraysEqual(await (await openZarrArray(store, source)).frame(0), frameOf(0, [2]))).toBe(true);
  });

  it("reads Zarr v2, and leaves codecs it does not have to zarrita", async () => {
    const store = memoryStore();
    await store.write(
      "old/.zarray",
      text({
        zarr_format: 2,
        shape: [2, 3],
        chunks: [1, 3],
        dtype: ">i2",
        compressor: null,
        fill_value: 0,
        order: "C",
        filters: null,
      }),
    );
    await store.write("old/.zattrs", text({ unit: "mV" }));
    await store.write("old/0.0", Uint8Array.of(0, 1, 0, 2, 255, 253));
    const old = await openZarrArray(store, "old");
    expect(old).toMatchObject({ shape: [2, 3], chunkShape: [1, 3], dtype: "int16", attributes: { unit: "mV" } });
    expect(arraysEqual(await old.read(), ndArray(Int16Array.of(1, 2, -3, 0, 0, 0), [2, 3]))).toBe(true);
    expect([...(await old.read([0, [1, 3]])).data]).toEqual([2, -3]);

    const shuffle = [
      { name: "bytes", configuration: { endian: "little" } },
      { name: "numcodecs.shuffle", configuration: { elementsize: 2 } },
    ];
    const source = new ZarritaStore(store, "");
    const written = await zarrita.create(
      { get: source.get.bind(source), set: async (key, value) => void (await store.write(key.slice(1), value)) },
      { shape: [4], chunkShape: [4], dtype: "uint16", fillValue: 0, codecs: shuffle },
    );
    await zarrita.set(written, null, { data: Uint16Array.of(5, 6, 7, 8), shape: [4], stride: [1] });
    const foreign = await openZarrArray(store);
    expect(foreign).toBeInstanceOf(ZarritaArray);
    expect([...(await foreign.read()).data]).toEqual([5, 6, 7, 8]);
  });

  it("says what is there instead, and what is not there", async () => {
    const store = memoryStore();
    await writeFrames(store, 1, [2]);
    await expect(openZarrArray(store)).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(openZarrGroup(store, "cam")).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(openZarr(store, "nothing")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await store.write("x/zarr.json", encodeMetadata(regular({ data_type: "complex64" })));
    await expect(openZarrArray(store, "x")).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
    await store.write("y/.zarray", text({ zarr_format: 2, dtype: "<c8", shape: [1], chunks: [1] }));
    await expect(openZarrArray(store, "y")).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
    await store.write("x/c/0/0", new Uint8Array(16));
    await store.write("x/zarr.json", encodeMetadata(regular({ codecs: [{ name: "bytes" }, { name: "magic" }] })));
    await expect(openZarrArray(store, "x").then((array) => array.read())).rejects.toMatchObject({
      code: "UNSUPPORTED",
    });
  });

  it("has no side effects: keys and bytes are as before", async () => {
    const store = memoryStore();
    await writeFrames(store, 3, [2]);
    const look = async () =>
      Promise.all(
        (await keysOf(store)).map(async (key) => [key, (await store.stat(key)).etag, (await store.read(key)).length]),
      );
    const before = await look();
    const group = await openZarr(store);
    expect(group.kind).toBe("group");
    await (await openZarrArray(store, "cam")).read();
    await openZarr(store, "nothing").catch(() => {});
    expect(await look()).toEqual(before);
  });

  it("stops when it is aborted", async () => {
    const store = memoryStore();
    await writeFrames(store, 3, [2]);
    const array = await openZarrArray(store, "cam");
    await expect(array.read([], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("zarrita over our stores", () => {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  });

  for (const codec of ["none", "blosc-zstd"] as const) {
    it(`reads what we write on disk (${codec})`, async () => {
      const root = await mkdtemp(join(tmpdir(), "sluice-zarrita-"));
      folders.push(root);
      await using store = new DiskStore({ root, durability: "none" });
      await writeFrames(store, 5, [6, 7], { codec, shardBytes: 2 * 84 });
      const array = await zarrita.open.v3(new ZarritaStore(store, "cam"), { kind: "array" });
      const { data, shape } = await zarrita.get(array);
      expect(shape).toEqual([5, 6, 7]);
      const expected = Buffer.concat(Array.from({ length: 5 }, (_, i) => bytesOf(frameOf(i, [6, 7]))));
      expect(Buffer.compare(Buffer.from((data as Uint16Array).buffer), expected)).toBe(0);
    });
  }

  it("gets no zeros beyond the end of a value", async () => {
    const store = memoryStore();
    await store.write("k", Uint8Array.of(1, 2, 3, 4, 5));
    const source = new ZarritaStore(store, "");
    expect([...(await source.getRange("/k", { offset: 3, length: 10 }))!]).toEqual([4, 5]);
    expect([...(await source.getRange("/k", { suffixLength: 9 }))!]).toEqual([1, 2, 3, 4, 5]);
    expect(await source.get("/none")).toBeUndefined();
  });
});
