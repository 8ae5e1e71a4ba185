/** Calls of an engine that are made, and whose answer never comes: whoever asks again must not take itself for another. */
import { describe, expect, it, onTestFinished } from "vitest";
import type { DataKey, Document, EventDescriptor } from "../../../src/core/documents.ts";
import { type NdArray, StorageError } from "../../../src/index.ts";
import { DataStore, MemoryEngine, ScanRecorder } from "../../../src/live/index.ts";

const number: DataKey = { source: "sim", dtype: "number", shape: [], object_name: "stage" };
const frames: DataKey = { source: "cam", dtype: "array", shape: [1, 4, 4], dtype_numpy: "<u2", external: "STREAM:" };

const lost = () => new StorageError("TIMED_OUT", "no answer", { retryable: true });

/** Does not answer some of its calls: it does them at once, or as late as before the next one. */
class Mumbling extends MemoryEngine {
  isLate = false;
  /** Calls that go wrong, by method: each as often as it is in the list. */
  readonly unanswered: string[] = [];
  #left: (() => Promise<unknown>) | undefined;

  override append(...args: Parameters<MemoryEngine["append"]>) {
    return this.#maybe("append", () => super.append(...args));
  }
  override transition(...args: Parameters<MemoryEngine["transition"]>) {
    return this.#maybe("transition", () => super.transition(...args));
  }
  override setDurable(...args: Parameters<MemoryEngine["setDurable"]>) {
    return this.#maybe("setDurable", () => super.setDurable(...args));
  }

  async #maybe<T>(name: string, run: () => Promise<T>): Promise<T> {
    const left = this.#left;
    this.#left = undefined;
    // Whatever comes of it, nobody is told any more.
    await left?.().catch(() => {});
    const at = this.unanswered.indexOf(name);
    if (at < 0) return await run();
    this.unanswered.splice(at, 1);
    if (this.isLate) this.#left = run;
    else await run();
    throw lost();
  }
}

function recording(engine: Mumbling) {
  const told: StorageError[] = [];
  const store = new DataStore(engine);
  const recorder = new ScanRecorder(store, { retryMs: 1, onError: (error) => told.push(error) });
  onTestFinished(async () => {
    await recorder.close({ timeoutMs: 0 });
    await store[Symbol.asyncDispose]();
  });
  const record = (name: string, doc: object) => recorder.record([name, doc] as unknown as Document);
  const describe = (uid: string, name: string, dataKeys: Record<string, DataKey>) => {
    const more = { run_start: "run", time: 1, configuration: {}, object_keys: {}, hints: {} };
    record("descriptor", { uid, name, data_keys: dataKeys, ...more } satisfies EventDescriptor);
  };
  const event = (uid: string, data: Record<string, unknown>) =>
    record("event", { uid: "event", descriptor: uid, time: 5, seq_num: 1, data, timestamps: {} });
  return { store, recorder, record, describe, event, told };
}

describe.each([
  ["made", false],
  ["made late", true],
])("Calls that are %s and not answered", (_, isLate) => {
  it.each([
    ["appends", Array.from({ length: 6 }, () => "append")],
    ["changes of the state", Array.from({ length: 6 }, () => "transition")],
    ["all of them", Array.from({ length: 20 }, (_, i) => ["append", "transition", "setDurable"][i % 3] as string)],
  ])("lose no point, and double none: %s", async (_, unanswered) => {
    const engine = new Mumbling();
    engine.isLate = isLate;
    const { store, recorder, record, describe: declare, event, told } = recording(engine);
    engine.unanswered.push(...unanswered);
    record("start", { uid: "run", time: 1 });
    declare("a", "primary", { x: number, camera: frames });
    const resource = { uid: "r", data_key: "camera", mimetype: "application/x-zarr", uri: "file:///frames" };
    record("stream_resource", { ...resource, run_start: "run", parameters: {} });
    for (let i = 0; i < 40; i++) {
      event("a", { x: i });
      const indices = { start: i, stop: i + 1 };
      record("stream_datum", { uid: `r/${i}`, stream_resource: "r", descriptor: "a", indices, seq_nums: indices });
      if (i === 20) declare("b", "late", { y: number });
      if (i > 20) event("b", { y: -i });
      if (i % 10 === 0) await expect.poll(() => engine.unanswered.length, { timeout: 30_000 }).toBeLessThanOrEqual(18);
    }
    record("stop", { uid: "stop", run_start: "run", time: 2, exit_status: "success", reason: "", num_events: {} });
    const report = await recorder.endRun({ documentsAreDurable: true, timeoutMs: 30_000 });
    expect([report.missing, report.error]).toEqual([0, undefined]);
    expect(told.every(({ code }) => code === "TIMED_OUT")).toBe(true);
    expect(told.length).toBeGreaterThan(2);
    const scan = await store.loadScan(report.key as string);
    expect([scan.stateName, scan.endReason]).toEqual(["CLOSED", "SUCCESS"]);
    expect([...(await scan.stream<NdArray>("x").slice()).data]).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect([...(await scan.stream<NdArray>("late:y").slice()).data]).toEqual(
      Array.from({ length: 19 }, (_, i) => -21 - i),
    );
    expect(await scan.stream("camera").length()).toBe(40);
  });
});

/** A run with one stream, of which the first point is there. */
async function oneStream() {
  const engine = new Mumbling();
  const { store, recorder, record, describe: declare, event } = recording(engine);
  record("start", { uid: "run", time: 1 });
  declare("a", "primary", { x: number });
  event("a", { x: 1 });
  await expect.poll(async () => (await store.search()).keys.length, { timeout: 30_000 }).toBe(1);
  const scan = await store.loadScan((await store.lastScan()).key);
  await scan.waitState(2);
  const stream = scan.stream("x");
  await expect.poll(() => stream.length(), { timeout: 30_000 }).toBe(1);
  /** Sends a second point, whose append is made too late and not answered, and ends the run. */
  const sendOneMore = async () => {
    engine.unanswered.push("append");
    engine.isLate = true;
    event("a", { x: 2 });
    record("stop", { uid: "stop", run_start: "run", time: 2, exit_status: "success", reason: "", num_events: {} });
    return await recorder.endRun();
  };
  return { engine, stream, sendOneMore };
}

it("somebody else who writes the stream is not taken for oneself", async () => {
  const { engine, stream, sendOneMore } = await oneStream();
  const payload = new Uint8Array(new Float64Array(5).buffer);
  await engine.append(stream.key, [{ index: 1, length: 5, payload }]);
  const report = await sendOneMore();
  expect(report).toMatchObject({ streams: { x: { sent: 1, missing: 1 } }, missing: 1 });
  expect(report.error?.message).toMatch(/somebody else writes it/);
});

it("a stream that another has taken over is given up", async () => {
  const { engine, stream, sendOneMore } = await oneStream();
  await engine.claim([stream.key], "another");
  const report = await sendOneMore();
  expect(report).toMatchObject({ streams: { x: { sent: 1, missing: 1 } }, missing: 1 });
  expect(report.error?.message).toMatch(/taken over/);
});
