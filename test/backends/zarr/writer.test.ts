import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openZarrArray, openZarrGroup } from "../../../backends/zarr/reader.ts";
import type { ByteStore, ByteWriter } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { arraysEqual } from "../../../src/core/nd-array.ts";
import { bytesOf, everyDType, frameOf, keysOf, memoryStore, readJson, writeFrames, writerOver } from "./support.ts";

const codecs = ["none", "blosc-zstd"] as const;
const frameBytes = 2 * 3 * 4;

/** A store with some of its methods replaced. */
function altered(store: ByteStore, changes: Partial<ByteStore>): ByteStore {
  return new Proxy(store, {
    get(target, key) {
      const value = (changes as Record<PropertyKey, unknown>)[key] ?? Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("ZarrWriter", () => {
  for (const codec of codecs) {
    for (const dtype of everyDType) {
      it(`writes ${dtype} frames (${codec}) that read back equal`, async () => {
        const store = memoryStore();
        await writeFrames(store, 5, [3, 4], {
          codec,
          dtype,
          shardBytes: 2 * frameOf(0, [3, 4], dtype).data.byteLength,
        });
        const array = await openZarrArray(store, "cam");
        expect(array.shape).toEqual([5, 3, 4]);
        expect(array.dtype).toBe(dtype);
        for (let i = 0; i < 5; i++) expect(arraysEqual(await array.frame(i), frameOf(i, [3, 4], dtype))).toBe(true);
      });
    }

    it(`writes frames of any shape in shards of any size (${codec}), equal`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
          fc.integer({ min: 0, max: 12 }),
          fc.integer({ min: 1, max: 2_000 }),
          fc.integer({ min: 1, max: 10_000 }),
          async (shape, count, shardBytes, maxBufferBytes) => {
            const store = memoryStore();
            await writeFrames(store, count, shape, { codec, shardBytes, maxBufferBytes });
            const array = await openZarrArray(store, "cam");
            expect(array.shape).toEqual([count, ...shape]);
            const all = await array.read();
            const expected = Array.from({ length: count }, (_, i) => bytesOf(frameOf(i, shape)));
            expect(Buffer.compare(bytesOf(all), Buffer.concat(expected))).toBe(0);
          },
        ),
        { numRuns: 60 },
      );
    });

    it(`takes frames larger than its blocks, transposed and reversed ones too (${codec})`, async () => {
      const store = memoryStore();
      const writer = writerOver(store, { codec, maxBufferBytes: 1 });
      writer.updateSource("cam", "uint16", [300, 500]);
      const sink = await writer.prepare("cam");
      await writer.kickoff();
      const tall = frameOf(1, [500, 300]);
      const transposed = { ...tall, shape: [300, 500], stride: [1, 300] };
      await sink.write(frameOf(0, [300, 500]));
      await sink.write(transposed);
      await sink.close();
      const array = await openZarrArray(store, "cam");
      expect(arraysEqual(await array.frame(0), frameOf(0, [300, 500]))).toBe(true);
      expect(arraysEqual(await array.frame(1), transposed)).toBe(true);
    });

    it(`copies a frame before its write resolves (${codec})`, async () => {
      const store = memoryStore();
      const writer = writerOver(store, { codec });
      writer.updateSource("cam", "uint16", [3, 4]);
      const sink = await writer.prepare("cam");
      await writer.kickoff();
      const frame = frameOf(0, [3, 4]);
      await sink.write(frame);
      frame.data.fill(0 as never);
      await sink.close();
      expect(arraysEqual(await (await openZarrArray(store, "cam")).frame(0), frameOf(0, [3, 4]))).toBe(true);
    });
  }

  it("makes one group with an array for each device, and each can be read as soon as the store is open", async () => {
    const store = memoryStore();
    const writer = writerOver(store);
    writer.updateMetadata({ sample: "beads", stage: { x: 1.5 } });
    writer.updateSource("cam", "uint16", [3, 4], { attributes: { gain: 2 }, dims: ["row", "column"] });
    writer.updateSource("rgb", "uint8", [3, 4, 3]);
    await writer.prepare("cam");
    await writer.prepare("rgb");
    await writer.kickoff();
    const group = await openZarrGroup(store);
    expect(group).toMatchObject({ attributes: { sample: "beads", stage: { x: 1.5 } }, arrays: ["cam", "rgb"] });
    const cam = await openZarrArray(store, "cam");
    expect(cam).toMatchObject({ shape: [0, 3, 4], chunkShape: [1, 3, 4], attributes: { gain: 2 } });
    expect(cam.dimensionNames).toEqual(["t", "row", "column"]);
    expect((await openZarrArray(store, "rgb")).dimensionNames).toHaveLength(4);
    await writer.close();
  });

  it("stores metadata that came while it was open", async () => {
    const store = memoryStore();
    const writer = writerOver(store);
    writer.updateSource("cam", "uint16", [3, 4]);
    await writer.prepare("cam");
    await writer.kickoff();
    writer.updateMetadata({ late: true });
    await writer.close();
    expect((await openZarrGroup(store)).attributes).toEqual({ late: true });
  });

  it("gives a shard no more frames than the capacity, and 256 MiB at most by default", async () => {
    const shardOf = async (capacity: number) => {
      const store = memoryStore();
      const writer = writerOver(store);
      writer.updateSource("cam", "uint16", [1024, 1024]);
      await writer.prepare("cam", capacity);
      await writer.kickoff();
      await writer.close();
      return (await readJson(store, "cam/zarr.json")).chunk_grid;
    };
    const grid = (frames: number) => ({ name: "regular", configuration: { chunk_shape: [frames, 1024, 1024] } });
    expect(await shardOf(7)).toEqual(grid(7));
    expect(await shardOf(0)).toEqual(grid(128));
    expect(await shardOf(1000)).toEqual(grid(128));
  });

  it("shows a shard only when it is whole, and then grows the shape", async () => {
    const store = memoryStore();
    const events: string[] = [];
    const watched = altered(store, {
      write: async (key, bytes, options) => {
        const parts = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes as Uint8Array[]);
        const { shape } = JSON.parse(new TextDecoder().decode(parts));
        if (shape) events.push(`shape ${shape[0]}`);
        return store.write(key, bytes, options);
      },
      openWriter: async (key, options) => {
        const inner = await store.openWriter(key, options);
        const close: ByteWriter["close"] = async (closing) => {
          const result = await inner.close(closing);
          events.push(`stored ${key}`);
          return result;
        };
        return {
          ...inner,
          byteLength: 0,
          write: inner.write.bind(inner),
          abort: inner.abort.bind(inner),
          close,
        } as ByteWriter;
      },
    });
    await writeFrames(watched, 5, [3, 4], { shardBytes: 2 * frameBytes });
    expect(events).toEqual([
      "shape 0",
      "stored cam/c/0/0/0",
      "shape 2",
      "stored cam/c/1/0/0",
      "shape 4",
      "stored cam/c/2/0/0",
      "shape 5",
    ]);
  });

  it("keeps every frame that any state of the metadata shows readable and equal", async () => {
    const store = memoryStore();
    const states: number[] = [];
    const watched = altered(store, {
      write: async (key, bytes, options) => {
        const result = await store.write(key, bytes, options);
        const array = key === "cam/zarr.json" ? await openZarrArray(store, "cam") : undefined;
        if (array === undefined) return result;
        states.push(array.shape[0]!);
        for (let i = 0; i < array.shape[0]!; i++) {
          expect(arraysEqual(await array.frame(i), frameOf(i, [3, 4]))).toBe(true);
        }
        return result;
      },
    });
    await writeFrames(watched, 11, [3, 4], { shardBytes: 3 * frameBytes, codec: "blosc-zstd" });
    expect(states).toEqual([0, 3, 6, 9, 11]);
  });

  it("fills the next shard while the one before is being published", async () => {
    const store = memoryStore();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = altered(store, {
      openWriter: async (key, options) => {
        const inner = await store.openWriter(key, options);
        const close = inner.close.bind(inner);
        if (key === "cam/c/0/0/0") inner.close = (closing) => held.then(() => close(closing));
        return inner;
      },
    });
    const writer = writerOver(slow, { shardBytes: 2 * frameBytes });
    writer.updateSource("cam", "uint16", [3, 4]);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    for (let i = 0; i < 3; i++) await sink.write(frameOf(i, [3, 4]));
    expect(await keysOf(store)).not.toContain("cam/c/0/0/0");
    release();
    await sink.close();
    expect((await openZarrArray(store, "cam")).shape[0]).toBe(3);
  });

  for (const codec of codecs) {
    it(`holds no more than its memory while the store is slow, and goes on when it is not (${codec})`, async () => {
      const shape = [64, 1024];
      const store = memoryStore();
      const releases: (() => void)[] = [];
      let underWay = 0;
      let most = 0;
      const slow = altered(store, {
        openWriter: async (key, options) => {
          const inner = await store.openWriter(key, options);
          const write = inner.write.bind(inner);
          inner.write = async (chunk, at) => {
            const bytes = chunk as Uint8Array;
            underWay += bytes.byteLength;
            most = Math.max(most, underWay);
            await new Promise<void>((resolve) => releases.push(resolve));
            underWay -= bytes.byteLength;
            return write(chunk, at);
          };
          return inner;
        },
      });
      const maxBufferBytes = 2 ** 20;
      const writer = writerOver(slow, { codec, maxBufferBytes });
      writer.updateSource("cam", "uint16", shape);
      const sink = await writer.prepare("cam");
      await writer.kickoff();
      let accepted = 0;
      const writes = Array.from({ length: 40 }, async (_, i) => {
        await sink.write(frameOf(i, shape));
        accepted++;
      });
      // 5 MiB offered, and nothing leaves: what is accepted lies in the writer's own memory.
      for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
      expect(accepted * 2 ** 17).toBeLessThanOrEqual(maxBufferBytes);
      expect(accepted).toBeGreaterThan(2);
      const closing = Promise.all(writes).then(() => sink.close());
      let isClosed = false;
      void closing.then(() => {
        isClosed = true;
      });
      while (!isClosed) {
        for (const release of releases.splice(0)) release();
        await new Promise(setImmediate);
      }
      await closing;
      expect(most).toBeLessThanOrEqual(maxBufferBytes);
      const array = await openZarrArray(store, "cam");
      for (let i = 0; i < 40; i++) expect(arraysEqual(await array.frame(i), frameOf(i, shape))).toBe(true);
    });
  }

  it("has at least two blocks under way to a store that takes them", async () => {
    const store = memoryStore();
    let underWay = 0;
    let most = 0;
    const watched = altered(store, {
      openWriter: async (key, options) => {
        const inner = await store.openWriter(key, options);
        const write = inner.write.bind(inner);
        inner.write = async (chunk, at) => {
          most = Math.max(most, ++underWay);
          await new Promise(setImmediate);
          await write(chunk, at);
          underWay--;
        };
        return inner;
      },
    });
    await writeFrames(watched, 8, [256, 1024], { maxBufferBytes: 2 ** 20 });
    expect(most).toBeGreaterThanOrEqual(2);
  });

  it("writes two devices at once, each frame in its own array", async () => {
    const store = memoryStore();
    const writer = writerOver(store, { shardBytes: 4 * frameBytes, codec: "blosc-zstd" });
    writer.updateSource("a", "uint16", [3, 4]);
    writer.updateSource("b", "float32", [5]);
    const a = await writer.prepare("a");
    const b = await writer.prepare("b");
    await writer.kickoff();
    const writes: Promise<number>[] = [];
    for (let i = 0; i < 20; i++) {
      writes.push(a.write(frameOf(i, [3, 4])));
      if (i % 2 === 0) writes.push(b.write(frameOf(100 + i, [5], "float32")));
    }
    await Promise.all(writes);
    await a.close();
    expect(writer.isOpen).toBe(true);
    await b.close();
    const [readA, readB] = [await openZarrArray(store, "a"), await openZarrArray(store, "b")];
    expect([readA.shape, readB.shape]).toEqual([
      [20, 3, 4],
      [10, 5],
    ]);
    for (let i = 0; i < 20; i++) expect(arraysEqual(await readA.frame(i), frameOf(i, [3, 4]))).toBe(true);
    for (let i = 0; i < 10; i++) {
      expect(arraysEqual(await readB.frame(i), frameOf(100 + 2 * i, [5], "float32"))).toBe(true);
    }
  });

  it("writes run after run, each into a store of its own", async () => {
    const stores = new Map([1, 2].map((run) => [`file://localhost/data/run-${run}.zarr`, memoryStore()]));
    const { ZarrWriter } = await import("../../../backends/zarr/writer.ts");
    const writer = new ZarrWriter("scan", async (uri) => stores.get(uri)!);
    writer.register("cam", "uint16", [3, 4]);
    for (const [uri, store] of stores) {
      writer.setUri(uri);
      await writer.open("cam");
      for (let i = 0; i < 4; i++) await writer.writeFrame("cam", frameOf(i, [3, 4]));
      const [resource, datum] = writer.collectStreamDocs("cam", 4);
      expect(resource?.[1]).toMatchObject({
        uri: `${uri}/cam`,
        mimetype: "application/x-zarr",
        parameters: { chunk_shape: [1, 3, 4], path: "cam", store_uri: uri, zarr_format: 3 },
      });
      expect(datum?.[1]).toMatchObject({ indices: { start: 0, stop: 4 } });
      await writer.close();
      expect((await openZarrArray(store, "cam")).shape[0]).toBe(4);
    }
  });

  it("never writes to a store that has anything in it", async () => {
    const store = memoryStore();
    await writeFrames(store, 2, [3, 4]);
    const before = await keysOf(store);
    const writer = writerOver(store);
    writer.updateSource("cam", "uint16", [3, 4]);
    await writer.prepare("cam");
    await expect(writer.kickoff()).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(writer.isOpen).toBe(false);
    expect(await keysOf(store)).toEqual(before);
    expect((await openZarrArray(store, "cam")).shape[0]).toBe(2);
  });

  it("takes neither a folder with other things in it, nor a group that it could not see", async () => {
    const open = async (store: ByteStore) => {
      const writer = writerOver(store);
      writer.updateSource("cam", "uint16", [3, 4]);
      await writer.prepare("cam");
      await writer.kickoff();
    };
    const used = memoryStore();
    await used.write("notes.txt", Uint8Array.of(1));
    await expect(open(used)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await keysOf(used)).toEqual(["notes.txt"]);

    const store = memoryStore();
    await writeFrames(store, 1, [3, 4]);
    const before = await keysOf(store);
    const blind = altered(store, { capabilities: { ...store.capabilities, list: false } });
    await expect(open(blind)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await keysOf(store)).toEqual(before);
  });

  it("leaves nothing behind when opening fails, so that it can be tried again", async () => {
    const store = memoryStore();
    let failures = 1;
    const flaky = altered(store, {
      write: async (key, bytes, options) => {
        if (key === "b/zarr.json" && failures-- > 0) throw new StorageError("NO_SPACE", "full");
        return store.write(key, bytes, options);
      },
    });
    const writer = writerOver(flaky);
    writer.updateMetadata({ kept: 1 });
    for (const name of ["a", "b"]) {
      writer.updateSource(name, "uint8", [2]);
      await writer.prepare(name);
    }
    await expect(writer.kickoff()).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(await keysOf(store)).toEqual([]);
    await writer.kickoff();
    await writer.close();
    expect((await openZarrGroup(store)).attributes).toEqual({ kept: 1 });
  });

  for (const codec of codecs) {
    it(`reports a shard that cannot be stored at the next write and at close, and counts what is there (${codec})`, async () => {
      const store = memoryStore();
      const full = altered(store, {
        openWriter: async (key, options) => {
          const inner = await store.openWriter(key, options);
          if (key === "cam/c/1/0/0") inner.close = () => Promise.reject(new StorageError("NO_SPACE", "full"));
          return inner;
        },
      });
      const writer = writerOver(full, { codec, shardBytes: 2 * frameBytes });
      writer.updateSource("cam", "uint16", [3, 4]);
      writer.updateSource("other", "uint16", [3, 4]);
      const sink = await writer.prepare("cam");
      const other = await writer.prepare("other");
      await writer.kickoff();
      await other.write(frameOf(7, [3, 4]));
      let refused = 0;
      for (let i = 0; i < 12; i++) {
        await sink.write(frameOf(i, [3, 4])).catch((error) => {
          expect(error).toMatchObject({ code: "NO_SPACE" });
          refused++;
        });
        await new Promise(setImmediate);
      }
      expect(refused).toBeGreaterThan(0);
      expect(writer.getIndicesWritten("cam")).toBe(2);
      await sink.close();
      await expect(other.close()).rejects.toMatchObject({ code: "NO_SPACE" });
      expect(writer.sources.get("cam")).toMatchObject({ framesWritten: 2, framesRejected: 10 });
      const array = await openZarrArray(store, "cam");
      expect(array.shape[0]).toBe(2);
      expect(arraysEqual(await array.frame(1), frameOf(1, [3, 4]))).toBe(true);
      expect(await keysOf(store)).not.toContain("cam/c/1/0/0");
      // The other device's frame was good, and it is there.
      expect(arraysEqual(await (await openZarrArray(store, "other")).frame(0), frameOf(7, [3, 4]))).toBe(true);
    });
  }

  it("counts what is there when the last shard fails at close", async () => {
    const store = memoryStore();
    const full = altered(store, {
      openWriter: (key, options) => {
        if (key === "cam/c/1/0/0") throw new StorageError("NO_SPACE", "full");
        return store.openWriter(key, options);
      },
    });
    const writer = writerOver(full, { codec: "blosc-zstd", shardBytes: 2 * frameBytes });
    writer.updateSource("cam", "uint16", [3, 4]);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    for (let i = 0; i < 3; i++) await sink.write(frameOf(i, [3, 4]));
    await expect(sink.close()).rejects.toMatchObject({ code: "NO_SPACE" });
    expect((await openZarrArray(store, "cam")).shape[0]).toBe(2);
    expect(writer.sources.get("cam")).toMatchObject({ framesWritten: 2, framesRejected: 1 });
  });

  it("shows no shard whose shape could not be stored", async () => {
    const store = memoryStore();
    const full = altered(store, {
      write: async (key, bytes, options) => {
        if (key === "cam/zarr.json" && (await keysOf(store)).length > 2) throw new StorageError("NO_SPACE", "full");
        return store.write(key, bytes, options);
      },
    });
    const writer = writerOver(full);
    writer.updateSource("cam", "uint16", [3, 4]);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    await sink.write(frameOf(0, [3, 4]));
    await expect(sink.close()).rejects.toMatchObject({ code: "NO_SPACE" });
    expect((await openZarrArray(store, "cam")).shape[0]).toBe(0);
    expect(writer.getIndicesWritten("cam")).toBe(0);
  });

  it.each([
    [{ codec: "lz4" }, /codec must be "none"/],
    [{ codec: { name: "blosc-zstd", level: 0 } }, /level: 1…9/],
    [{ shardBytes: 0 }, /shardBytes/],
    [{ maxBufferBytes: -1 }, /maxBufferBytes/],
    [{ durability: "some" }, /durability/],
    [{ shardByte: 1 }, /did you mean "shardBytes"/],
  ])("refuses the options %j by name", (options, message) => {
    expect(() => writerOver(memoryStore(), options as never)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(message) }),
    );
  });

  it("refuses array attributes that JSON cannot keep, before anything is written", async () => {
    const store = memoryStore();
    const writer = writerOver(store);
    writer.updateSource("cam", "uint8", [2], { attributes: { when: new Date() } });
    await writer.prepare("cam");
    await expect(writer.kickoff()).rejects.toMatchObject({ code: "INVALID_DATA" });
    expect(await keysOf(store)).toEqual([]);
  });
});
