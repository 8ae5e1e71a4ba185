/** What a writer does when more comes than can go. */
import { expect, test } from "vitest";
import { StorageError } from "../../src/core/errors.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { type BlobFrames, BlobTier } from "../../src/live/blobs/blob-tier.ts";
import { DataStore } from "../../src/live/data-store.ts";
import { type FrameReference, FramesCodec } from "../../src/live/encoding/frames.ts";
import { NumericCodec } from "../../src/live/encoding/numeric.ts";
import type { Entry } from "../../src/live/engine.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { MemoryLiveStore } from "../../src/live/engines/memory-store.ts";
import { type BackPressure, StreamWriter } from "../../src/live/stream-writer.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

/** An engine whose appends are held until it is told. */
class SlowEngine extends MemoryEngine {
  readonly held: (() => void)[] = [];
  override async append(stream: string, entries: readonly Entry[]): Promise<void> {
    await new Promise<void>((resolve) => this.held.push(resolve));
    await super.append(stream, entries);
  }
  /** Lets all go that is held, and what comes of it. */
  async release(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      for (const go of this.held.splice(0)) go();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  async values(): Promise<number[]> {
    return (await this.range("s", 0, 99)).entries.flatMap(({ payload }) => [...payload]);
  }
}

function makeWriter(backPressure: BackPressure): { engine: SlowEngine; writer: StreamWriter } {
  const engine = new SlowEngine();
  const header = { name: "s", key: "s", encoding: { type: "numeric", dtype: "|u1", shape: [] }, info: {} } as const;
  return {
    engine,
    writer: new StreamWriter(engine, header, new NumericCodec("|u1", []), 0, { highWaterBytes: 3, backPressure }),
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("who sends waits for room, in order, and the signal frees it", async () => {
  const { engine, writer } = makeWriter("block");
  const sends = [0, 1, 2, 3, 4, 5, 6].map((value) => writer.sendNoWait(value));
  let isAccepted = false;
  sends[3]?.then(() => {
    isAccepted = true;
  });
  const controller = new AbortController();
  const aborted = writer.send(99, { signal: controller.signal }).catch((error: { code?: string }) => error.code);
  await turn();
  expect([writer.waitingBytes, isAccepted]).toEqual([3, false]);
  controller.abort();
  await engine.release();
  await Promise.all(sends);
  expect(await aborted).toBe("ABORTED");
  await writer.flush();
  expect(await engine.values()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect([writer.waitingBytes, writer.length, writer.dropped]).toEqual([0, 7, 0]);
});

test("the oldest that is not on its way is dropped, says so, and takes no index", async () => {
  const { engine, writer } = makeWriter("dropOldest");
  const first = writer.send(0);
  await turn();
  const results = Promise.allSettled([1, 2, 3, 4, 5].map((value) => writer.send(value)));
  await engine.release();
  await first;
  const codes = (await results).map((result) => (result.status === "rejected" ? result.reason.code : "sent"));
  expect(codes).toEqual(["CAPACITY_EXCEEDED", "CAPACITY_EXCEEDED", "CAPACITY_EXCEEDED", "sent", "sent"]);
  expect([await engine.values(), writer.dropped]).toEqual([[0, 4, 5], 3]);
});

test("what comes when nothing more may wait is refused, and later taken", async () => {
  const { engine, writer } = makeWriter("error");
  for (const value of [0, 1, 2]) await writer.sendNoWait(value);
  await expect(writer.sendNoWait(3)).rejects.toMatchObject({ code: "CAPACITY_EXCEEDED", retryable: true });
  await engine.release();
  await writer.sendNoWait(4);
  await engine.release();
  await writer.flush();
  expect(await engine.values()).toEqual([0, 1, 2, 4]);
});

test("much that waits goes in appends of a thousand batches, in order", async () => {
  const sizes: number[] = [];
  class CountingEngine extends MemoryEngine {
    override async append(stream: string, entries: readonly Entry[]): Promise<void> {
      sizes.push(entries.length);
      await super.append(stream, entries);
    }
  }
  const header = { name: "s", key: "s", encoding: { type: "numeric", dtype: "|u1", shape: [] }, info: {} } as const;
  const writer = new StreamWriter(new CountingEngine(), header, new NumericCodec("|u1", []), 0);
  for (let i = 0; i < 2500; i++) void writer.sendNoWait(i % 256);
  await writer.flush();
  expect([writer.length, Math.max(...sizes)]).toEqual([2500, 1024]);
});

test("what is no number is refused, and the refusal says what would be one", async () => {
  const { engine, writer } = makeWriter("block");
  for (const data of [null, "1", { data: [1], shape: [1] }]) {
    await expect(writer.send(data)).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringMatching(/^Points are a typed array, .*; got (null|string|object)$/),
    });
  }
  expect([engine.held.length, writer.length]).toEqual([0, 0]);
});

/** A place for frames that keeps them until it is told. */
class SlowPlace {
  readonly stored: number[] = [];
  readonly held: (() => void)[] = [];
  async put({ frames }: BlobFrames): Promise<FrameReference[]> {
    await new Promise<void>((resolve) => this.held.push(resolve));
    this.stored.push(...frames.map(({ data }) => Number(data[0])));
    return frames.map((_, index) => ({ kind: "bytes", uri: "memory:", index }));
  }
  async nextSequence(): Promise<number> {
    return 0;
  }
  async end(): Promise<void> {}
  async trim(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
  async release(): Promise<void> {
    for (let turns = 0; turns < 30; turns++) {
      for (const go of this.held.splice(0)) go();
      await turn();
    }
  }
}

test.each([
  ["error", ["sent", "sent", "CAPACITY_EXCEEDED", "CAPACITY_EXCEEDED", "CAPACITY_EXCEEDED"], [0, 1], 0],
  ["dropOldest", ["CAPACITY_EXCEEDED", "CAPACITY_EXCEEDED", "CAPACITY_EXCEEDED", "sent", "sent"], [3, 4], 3],
  ["block", ["sent", "sent", "sent", "sent", "sent"], [0, 1, 2, 3, 4], 0],
] as const)("frames that wait to be stored count as waiting: %s", async (backPressure, outcomes, stored, dropped) => {
  const place = new SlowPlace();
  const header = { name: "s", key: "s", encoding: { type: "frames", dtype: "|u1", shape: [100] }, info: {} } as const;
  const blobs = new BlobTier(place, { inlineBytes: 0 });
  const options = { highWaterBytes: 250, backPressure, blobs };
  const writer = new StreamWriter(new MemoryEngine(), header, new FramesCodec("|u1", [100]), 0, options);
  const sends = [0, 1, 2, 3, 4].map((value) => writer.send(ndArray(new Uint8Array(100).fill(value), [100])));
  const results = Promise.allSettled(sends);
  await turn();
  expect(writer.waitingBytes).toBe(backPressure === "block" ? 500 : 200);
  await place.release();
  const codes = (await results).map((result) => (result.status === "rejected" ? result.reason.code : "sent"));
  expect(codes).toEqual(outcomes);
  expect([place.stored, writer.length, writer.dropped, writer.waitingBytes]).toEqual([
    stored,
    stored.length,
    dropped,
    0,
  ]);
  expect(await writer.seal()).toBe(stored.length);
});

test("a store that was busy for too long is no other writer: what comes next goes", async () => {
  const engine = new MemoryEngine();
  const append = engine.append.bind(engine);
  engine.append = () => Promise.reject(new StorageError("CONFLICT", "busy", { retryable: true }));
  const header = { name: "s", key: "s", encoding: { type: "numeric", dtype: "|u1", shape: [] }, info: {} } as const;
  const writer = new StreamWriter(engine, header, new NumericCodec("|u1", []), 0);
  await expect(writer.send(0)).rejects.toMatchObject({ code: "CONFLICT", retryable: true });
  engine.append = append;
  await writer.send(0);
  expect([writer.length, await writer.seal()]).toEqual([1, 1]);
});

test("a store that was busy for too long does not end a lease", async () => {
  const clock = new FakeClock();
  const engine = new MemoryEngine(new MemoryLiveStore({ clock }));
  const store = new DataStore(engine, { clock });
  const scan = await store.createScan({}, { leaseMs: 900 });
  const renew = engine.renewLease.bind(engine);
  engine.renewLease = () => Promise.reject(new StorageError("CONFLICT", "busy", { retryable: true }));
  await clock.advance(400);
  engine.renewLease = renew;
  await clock.advance(2000);
  expect(await engine.closeLost()).toEqual([]);
  await scan.close();
});
