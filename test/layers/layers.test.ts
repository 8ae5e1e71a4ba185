import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import type { DiskStore } from "../../backends/disk/store.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { ByteStore, ByteWriter } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { CacheStore } from "../../src/layers/cache.ts";
import { ChaosStore } from "../../src/layers/chaos.ts";
import { ChecksumStore } from "../../src/layers/checksum.ts";
import type { Fault } from "../../src/layers/fault-script.ts";
import { LatencyStore } from "../../src/layers/latency.ts";
import { LimitStore } from "../../src/layers/limit.ts";
import { METER_CHANNEL, MeterStore } from "../../src/layers/meter.ts";
import { OverlayStore } from "../../src/layers/overlay.ts";
import { PermitPool } from "../../src/layers/permit-pool.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import { ReadOnlyStore } from "../../src/layers/read-only.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { RouteStore } from "../../src/layers/route.ts";
import { stack } from "../../src/layers/stack.ts";
import { TimeoutStore } from "../../src/layers/timeout.ts";
import { WriterSet } from "../../src/layers/writer-set.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { freshDisk } from "../support/byte-stores.ts";
import { replaceMethods } from "../support/replace-methods.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const keysOf = async (store: MemoryStore | OverlayStore | RouteStore) => {
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  return keys;
};

describe("timeout", () => {
  it("answers in time although the store hangs, with an error that may be retried", async () => {
    const clock = new FakeClock();
    const store = new TimeoutStore(new ChaosStore(new MemoryStore(), { faults: [{ kind: "hang" }] }), {
      clock,
      timeoutMs: 50,
    });
    const read = store.read("a").catch((error: unknown) => error);
    await clock.advance(49);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    expect(await read).toMatchObject({ code: "TIMED_OUT", retryable: true });
    expect(clock.pending).toBe(0);
  });

  it("throws away a writer that comes too late", async () => {
    const clock = new FakeClock();
    const below = new MemoryStore();
    const slow = new LatencyStore(below, { delayMs: 100, clock });
    const store = new TimeoutStore(slow, { clock, timeoutMs: 50 });
    const opening = store.openWriter("a").catch((error: unknown) => error);
    await clock.advance(200);
    expect(await opening).toMatchObject({ code: "TIMED_OUT" });
    expect(await keysOf(below)).toEqual([]);
  });

  it("leaves what an earlier writer left where the one that goes on with it comes too late", async () => {
    const clock = new FakeClock();
    const below = new MemoryStore();
    const ended: string[] = [];
    const goesOn = replaceMethods(below, {
      openWriter: async (key) => {
        const writer = await below.openWriter(key);
        await new Promise<void>((resolve) => clock.after(100, resolve));
        return Object.assign(writer, {
          suspend: async () => void ended.push("suspend"),
          abort: async () => void ended.push("abort"),
        });
      },
    });
    const store = new TimeoutStore(goesOn, { clock, timeoutMs: 50 });
    const opening = store.openWriter("a").catch((error: unknown) => error);
    await clock.advance(200);
    expect(await opening).toMatchObject({ code: "TIMED_OUT" });
    expect(ended).toEqual(["suspend"]);
  });
});

describe("limit", () => {
  it("has at most so many calls under way, over all stores that share the pool, in order", async () => {
    const clock = new FakeClock();
    const pool = new PermitPool({ concurrency: 2 });
    const stores = [1, 2].map(() => new LimitStore(new LatencyStore(new MemoryStore(), { delayMs: 10, clock }), pool));
    const done: number[] = [];
    const work = [0, 1, 2, 3, 4].map(async (i) => {
      await (stores[i % 2] as LimitStore).write(`k${i}`, bytes(1));
      done.push(i);
    });
    expect([pool.active, pool.waiting]).toEqual([2, 3]);
    await clock.advance(10);
    expect(done).toEqual([0, 1]);
    await clock.advance(20);
    await Promise.all(work);
    expect(done).toEqual([0, 1, 2, 3, 4]);
    expect([pool.active, pool.waiting]).toEqual([0, 0]);
  });

  it("frees the place of a caller who leaves the line", async () => {
    const clock = new FakeClock();
    const pool = new PermitPool({ concurrency: 1 });
    const store = new LimitStore(new LatencyStore(new MemoryStore(), { delayMs: 10, clock }), pool);
    const first = store.write("a", bytes(1));
    const controller = new AbortController();
    const second = store.write("b", bytes(1), { signal: controller.signal }).catch((error: unknown) => error);
    const third = store.write("c", bytes(1));
    controller.abort();
    expect(await second).toMatchObject({ code: "ABORTED" });
    await clock.advance(20);
    await Promise.all([first, third]);
    expect(pool.active).toBe(0);
  });

  it("moves no more bytes than the rate allows after a burst of a second", async () => {
    const clock = new FakeClock({ automatic: true });
    const store = new LimitStore(new MemoryStore(), new PermitPool({ bytesPerSecond: 1000, clock }));
    for (let i = 0; i < 5; i++) await store.write("a", new Uint8Array(1000));
    for (let i = 0; i < 5; i++) await store.read("a");
    expect(clock.now()).toBeGreaterThanOrEqual(8000);
    expect(clock.now()).toBeLessThanOrEqual(9000);
  });
});

describe("cache", () => {
  const over = (options: object = {}) => {
    const below = new MemoryStore();
    const meter = new MeterStore(below);
    const medium = new MemoryStore();
    const store = new CacheStore(meter, { medium, ...options });
    const reads = () => meter.counts().get("read")?.count ?? 0;
    return { below, medium, store, reads };
  };

  it("reads each version once, and shares one download", async () => {
    const { below, store, reads } = over();
    await below.write("a", bytes(1, 2, 3));
    await Promise.all(Array.from({ length: 10 }, () => store.read("a")));
    expect(await store.read("a", { range: { offset: 1, length: 1 } })).toEqual(bytes(2));
    expect(reads()).toBe(1);
    await below.write("a", bytes(9));
    expect(await store.read("a")).toEqual(bytes(9));
    expect(reads()).toBe(2);
  });

  it("keeps the others' download when one of them leaves", async () => {
    const { below, store, reads } = over();
    await below.write("a", bytes(1));
    const controller = new AbortController();
    const leaving = store.read("a", { signal: controller.signal }).catch((error: unknown) => error);
    const staying = store.read("a");
    controller.abort();
    expect(await leaving).toMatchObject({ code: "ABORTED" });
    expect(await staying).toEqual(bytes(1));
    expect(reads()).toBe(1);
  });

  it("is never longer than its bound, and what was used last stays", async () => {
    const { below, medium, store, reads } = over({ maxBytes: 3500, maxValueBytes: 1000 });
    for (const key of ["a", "b", "c", "d"]) await below.write(key, new Uint8Array(1000).fill(key.charCodeAt(0)));
    for (const key of ["a", "b", "c", "a", "d", "a"]) {
      await store.read(key);
      expect(medium.byteLength).toBeLessThanOrEqual(3500);
      expect(store.byteLength).toBe(medium.byteLength);
    }
    expect(reads()).toBe(4);
    await store.read("b");
    expect(reads()).toBe(5);
  });

  it("takes a damaged, cut or missing entry for a miss", async () => {
    const { below, medium, store, reads } = over();
    await below.write("a", bytes(1, 2, 3));
    for (const [i, damage] of [
      (entry: Uint8Array) => entry.fill(7, entry.length - 1),
      (entry: Uint8Array) => entry.subarray(0, entry.length - 1),
      (entry: Uint8Array) => entry.subarray(0, 3),
    ].entries()) {
      await store.read("a");
      const [key] = await keysOf(medium);
      await medium.write(key as string, damage(await medium.read(key as string)));
      expect(await store.read("a")).toEqual(bytes(1, 2, 3));
      expect(reads()).toBe(i + 2);
    }
  });

  it("goes on without a medium that fails, and counts it", async () => {
    const below = new MemoryStore();
    await below.write("a", bytes(1));
    const medium = new ChaosStore(new MemoryStore(), { faults: [{ code: "NO_SPACE" }] });
    const store = new CacheStore(below, { medium });
    expect(await store.read("a")).toEqual(bytes(1));
    expect(store.counts).toMatchObject({ misses: 1, mediumFailures: 2 });
  });

  it("finds the entries of an earlier process on a disk, and none of another life of a store that forgets", async () => {
    const [values, medium] = [await freshDisk({ durability: "none" }), await freshDisk({ durability: "none" })];
    await values.side.put("a", bytes(1, 2));
    await new CacheStore(values.store, { medium: medium.store }).read("a");
    const again = new CacheStore(values.store, { medium: medium.store });
    expect(await again.read("a")).toEqual(bytes(1, 2));
    expect(again.counts).toMatchObject({ hits: 1, misses: 0 });
    for (const value of [3, 4]) {
      const forgetful = new MemoryStore();
      await forgetful.write("a", bytes(value));
      expect(await new CacheStore(forgetful, { medium: medium.store }).read("a")).toEqual(bytes(value));
    }
    for (const one of [values, medium]) await one.dispose?.();
  });

  it("asks nobody for keys that stand for their content", async () => {
    const { below, store } = over({ bind: "content" });
    await below.write("sha", bytes(1));
    await store.read("sha");
    await below.delete("sha");
    expect(await store.read("sha")).toEqual(bytes(1));
  });
});

describe("overlay", () => {
  it("never touches what is below, and a whiteout is no key", async () => {
    const [lower, upper] = [new MemoryStore(), new MemoryStore()];
    for (const key of ["a", "whiteouts/x", "values/y"]) await lower.write(key, bytes(1));
    const store = new OverlayStore(new ReadOnlyStore(lower), { upper });
    await store.delete("whiteouts/x");
    await store.write("a", bytes(2));
    await store.rename("values/y", "moved");
    expect(await keysOf(store)).toEqual(["a", "moved"]);
    expect(await lower.read("a")).toEqual(bytes(1));
    expect(await keysOf(upper)).toEqual([
      ...["values/a", "values/moved", "whiteouts/values/y", "whiteouts/whiteouts/x"],
    ]);
    await store.delete("a");
    await expect(store.read("a")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("materializes what it shows, and goes on where it was", async () => {
    const [lower, upper] = [new MemoryStore(), new MemoryStore()];
    for (const key of ["a", "b", "c"]) await lower.write(key, bytes(1, 2));
    const store = new OverlayStore(lower, { upper });
    await store.delete("b");
    await store.write("c", bytes(9));
    expect(await store.materialize()).toEqual({ copied: 1, present: 1, byteLength: 2 });
    expect(await store.materialize()).toEqual({ copied: 0, present: 2, byteLength: 0 });
    await lower.close();
    expect(await upper.read("values/a")).toEqual(bytes(1, 2));
  });

  it("takes an etag of one side for nothing on the other", async () => {
    const [lower, upper] = [new MemoryStore(), new MemoryStore()];
    const store = new OverlayStore(lower, { upper });
    await lower.write("a", bytes(1));
    const { etag } = await store.stat("a");
    await store.write("a", bytes(2), { ifMatch: etag });
    await expect(store.write("a", bytes(3), { ifMatch: etag })).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
    expect(await store.read("a")).toEqual(bytes(2));
  });
});

it("a stack leaves nothing behind on a signal that a caller uses for everything", async () => {
  const { signal } = new AbortController();
  const options = { signal };
  const store = await stack(new MemoryStore(), [
    { use: "meter" },
    { use: "retry" },
    { use: "limit", concurrency: 2, bytesPerSecond: 1e9 },
    { use: "checksum", sums: new MemoryStore() },
    { use: "timeout" },
    { use: "latency" },
  ]);
  for (let i = 0; i < 5; i++) {
    const writer = await store.openWriter("a", options);
    await writer.write(bytes(1, 2), options);
    await writer.close(options);
    await store.write("b", bytes(1), options);
    await store.read("b", options);
    for await (const { key } of store.list(options)) await (await store.readStream(key, options)).cancel();
    for await (const _ of (await store.readStream("a", options)) as unknown as AsyncIterable<Uint8Array>);
    await store.openWriter("c", options).then((unused) => unused.abort());
  }
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

it("route sends each key to the longest prefix, and lists all in order", async () => {
  const [root, a, deep] = [new MemoryStore(), new MemoryStore(), new MemoryStore()];
  await root.write("a/hidden", bytes(0));
  const store = new RouteStore(root, { a, "a/b": deep });
  for (const [i, key] of ["a/b/x", "a/x", "ab", "z"].entries()) await store.write(key, bytes(i));
  expect(await keysOf(store)).toEqual(["a/b/x", "a/x", "ab", "z"]);
  expect(await deep.read("x")).toEqual(bytes(0));
  await store.rename("a/x", "y");
  expect([await keysOf(a), await root.read("y")]).toEqual([[], bytes(1)]);
  await expect(store.write("a/b", bytes(1))).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
});

describe("checksum", () => {
  it("finds damage in the store and on the way, and lets unknown values pass or not", async () => {
    const values = await freshDisk({ durability: "none" });
    const sums = new MemoryStore();
    const chaos = new ChaosStore(values.store, { faults: [{ on: "read", kind: "corrupt", times: 1 }] });
    const store = new ChecksumStore(chaos, { sums });
    await store.write("a", bytes(1, 2, 3));
    await expect(store.read("a", { range: { offset: 0, length: 1 } })).rejects.toMatchObject({
      code: "CORRUPT",
      retryable: true,
    });
    expect(await store.read("a")).toEqual(bytes(1, 2, 3));
    await values.side.put("b", bytes(5));
    expect(await store.read("b")).toEqual(bytes(5));
    await expect(new ChecksumStore(values.store, { sums, unknown: "refuse" }).read("b")).rejects.toMatchObject({
      code: "CORRUPT",
    });
    await store.write("a", bytes(4));
    expect(await store.prune()).toBe(1);
    expect(await keysOf(sums)).toHaveLength(1);
    await values.dispose?.();
  });
});

describe("meter", () => {
  it("counts calls, bytes, failures and times, and publishes them", async () => {
    const events: unknown[] = [];
    const listen = (event: unknown) => events.push(event);
    subscribe(METER_CHANNEL, listen);
    const clock = new FakeClock({ automatic: true });
    const store = new MeterStore(new LatencyStore(new MemoryStore(), { delayMs: 5, clock }), { clock, name: "m" });
    await store.write("a", bytes(1, 2, 3));
    await store.read("a");
    await store.read("missing").catch(() => {});
    unsubscribe(METER_CHANNEL, listen);
    expect(store.counts().get("write")).toMatchObject({ count: 1, failed: 0, bytesIn: 3, bytesOut: 0, maxMs: 5 });
    expect(store.counts().get("read")).toMatchObject({
      count: 2,
      failed: 1,
      bytesOut: 3,
      totalMs: 10,
      histogram: [0, 0, 0, 2],
    });
    const common = { store: "m", durationMs: 5 };
    expect(events).toEqual([
      { ...common, operation: "write", key: "a", bytesIn: 3, bytesOut: 0, error: undefined },
      { ...common, operation: "read", key: "a", bytesIn: 0, bytesOut: 3, error: undefined },
      { ...common, operation: "read", key: "missing", bytesIn: 0, bytesOut: 0, error: "NOT_FOUND" },
    ]);
  });
});

describe("chaos", () => {
  it("hits after n calls, m times, by operation and key, and the same for the same seed", async () => {
    const faults = [{ on: "read", key: "x", after: 1, times: 2 }] as const;
    const store = new ChaosStore(new MemoryStore(), { faults });
    for (const key of ["x1", "y"]) await store.write(key, bytes(1));
    const outcomes = [];
    for (const key of ["x1", "y", "x1", "x1", "x1"]) {
      outcomes.push(
        await store.read(key).then(
          () => "read",
          () => "failed",
        ),
      );
    }
    expect(outcomes).toEqual(["read", "read", "failed", "failed", "read"]);
    const run = async (seed: number) => {
      const random = new ChaosStore(new MemoryStore(), { faults: [{ probability: 0.5 }], seed });
      for (let i = 0; i < 30; i++) await random.write(`${i}`, bytes(1)).catch(() => {});
      return random.hits.map(({ key }) => key);
    };
    expect(await run(3)).toEqual(await run(3));
    expect(await run(3)).not.toEqual(await run(4));
  });

  it.each([
    [{ kind: "refus" }, "[1].kind is wrong"],
    [{ on: "raed" }, "[1].on is wrong"],
    [{ on: ["read", "writes"] }, "[1].on is wrong"],
    [{ code: "GONE" }, "[1].code is wrong"],
    [{ probability: 2 }, "[1].probability is wrong"],
    [{ afer: 1 }, 'unknown option "afer"'],
    ["read", "[1] is none"],
  ])("refuses %j, which would never hit, also in a configuration", async (fault, message) => {
    const faults = [{ on: "read" }, fault] as Fault[];
    expect(() => new ChaosStore(new MemoryStore(), { faults })).toThrow(message);
    const layers = [{ use: "chaos", faults }];
    await expect(stack(new MemoryStore(), layers)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(message),
    });
  });

  it("a writer that lost a chunk does not publish the rest", async () => {
    const below = new MemoryStore();
    const store = new ChaosStore(below, { faults: [{ on: "writeChunk", after: 1, times: 1 }] });
    const writer = await store.openWriter("a");
    await writer.write(bytes(1));
    await writer.write(bytes(2)).catch(() => {});
    await writer.write(bytes(3));
    await expect(writer.close()).rejects.toMatchObject({ code: "UNEXPECTED" });
    expect(await keysOf(below)).toEqual([]);
  });
});

describe("a writer that goes on with an earlier one", () => {
  const around: Record<string, (below: DiskStore) => ByteStore> = {
    limit: (below) => new LimitStore(below, { concurrency: 1 }),
    overlay: (below) => new OverlayStore(new MemoryStore(), { upper: below }),
    prefix: (below) => new PrefixStore(below, "folder"),
    retry: (below) => new RetryStore(below),
    route: (below) => new RouteStore(below, { elsewhere: new MemoryStore() }),
    checksum: (below) => new ChecksumStore(below, { sums: new MemoryStore() }),
  };
  it.each(Object.keys(around))("tells through %s what was kept, or begins anew", async (layer) => {
    const { store: below, dispose } = await freshDisk({ durability: "none" });
    const store = (around[layer] as (below: DiskStore) => ByteStore)(below);
    const value = bytes(1, 2, 3, 4, 5, 6, 7, 8);
    const resume = { origin: "version 1", content: () => store.readStream("source") };
    const first = await store.openWriter("a", { resume });
    await first.write(value.subarray(0, 5));
    await (first.suspend?.() ?? first.abort());
    const second = await store.openWriter("a", { resume });
    const { byteLength = 0 } = second.kept ?? {};
    expect([second.byteLength, byteLength]).toEqual(layer === "checksum" ? [0, 0] : [5, 5]);
    await second.write(value.subarray(byteLength));
    await second.close();
    expect(await store.read("a")).toEqual(value);
    await store.close();
    await below.close();
    await dispose?.();
  });

  it("that cannot be discarded keeps no other, and no store, from being closed", async () => {
    const [below, upper, other] = [new MemoryStore(), new MemoryStore(), new MemoryStore()];
    const stuck = replaceMethods(upper, {
      openWriter: async (key) => {
        const writer = await upper.openWriter(key);
        return key === "values/a" || key === "a"
          ? Object.assign(writer, { abort: () => Promise.reject(busy) })
          : writer;
      },
    });
    const busy = new StorageError("UNEXPECTED", "the network is down");
    for (const store of [new OverlayStore(below, { upper: stuck }), new RouteStore(other, { m: stuck })]) {
      const folder = store instanceof RouteStore ? "m/" : "";
      for (const key of ["a", "b"]) await (await store.openWriter(folder + key)).write(bytes(1));
      await expect(store.close()).rejects.toBe(busy);
    }
    for (const store of [below, other]) await expect(store.read("a")).rejects.toMatchObject({ code: "NOT_OPEN" });
    expect(await keysOf(upper)).toEqual([]);
  });

  it("is forgotten by its layer however it ends", async () => {
    const ended: string[] = [];
    const writers = new WriterSet();
    const opened = (name: string): ByteWriter => {
      const note = async (how: string) => void ended.push(`${name} ${how}`);
      return {
        byteLength: 0,
        write: async () => {},
        close: async () => ({ byteLength: 0, etag: "1" }),
        abort: () => note("abort"),
        suspend: () => note("suspend"),
        [Symbol.asyncDispose]: () => note("dispose"),
      };
    };
    await writers.track(opened("a")).close();
    await writers.track(opened("b")).abort();
    await writers.track(opened("c"))[Symbol.asyncDispose]();
    await writers.track(opened("d")).suspend?.();
    writers.track(opened("e"));
    await writers.abort();
    expect(ended).toEqual(["b abort", "c dispose", "d suspend", "e abort"]);
  });
});
