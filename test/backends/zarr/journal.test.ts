import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { openLiveFrames, recoverZarr } from "../../../backends/zarr/index.ts";
import type { ZarrOptions } from "../../../backends/zarr/options.ts";
import { openZarrArray } from "../../../backends/zarr/reader.ts";
import {
  chunkChecksum,
  decodeHeader,
  decodeRecords,
  encodeHeader,
  JournalRecords,
  RECORD_BYTES,
} from "../../../backends/zarr/shard-journal.ts";
import { ZarrWriter } from "../../../backends/zarr/writer.ts";
import type { ByteWriter } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import type { UnfinishedValue } from "../../../src/core/journalled-write.ts";
import { PrefixStore } from "../../../src/layers/prefix.ts";
import { findUnfinished } from "../../../src/layers/unfinished.ts";
import { filesBelow } from "./announced.ts";
import { bytesOf, frameOf, keysOf, memoryStore, readJson, writerOver } from "./support.ts";

const shape = [16, 16];

describe("records", () => {
  const records = new JournalRecords(3);
  records.set(0, 0, 512, 7);
  records.set(1, 512, 2 ** 33, 0xffffffff);
  records.set(2, 512 + 2 ** 33, 1, 0);
  const bytes = records.slice(0, 3);
  const expected = [
    { offset: 0, length: 512, crc32: 7 },
    { offset: 512, length: 2 ** 33, crc32: 0xffffffff },
    { offset: 512 + 2 ** 33, length: 1, crc32: 0 },
  ];

  it("are read back, from any one on", () => {
    expect(decodeRecords(bytes)).toEqual(expected);
    expect(decodeRecords(records.slice(1, 3), 1)).toEqual(expected.slice(1));
  });

  it("end where one is cut short", () => {
    for (let length = 0; length < bytes.length; length++) {
      const whole = Math.floor(length / RECORD_BYTES);
      expect(decodeRecords(bytes.subarray(0, length))).toEqual(expected.slice(0, whole));
    }
  });

  it("end where a bit is another", () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeRecords(damaged)).toEqual(expected.slice(0, Math.floor(bit / 8 / RECORD_BYTES)));
    }
  });

  it("end where one is missing", () => {
    expect(decodeRecords(Buffer.concat([records.slice(0, 1), records.slice(2, 3)]))).toEqual(expected.slice(0, 1));
  });

  it("follow a header, of which nothing may be another", () => {
    const header = encodeHeader({ shard: 3, chunksPerShard: 16 });
    expect(Buffer.from(header.subarray(0, 16)).toString("hex")).toBe("534c5a53485244010300000010000000");
    expect(decodeHeader(header)).toEqual({ shard: 3, chunksPerShard: 16 });
    for (let at = 0; at < RECORD_BYTES; at++) {
      const damaged = header.slice();
      damaged[at]! ^= 1;
      expect(decodeHeader(damaged)).toBeUndefined();
    }
    expect(decodeHeader(header.subarray(0, RECORD_BYTES - 1))).toBeUndefined();
  });

  it("have the checksum that gzip has", () => {
    expect(chunkChecksum(Buffer.from("123456789"))).toBe(0xcbf43926);
    expect(chunkChecksum(Buffer.from("6789"), chunkChecksum(Buffer.from("12345")))).toBe(0xcbf43926);
  });
});

describe("an open shard", () => {
  let root = "";
  beforeEach(async () => {
    root = join(await mkdtemp(join(tmpdir(), "sluice-journal-")), "run.zarr");
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** A writer that has announced some frames. */
  async function recording(count: number, options: ZarrOptions = {}, store = new DiskStore({ root })) {
    const writer = new ZarrWriter("run", async () => store, { uri: pathToFileURL(root).href, ...options });
    writer.updateSource("cam", "uint16", shape);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    for (let i = 0; i < count; i++) await sink.write(frameOf(i, shape));
    for await (const announced of writer.observeIndicesWritten({ name: "cam" })) if (announced >= count) break;
    return { store, writer, sink };
  }

  /** A writer whose store was closed under it: what it had announced is set aside, as after a kill. */
  async function orphan(count: number, options: ZarrOptions = {}): Promise<DiskStore> {
    const whole = options.shardBytes === undefined ? 0 : count - (count % (options.shardBytes / 512));
    let show = () => {};
    const shown = new Promise<void>((resolve) => (show = resolve));
    class Watched extends DiskStore {
      override async write(...args: Parameters<DiskStore["write"]>): ReturnType<DiskStore["write"]> {
        const written = await super.write(...args);
        const [key] = args;
        const { shape } =
          key === "cam/zarr.json" ? ((await readJson(this, key)) as { shape: number[] }) : { shape: [] };
        if (shape[0] === whole) show();
        return written;
      }
    }
    const { store, writer } = await recording(count, options, new Watched({ root }));
    // Frames are announced before their shard is shown.
    await shown;
    await store.close();
    await expect(writer.close()).rejects.toThrow();
    return new DiskStore({ root });
  }

  async function expectFrames(store: DiskStore, count: number): Promise<void> {
    const array = await openZarrArray(store, "cam");
    expect(array.shape[0]).toBe(count);
    for (let i = 0; i < count; i++) expect(bytesOf(await array.frame(i))).toEqual(bytesOf(frameOf(i, shape)));
  }

  it("can be read frame by frame by others, and keeps what they see out of the listing", async () => {
    const { store, sink, writer } = await recording(3);
    await using other = new DiskStore({ root });
    const live = await openLiveFrames(other, "cam");
    expect([live.dtype, live.frameShape, live.path]).toEqual(["uint16", shape, "cam"]);
    expect(await live.length()).toBe(3);
    for (const i of [2, 0, 1]) expect(bytesOf(await live.at(i))).toEqual(bytesOf(frameOf(i, shape)));
    expect(bytesOf(await live.at(-1))).toEqual(bytesOf(frameOf(2, shape)));
    for (const index of [3, -4]) await expect(live.at(index)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(live.at(0.5)).rejects.toThrow();
    expect(await keysOf(other)).toEqual(["cam/zarr.json", "zarr.json"]);
    expect((await openZarrArray(other, "cam")).shape[0]).toBe(0);
    await sink.write(frameOf(3, shape));
    for await (const count of writer.observeIndicesWritten({ name: "cam" })) if (count === 4) break;
    expect(bytesOf(await live.at(3))).toEqual(bytesOf(frameOf(3, shape)));
    await writer.close();
    expect(await live.length()).toBe(4);
    expect(bytesOf(await live.at(3))).toEqual(bytesOf(frameOf(3, shape)));
    expect((await filesBelow(root)).filter((path) => path.includes(".sluice"))).toEqual([]);
    await store.close();
  });

  it("is not touched while its writer lives, nor taken for a leftover", async () => {
    const { store, writer } = await recording(3);
    const before = await filesBelow(root);
    await using other = new DiskStore({ root });
    expect(await recoverZarr(other, { remove: true, olderThanMs: 0 })).toEqual([]);
    expect(await other.removeLeftovers({ olderThanMs: 0 })).toEqual([]);
    expect(await filesBelow(root)).toEqual(before);
    await writer.close();
    await expectFrames(store, 3);
  });

  it("is finished with the frames that were announced; before, nothing changes", async () => {
    await using store = await orphan(5, { shardBytes: 8 * 512 });
    const before = await filesBelow(root);
    const found = { key: "cam/c/0/0/0", kind: "shard", frames: 5, lostFrames: 0 };
    expect(await recoverZarr(store)).toMatchObject([found]);
    expect(await store.removeLeftovers()).toEqual([]);
    expect(await filesBelow(root)).toEqual(before);
    await expectFrames(store, 0);
    expect(await recoverZarr(store, { finish: true })).toMatchObject([found]);
    await expectFrames(store, 5);
    expect(await recoverZarr(store, { finish: true })).toEqual([]);
    expect((await filesBelow(root)).filter((path) => path.includes(".sluice"))).toEqual([]);
    // Five chunks, and an index of eight entries with its checksum: nothing behind them.
    expect(await readFile(join(root, "cam/c/0/0/0"))).toHaveLength(5 * 512 + 8 * 16 + 4);
  });

  it("is finished by one of several", async () => {
    await using store = await orphan(5);
    await using other = new DiskStore({ root });
    const found = await Promise.all([store, other].map((one) => recoverZarr(one, { finish: true })));
    expect(found.flat().length).toBeGreaterThan(0);
    await expectFrames(store, 5);
  });

  it("is finished behind the shards before it, also seen through a prefix", async () => {
    const inner = await orphan(10, { shardBytes: 4 * 512 });
    await using above = new DiskStore({ root: join(root, "..") });
    const store = new PrefixStore(above, "run.zarr");
    expect(await recoverZarr(store)).toMatchObject([{ key: "cam/c/2/0/0", frames: 2 }]);
    expect(await (await openLiveFrames(store, "cam")).length()).toBe(10);
    await recoverZarr(store, { remove: true });
    await expectFrames(inner, 10);
    await inner.close();
  });

  it("that was published, but not shown, is shown", async () => {
    const { store, writer } = await recording(4, { shardBytes: 8 * 512 });
    const journal = (await filesBelow(root)).find((path) => path.endsWith("j")) as string;
    const kept = await readFile(journal);
    await writer.close();
    await writeFile(journal, kept);
    const metadata = await readJson(store, "cam/zarr.json");
    await store.write("cam/zarr.json", Buffer.from(JSON.stringify({ ...metadata, shape: [0, ...shape] })));
    await using other = new DiskStore({ root });
    const live = await openLiveFrames(other, "cam");
    expect(await live.length()).toBe(4);
    expect(bytesOf(await live.at(3))).toEqual(bytesOf(frameOf(3, shape)));
    // Its process lives: this one. The name of another makes it an orphan.
    await rm(journal);
    await writeFile(journal.replace(/\.\d+\.\d+\.v/, ".4194303.1.v"), kept);
    expect(await recoverZarr(other, { finish: true })).toMatchObject([{ frames: 4, lostFrames: 0 }]);
    await expectFrames(store, 4);
    expect((await filesBelow(root)).filter((path) => path.includes(".sluice"))).toEqual([]);
  });

  it("whose bytes were lost in part has the frames before them", async () => {
    await using store = await orphan(5);
    const data = (await filesBelow(root)).find((path) => path.endsWith("d")) as string;
    const bytes = await readFile(data);
    bytes[3 * 512 + 100]! ^= 1;
    await writeFile(data, bytes);
    await expect((await openLiveFrames(store, "cam")).at(3)).rejects.toMatchObject({ code: "CORRUPT" });
    expect(await recoverZarr(store, { finish: true })).toMatchObject([{ frames: 3, lostFrames: 2 }]);
    await expectFrames(store, 3);
  });

  it("that was published, and could not be shown by a process that lives on, is shown by the next", async () => {
    class Unwilling extends DiskStore {
      isWilling = true;
      override write(...args: Parameters<DiskStore["write"]>): ReturnType<DiskStore["write"]> {
        return this.isWilling ? super.write(...args) : Promise.reject(new StorageError("NO_SPACE", "No room"));
      }
    }
    const store = new Unwilling({ root });
    const { writer } = await recording(3, {}, store);
    store.isWilling = false;
    await expect(writer.close()).rejects.toThrow();
    expect(writer.getIndicesWritten("cam")).toBe(3);
    store.isWilling = true;
    await expectFrames(store, 0);
    expect(await recoverZarr(store, { finish: true })).toMatchObject([{ frames: 3, lostFrames: 0 }]);
    await expectFrames(store, 3);
    expect((await filesBelow(root)).filter((path) => path.includes(".sluice"))).toEqual([]);
    await store.close();
  });

  it("is not shown behind a gap, and stays for whoever can fill it", async () => {
    const { store, writer } = await recording(6, { shardBytes: 4 * 512 });
    const array = await openZarrArray(store, "cam");
    while (array.shape[0] !== 4) await array.refresh();
    await store.close();
    await expect(writer.close()).rejects.toThrow();
    await using other = new DiskStore({ root });
    // The first shard is gone, and with it the frames that the shape had shown.
    const metadata = await readJson(other, "cam/zarr.json");
    await other.write("cam/zarr.json", Buffer.from(JSON.stringify({ ...metadata, shape: [0, ...shape] })));
    await other.delete("cam/c/0/0/0");
    const gap = { key: "cam/c/1/0/0", frames: 0, lostFrames: 2 };
    expect(await recoverZarr(other, { finish: true })).toMatchObject([gap]);
    expect(await recoverZarr(other, { finish: true })).toMatchObject([gap]);
    await expectFrames(other, 0);
  });

  it("without a single record goes away", async () => {
    await using store = await orphan(1);
    const journal = (await filesBelow(root)).find((path) => path.endsWith("j")) as string;
    const size = (await readFile(journal)).length;
    await truncate(journal, size - 1);
    expect(await recoverZarr(store, { finish: true })).toMatchObject([{ frames: 0, lostFrames: 0 }]);
    await expectFrames(store, 0);
    expect((await filesBelow(root)).filter((path) => path.includes(".sluice"))).toEqual([]);
  });

  it("of another machine is finished only when it has been quiet for long", async () => {
    await using store = await orphan(3);
    for (const path of await filesBelow(root)) {
      if (!path.includes(".sluice-tmp-")) continue;
      const bytes = await readFile(path);
      await rm(path);
      await writeFile(path.replace(/\.sluice-tmp-[a-z0-9-]+\./, ".sluice-tmp-elsewhere.").replace(".w", ".v"), bytes);
    }
    expect(await recoverZarr(store, { finish: true })).toEqual([]);
    const nowMs = Date.now() + 60_000;
    expect(await recoverZarr(store, { finish: true, olderThanMs: 120_000, nowMs })).toEqual([]);
    expect(await recoverZarr(store, { finish: true, olderThanMs: 30_000, nowMs })).toMatchObject([{ frames: 3 }]);
    await expectFrames(store, 3);
  });

  it("keeps what was announced when the store takes no more, and says so", async () => {
    class Full extends DiskStore {
      room = Number.POSITIVE_INFINITY;
      override async openWriter(...args: Parameters<DiskStore["openWriter"]>): Promise<ByteWriter> {
        const writer = await super.openWriter(...args);
        const write = writer.write.bind(writer);
        writer.write = async (chunk, options) => {
          if ((options?.position ?? 0) >= this.room) throw new StorageError("NO_SPACE", "The device is full");
          return write(chunk, options);
        };
        return writer;
      }
    }
    const store = new Full({ root });
    const { writer, sink } = await recording(4, {}, store);
    store.room = 4 * 512;
    await sink.write(frameOf(4, shape));
    await expect(writer.close()).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(writer.sources.get("cam")).toMatchObject({ framesWritten: 4, framesRejected: 1 });
    expect(writer.getIndicesWritten("cam")).toBe(4);
    await expectFrames(store, 4);
    await store.close();
  });

  it("has no journal where it is not wanted, or one frame is a shard", async () => {
    for (const options of [{ journal: "never" }, { shard: "frame" }] as const) {
      const { store, writer } = await recording(1, options);
      const values: UnfinishedValue[] = [];
      for await (const value of findUnfinished(store)) values.push(value);
      expect(values).toEqual([]);
      expect(writer.getIndicesWritten("cam")).toBe(1);
      await writer.close();
      await store.close();
      await rm(root, { recursive: true });
    }
  });
});

describe("a frame that is a shard", () => {
  it("is stored and shown when its write resolves, over any store", async () => {
    const store = memoryStore();
    const writer = writerOver(store, { shard: "frame", codec: "blosc-zstd" });
    writer.updateSource("cam", "uint16", shape);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    const array = await openZarrArray(store, "cam");
    for (let i = 0; i < 5; i++) {
      await sink.write(frameOf(i, shape));
      await array.refresh();
      expect(array.shape[0]).toBe(i + 1);
      expect(bytesOf(await array.frame(i))).toEqual(bytesOf(frameOf(i, shape)));
    }
    await sink.close();
    expect((await keysOf(store)).filter((key) => key.includes("/c/"))).toHaveLength(5);
  });

  it("is refused where it cannot be stored, and those before it stay", async () => {
    const store = memoryStore(4000);
    const writer = writerOver(store, { shard: "frame" });
    writer.updateSource("cam", "uint16", shape);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    let stored = 0;
    await expect(
      (async () => {
        for (; stored < 100; stored++) await sink.write(frameOf(stored, shape));
      })(),
    ).rejects.toMatchObject({ code: "NO_SPACE" });
    expect((await openZarrArray(store, "cam")).shape[0]).toBe(stored);
    await expect(sink.close()).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(writer.sources.get("cam")).toMatchObject({ framesWritten: stored, framesRejected: 1 });
  });
});
