/** What a writer does when more comes than can go. */
import { expect, test } from "vitest";
import { NumericCodec } from "../../src/live/encoding/numeric.ts";
import type { Entry } from "../../src/live/engine.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { type BackPressure, StreamWriter } from "../../src/live/stream-writer.ts";

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
