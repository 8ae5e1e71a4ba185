/** Runs that a recorder has a hard time with: what is wrong with one stream is not wrong with the others. */
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { BackendSet, createRegistry } from "../../../registry/index.ts";
import { RunDocuments } from "../../../src/acquire/index.ts";
import type { DataKey, Document, EventDescriptor } from "../../../src/core/documents.ts";
import { type NdArray, StorageError } from "../../../src/index.ts";
import { DataStore, MemoryEngine, ScanRecorder, type ScanRecorderOptions } from "../../../src/live/index.ts";
import { RunValues } from "../../../src/live/recording/run-values.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";

const number: DataKey = { source: "sim", dtype: "number", shape: [], object_name: "stage" };
const text: DataKey = { source: "sim", dtype: "string", shape: [] };
const reading = (value: unknown) => ({ value, timestamp: 1 });

/** A store and a recorder, and a run whose documents it gets. */
function recording(options: ScanRecorderOptions = {}, engine = new MemoryEngine()) {
  const told: StorageError[] = [];
  const store = new DataStore(engine);
  const recorder = new ScanRecorder(store, { onError: (error) => told.push(error), ...options });
  onTestFinished(async () => {
    await recorder.close({ timeoutMs: 0 });
    await store[Symbol.asyncDispose]();
  });
  const run = new RunDocuments((document) => recorder.record(document));
  return { engine, store, recorder, run, told };
}

function descriptor(uid: string, name: string, dataKeys: Record<string, DataKey>): Document {
  const parts = { run_start: "run", time: 1, configuration: {}, object_keys: {}, hints: {} };
  return ["descriptor", { uid, name, data_keys: dataKeys, ...parts } as EventDescriptor];
}

function event(uid: string, data: Record<string, unknown>): Document {
  return ["event", { uid: "event", descriptor: uid, time: 5, seq_num: 1, data, timestamps: {} }];
}

describe("Descriptors of one name", () => {
  it("go on with the streams of the first: a setting has changed, nothing else", async () => {
    const { store, recorder, told } = recording();
    recorder.record(["start", { uid: "run", time: 1 }]);
    recorder.record(descriptor("a", "primary", { x: number }));
    recorder.record(event("a", { x: 1 }));
    recorder.record(descriptor("b", "primary", { x: number, y: number }));
    recorder.record(event("b", { x: 2, y: 3 }));
    const report = await recorder.endRun();
    expect([told, report.missing, report.error]).toEqual([[], 0, undefined]);
    const scan = await store.loadScan(report.key as string);
    expect(scan.streamNames).toEqual(["x", "timer:epoch", "y"]);
    expect([...(await scan.stream<NdArray>("x").slice()).data]).toEqual([1, 2]);
    expect([...(await scan.stream<NdArray>("timer:epoch").slice()).data]).toEqual([5, 5]);
  });

  it("whose keys became something else do not go on with them, and the report counts what readers lack", async () => {
    const { store, recorder, told } = recording();
    recorder.record(["start", { uid: "run", time: 1 }]);
    recorder.record(descriptor("a", "primary", { x: number }));
    recorder.record(event("a", { x: 1 }));
    recorder.record(descriptor("b", "primary", { x: text }));
    recorder.record(event("b", { x: "2" }));
    const report = await recorder.endRun();
    expect(told.map(({ code }) => code)).toEqual(["ALREADY_EXISTS"]);
    expect(report).toMatchObject({ missing: 1, error: { code: "ALREADY_EXISTS" }, streams: { x: { sent: 1 } } });
    const scan = await store.loadScan(report.key as string);
    expect([...(await scan.stream<NdArray>("x").slice()).data]).toEqual([1]);
    expect(scan.endReason).toBe("FAILURE");
  });
});

it("keys of two devices that would be one stream do not mix their values", async () => {
  const { store, recorder, told } = recording();
  recorder.record(["start", { uid: "run", time: 1 }]);
  recorder.record(descriptor("a", "primary", { "baseline:x": number }));
  recorder.record(descriptor("b", "baseline", { x: number }));
  recorder.record(event("a", { "baseline:x": 1 }));
  recorder.record(event("b", { x: 100 }));
  recorder.record(event("a", { "baseline:x": 2 }));
  const report = await recorder.endRun();
  expect(told.map(({ code, identifier }) => [code, identifier])).toEqual([["ALREADY_EXISTS", "baseline:x"]]);
  expect(report).toMatchObject({ missing: 1, error: { code: "ALREADY_EXISTS" } });
  const scan = await store.loadScan(report.key as string);
  expect([...(await scan.stream<NdArray>("baseline:x").slice()).data]).toEqual([1, 2]);
});

it("streams that cannot be declared cost those that are there nothing", async () => {
  const engine = new MemoryEngine();
  const { store, recorder, run } = recording({}, engine);
  await run.start();
  await run.describe({ dataKeys: { x: number } });
  await run.event("primary", { x: reading(1) });
  const transition = vi.spyOn(engine, "transition");
  await expect.poll(async () => (await store.states((await store.search()).keys))[0], { timeout: 30_000 }).toBe(2);
  transition.mockRejectedValueOnce(new StorageError("INVALID_DATA", "that name is none"));
  await run.describe({ name: "late", dataKeys: { y: number } });
  await run.event("late", { y: reading(2) });
  await run.event("primary", { x: reading(3) });
  await run.stop("success");
  const report = await recorder.endRun();
  expect(report).toMatchObject({
    error: { code: "INVALID_DATA" },
    streams: { x: { sent: 2, missing: 0 }, "late:y": { sent: 0, missing: 1 } },
    missing: 2,
  });
  const scan = await store.loadScan(report.key as string);
  expect([scan.stateName, scan.endReason]).toEqual(["CLOSED", "FAILURE"]);
  expect([...(await scan.stream<NdArray>("x").slice()).data]).toEqual([1, 3]);
});

it("a scan that cannot go on is closed, so that nobody waits for it", async () => {
  const engine = new MemoryEngine();
  const { store, recorder, run } = recording({}, engine);
  await run.start();
  await expect.poll(async () => (await store.search()).keys.length, { timeout: 30_000 }).toBe(1);
  vi.spyOn(engine, "transition").mockRejectedValueOnce(new StorageError("CORRUPT", "the index is broken"));
  await run.describe({ dataKeys: { x: number } });
  const { key } = await store.lastScan();
  const scan = await store.loadScan(key);
  await run.event("primary", { x: reading(1) });
  await run.stop("success");
  expect(await recorder.endRun()).toMatchObject({ key, error: { code: "CORRUPT" }, missing: 2 });
  await scan.waitState(4);
  expect(scan.endReason).toBe("FAILURE");
});

it("a scan that is given up is not kept open by this process: its lease runs out", async () => {
  const clock = new FakeClock();
  const engine = new MemoryEngine();
  const away = new StorageError("TIMED_OUT", "no answer", { retryable: true });
  vi.spyOn(engine, "append").mockRejectedValue(away);
  await using store = new DataStore(engine, { clock });
  const recorder = new ScanRecorder(store, { clock, leaseMs: 3000 });
  recorder.record(["start", { uid: "run", time: 1 }]);
  recorder.record(descriptor("a", "primary", { x: number }));
  recorder.record(event("a", { x: 1 }));
  await expect.poll(async () => (await store.search()).keys.length, { timeout: 30_000 }).toBe(1);
  const renewLease = vi.spyOn(engine, "renewLease");
  await clock.advance(1000);
  expect(renewLease).toHaveBeenCalledTimes(1);
  const closed = recorder.close({ timeoutMs: 10 });
  await clock.advance(10);
  await closed;
  await clock.advance(10_000);
  expect(renewLease).toHaveBeenCalledTimes(1);
});

it("a start document that is longer than an info may be is left out of it, and said", async () => {
  const { store, recorder, run, told } = recording();
  await run.start({ plan_name: "list_scan", points: Array.from({ length: 300_000 }, (_, i) => i) });
  await run.describe({ dataKeys: { x: number } });
  await run.event("primary", { x: reading(1) });
  await run.stop("success");
  const report = await recorder.endRun();
  expect([report.missing, report.streams.x]).toEqual([0, { sent: 1, missing: 0 }]);
  expect(told.map(({ message }) => message)).toEqual([expect.stringMatching(/start document has \d+ bytes/)]);
  const scan = await store.loadScan(report.key as string);
  expect([scan.endReason, scan.info.type, scan.info.run_start]).toEqual(["SUCCESS", "list_scan", undefined]);
});

it("values that a descriptor adds are found in the documents at their own index", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-recording-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "documents.jsonl");
  const documents = [
    descriptor("a", "primary", { x: number }),
    event("a", { x: 1 }),
    descriptor("b", "primary", { x: number, y: number }),
    ...[2, 3].map((x) => event("b", { x, y: 10 * x })),
    event("a", { x: 4 }),
    event("b", { x: 5, y: 50 }),
  ];
  writeFileSync(path, documents.map(([name, doc]) => `${JSON.stringify({ name, doc })}\n`).join(""));
  await using backends = new BackendSet(createRegistry(), {});
  const values = new RunValues(backends);
  const read = (field: string, range: [number, number]) =>
    values.read(pathToFileURL(path).href, "primary", field, range, {});
  expect(await read("x", [0, 5])).toEqual([1, 2, 3, 4, 5]);
  expect(await read("y", [0, 3])).toEqual([20, 30, 50]);
  expect(await read("y", [1, 2])).toEqual([30]);
  await expect(read("y", [2, 4])).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringMatching(/ 3 /) });
});

describe("What waits for an engine", () => {
  class Away extends MemoryEngine {
    override append(): Promise<never> {
      return Promise.reject(new StorageError("TIMED_OUT", "no answer", { retryable: true }));
    }
  }

  it.each([
    ["numbers", number, (i: number) => i + 0.5],
    ["rows", { source: "sim", dtype: "array", shape: [4], dtype_numpy: "<f8" } as DataKey, (i: number) => [i, i, i, i]],
    ["texts", text, (i: number) => `sample ${i} in its holder`],
  ])("takes no more memory than it may: %s", async (_, key, pointOf) => {
    const { gc } = await import("../../support/collect-garbage.ts");
    const maxWaitingBytes = 8 * 2 ** 20;
    const { recorder } = recording({ maxWaitingBytes }, new Away());
    recorder.record(["start", { uid: "run", time: 1 }]);
    recorder.record(descriptor("a", "primary", { x: key }));
    const used = () => {
      gc();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = used();
    for (let i = 0; i < 400_000; i++) recorder.record(event("a", { x: pointOf(i) }));
    expect(used() - before).toBeLessThan(2 * maxWaitingBytes);
  });
});
