/** What those who wait cost, and what does not end their wait. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { StorageError, type StorageErrorCode } from "../../src/core/errors.ts";
import { CursorGroup } from "../../src/live/cursor-group.ts";
import { DataStore } from "../../src/live/data-store.ts";
import type { Entry } from "../../src/live/engine.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { View } from "../../src/live/view-of-points.ts";
import { failureOf, makeStream, numbers } from "./battery/subject.ts";

const refusals: readonly StorageErrorCode[] = ["PERMISSION_DENIED", "READ_ONLY", "NO_SPACE", "CONFLICT"];

test.each(refusals)("who may not end scans that are lost waits on for what comes: %s", async (code) => {
  const engine = new MemoryEngine();
  let asked = 0;
  engine.closeLost = () => {
    asked++;
    return Promise.reject(new StorageError(code, "not you"));
  };
  const store = new DataStore(engine, { lostWritersMs: 1 });
  const { scan, writer, stream } = await makeStream(store, store);
  const reading = (await stream.cursor()).read();
  const reader = await store.loadScan(scan.key);
  const updating = reader.update();
  await expect.poll(() => asked, { timeout: 30_000 }).toBeGreaterThan(3);
  await writer.send(7);
  expect((await reading)?.length).toBe(1);
  await scan.close();
  expect([await updating, reader.stateName]).toEqual([true, "CLOSED"]);
});

test("another failure of those who end lost scans is told to who waits", async () => {
  const engine = new MemoryEngine();
  engine.closeLost = () => Promise.reject(new StorageError("CORRUPT", "no index"));
  const store = new DataStore(engine, { lostWritersMs: 1 });
  const { stream } = await makeStream(store, store);
  expect(await failureOf((await stream.cursor()).read())).toMatchObject({ code: "CORRUPT" });
});

test("a time that is no number is refused by everything that waits", async () => {
  const store = new DataStore(new MemoryEngine());
  const { scan, stream } = await makeStream(store, store);
  const timeoutMs = Number.NaN;
  const cursor = await stream.cursor();
  const waits = [
    () => cursor.read({ timeoutMs }),
    () => new CursorGroup([cursor]).read({ timeoutMs }),
    () => stream.waitSealed({ timeoutMs }),
    () => stream.locate(5, { wait: true, timeoutMs }),
    () => scan.update({ timeoutMs }),
    () => scan.waitState(4, { timeoutMs }),
    () => store.nextScan({ timeoutMs }),
  ];
  for (const wait of waits) expect(await failureOf(wait())).toMatchObject({ code: "INVALID_DATA" });
  for (const leaseMs of [timeoutMs, -1, Number.POSITIVE_INFINITY]) {
    expect(await failureOf(store.createScan({}, { leaseMs }))).toMatchObject({ code: "INVALID_DATA" });
    expect(await failureOf(store.resumeScan(scan.key, { leaseMs }))).toMatchObject({ code: "INVALID_DATA" });
  }
  expect(await failureOf(scan.writer("data").setDurable(timeoutMs))).toMatchObject({ code: "INVALID_DATA" });
});

test("reads of a group leave nothing behind at a signal that lives on", async () => {
  const [one, other] = [new DataStore(new MemoryEngine()), new DataStore(new MemoryEngine())];
  const pairs = [await makeStream(one, one), await makeStream(other, other)];
  const group = new CursorGroup(await Promise.all(pairs.map(({ stream }) => stream.cursor())));
  const controller = new AbortController();
  const { signal } = controller;
  for (const { writer } of pairs) {
    const reading = group.read({ signal });
    await writer.send(1);
    expect((await reading).size).toBe(1);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  }
  const reading = group.read({ signal });
  controller.abort(new Error("enough"));
  expect(await failureOf(reading)).toMatchObject({ code: "ABORTED", cause: { message: "enough" } });
  expect(await failureOf(group.read({ signal }))).toMatchObject({ code: "ABORTED" });
});

test("each point of a view costs the same, however many there are", async () => {
  const store = new DataStore(new MemoryEngine());
  const { writer, stream } = await makeStream(store, store);
  const count = 1000;
  for (const value of numbers(0, count)) await writer.sendNoWait(value);
  await writer.flush();
  const page = await stream.engine.range(stream.key, 0, count);
  let looks = 0;
  const entries = new Proxy(page.entries as Entry[], {
    get: (target, name, receiver) => {
      if (typeof name === "string" && /^\d+$/.test(name)) looks++;
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
  const view = new View<unknown, number>(stream, {
    index: 0,
    end: count,
    step: 1,
    skipped: 0,
    page: { ...page, entries },
  });
  const seen: number[] = [];
  for await (const point of view) seen.push(point);
  expect(seen).toEqual([...numbers(0, count)]);
  expect(looks).toBeLessThan(50 * count);
});

test("the lease of a scan that cannot be closed is not renewed once its object is gone", async () => {
  const engine = new MemoryEngine();
  const store = new DataStore(engine);
  const scan = await store.createScan({}, { leaseMs: 30 });
  engine.transition = () => Promise.reject(new StorageError("TIMED_OUT", "away"));
  expect(await failureOf(scan[Symbol.asyncDispose]())).toMatchObject({ code: "TIMED_OUT" });
  const { transition } = MemoryEngine.prototype;
  engine.transition = transition;
  await expect.poll(() => engine.closeLost(), { timeout: 30_000 }).toEqual([scan.key]);
});
