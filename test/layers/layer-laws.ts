/**
 * What each layer promises beyond the byte plane, as laws over any layer of its kind: the real ones keep them, and those
 * with a planted bug break one.
 */
import { expect } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { CacheStore } from "../../src/layers/cache.ts";
import { ChaosStore } from "../../src/layers/chaos.ts";
import { ChecksumStore } from "../../src/layers/checksum.ts";
import type { Fault } from "../../src/layers/fault-script.ts";
import { LatencyStore } from "../../src/layers/latency.ts";
import { LimitStore } from "../../src/layers/limit.ts";
import { MeterStore } from "../../src/layers/meter.ts";
import { OverlayStore } from "../../src/layers/overlay.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import { ReadOnlyStore } from "../../src/layers/read-only.ts";
import { RetryBudget } from "../../src/layers/retrier.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { RouteStore } from "../../src/layers/route.ts";
import { TimeoutStore } from "../../src/layers/timeout.ts";
import { collect } from "../../src/testing/assertions.ts";
import { drain, pattern } from "../../src/testing/byte-store-checks.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { override } from "../../src/testing/mutants.ts";

/** The real layers. */
export const realLayers = {
  CacheStore,
  ChaosStore,
  ChecksumStore,
  LimitStore,
  MeterStore,
  OverlayStore,
  PrefixStore,
  ReadOnlyStore,
  RetryStore,
  RouteStore,
  TimeoutStore,
};

/** Layers of these kinds, real ones or others in their place. */
export type Layers = typeof realLayers;

const bytes = (...values: number[]) => new Uint8Array(values);
const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "success";
  } catch (error) {
    return error instanceof StorageError ? error.code : String(error);
  }
};
const keysOf = async (store: ByteStore, prefix = "") => (await collect(store.list({ prefix }))).map(({ key }) => key);

async function memory(values: Readonly<Record<string, Uint8Array>> = {}): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [key, value] of Object.entries(values)) await store.write(key, value);
  return store;
}

/** A retry layer over faults, with what is below it and how often it was called. */
async function flaky({ RetryStore: Retry }: Layers, faults: readonly Fault[], options: object = {}) {
  const below = await memory({ a: bytes(1), long: pattern(3 << 20) });
  const chaos = new ChaosStore(below, { faults });
  const clock = new FakeClock({ automatic: true });
  const meter = new MeterStore(chaos);
  return { below, chaos, clock, meter, store: new Retry(meter, { clock, ...options }) };
}

/** Laws by name. */
export const layerLaws: Readonly<Record<string, (layers: Layers) => Promise<void>>> = {
  "retry repeats what may succeed, and nothing else": async (layers) => {
    for (const retryable of [true, false]) {
      const { store, meter } = await flaky(layers, [{ on: "read", retryable }], { attempts: 3 });
      expect(await codeOf(store.read("a"))).toBe("UNEXPECTED");
      expect(meter.counts().get("read")?.count).toBe(retryable ? 3 : 1);
    }
  },
  "retry never says of its own write that it was somebody else's": async (layers) => {
    const faults: readonly Fault[] = [{ on: ["write", "copy", "rename"], kind: "lose", times: 1 }];
    const once = () => flaky(layers, faults);
    const [created, set, copied, moved] = [await once(), await once(), await once(), await once()];
    expect(await codeOf(created.store.write("new", bytes(1), { ifAbsent: true }))).toBe("CONFLICT");
    const { etag } = await set.store.stat("a");
    expect(await codeOf(set.store.write("a", bytes(2), { ifMatch: etag }))).toBe("CONFLICT");
    expect(await codeOf(copied.store.copy("a", "b"))).toBe("CONFLICT");
    expect(await codeOf(moved.store.rename("a", "b"))).toBe("CONFLICT");
  },
  "retry goes on with a stream where it broke off": async (layers) => {
    const { store } = await flaky(layers, [{ on: "streamChunk", after: 1, times: 1 }]);
    const { bytes: read } = await drain(await store.readStream("long"));
    expect(Buffer.compare(read, pattern(3 << 20))).toBe(0);
  },
  "retry goes on with a listing where it broke off": async (layers) => {
    const { store } = await flaky(layers, [{ on: "list", after: 1, times: 1 }]);
    expect(await keysOf(store)).toEqual(["a", "long"]);
  },
  "retry stops when the budget is used up": async (layers) => {
    const options = { attempts: 50, budget: new RetryBudget(3, 0) };
    const { store, meter } = await flaky(layers, [{ on: "read" }], options);
    await codeOf(store.read("a"));
    expect(meter.counts().get("read")?.count).toBe(4);
  },
  "retry waits as long as the service asks": async (layers) => {
    const { store, clock } = await flaky(layers, [{ on: "read", times: 1, code: "RATE_LIMITED", retryAfterMs: 9000 }]);
    await store.read("a");
    expect(clock.now()).toBeGreaterThanOrEqual(9000);
  },
  "retry gives its attempts to one call only": async (layers) => {
    const { store } = await flaky(layers, [{ on: "read" }], { attempts: 2 });
    await expect(store.read("a")).rejects.toMatchObject({ retryable: false });
  },
  "retry deletes again what failed, and no other key": async (layers) => {
    const below = await memory({ a: bytes(1), b: bytes(2) });
    const asked: string[] = [];
    const failing = override(below, {
      deleteMany: async (keys) => {
        await below.delete("a");
        const error = new StorageError("UNEXPECTED", "lost", { retryable: true });
        return keys.map((key) => (key === "a" ? { key } : { key, error }));
      },
      delete: async (key) => {
        asked.push(key);
        await below.delete(key);
      },
    });
    const store = new layers.RetryStore(failing, { clock: new FakeClock({ automatic: true }) });
    expect(await store.deleteMany(["a", "b"])).toEqual([{ key: "a" }, { key: "b" }]);
    expect(asked).toEqual(["b"]);
  },

  "timeout answers in time, and calls the attempt off": async ({ TimeoutStore: Timeout }) => {
    const clock = new FakeClock();
    const below = await memory();
    const slow = new LatencyStore(below, { delayMs: 100, clock });
    const late = new Timeout(slow, { clock, timeoutMs: 50 }).write("a", bytes(1));
    const code = codeOf(late);
    await clock.advance(50);
    expect(await code).toBe("TIMED_OUT");
    await clock.advance(1000);
    expect(await keysOf(below)).toEqual([]);
  },
  "timeout frees its timer": async ({ TimeoutStore: Timeout }) => {
    const clock = new FakeClock();
    const store = new Timeout(await memory({ a: bytes(1) }), { clock, timeoutMs: 50 });
    await store.read("a");
    await codeOf(store.read("missing"));
    expect(clock.pending).toBe(0);
  },

  "a permit comes back from every call, also from one that fails or is called off": async ({ LimitStore: Limit }) => {
    const clock = new FakeClock();
    const store = new Limit(new LatencyStore(await memory({ a: bytes(1) }), { delayMs: 10, clock }), {
      concurrency: 1,
    });
    const controller = new AbortController();
    const ended = [
      codeOf(store.read("missing")),
      codeOf(store.read("a", { signal: controller.signal })),
      codeOf(store.read("a")),
    ];
    await clock.advance(15);
    controller.abort();
    await clock.advance(100);
    expect(store.pool.active).toBe(0);
    expect(await Promise.all(ended)).toEqual(["NOT_FOUND", "ABORTED", "success"]);
  },
  "a limit is kept": async ({ LimitStore: Limit }) => {
    const clock = new FakeClock();
    const meter = new MeterStore(new LatencyStore(await memory({ a: bytes(1) }), { delayMs: 10, clock }));
    const store = new Limit(meter, { concurrency: 2 });
    const reads = [1, 2, 3, 4, 5].map(() => store.read("a"));
    await clock.advance(10);
    expect(meter.counts().get("read")?.count).toBe(2);
    await clock.advance(100);
    await Promise.all(reads);
  },

  "a cache never gives an old version": async ({ CacheStore: Cache }) => {
    const below = await memory({ a: bytes(1) });
    const store = new Cache(below, { medium: new MemoryStore() });
    expect(await store.read("a")).toEqual(bytes(1));
    await below.write("a", bytes(2));
    expect(await store.read("a")).toEqual(bytes(2));
    await below.delete("a");
    expect(await codeOf(store.read("a"))).toBe("NOT_FOUND");
  },
  "a cache never gives a part, or bytes that were damaged in it": async ({ CacheStore: Cache }) => {
    const below = await memory({ a: pattern(1000) });
    const medium = new MemoryStore();
    const store = new Cache(below, { medium });
    expect(await store.read("a", { range: { offset: 10, length: 5 } })).toEqual(pattern(1000).slice(10, 15));
    expect(await store.read("a")).toEqual(pattern(1000));
    const [key = ""] = await keysOf(medium);
    for (const damage of [(entry: Uint8Array) => entry.subarray(0, entry.length - 9), flip]) {
      await medium.write(key, damage(await medium.read(key)));
      expect(await store.read("a")).toEqual(pattern(1000));
    }
  },
  "a cache keeps to its bound": async ({ CacheStore: Cache }) => {
    const medium = new MemoryStore();
    const below = await memory(Object.fromEntries([..."abcdef"].map((key) => [key, pattern(900)])));
    const store = new Cache(below, { medium, maxBytes: 3000, maxValueBytes: 1000 });
    for (const key of "abcdef") await store.read(key);
    expect(medium.byteLength).toBeLessThanOrEqual(3000);
  },
  "a cache asks once for what many want at the same time": async ({ CacheStore: Cache }) => {
    const meter = new MeterStore(await memory({ a: bytes(1) }));
    const store = new Cache(meter, { medium: new MemoryStore() });
    await Promise.all(Array.from({ length: 8 }, () => store.read("a")));
    expect(meter.counts().get("read")?.count).toBe(1);
  },
  "what a cache gives belongs to the caller": async ({ CacheStore: Cache }) => {
    const store = new Cache(await memory({ a: bytes(1) }), { medium: new MemoryStore() });
    const [one, other] = await Promise.all([store.read("a"), store.read("a")]);
    one.fill(9);
    expect(other).toEqual(bytes(1));
    expect(await store.read("a")).toEqual(bytes(1));
  },

  "a whiteout is no key, and holds": async ({ OverlayStore: Overlay }) => {
    const [lower, upper] = [await memory({ a: bytes(1), "d/x": bytes(2) }), new MemoryStore()];
    const store = new Overlay(lower, { upper });
    await store.write("a", bytes(9));
    for (const key of ["a", "d/x"]) await store.delete(key);
    expect(await keysOf(store)).toEqual([]);
    expect(await collect(store.list({ delimiter: "/" }))).toEqual([]);
    expect(await codeOf(store.read("a"))).toBe("NOT_FOUND");
    expect(await codeOf(store.stat("d/x"))).toBe("NOT_FOUND");
    expect(await codeOf(store.copy("a", "b"))).toBe("NOT_FOUND");
    expect(await keysOf(new Overlay(lower, { upper }))).toEqual([]);
  },
  "an overlay never touches what is below": async ({ OverlayStore: Overlay }) => {
    const lower = await memory({ a: bytes(1), b: bytes(2) });
    const store = new Overlay(lower, { upper: new MemoryStore() });
    await store.write("a", bytes(9));
    await store.rename("b", "c");
    await store.deleteMany(["a"]);
    expect([await keysOf(lower), await lower.read("a")]).toEqual([["a", "b"], bytes(1)]);
  },
  "what was materialized does without what was below, and deleted keys stay so": async ({ OverlayStore: Overlay }) => {
    const [lower, upper, target] = [await memory({ a: bytes(1), b: bytes(2) }), new MemoryStore(), new MemoryStore()];
    const store = new Overlay(lower, { upper });
    await store.delete("b");
    await store.materialize();
    await store.materialize({}, target);
    expect(await keysOf(upper, "values/")).toEqual(["values/a"]);
    expect(await keysOf(target)).toEqual(["a"]);
  },

  "a mount hides what is below it, everywhere": async ({ RouteStore: Route }) => {
    const root = await memory({ "a/hidden": bytes(1), ab: bytes(2) });
    const store = new Route(root, { a: await memory({ x: bytes(3) }) });
    expect(await keysOf(store)).toEqual(["a/x", "ab"]);
    expect(await keysOf(store, "a/")).toEqual(["a/x"]);
    expect(await codeOf(store.read("a/hidden"))).toBe("NOT_FOUND");
    await store.deleteMany(["a/hidden"]);
    expect(await root.read("a/hidden")).toEqual(bytes(1));
  },
  "a mount is for whole segments": async ({ RouteStore: Route }) => {
    const [root, mounted] = [await memory(), await memory()];
    await new Route(root, { a: mounted }).write("ab/x", bytes(1));
    expect([await keysOf(root), await keysOf(mounted)]).toEqual([["ab/x"], []]);
  },
  "a move between mounts deletes last": async ({ RouteStore: Route }) => {
    const [root, mounted] = [await memory({ x: bytes(1) }), new ChaosStore(await memory(), { faults: [{}] })];
    expect(await codeOf(new Route(root, { a: mounted }).rename("x", "a/x"))).toBe("UNEXPECTED");
    expect(await root.read("x")).toEqual(bytes(1));
  },

  "a prefix shows nothing that only begins like it": async ({ PrefixStore: Prefix }) => {
    const below = await memory({ "a/x": bytes(1), "ab/x": bytes(2), "a.txt": bytes(3) });
    const store = new Prefix(below, "a");
    expect(await keysOf(store)).toEqual(["x"]);
    expect(await codeOf(store.read("../ab/x"))).toBe("INVALID_KEY");
    await store.deleteMany(["x"]);
    expect(await keysOf(below)).toEqual(["a.txt", "ab/x"]);
  },

  "damage is found by every way of reading, ranges too": async ({ ChecksumStore: Checksum }) => {
    const below = await memory();
    const damaged = new ChaosStore(below, { faults: [{ on: ["read", "readRanges", "streamChunk"], kind: "corrupt" }] });
    const store = new Checksum(damaged, { sums: new MemoryStore() });
    await store.write("a", pattern(100));
    const writer = await store.openWriter("b");
    await writer.write(pattern(50));
    await writer.close();
    for (const key of ["a", "b"]) {
      expect(await codeOf(store.read(key))).toBe("CORRUPT");
      expect(await codeOf(store.read(key, { range: { offset: 0, length: 1 } }))).toBe("CORRUPT");
      expect(await codeOf(store.readRanges(key, [{ offset: 0, length: 1 }]))).toBe("CORRUPT");
      expect(await codeOf(store.readStream(key).then(drain))).toBe("CORRUPT");
    }
    expect(await codeOf(store.copy("a", "c"))).toBe("CORRUPT");
  },

  "a meter counts calls, failures and bytes of every kind": async ({ MeterStore: Meter }) => {
    const store = new Meter(await memory({ a: pattern(10) }));
    await store.read("a");
    await codeOf(store.read("missing"));
    await drain(await store.readStream("a"));
    const writer = await store.openWriter("b");
    await writer.write(pattern(7));
    await writer.close();
    const counts = store.counts();
    expect(counts.get("read")).toMatchObject({ count: 2, failed: 1, bytesIn: 0, bytesOut: 10 });
    expect(counts.get("writeChunk")).toMatchObject({ count: 1, failed: 0, bytesIn: 7, bytesOut: 0 });
    expect(counts.get("streamChunk")).toMatchObject({ bytesOut: 10 });
    expect(counts.get("closeWriter")?.count).toBe(1);
  },

  "read-only refuses everything that changes something": async ({ ReadOnlyStore: ReadOnly }) => {
    const store = new ReadOnly(await memory({ a: bytes(1) }));
    const changes = [
      store.write("b", bytes(1)),
      store.openWriter("b"),
      store.delete("a"),
      store.deleteMany(["a"]),
      store.copy("a", "b"),
      store.rename("a", "b"),
    ];
    expect(await Promise.all(changes.map(codeOf))).toEqual(changes.map(() => "READ_ONLY"));
    expect(await keysOf(store)).toEqual(["a"]);
  },

  "a script hits the calls that it names, in order, and each kind does what it says": async ({ ChaosStore: Chaos }) => {
    const below = await memory({ a: pattern(100) });
    const faults: readonly Fault[] = [
      { on: "read", key: "a", after: 1, times: 1, code: "RATE_LIMITED", retryAfterMs: 5 },
      { on: "write", kind: "lose", times: 1 },
      { on: "readRanges", kind: "truncate" },
      { on: "stat", kind: "hang" },
    ];
    const store = new Chaos(below, { faults });
    await store.read("a");
    await expect(store.read("a")).rejects.toMatchObject({ code: "RATE_LIMITED", retryable: true, retryAfterMs: 5 });
    await store.read("a");
    expect(await codeOf(store.write("b", bytes(1)))).toBe("UNEXPECTED");
    expect(await below.read("b")).toEqual(bytes(1));
    expect((await store.readRanges("a", [{ offset: 0 }]))[0]).toHaveLength(50);
    expect(await codeOf(store.stat("a", { signal: AbortSignal.timeout(1) }))).toBe("ABORTED");
    expect(store.hits.map(({ kind, operation }) => `${kind} ${operation}`)).toEqual([
      "refuse read",
      "lose write",
      "truncate readRanges",
      "hang stat",
    ]);
  },
};

function flip(entry: Uint8Array): Uint8Array {
  entry[entry.length - 1] = (entry[entry.length - 1] as number) ^ 1;
  return entry;
}
