/** Payloads beside an engine whose scan was deleted while nobody cleaned. */
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { ndArray } from "../../../src/core/nd-array.ts";
import { BlobTier } from "../../../src/live/blobs/blob-tier.ts";
import { openBlobTier } from "../../../src/live/blobs/open-blob-tier.ts";
import { StoreBlobs } from "../../../src/live/blobs/store-blobs.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { newStreamKey } from "../../../src/live/keys.ts";
import { Retention } from "../../../src/live/retention/retention.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";

const DAY = 86_400_000;
const frame = () => ndArray(new Uint8Array(64), [8, 8]);

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-orphans-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Lets everything of a stream look as if it had been written long ago. */
async function age(stream: string, ms = 2 * DAY): Promise<void> {
  const folder = join(root, encodeURIComponent(stream));
  const time = (Date.now() - ms) / 1000;
  for (const name of await readdir(folder)) await utimes(join(folder, name), time, time);
}

const places = [
  ["segment files", () => openBlobTier({ root, inlineBytes: 0 })],
  [
    "values of a byte store",
    async () =>
      new BlobTier(new StoreBlobs(new DiskStore({ root, durability: "none", name: "disk" })), { inlineBytes: 0 }),
  ],
] as const;

describe.each(places)("payloads in %s", (_place, openTier) => {
  async function setup() {
    const clock = new FakeClock();
    const engine = new MemoryEngine();
    const store = new DataStore(engine, { clock });
    const blobs = await openTier();
    const makeScan = async () => {
      const scan = await store.createScan({ name: "scan" }, { leaseMs: 0 });
      const writer = await scan.createStream("camera", { type: "frames", dtype: "uint8", shape: [8, 8] }, { blobs });
      await scan.prepare();
      await writer.send(frame());
      return { scan, key: writer.key };
    };
    const retention = (orphansMs?: number) => new Retention(engine, {}, { clock, blobs, orphansMs });
    return { clock, engine, store, blobs, makeScan, retention };
  }

  test("of deleted scans leave once nothing was written for long, and no others do", async () => {
    const { engine, store, blobs, makeScan, retention } = await setup();
    const [gone, young, kept] = [await makeScan(), await makeScan(), await makeScan()];
    for (const { scan } of [gone, young]) await store.deleteScan(scan.key, { force: true });
    // Entries came before anybody has declared the stream.
    const undeclared = newStreamKey();
    await blobs.put(undeclared, frame(), { shape: [8, 8], dtype: "uint8", endian: "little" }, 0);
    await engine.append(undeclared, [{ index: 0, length: 1, payload: new Uint8Array(1) }]);
    // Whoever has these, it is not us.
    for (const name of ["notes", "esrf%3Astream%3Amine", "esrf:stream:01JD0000000000000000000001", "%"]) {
      await mkdir(join(root, name));
      await writeFile(join(root, name, "0000000000000000-00000000.seg"), "of somebody");
    }
    for (const stream of [gone.key, kept.key, undeclared]) await age(stream);
    await blobs.end(gone.key);
    const before = await readdir(root);
    expect((await retention().pass()).orphans).toEqual([]);
    expect(await readdir(root)).toEqual(before);
    expect(await retention(DAY).pass()).toMatchObject({ orphans: [gone.key], failed: [] });
    // A byte store may keep an empty folder.
    const left = await readdir(join(root, encodeURIComponent(gone.key))).catch(() => []);
    expect(left).toEqual([]);
    const gonePlace = encodeURIComponent(gone.key);
    expect((await readdir(root)).filter((name) => name !== gonePlace)).toEqual(
      before.filter((name) => name !== gonePlace),
    );
    expect(await readdir(join(root, encodeURIComponent(kept.key)))).toHaveLength(1);
    await age(young.key);
    expect((await retention(DAY).pass()).orphans).toEqual([young.key]);
    await blobs[Symbol.asyncDispose]();
  });

  test("stay while one scan cannot be read: nobody knows its streams", async () => {
    const { engine, store, blobs, makeScan, retention } = await setup();
    const [gone, damaged] = [await makeScan(), await makeScan()];
    await store.deleteScan(gone.scan.key, { force: true });
    await age(gone.key);
    const getScan = engine.getScan.bind(engine);
    engine.getScan = async (key, options) => {
      if (key === damaged.scan.key) throw Object.assign(new Error("damaged"), { code: "CORRUPT" });
      return await getScan(key, options);
    };
    const cleaning = retention(DAY);
    const { orphans, failed } = await cleaning.pass();
    expect([orphans, failed.length]).toEqual([[], 2]);
    engine.getScan = getScan;
    // The next pass tries again, and one that has looked waits for an hour.
    expect((await cleaning.pass()).orphans).toEqual([gone.key]);
    await blobs[Symbol.asyncDispose]();
  });

  test("are looked for once an hour, and are never younger than that", async () => {
    const { clock, store, blobs, makeScan, retention } = await setup();
    const cleaning = retention(0);
    expect((await cleaning.pass()).orphans).toEqual([]);
    const { scan, key } = await makeScan();
    await store.deleteScan(scan.key, { force: true });
    await age(key, 1_800_000);
    await clock.advance(3_600_000);
    expect((await cleaning.pass()).orphans).toEqual([]);
    await age(key);
    expect((await cleaning.pass()).orphans).toEqual([]);
    await clock.advance(3_600_000);
    expect((await cleaning.pass()).orphans).toEqual([key]);
    await blobs[Symbol.asyncDispose]();
  });
});
