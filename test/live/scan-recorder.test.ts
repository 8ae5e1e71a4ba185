import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { BackendSet, createRegistry } from "../../registry/index.ts";
import { DocumentFile, RunDocuments } from "../../src/acquire/index.ts";
import type { InstanceConfig } from "../../src/core/descriptor.ts";
import type { DataKey } from "../../src/core/documents.ts";
import type { FrameWriter } from "../../src/core/frame-writer.ts";
import { arraysEqual, type NdArray, StorageError } from "../../src/index.ts";
import {
  checkLayout,
  DataStore,
  frameReader,
  MemoryEngine,
  ScanRecorder,
  type ScanRecorderOptions,
  storedFallback,
  validateScanInfo,
} from "../../src/live/index.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { frameOf } from "../backends/zarr/support.ts";

const number: DataKey = { source: "sim", dtype: "number", shape: [], units: "mm", object_name: "stage" };
const shape = [16, 16];

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-recorder-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A store and a recorder, and a run whose documents it gets. */
function recording(options: ScanRecorderOptions = {}, engine = new MemoryEngine()) {
  const backends = new BackendSet(createRegistry(), {});
  const store = new DataStore(engine, { readFrames: frameReader(backends), fallback: storedFallback(backends) });
  const recorder = new ScanRecorder(store, options);
  onTestFinished(async () => {
    await recorder.close();
    await store[Symbol.asyncDispose]();
    await backends.close();
  });
  const run = new RunDocuments((document) => recorder.record(document));
  return { engine, store, recorder, run, backends };
}

const reading = (value: unknown) => ({ value, timestamp: 1 });

describe("A recorder of scans", () => {
  it("makes a stream of each data key before data comes, and of the times of the events", async () => {
    const { store, recorder, run } = recording();
    await run.start({ plan_name: "count", scan_id: 7, session: "s", num_points: 2, operator: "Ada" });
    await expect.poll(async () => (await store.search({})).keys.length).toBe(1);
    const scan = await store.loadScan((await store.lastScan()).key);
    expect([scan.stateName, scan.identity]).toEqual([
      "CREATED",
      expect.objectContaining({ name: "count", number: 7, session: "s", path: "s", uid: run.uid }),
    ]);
    await run.describe({
      dataKeys: {
        x: number,
        n: { source: "sim", dtype: "integer", shape: [] },
        shutter: { source: "sim", dtype: "boolean", shape: [] },
        filter: { source: "sim", dtype: "string", shape: [] },
        spectrum: { source: "sim", dtype: "array", shape: [3], dtype_numpy: "<u2" },
        ragged: { source: "sim", dtype: "array", shape: [null], dtype_numpy: "<f4" },
      },
    });
    await scan.waitState(1);
    expect(scan.stateName).toBe("PREPARED");
    expect(scan.streamNames).toEqual(["x", "n", "shutter", "filter", "spectrum", "ragged", "timer:epoch"]);
    for (const i of [0, 1]) {
      await run.event("primary", {
        x: reading(i + 0.5),
        n: reading(2 ** 40 + i),
        shutter: reading(i === 1),
        filter: reading(`Al ${i}`),
        spectrum: reading([i, 1, 65535]),
        ragged: reading(i === 0 ? [1.5] : [1, 2]),
      });
    }
    await scan.waitState(2);
    await run.stop("success");
    const report = await recorder.endRun();
    expect(report).toMatchObject({ key: scan.key, missing: 0, streams: { x: { sent: 2, missing: 0 } } });
    expect(report.error).toBeUndefined();
    await scan.waitState(4);
    expect(scan.endReason).toBe("SUCCESS");

    const read = async (name: string) => (await scan.stream<NdArray>(name).slice()).data;
    expect([...(await read("x"))]).toEqual([0.5, 1.5]);
    expect([...(await read("n"))]).toEqual([2n ** 40n, 2n ** 40n + 1n]);
    expect([...(await read("shutter"))]).toEqual([0, 1]);
    expect(await scan.stream("filter").slice()).toEqual(["Al 0", "Al 1"]);
    expect([...(await read("spectrum"))]).toEqual([0, 1, 65535, 1, 1, 65535]);
    expect((await scan.stream<NdArray[]>("ragged").slice()).map(({ data }) => [...data])).toEqual([[1.5], [1, 2]]);
    expect((await read("timer:epoch"))[1]).toBeGreaterThan(1.7e9);
  });

  it("says of the scan what readers of blissdata expect, and how it looks as a NeXus file", async () => {
    const place = { path: "/data/day", entry: "count_00003" };
    const { store, recorder, run } = recording({
      factsOf: () => ({
        place,
        classes: { stage: "NXpositioner" },
        identity: { number: 3 },
        folder: "/data/day/count_00003",
      }),
    });
    await run.start({ plan_name: "count", sample: "gold" });
    const configuration = {
      camera: {
        data: { "camera-exposure": 0.1 },
        timestamps: { "camera-exposure": 1 },
        data_keys: { "camera-exposure": { ...number, units: "s" } },
      },
    };
    const camera: DataKey = {
      ...{ source: "file", dtype: "array", shape: [1, 16, 16], dtype_numpy: "<u2", external: "STREAM:" },
      object_name: "camera",
    };
    await run.describe({ dataKeys: { "stage-x": number, camera }, configuration });
    await run.stop("abort");
    const { key } = await recorder.endRun();
    const { info, identity, endReason } = await store.loadScan(key as string);
    expect([identity.number, identity.path, endReason]).toEqual([3, "/data/day", "USER_ABORT"]);
    expect(info).toMatchObject({
      ...{ type: "count", scan_nb: 3, end_reason: "USER_ABORT", save: true },
      channels: { "stage-x": { dim: 0, unit: "mm" }, camera: { dim: 2 } },
      devices: { camera: { channels: ["camera"], metadata: { "camera-exposure": 0.1 } } },
      acquisition_chain: { run: { scalars: ["stage-x", "timer:epoch"], images: ["camera"] } },
      run_start: { uid: run.uid },
    });
    expect(validateScanInfo(info)).toBe(info);
    const layout = (info.h5maps as Record<string, unknown>)["/data/day"];
    expect(checkLayout(layout)).toEqual([]);
    expect(layout).toMatchObject({
      children: {
        count_00003: {
          attributes: { NX_class: "NXentry" },
          children: {
            end_time: expect.any(String),
            sample: { attributes: { NX_class: "NXsample" } },
            measurement: {
              children: { camera: { type: "soft_link", target_path: "/count_00003/instrument/camera/data" } },
            },
            instrument: {
              children: {
                "stage-x": {
                  attributes: { NX_class: "NXpositioner" },
                  children: { value: { attributes: { units: "mm" }, value: { type: "stream", stream: "stage-x" } } },
                },
                camera: {
                  attributes: { NX_class: "NXdetector" },
                  children: { data: {}, exposure: { attributes: { units: "s" }, value: 0.1 } },
                },
              },
            },
          },
        },
      },
    });
  });

  it("adds the streams of later descriptors while data comes", async () => {
    const { store, recorder, run } = recording();
    await run.start();
    await run.describe({ name: "baseline", dataKeys: { temperature: number } });
    await run.event("baseline", { temperature: reading(4.2) });
    await run.describe({ dataKeys: { x: number } });
    await run.event("primary", { x: reading(1) });
    await run.event("baseline", { temperature: reading(4.3) });
    await run.stop("success");
    const { key, missing } = await recorder.endRun();
    const scan = await store.loadScan(key as string);
    expect([scan.streamNames, missing]).toEqual([
      ["baseline:temperature", "baseline:timer:epoch", "x", "timer:epoch"],
      0,
    ]);
    expect([...(await scan.stream<NdArray>("baseline:temperature").slice()).data]).toEqual([4.2, 4.3]);
  });

  it("ends a stream where a value is none of its kind, and no later point takes its index", async () => {
    const told: string[] = [];
    const { store, recorder, run } = recording({ onError: ({ message }) => told.push(message) });
    await run.start();
    await run.describe({ dataKeys: { n: { source: "sim", dtype: "integer", shape: [] }, x: number } });
    for (const value of [1, 1.5, 3])
      await run.event("primary", { n: reading(value), x: reading(value === 3 ? null : value) });
    await run.stop("success");
    const report = await recorder.endRun();
    expect(report).toMatchObject({
      streams: { n: { sent: 1, missing: 2 }, x: { sent: 3, missing: 0 } },
      missing: 2,
      error: { code: "INVALID_DATA" },
    });
    expect(told).toEqual([expect.stringContaining("1.5 is not a value of int64")]);
    const scan = await store.loadScan(report.key as string);
    expect([...(await scan.stream<NdArray>("n").slice()).data]).toEqual([1n]);
    expect([...(await scan.stream<NdArray>("x").slice()).data]).toEqual([1, 1.5, Number.NaN]);
    expect(scan.endReason).toBe("FAILURE");
  });

  it("closes a run that another one follows, and one that is left at the end", async () => {
    const { store, recorder, run } = recording();
    await run.start();
    const next = new RunDocuments((document) => recorder.record(document));
    await next.start();
    await recorder.close();
    const { keys } = await store.search({});
    const scans = await Promise.all(keys.map((key) => store.loadScan(key)));
    expect(scans.map(({ stateName, endReason }) => [stateName, endReason])).toEqual([
      ["CLOSED", "FAILURE"],
      ["CLOSED", "USER_ABORT"],
    ]);
    expect(await recorder.endRun()).toEqual({ key: undefined, streams: {}, missing: 0 });
  });
});

describe("Frames of a writer", () => {
  async function write(writer: FrameWriter, run: RunDocuments, count: number, during: () => Promise<void>) {
    await run.start({ plan_name: "by hand" });
    writer.updateSource("cam", "uint16", shape);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    await run.describe({ dataKeys: { ...(await writer.open("cam")), x: number } });
    for (let i = 0; i < count; i++) {
      await sink.write(frameOf(i, shape));
      await run.event("primary", { x: reading(i) });
    }
    await during();
    await sink.close();
    await run.assets("primary", writer.collectStreamDocs("cam", count));
    await run.stop("success");
  }

  it.each([
    ["Zarr with a journal", { use: "zarr", shardBytes: 1024 }, 5, 4],
    ["Zarr without one: by whole shards", { use: "zarr", shardBytes: 1024, journal: "never" }, 4, 4],
    ["Zarr of durability none: nothing is durable", { use: "zarr", durability: "none" }, 5, 0],
    ["image files", { use: "tiff" }, 5, 5],
  ])("are announced when others can read them, by reference: %s", async (_, use, announced, durable) => {
    const folder = await temporaryFolder();
    const writers: FrameWriter[] = [];
    const file = new DocumentFile(join(folder, "documents.jsonl"));
    const documentsUri = pathToFileURL(file.path).href;
    const { store, recorder, backends, engine } = recording({
      writers: () => writers,
      factsOf: () => ({ documentsUri }),
    });
    const uri = pathToFileURL(folder).href;
    const writer = await backends.openWriter({ ...use, uri } as InstanceConfig, { instance: "main" });
    writers.push(writer);
    const run = new RunDocuments(async (document) => {
      await file.append(document);
      recorder.record(document);
    });
    await write(writer, run, 5, async () => {
      const scan = await store.loadScan((await store.lastScan()).key);
      await scan.waitState(2);
      const stream = scan.stream<NdArray, NdArray>("cam");
      await expect
        .poll(
          async () => {
            const bounds = await stream.bounds();
            return [bounds.length, bounds.durable];
          },
          { timeout: 30_000 },
        )
        .toEqual([announced, durable]);
      for (let i = 0; i < announced; i++) expect(arraysEqual(await stream.at(i), frameOf(i, shape))).toBe(true);
      expect(await stream.locate(0)).toMatchObject({ state: "here", tier: "array" });
    });
    await file.close();
    const report = await recorder.endRun({ documentsAreDurable: true });
    expect(report).toMatchObject({ missing: 0, streams: { cam: { sent: 5 }, x: { sent: 5 } } });
    const scan = await store.loadScan(report.key as string);
    const [cam, x] = [scan.stream<NdArray, NdArray>("cam"), scan.stream<NdArray>("x")];
    expect([(await cam.bounds()).durable, (await x.bounds()).durable]).toEqual([durable === 0 ? 0 : 5, 5]);

    // What retention takes away comes from the store and from the documents.
    for (const { key } of [cam, x]) await engine.trim(key, 5);
    expect(await cam.locate(0)).toMatchObject({ state: "in file" });
    const frames = await cam.slice();
    expect(frames.shape).toEqual([5, 16, 16]);
    for (const i of [0, 3, 4]) expect(arraysEqual(await cam.at(i), frameOf(i, shape))).toBe(true);
    expect([...(await x.slice()).data]).toEqual([0, 1, 2, 3, 4]);
  });

  it("come with their documents alone, where no writer is at hand", async () => {
    const folder = await temporaryFolder();
    const { store, recorder, run, backends } = recording();
    const writer = await backends.openWriter({ use: "zarr", uri: pathToFileURL(folder).href }, { instance: "main" });
    await write(writer, run, 3, async () => {});
    const { key, missing } = await recorder.endRun();
    const stream = (await store.loadScan(key as string)).stream<NdArray, NdArray>("cam");
    expect([await stream.length(), missing]).toEqual([3, 0]);
    expect(arraysEqual(await stream.at(-1), frameOf(2, shape))).toBe(true);
  });
});

describe("An engine that is away", () => {
  /** Fails every call that changes something while it is away. */
  class Flaky extends MemoryEngine {
    isAway = true;
    override createScan(...args: Parameters<MemoryEngine["createScan"]>) {
      return this.isAway ? Promise.reject(away()) : super.createScan(...args);
    }
    override append(...args: Parameters<MemoryEngine["append"]>) {
      return this.isAway ? Promise.reject(away()) : super.append(...args);
    }
  }
  const away = () => new StorageError("TIMED_OUT", "no answer", { retryable: true });

  it("gets all of it when it is back, in order", async () => {
    const clock = new FakeClock();
    const engine = new Flaky();
    const { store, recorder, run } = recording({ clock, retryMs: 100 }, engine);
    await run.start();
    await run.describe({ dataKeys: { x: number, text: { source: "sim", dtype: "string", shape: [] } } });
    const events = async (from: number) => {
      for (let i = from; i < from + 1500; i++) await run.event("primary", { x: reading(i), text: reading(`${i}`) });
    };
    await events(0);
    await clock.advance(1000);
    engine.isAway = false;
    await clock.advance(100);
    engine.isAway = true;
    await events(1500);
    await run.stop("success");
    const ended = recorder.endRun();
    await clock.advance(200);
    engine.isAway = false;
    await clock.advance(100);
    const { key, missing, error } = await ended;
    expect([missing, error]).toEqual([0, undefined]);
    const scan = await store.loadScan(key as string);
    const expected = Array.from({ length: 3000 }, (_, i) => i);
    expect([...(await scan.stream<NdArray>("x").slice()).data]).toEqual(expected);
    expect(await scan.stream("text").slice()).toEqual(expected.map(String));
  });

  it("keeps nobody waiting at the end of a run, and the report counts what readers lack", async () => {
    const clock = new FakeClock();
    const engine = new Flaky();
    const { store, recorder, run } = recording({ clock, retryMs: 1000 }, engine);
    await run.start();
    await run.describe({ dataKeys: { x: number } });
    for (let i = 0; i < 3; i++) await run.event("primary", { x: reading(i) });
    await run.stop("success");
    const ended = recorder.endRun({ timeoutMs: 5000 });
    await clock.advance(5000);
    expect(await ended).toMatchObject({ key: undefined, missing: 6, error: { code: "TIMED_OUT" } });
    // It is tried on: the next run does not wait for this one.
    engine.isAway = false;
    await clock.advance(1000);
    await expect.poll(async () => (await store.search({})).keys.length).toBe(1);
    const scan = await store.loadScan((await store.lastScan()).key);
    await scan.waitState(4);
    expect(await scan.stream("x").length()).toBe(3);
  });

  it("costs bounded memory: a stream ends where its points do not fit any more", async () => {
    const clock = new FakeClock();
    const engine = new Flaky();
    const { store, recorder, run } = recording({ clock, retryMs: 1000, maxWaitingBytes: 6400 }, engine);
    await run.start();
    await run.describe({ dataKeys: { x: number } });
    for (let i = 0; i < 500; i++) await run.event("primary", { x: reading(i) });
    await run.stop("success");
    engine.isAway = false;
    const ended = recorder.endRun();
    await clock.advance(1000);
    const report = await ended;
    expect(report.error).toMatchObject({ code: "CAPACITY_EXCEEDED" });
    const sent = report.streams.x?.sent as number;
    expect([sent, report.streams.x?.missing]).toEqual([100, 400]);
    const scan = await store.loadScan(report.key as string);
    expect([...(await scan.stream<NdArray>("x").slice()).data]).toEqual(Array.from({ length: sent }, (_, i) => i));
  });
});
