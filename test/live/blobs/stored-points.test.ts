/** Points that have left the engine, read from the array that was written. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { ZarrBackend } from "../../../backends/zarr/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { frameReader } from "../../../src/live/blobs/frame-reader.ts";
import { openBlobTier } from "../../../src/live/blobs/open-blob-tier.ts";
import { storedPoints } from "../../../src/live/blobs/stored-points.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { FramesCodec } from "../../../src/live/encoding/frames.ts";
import { NumericCodec } from "../../../src/live/encoding/numeric.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import type { ColdPoints, StreamPlugins } from "../../../src/live/stream-plugin.ts";
import { failureOf } from "../battery/subject.ts";

let root = "";
let backends: BackendSet;
let archive: ZarrBackend;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-points-"));
  backends = new BackendSet(createRegistry(), { archive: { use: "zarr", root } });
  archive = (await backends.get("archive")) as ZarrBackend;
});
afterEach(async () => {
  await backends.close();
  await rm(root, { recursive: true, force: true });
});

/** Fifty points `[3]` of which the array has the same. */
const values = Int32Array.from({ length: 150 }, (_, i) => i);

async function makeStream(type: "numeric" | "frames") {
  await archive.save(ndArray(values, [50, 3]), "run/points", { createParents: true });
  const asked: (readonly [number, number])[] = [];
  const plugins: StreamPlugins = {
    fallback: () => ({
      open: (stream, { readFrames }) => {
        const points = storedPoints(stream, { uri: archive.store.uri(""), path: "run/points" }, backends);
        const cold: ColdPoints = {
          uri: points.uri,
          read: (from, to, options) => {
            asked.push([from, to]);
            return points.read(from, to, options);
          },
        };
        const codec = type === "numeric" ? new NumericCodec("<i4", [3]) : new FramesCodec("<i4", [3], readFrames);
        return { codec, cold };
      },
    }),
  };
  const store = new DataStore(new MemoryEngine(), { plugins });
  const scan = await store.createScan({ name: "loop" });
  const definition = { type, dtype: "int32", shape: [3], info: { plugin: "fallback" } } as const;
  const writer = await scan.createStream("points", definition);
  await scan.prepare();
  await scan.start();
  for (let i = 0; i < 50; i++) await writer.send(ndArray(values.slice(3 * i, 3 * i + 3), [3]));
  const stream = (await store.loadScan(scan.key)).stream<NdArray, NdArray>("points");
  return { store, scan, stream, asked };
}

it.each(["numeric", "frames"] as const)("case 48: half trimmed, exactly what is missing is read: %s", async (type) => {
  const { store, scan, stream, asked } = await makeStream(type);
  expect([...(await stream.slice()).data]).toEqual([...values]);
  expect(asked).toEqual([]);
  await store.engine.trim(stream.key, 20);
  expect([...(await stream.slice()).data]).toEqual([...values]);
  expect([...(await stream.slice(10, 30)).data]).toEqual([...values.slice(30, 90)]);
  expect([...(await stream.at(30)).data]).toEqual([90, 91, 92]);
  expect(asked).toEqual([
    [0, 20],
    [10, 20],
  ]);
  expect(await stream.locate(3)).toMatchObject({
    state: "in file",
    uri: `${archive.store.uri("").replace(/\/+$/, "")}/run/points`,
  });
  asked.length = 0;
  expect(await failureOf(stream.at(50))).toMatchObject({ code: "NOT_YET" });
  await scan.close();
  expect(await failureOf(stream.at(50))).toMatchObject({ code: "OUT_OF_RANGE" });
  expect(asked).toEqual([]);
  await store.engine.trim(stream.key, 50);
  expect([...(await stream.slice(-2)).data]).toEqual([...values.slice(144)]);
  expect([...(await stream.slice(0, 50, 20)).data]).toEqual([0, 1, 2, 60, 61, 62, 120, 121, 122]);
});

it("points that are in neither place are said to be missing, and those of other streams refused", async () => {
  const { store, stream } = await makeStream("numeric");
  await store.engine.trim(stream.key, 20);
  await rm(join(root, "run"), { recursive: true });
  expect(await failureOf(stream.at(3))).toMatchObject({ code: "NOT_FOUND" });
  const place = { uri: archive.store.uri("") };
  for (const encoding of [{ type: "json" }, { type: "numeric", dtype: "<f8", shape: [-1] }] as const) {
    expect(() => storedPoints({ name: "x", encoding }, place, backends)).toThrow(/cannot be in/);
  }
});

it("frames whose blobs have left before their events are read from the array", async () => {
  const frames = ndArray(
    Uint16Array.from({ length: 40 }, (_, i) => Math.floor(i / 4)),
    [10, 2, 2],
  );
  await archive.save(frames, "cam");
  await using blobs = await openBlobTier({ root: join(root, "blobs"), inlineBytes: 0, segmentBytes: 8 }, backends);
  const plugins: StreamPlugins = {
    fallback: () => ({
      open: (stream, { readFrames }) => ({
        codec: new FramesCodec("<u2", [2, 2], readFrames),
        cold: storedPoints(stream, { uri: archive.store.uri(""), path: "cam" }, backends),
      }),
    }),
  };

  const store = new DataStore(new MemoryEngine(), { plugins, readFrames: frameReader(backends) });
  const scan = await store.createScan({ name: "loop" });
  const definition = { type: "frames", dtype: "uint16", shape: [2, 2], info: { plugin: "fallback" } } as const;
  const writer = await scan.createStream("cam", definition, { blobs });
  await scan.prepare();
  await writer.send(frames);
  const stream = (await store.loadScan(scan.key)).stream<NdArray, NdArray>("cam");
  await blobs.trim(stream.key, Number.MAX_SAFE_INTEGER);
  expect((await stream.slice(2, 5)).data).toEqual(frames.data.slice(8, 20));
});
