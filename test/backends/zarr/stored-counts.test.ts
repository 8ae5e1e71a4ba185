import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { TiffWriter } from "../../../backends/tiff/writer.ts";
import type { ZarrOptions } from "../../../backends/zarr/options.ts";
import type { ByteStore } from "../../../src/core/byte-store.ts";
import type { FrameWriter } from "../../../src/core/frame-writer.ts";
import { frameOf, memoryStore, writerOver } from "./support.ts";

const shape = [16, 16];
/** Two frames a shard. */
const pairs = { shardBytes: 1024 };

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "sluice-stored-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function diskStore(durability: "full" | "data" | "none"): Promise<ByteStore> {
  return new DiskStore({ root: await folder(), durability });
}

/** Writes frames, and answers what the source says before the close, once it does not change any more, and after it. */
async function countsOf(writer: FrameWriter, frames: number, settled: (counts: readonly unknown[]) => boolean) {
  writer.updateSource("cam", "uint16", shape);
  const sink = await writer.prepare("cam");
  await writer.kickoff();
  const counts = () => {
    const { framesReadable, framesDurable } = writer.sources.get("cam") ?? {};
    return [writer.getIndicesWritten("cam"), framesReadable, framesDurable];
  };
  const durable: number[] = [];
  const observing = (async () => {
    for await (const count of writer.observeIndicesWritten({ name: "cam", count: "durable" })) durable.push(count);
  })();
  for (let i = 0; i < frames; i++) await sink.write(frameOf(i, shape));
  await expect.poll(() => settled(counts()), { timeout: 30_000 }).toBe(true);
  const open = counts();
  await sink.close();
  await observing;
  return { open, closed: counts(), durable: durable.at(-1) };
}

describe("A Zarr writer says what is in its store", () => {
  const journalled = ([events]: readonly unknown[]) => events === 5;
  it.each([
    ["full", [5, 5, 4], [5, 5, 5]],
    ["data", [5, 5, undefined], [5, 5, undefined]],
    ["none", [5, 5, undefined], [5, 5, undefined]],
  ] as const)(
    "on a disk with durability %s: readable by the journal, durable by the shard",
    async (durability, open, closed) => {
      const writer = writerOver(await diskStore(durability), pairs);
      const isSettled = (counts: readonly unknown[]) => journalled(counts) && counts[2] === open[2];
      expect(await countsOf(writer, 5, isSettled)).toEqual({ open, closed, durable: closed[2] });
    },
  );

  it.each<[string, ZarrOptions, () => Promise<ByteStore>, readonly unknown[], readonly unknown[]]>([
    [
      "in a store without journals, by whole shards",
      pairs,
      async () => memoryStore(),
      [5, 4, undefined],
      [5, 5, undefined],
    ],
    [
      "without journals, by whole shards",
      { ...pairs, journal: "never" },
      () => diskStore("full"),
      [5, 4, 4],
      [5, 5, 5],
    ],
    ["with a shard a frame, at once", { shard: "frame" }, () => diskStore("full"), [5, 5, 5], [5, 5, 5]],
  ])("%s", async (_, options, store, open, closed) => {
    const writer = writerOver(await store(), options);
    const isSettled = (counts: readonly unknown[]) => counts.join() === open.join();
    expect(await countsOf(writer, 5, isSettled)).toEqual({ open, closed, durable: closed[2] });
  });

  it("and so does a writer of files", async () => {
    for (const [durability, durable] of [
      ["full", 5],
      ["none", undefined],
    ] as const) {
      const store = await diskStore(durability);
      const writer = new TiffWriter("main", async () => store, { uri: "file://localhost/data/scan.tiffs" });
      const expected = [5, 5, durable];
      expect(await countsOf(writer, 5, () => true)).toEqual({ open: expected, closed: expected, durable });
    }
  });

  it("of one source, whose name is asked for", () => {
    const writer = writerOver(memoryStore());
    expect(() => writer.observeIndicesWritten({ count: "durable" })).toThrow(
      expect.objectContaining({ code: "INVALID_DATA" }),
    );
  });
});
