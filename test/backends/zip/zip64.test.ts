/** Archives and entries that are longer than 32 bits can say. */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { S3Store } from "../../../backends/s3/store.ts";
import { ArchiveWriter } from "../../../backends/zip/archive-writer.ts";
import { createArchive } from "../../../backends/zip/index.ts";
import { ZipStore } from "../../../backends/zip/store.ts";
import { centralHeader, endRecords, localHeader, type WrittenEntry } from "../../../src/codecs/zip/records.ts";
import { joinBytes } from "../../../src/core/byte-store.ts";
import { MeterStore } from "../../../src/layers/meter.ts";
import { drain, keysOf, pattern, text } from "../../../src/testing/byte-store-checks.ts";
import { hasProgram, ourZip } from "../../support/archives.ts";
import { type Bundle, bundle } from "../../support/bundle.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { hasS3, startS3 } from "../../support/s3-server.ts";
import { freshBucket } from "../../support/s3-subjects.ts";
import { SparseStore, zeroPieces } from "../../support/sparse-store.ts";

const GIB = 2 ** 30;
const FAR = 4 * GIB + 12_345;
const context = { backend: "sparse", operation: "write", identifier: "a.zip" };

describe("beyond 4 GiB", () => {
  it.each([4 * GIB - 40, 4 * GIB - 1, 4 * GIB, FAR, 2 ** 42])(
    "entries are written at offset %d and found there, streamed or not",
    async (start) => {
      const store = new SparseStore();
      const archive = new ArchiveWriter(await store.openWriter("a.zip", {}, start), {}, context);
      await archive.add("notes.txt", text("wet sample ".repeat(100)));
      await archive.addStream(
        "b.raw",
        (async function* () {
          yield pattern(300_000);
        })(),
        { compression: "store" },
      );
      await archive.add("empty", new Uint8Array(0));
      await archive.close();
      const zip = new ZipStore(store, "a.zip");
      expect(await keysOf(zip)).toEqual(["b.raw", "empty", "notes.txt"]);
      expect(await zip.read("notes.txt")).toEqual(text("wet sample ".repeat(100)));
      expect((await drain(await zip.readStream("b.raw"))).bytes).toEqual(pattern(300_000));
      expect(await zip.read("b.raw", { range: { offset: 299_000 } })).toEqual(pattern(300_000).slice(299_000));
      expect(store.moved).toBeLessThan(2_000_000);
    },
  );

  it("parts of one long entry are read alone, at its beginning, beyond 4 GiB and at its end", async () => {
    const byteLength = 5 * GIB;
    const entry: WrittenEntry = {
      name: text("long.raw"),
      method: 0,
      isStreamed: false,
      crc32: 0,
      compressedLength: byteLength,
      byteLength,
      headerOffset: 0,
      modifiedMs: Date.UTC(2026, 0, 2),
    };
    const store = new SparseStore();
    const writer = await store.openWriter("a.zip");
    await writer.write(localHeader(entry));
    await writer.write(text("first"));
    for await (const piece of zeroPieces(byteLength - 9)) await writer.write(piece);
    await writer.write(text("last"));
    const next = { ...entry, name: text("next"), compressedLength: 3, byteLength: 3, crc32: 0x352441c2 };
    const after = { ...next, headerOffset: writer.byteLength };
    await writer.write([localHeader(after), text("abc")]);
    const directoryOffset = writer.byteLength;
    const directory = joinBytes([centralHeader(entry), centralHeader(after)]);
    await writer.write([directory, endRecords(2, directoryOffset, directory.byteLength)]);
    await writer.close();

    const zip = new ZipStore(store, "a.zip");
    expect((await zip.stat("long.raw")).byteLength).toBe(byteLength);
    const ranges = [{ offset: 0, length: 6 }, { offset: FAR, length: 2 }, { suffix: 5 }];
    expect(await zip.readRanges("long.raw", ranges)).toEqual([text("first\0"), new Uint8Array(2), text("\0last")]);
    expect((await drain(await zip.readStream("long.raw", { range: { offset: byteLength - 4 } }))).bytes).toEqual(
      text("last"),
    );
    expect(await zip.read("next")).toEqual(text("abc"));
    expect((await rejectionOf(zip.read("long.raw"))).message).toMatch(/read it as a stream/);
    expect(store.moved).toBeLessThan(1_000_000);
  });
});

describe("a long entry in a process of its own", () => {
  let child: Bundle;
  let folder: string;
  beforeAll(async () => {
    child = await bundle(new URL("children/stream-large.ts", import.meta.url));
    folder = mkdtempSync(join(tmpdir(), "sluice-zip64-"));
  }, 60_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await child.remove();
  });

  it.each(["store", "deflate"])(
    "of 1 GiB (%s) is written and read in at most 64 MiB more than the process had",
    async (compression) => {
      const { stdout } = await promisify(execFile)(process.execPath, [child.path, folder, compression, String(GIB)]);
      const { count, aboveMiB } = JSON.parse(stdout) as { count: number; aboveMiB: number };
      expect(count).toBe(GIB);
      expect(aboveMiB).toBeLessThanOrEqual(64);
    },
    120_000,
  );
});

/** Takes minutes and 5 GB of disk: `SLUICE_TEST_LARGE=1 npx vitest run test/backends/zip`. */
describe.skipIf(process.env.SLUICE_TEST_LARGE === undefined)(
  "an archive of more than 4 GiB (SLUICE_TEST_LARGE)",
  () => {
    it("is read by Python and by Info-ZIP, and by us as what they read", { timeout: 900_000 }, async () => {
      const folder = mkdtempSync(join(tmpdir(), "sluice-zip64-"));
      try {
        const disk = new DiskStore({ root: folder, durability: "none" });
        const archive = await createArchive(disk, "a.zip");
        await archive.add("before.txt", text("before"));
        await archive.addStream("stored.raw", zeroPieces(FAR), { compression: "store" });
        await archive.addStream("deflated.raw", zeroPieces(FAR));
        await archive.add("after.txt", text("after"));
        await archive.close();
        const lengths = { "before.txt": 6, "stored.raw": FAR, "deflated.raw": FAR, "after.txt": 5 };
        const script = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None and z.read("after.txt") == b"after"
print(json.dumps({i.filename: i.file_size for i in z.infolist()}))`;
        const path = join(folder, "a.zip");
        if (hasProgram("python3")) {
          const said = execFileSync("python3", ["-c", script, path], { encoding: "utf8" });
          expect(JSON.parse(said)).toEqual(lengths);
        }
        if (hasProgram("unzip")) {
          expect(spawnSync("unzip", ["-tq", path], { encoding: "utf8" }).stdout).toMatch(/No errors/);
        }
        const zip = new ZipStore(disk, "a.zip");
        for (const [key, length] of Object.entries(lengths)) {
          let count = 0;
          const reader = (await zip.readStream(key)).getReader();
          for (let next = await reader.read(); !next.done; next = await reader.read()) count += next.value.byteLength;
          expect(count).toBe(length);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  },
);

describe("what is not read is refused by name", () => {
  /** An archive of one stored entry, with bytes of its records changed. */
  const changed = async (change: (bytes: Buffer, central: number, end: number) => void) => {
    const bytes = Buffer.from(await ourZip("store", false)(new Map([["k", text("value")]])));
    change(bytes, bytes.indexOf("PK\x01\x02"), bytes.indexOf("PK\x05\x06"));
    const outer = new MemoryStore();
    await outer.write("a.zip", new Uint8Array(bytes));
    return new ZipStore(outer, "a.zip");
  };

  it.each([
    [
      "an encrypted entry",
      /"k" is encrypted/,
      (bytes: Buffer, central: number) => bytes.writeUInt8(bytes.readUInt8(central + 8) | 1, central + 8),
    ],
    [
      "a compression of another kind",
      /"k" is compressed by method 93;/,
      (bytes: Buffer, central: number) => bytes.writeUInt16LE(93, central + 10),
    ],
  ] as const)("%s, in every way of reading it, and the others are not", async (_, message, change) => {
    const zip = await changed(change);
    expect(await keysOf(zip)).toEqual(["k"]);
    for (const read of [
      () => zip.read("k"),
      () => zip.read("k", { range: { offset: 1, length: 2 } }),
      () => zip.readRanges("k", [{ offset: 0, length: 1 }]),
      () => zip.readStream("k").then(drain),
    ]) {
      expect(await rejectionOf(read)).toMatchObject({ code: "UNSUPPORTED", message: expect.stringMatching(message) });
    }
  });

  it.each([4, 6])("an archive in several parts, by byte %d of its end", async (at) => {
    const zip = await changed((bytes, _, end) => bytes.writeUInt16LE(1, end + at));
    expect(await rejectionOf(keysOf(zip))).toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/several parts; join them first/),
    });
  });
});

describe("requests", () => {
  const contents = new Map(Array.from({ length: 200 }, (_, i) => [`frames/${i}.raw`, pattern(2000, i)] as const));

  it("one entry of an archive in any store is one stat and two range reads, the next one a read", async () => {
    const outer = new MemoryStore();
    await outer.write("a.zip", await ourZip("deflate", false)(contents));
    const meter = new MeterStore(outer);
    const zip = new ZipStore(meter, "a.zip");
    const count = () => [...meter.counts()].map(([operation, { count }]) => `${count} ${operation}`);
    await zip.read("frames/7.raw");
    expect(count()).toEqual(["1 stat", "2 read"]);
    await zip.read("frames/8.raw");
    await zip.stat("frames/9.raw");
    expect(count()).toEqual(["1 stat", "3 read"]);
  });

  it.skipIf(!hasS3)("and over S3 as many requests", { timeout: 90_000 }, async () => {
    const server = await startS3();
    const bucket = await freshBucket(server.endpoint);
    const proxy = await startFaultProxy(server.endpoint);
    try {
      await bucket.side.put("a.zip", await ourZip("deflate", false)(contents));
      await using store = await S3Store.open({ endpoint: proxy.endpoint, bucket: bucket.name, tree: "flat" });
      // Opening a bucket asks what it can do.
      const before = proxy.seen.length;
      const zip = new ZipStore(store, "a.zip");
      expect(await zip.read("frames/7.raw")).toEqual(pattern(2000, 7));
      expect(proxy.seen.slice(before).map((line) => line.split(" ")[0])).toEqual(["HEAD", "GET", "GET"]);
    } finally {
      await proxy.close();
      await bucket.remove();
      await server.stop();
    }
  });
});
