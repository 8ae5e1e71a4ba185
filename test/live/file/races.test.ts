/** Moments between two steps, in which somebody else does something. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Entry, LiveEngine } from "../../../src/live/engine.ts";
import { ChangeWatch } from "../../../src/live/engines/file/change-watch.ts";
import { type FileEngineOptions, openFileEngine } from "../../../src/live/engines/file/index.ts";
import { SegmentFiles } from "../../../src/live/engines/file/segment-files.ts";
import { StreamRows } from "../../../src/live/engines/file/stream-rows.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";

const KEY = "esrf:stream:01JD0000000000000000000001";
const scanKey = (number: number) => `esrf:scan:01JD000000000000000000000${number}`;

let root: string;
const engines: LiveEngine[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-live-races-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(engines.splice(0).map((engine) => engine[Symbol.asyncDispose]()));
  await rm(root, { recursive: true, force: true });
});

async function connect(options: Partial<FileEngineOptions> = {}): Promise<LiveEngine> {
  const engine = await openFileEngine({ root, ...options });
  engines.push(engine);
  return engine;
}

const entry = (index: number, bytes = 4): Entry => ({ index, length: 1, payload: new Uint8Array(bytes).fill(index) });

test("who reads at the moment when a change begins reads what was there before", async () => {
  const engine = await connect();
  const failures: unknown[] = [];
  /** Reads as often as there are steps between one promise and the next. */
  const readAtEachStep = async () => {
    for (let step = 0; step < 60; step++) {
      await Promise.resolve();
      engine.bounds([KEY]).catch((error: unknown) => failures.push(error));
    }
  };
  const controller = new AbortController();
  const aborted = engine.append(KEY, [entry(7)], { signal: controller.signal }).catch(readAtEachStep);
  const good = engine.append(KEY, [entry(0)]);
  controller.abort();
  await Promise.all([aborted, good]);
  expect(failures).toEqual([]);
  expect((await engine.bounds([KEY]))[0]?.length).toBe(1);
});

test("what another process appends between a look and the wait that follows wakes who waits", async () => {
  const [writer, reader] = [await connect(), await connect()];
  await writer.append(KEY, [entry(0)]);
  const other = await openSqlite(join(root, "index.db"));
  const during = ChangeWatch.prototype.during;
  vi.spyOn(ChangeWatch.prototype, "during").mockImplementationOnce(function (this: ChangeWatch, work) {
    other.exec("UPDATE streams SET sealed = 1");
    return during.call(this, work) as never;
  });
  const news = await reader.wait(new Map([[KEY, 1]]), { timeoutMs: 3000 });
  other.close();
  expect(news.get(KEY)?.bounds).toMatchObject({ length: 1, sealed: true });
});

test("who reads behind one who trims again and again is not told of damage", async () => {
  const engine = await connect({ inlineBytes: 0, segmentBytes: 1 });
  for (let index = 0; index < 6; index++) await engine.append(KEY, [entry(index)]);
  const read = SegmentFiles.prototype.read;
  let trims = 0;
  const reading = vi.spyOn(SegmentFiles.prototype, "read").mockImplementation(async function (
    this: SegmentFiles,
    ...of
  ) {
    if (trims < 3) await engine.trim(KEY, ++trims);
    return await read.apply(this, of);
  });
  const { entries, bounds } = await engine.range(KEY, 0, 9, { maxBytes: 1 });
  expect([entries.map(({ index }) => index), bounds.floor]).toEqual([[3], 3]);
  expect(reading.mock.calls.length).toBe(4);
});

test("what a transaction that broke had appended is appended again, once", async () => {
  const [engine, other] = [await connect(), await connect()];
  vi.spyOn(StreamRows.prototype, "insertPacked").mockImplementationOnce(() => {
    throw new Error("the disk failed for a moment");
  });
  await Promise.all([
    engine.append(KEY, [entry(0)]),
    engine.append(`${KEY}B`, [entry(0)]),
    engine.append(KEY, [entry(1)]),
  ]);
  const { entries, bounds } = await other.range(KEY, 0, 9);
  expect([entries.map(({ payload }) => payload[0]), bounds.length]).toEqual([[0, 1], 2]);
  expect((await other.bounds([`${KEY}B`]))[0]?.length).toBe(1);
});

test("a scan whose time is over hides none that follows", async () => {
  let now = 1000;
  const time = { boot: "b", now: () => now, wall: () => now };
  const engine = await connect({ time });
  for (const number of [1, 2, 3]) await engine.createScan({ key: scanKey(number), identity: {}, info: {} });
  for (const number of [1, 2]) await engine.expire(scanKey(number), 10);
  now += 100;
  const page = await engine.scansAfter("oldest", { timeoutMs: 0, limit: 1 });
  expect(page.scans.map(({ key }) => key)).toEqual([scanKey(3)]);
  expect((await engine.scansAfter(page.tag, { timeoutMs: 0, limit: 1 })).scans).toEqual([]);
});
