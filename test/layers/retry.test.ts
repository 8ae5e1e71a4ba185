import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { ChaosStore } from "../../src/layers/chaos.ts";
import { ChecksumStore } from "../../src/layers/checksum.ts";
import type { Fault } from "../../src/layers/fault-script.ts";
import { Retrier, RetryBudget } from "../../src/layers/retrier.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

function flaky(faults: readonly Fault[], options: object = {}) {
  const below = new MemoryStore();
  const chaos = new ChaosStore(below, { faults, seed: 7 });
  const store = new RetryStore(chaos, { clock: new FakeClock({ automatic: true }), attempts: 6, ...options });
  return { below, chaos, store };
}

async function failing(
  options: object,
  error: StorageError,
): Promise<{ pauses: number[]; attempts: number; thrown: unknown }> {
  const clock = new FakeClock({ automatic: true });
  const times: number[] = [];
  const retrier = new Retrier({ clock, random: () => 0.5, ...options });
  const run = retrier.run({}, async () => {
    times.push(clock.now());
    throw error;
  });
  const thrown = await run.catch((caught: unknown) => caught);
  return { pauses: times.slice(1).map((time, i) => time - (times[i] as number)), attempts: times.length, thrown };
}

const busy = new StorageError("RATE_LIMITED", "slow down", { retryable: true });

describe("retry", () => {
  it("pauses a random part of a bound that doubles, and stops at the greatest", async () => {
    const { pauses } = await failing({ attempts: 5, baseDelayMs: 100, maxDelayMs: 300 }, busy);
    expect(pauses).toEqual([50, 100, 150, 150]);
  });

  it("waits as long as the service asks", async () => {
    const asked = new StorageError("RATE_LIMITED", "slow down", { retryable: true, retryAfterMs: 7000 });
    expect((await failing({ attempts: 2 }, asked)).pauses).toEqual([7000]);
  });

  it("gives up after its attempts, with the code, and not to be multiplied by others", async () => {
    const { attempts, thrown } = await failing({ attempts: 3 }, busy);
    expect(attempts).toBe(3);
    expect(thrown).toMatchObject({ code: "RATE_LIMITED", retryable: false, cause: busy });
  });

  it("begins no attempt after the time, nor waits for nothing", async () => {
    const { attempts, pauses } = await failing({ attempts: 99, maxElapsedMs: 400, maxDelayMs: 200 }, busy);
    expect(pauses.reduce((a, b) => a + b)).toBeLessThanOrEqual(400);
    expect(attempts).toBe(5);
  });

  it("stops when the budget that is shared is used up, and successes fill it", async () => {
    const budget = new RetryBudget(3, 0.5);
    expect((await failing({ budget, attempts: 99 }, busy)).attempts).toBe(4);
    expect((await failing({ budget, attempts: 99 }, busy)).attempts).toBe(1);
    const retrier = new Retrier({ budget });
    for (let i = 0; i < 2; i++) await retrier.run({}, async () => i);
    expect((await failing({ budget, attempts: 99 }, busy)).attempts).toBe(2);
  });

  it("repeats nothing that is not retryable", async () => {
    expect((await failing({}, new StorageError("NOT_FOUND", "gone"))).attempts).toBe(1);
  });

  it("ends a pause when the caller aborts", async () => {
    const controller = new AbortController();
    const retrier = new Retrier({ clock: new FakeClock() });
    const run = retrier.run({ signal: controller.signal }, () => Promise.reject(busy));
    await Promise.resolve();
    controller.abort();
    await expect(run).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("does not claim that a create-only write failed when its answer was lost", async () => {
    const { store, below } = flaky([{ on: "write", kind: "lose", times: 1 }]);
    await expect(store.write("a", bytes(1), { ifAbsent: true })).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await below.read("a")).toEqual(bytes(1));
  });

  it("says ALREADY_EXISTS when the earlier attempt was refused for sure", async () => {
    const { store, below } = flaky([{ on: "write", code: "RATE_LIMITED", times: 1 }]);
    await below.write("a", bytes(9));
    await expect(store.write("a", bytes(1), { ifAbsent: true })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("does not take its own value for somebody else's when the sum of it is refused", async () => {
    const sums = new ChaosStore(new MemoryStore(), { faults: [{ on: "write", code: "RATE_LIMITED", times: 1 }] });
    const below = new MemoryStore();
    const store = new RetryStore(new ChecksumStore(below, { sums }), { clock: new FakeClock({ automatic: true }) });
    await expect(store.write("a", bytes(1), { ifAbsent: true })).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await below.read("a")).toEqual(bytes(1));
  });

  it("is as careful with compare-and-set, copies and renames", async () => {
    const { store, below } = flaky([{ on: ["write", "copy", "rename"], kind: "lose" }], { attempts: 2 });
    const { etag } = await below.write("a", bytes(1));
    await expect(store.write("a", bytes(2), { ifMatch: etag })).rejects.toMatchObject({ code: "CONFLICT" });
    const once = flaky([{ on: ["write", "copy", "rename"], kind: "lose", times: 1 }]);
    await once.below.write("a", bytes(1));
    await expect(once.store.copy("a", "b")).rejects.toMatchObject({ code: "CONFLICT" });
    const moved = flaky([{ on: "rename", kind: "lose", times: 1 }]);
    await moved.below.write("a", bytes(1));
    await expect(moved.store.rename("a", "b")).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("goes on with a stream after the last byte, and never with another version", async () => {
    const value = new Uint8Array(3 << 20).map((_, i) => i * 31 + (i >> 9));
    const { store, below } = flaky([{ on: "streamChunk", after: 1, times: 2 }]);
    await below.write("a", value);
    const reader = (await store.readStream("a", { range: { offset: 5 } })).getReader();
    const parts: number[] = [];
    for (let next = await reader.read(); !next.done; next = await reader.read())
      for (const b of next.value) parts.push(b);
    expect(Buffer.compare(Buffer.from(parts), Buffer.from(value.subarray(5)))).toBe(0);
    const changing = flaky([{ on: "streamChunk", after: 1, times: 1 }]);
    await changing.below.write("a", value);
    const second = (await changing.store.readStream("a")).getReader();
    await second.read();
    await changing.below.write("a", bytes(1));
    await expect(second.read()).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
  });

  it("a stream that is left while it waits lets go of the store, and makes no attempt any more", async () => {
    const clock = new FakeClock();
    const below = new MemoryStore();
    await below.write("a", new Uint8Array(3 << 20));
    let cancelled = 0;
    const watched = {
      around: (stream: ReadableStream<Uint8Array>) => {
        const reader = stream.getReader();
        const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
          const { value } = await reader.read();
          if (value !== undefined) controller.enqueue(value);
        };
        return new ReadableStream<Uint8Array>({ pull, cancel: () => void cancelled++ }, { highWaterMark: 0 });
      },
    };
    const read = below.readStream.bind(below);
    below.readStream = async (key, options) => watched.around(await read(key, options));
    for (const faults of [
      [{ on: "streamChunk", kind: "hang", after: 1 }],
      [{ on: "streamChunk", after: 1 }],
    ] as const) {
      const chaos = new ChaosStore(below, { faults });
      const store = new RetryStore(chaos, { clock, random: () => 1 });
      const reader = (await store.readStream("a")).getReader();
      await reader.read();
      const waiting = reader.read();
      await clock.advance(0);
      await reader.cancel();
      expect(await waiting).toMatchObject({ done: true });
      await clock.advance(100_000);
      expect([chaos.hits.length, clock.pending]).toEqual([1, 0]);
    }
    expect(cancelled).toBe(2);
  });

  it("goes on with a listing after the last entry, folders included", async () => {
    const { store, below } = flaky([{ on: "list", probability: 0.4 }], { attempts: 50 });
    for (const key of ["a", "b/1", "b/2", "c", "d/1"]) await below.write(key, bytes(1));
    for (const delimiter of [undefined, "/"] as const) {
      const keys: string[] = [];
      for await (const { key } of store.list({ delimiter })) keys.push(key);
      expect(keys).toEqual(delimiter === "/" ? ["a", "b", "c", "d"] : ["a", "b/1", "b/2", "c", "d/1"]);
    }
  });
});

it("under random faults a stack never gives a wrong value, nor loses a write that it acknowledged", async () => {
  const kind = fc.constantFrom("refuse" as const, "lose" as const);
  const step = fc.record({ key: fc.constantFrom("a", "b", "c/d"), value: fc.nat(255), act: fc.nat(3) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), kind, fc.nat(), async (steps, fault, seed) => {
      const below = new MemoryStore();
      const chaos = new ChaosStore(below, { faults: [{ kind: fault, probability: 0.3 }], seed });
      const store = new RetryStore(chaos, { clock: new FakeClock({ automatic: true }), attempts: 3 });
      // What each key may hold: one answer while all is known, several after a failure.
      const known = new Map<string, Set<number | undefined>>();
      const possible = (key: string) => known.get(key) ?? new Set([undefined]);
      for (const { key, value, act } of steps) {
        try {
          if (act === 0) {
            const read = (await store.read(key))[0];
            expect(possible(key)).toContain(read);
            known.set(key, new Set([read]));
          } else if (act === 1) {
            await store.delete(key);
            known.set(key, new Set([undefined]));
          } else {
            await store.write(key, bytes(value), act === 2 ? {} : { ifAbsent: true });
            if (act === 3) expect(possible(key)).toContain(undefined);
            known.set(key, new Set([value]));
          }
        } catch (error) {
          if (!isStorageError(error)) throw error;
          if (error.code === "NOT_FOUND") expect(possible(key)).toContain(undefined);
          else if (error.code === "ALREADY_EXISTS")
            expect([...possible(key)].some((one) => one !== undefined)).toBe(true);
          else if (act === 1) known.set(key, new Set([...possible(key), undefined]));
          else if (act > 1) known.set(key, new Set([...possible(key), value]));
        }
      }
      for (const [key, values] of known) {
        const held = await below.read(key).then(
          (read) => read[0],
          () => undefined,
        );
        expect(values).toContain(held);
      }
    }),
    { numRuns: 60 },
  );
});
