/** The rules of retention, with time in the hand. */
import { describe, expect, test } from "vitest";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { MemoryLiveStore } from "../../../src/live/engines/memory-store.ts";
import type { RetentionPolicy } from "../../../src/live/retention/policy.ts";
import type { RetentionEvent } from "../../../src/live/retention/report.ts";
import { Retention } from "../../../src/live/retention/retention.ts";
import type { StreamWriter } from "../../../src/live/stream-writer.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { failureOf, numbers } from "../battery/subject.ts";

const MINUTE = 60_000;

function setup(policy: RetentionPolicy, limitBytes?: number) {
  const clock = new FakeClock();
  const memory = new MemoryLiveStore({ clock, limitBytes });
  const engine = new MemoryEngine(memory);
  const store = new DataStore(engine, { clock });
  const events: RetentionEvent[] = [];
  const retention = () => new Retention(engine, policy, { clock, onEvent: (event) => events.push(event) });
  const makeScan = async (names: readonly string[] = ["data"], leaseMs = 0) => {
    const scan = await store.createScan({ name: "scan" }, { leaseMs });
    const writers: StreamWriter[] = [];
    for (const name of names) writers.push(await scan.createStream(name, { dtype: "float64" }));
    await scan.prepare();
    await scan.start();
    return { scan, writers, writer: writers[0] as StreamWriter };
  };
  const bounds = async (writer: StreamWriter) => (await engine.bounds([writer.key]))[0];
  return { clock, memory, engine, store, events, retention, makeScan, bounds };
}

describe("points leave", () => {
  test("by age, once they are older for sure, and stay before", async () => {
    const { clock, retention, makeScan, bounds } = setup({ maxAgeMs: 10 * MINUTE, lossy: true });
    const { writer } = await makeScan();
    const cleaning = retention();
    for (let minute = 0; minute < 30; minute++) {
      await writer.send(minute);
      await cleaning.pass();
      const floor = (await bounds(writer))?.floor ?? Number.NaN;
      expect(floor).toBe(Math.max(0, minute - 9));
      await clock.advance(MINUTE);
    }
  });

  test("by number: each stream keeps its newest", async () => {
    const { retention, makeScan, bounds } = setup({ maxPoints: 100, protectedMs: 0, lossy: true });
    const { writers } = await makeScan(["a", "b"]);
    const [a, b] = writers as [StreamWriter, StreamWriter];
    for (let i = 0; i < 150; i++) await a.send(i);
    for (let i = 0; i < 50; i++) await b.send(i);
    expect((await retention().pass()).points).toBe(50);
    expect([await bounds(a), await bounds(b)]).toMatchObject([
      { floor: 50, length: 150 },
      { floor: 0, length: 50 },
    ]);
  });

  test("by bytes, the oldest of all streams first, and no more than must", async () => {
    const { clock, engine, retention, makeScan, bounds } = setup({
      maxBytes: 100_000,
      protectedMs: MINUTE,
      lossy: true,
    });
    const cleaning = retention();
    const old = await makeScan();
    for (let i = 0; i < 4; i++) await old.writer.send(numbers(0, 2000));
    await cleaning.pass();
    await clock.advance(60 * MINUTE);
    const young = await makeScan();
    for (let i = 0; i < 6; i++) {
      await young.writer.send(numbers(0, 1000));
      await cleaning.pass();
      await clock.advance(MINUTE);
    }
    expect((await engine.usage()).bytes).toBeLessThanOrEqual(100_000);
    // The newest entry of an open stream stays.
    expect((await bounds(old.writer))?.floor).toBe(6000);
    expect((await bounds(young.writer))?.floor).toBe(0);
  });

  test("that are older than the first pass count as written then", async () => {
    const { clock, retention, makeScan, bounds } = setup({ maxAgeMs: 10 * MINUTE, lossy: true });
    const { writer } = await makeScan();
    for (let i = 0; i < 10; i++) await writer.send(i);
    await clock.advance(60 * MINUTE);
    const cleaning = retention();
    await cleaning.pass();
    expect((await bounds(writer))?.floor).toBe(0);
    await clock.advance(10 * MINUTE);
    expect((await cleaning.pass()).points).toBe(9);
  });

  test("of a stream that goes on for long after an age that is short beside it, with few marks kept", async () => {
    const { clock, retention, makeScan, bounds } = setup({ maxAgeMs: 500 * MINUTE, lossy: true });
    const { writer } = await makeScan();
    const cleaning = retention();
    for (let minute = 0; minute <= 2000; minute++) {
      await writer.send(minute);
      await cleaning.pass();
      const { floor = 0, length = 0 } = (await bounds(writer)) ?? {};
      expect(length - floor).toBeGreaterThanOrEqual(Math.min(length, 500));
      if (minute > 1000) expect(length - floor).toBeLessThan(540);
      await clock.advance(MINUTE);
    }
  });
});

describe("points stay", () => {
  test("that no store has yet, unless the policy says lossy", async () => {
    for (const lossy of [false, true]) {
      const { retention, makeScan, bounds } = setup({ maxPoints: 10, protectedMs: 0, lossy });
      const { writer } = await makeScan();
      for (let i = 0; i < 100; i++) await writer.send(i);
      await writer.setDurable(30);
      const report = await retention().pass();
      expect((await bounds(writer))?.floor).toBe(lossy ? 90 : 30);
      expect([report.points, report.heldPoints]).toEqual(lossy ? [90, 0] : [30, 60]);
    }
  });

  test("that are protected, by whatever rule, and a store that is too full is a critical event", async () => {
    const policy = { maxAgeMs: 0, maxPoints: 0, maxBytes: 0, protectedMs: 5 * MINUTE, lossy: true };
    const { clock, events, retention, makeScan, bounds } = setup(policy);
    const { writer } = await makeScan();
    const cleaning = retention();
    await writer.send(numbers(0, 10));
    await writer.send(numbers(10, 20));
    for (let minute = 0; minute < 5; minute++) {
      events.length = 0;
      expect((await cleaning.pass()).points).toBe(0);
      expect(events).toMatchObject([{ type: "critical", targetBytes: 0, heldPoints: 0, usage: { bytes: 288 } }]);
      await clock.advance(MINUTE);
    }
    await cleaning.pass();
    expect((await bounds(writer))?.floor).toBe(10);
  });

  test("that are held back while the store is too full are counted in the critical event", async () => {
    const { events, retention, makeScan } = setup({ maxBytes: 0, protectedMs: 0 });
    const { writer } = await makeScan();
    for (let i = 0; i < 10; i++) await writer.send(i);
    await writer.setDurable(4);
    const report = await retention().pass();
    expect([report.points, report.heldPoints]).toEqual([4, 6]);
    expect(events).toMatchObject([{ type: "critical", heldPoints: 6 }]);
  });
});

describe("scans", () => {
  test("that are CLOSED go after their time, whoever cleans, however often, and not before", async () => {
    const { clock, engine, retention, makeScan } = setup({ closedScanMs: 60 * MINUTE, lossy: true });
    const { scan, writer } = await makeScan();
    await writer.send(numbers(0, 10));
    await scan.close();
    // Each cleans for the first time, and knows nothing of the others.
    for (let minute = 0; minute < 59; minute += 10) {
      expect((await retention().pass()).leaving).toEqual([scan.key]);
      await clock.advance(10 * MINUTE - 1);
      expect(await engine.getScan(scan.key)).toBeDefined();
    }
    await clock.advance(6);
    expect(await engine.getScan(scan.key)).toBeUndefined();
    expect((await engine.bounds([writer.key]))[0]).toMatchObject({ floor: 10, length: 10, sealed: true });
    expect((await engine.usage()).bytes).toBe(0);
  });

  test("whose points no store has do not go, unless the policy says lossy", async () => {
    const { clock, engine, retention, makeScan } = setup({ closedScanMs: MINUTE, protectedMs: 0 });
    const { scan, writer } = await makeScan();
    await writer.send(numbers(0, 10));
    await scan.close();
    const cleaning = retention();
    await clock.advance(10 * MINUTE);
    expect(await cleaning.pass()).toMatchObject({ leaving: [], heldPoints: 10 });
    await engine.setDurable(writer.key, 10);
    expect(await cleaning.pass()).toMatchObject({ leaving: [scan.key], heldPoints: 0 });
    expect(await engine.getScan(scan.key)).toBeUndefined();
  });

  test("whose writer is silent are LOST after the lease; those that are renewed are not", async () => {
    const { clock, engine, events, retention, makeScan } = setup({});
    const silent = await engine.createScan({
      key: "esrf:scan:01JD0000000000000000000001",
      identity: {},
      info: {},
      lease: { owner: "gone", ms: MINUTE },
    });
    const active = await makeScan(["data"], MINUTE);
    const cleaning = retention();
    expect((await cleaning.pass()).closed).toEqual([]);
    for (let i = 0; i < 4; i++) await clock.advance(MINUTE / 3);
    expect((await cleaning.pass()).closed).toEqual([silent.key]);
    expect(await engine.getScan(silent.key)).toMatchObject({ state: 4, endReason: "LOST" });
    expect((await engine.getScan(active.scan.key))?.state).toBe(2);
    expect(events).toEqual([{ type: "closed", scan: silent.key, reason: "lease" }]);
    await active.scan.close();
  });

  test("that nobody holds and to which nothing comes are closed; those with a lease, or with points, are not", async () => {
    const { clock, events, retention, makeScan } = setup({ inactiveScanMs: 60 * MINUTE });
    const [idle, leased, busy] = [await makeScan(), await makeScan(["data"], 10 * MINUTE), await makeScan()];
    const cleaning = retention();
    await cleaning.pass();
    for (let i = 0; i < 6; i++) {
      await clock.advance(10 * MINUTE);
      await busy.writer.send(i);
      if (i < 5) expect((await cleaning.pass()).closed).toEqual([]);
    }
    expect((await cleaning.pass()).closed).toEqual([idle.scan.key]);
    expect(events).toEqual([{ type: "closed", scan: idle.scan.key, reason: "inactive" }]);
    await idle.scan.update();
    expect([idle.scan.stateName, idle.scan.endReason]).toEqual(["CLOSED", "LOST"]);
    await leased.scan.close();
  });

  test("that cannot be read, or cleaned, are reported, and keep no other from being cleaned", async () => {
    const { engine, events, makeScan, bounds } = setup({});
    const bad = await makeScan(["a", "b"]);
    const unreadable = await makeScan();
    const good = await makeScan();
    for (const { writers } of [bad, unreadable, good]) {
      for (const writer of writers) for (let i = 0; i < 10; i++) await writer.send(i);
    }
    const broken = new Proxy(engine, {
      get: (target, name) => {
        if (name === "getScan") {
          return async (key: string) => {
            if (key === unreadable.scan.key) throw new Error("no JSON");
            return await target.getScan(key);
          };
        }
        if (name === "trim") {
          return async (key: string, before: number) => {
            if (key === bad.writers[0]?.key) throw new Error("no trim");
            return await target.trim(key, before);
          };
        }
        if (name === "closeLost") return () => Promise.reject(new Error("no leases"));
        const own = Reflect.get(target, name, target) as unknown;
        return typeof own === "function" ? own.bind(target) : own;
      },
    });
    const policy = { maxPoints: 1, protectedMs: 0, lossy: true };
    const cleaning = new Retention(broken, policy, { onEvent: (event) => events.push(event) });
    const { failed, points } = await cleaning.pass();
    expect(points).toBe(18);
    expect(new Map(failed.map(({ scan, error }) => [scan, (error as Error).message]))).toEqual(
      new Map([
        [undefined, "no leases"],
        [bad.scan.key, "no trim"],
        [unreadable.scan.key, "no JSON"],
      ]),
    );
    expect(events.map(({ type }) => type)).toEqual(["failed", "failed", "failed"]);
    expect((await bounds(good.writer))?.floor).toBe(9);
    expect((await bounds(bad.writers[1] as StreamWriter))?.floor).toBe(9);
  });

  test("that somebody deletes meanwhile are no failure, and are forgotten", async () => {
    const { clock, engine, store, retention, makeScan } = setup({ maxPoints: 1, protectedMs: 0, lossy: true });
    const scans = [await makeScan(), await makeScan(), await makeScan()];
    for (const { writer } of scans) for (let i = 0; i < 5; i++) await writer.send(i);
    const cleaning = retention();
    await cleaning.pass();
    const bounds = engine.bounds.bind(engine);
    engine.bounds = async (keys) => {
      // In the middle of the pass: after its header was read.
      await store.deleteScan(scans[1]?.scan.key ?? "", { force: true }).catch(() => {});
      return await bounds(keys);
    };
    expect(await cleaning.pass()).toMatchObject({ scans: 3, failed: [] });
    expect(await cleaning.pass()).toMatchObject({ scans: 2, failed: [] });
    await clock.advance(60 * MINUTE);
    expect(await cleaning.pass()).toMatchObject({ scans: 2, failed: [] });
  });
});

describe("a pass", () => {
  test("is made now and again by run, goes on after one that failed, and ends with the signal", async () => {
    const { clock, engine, events, makeScan } = setup({});
    await makeScan();
    const controller = new AbortController();
    let calls = 0;
    const { scansAfter } = engine;
    engine.scansAfter = async (...args) => {
      // Each pass asks twice: for what there is, and what comes after.
      if (calls++ === 2) throw new Error("away");
      return await scansAfter.apply(engine, args);
    };
    const cleaning = new Retention(engine, {}, { clock, intervalMs: 1000, onEvent: (event) => events.push(event) });
    const reports: number[] = [];
    const running = cleaning.run({ signal: controller.signal, onReport: ({ scans }) => reports.push(scans) });
    await clock.advance(0);
    expect(reports).toEqual([1]);
    await clock.advance(1000);
    expect(events).toMatchObject([{ type: "failed", error: { message: "away" } }]);
    await clock.advance(1000);
    expect(reports).toEqual([1, 1]);
    controller.abort();
    await running;
    expect(clock.pending).toBe(0);
  });

  test("ends a run when the engine is closed, and is refused while another is under way", async () => {
    const { engine, retention, makeScan } = setup({});
    await makeScan();
    const cleaning = retention();
    const first = cleaning.pass();
    expect(await failureOf(cleaning.pass())).toMatchObject({ code: "CONFLICT" });
    await first;
    expect(await failureOf(cleaning.pass({ signal: AbortSignal.abort() }))).toMatchObject({ code: "ABORTED" });
    await engine[Symbol.asyncDispose]();
    expect(await failureOf(cleaning.run())).toMatchObject({ code: "NOT_OPEN" });
  });

  test("finds scans that the history has forgotten", async () => {
    const memory = new MemoryLiveStore({ historyLimit: 3 });
    const engine = new MemoryEngine(memory);
    const store = new DataStore(engine);
    for (let i = 0; i < 10; i++) await store.createScan({ number: i }, { leaseMs: 0 });
    expect((await new Retention(engine).pass()).scans).toBe(10);
  });

  test("lets payloads beside the engine leave with the points, and with the scan", async () => {
    const { clock, engine, store, makeScan } = setup({});
    const trims: [string, number][] = [];
    const blobs = {
      trim: async (stream: string, before: number) => {
        trims.push([stream, before]);
        // No event is left that refers to what goes now.
        const [bounds] = await engine.bounds([stream]);
        expect(bounds?.floor).toBe(Math.min(before, bounds?.length ?? 0));
      },
    };
    const policy = { maxPoints: 2, protectedMs: 0, closedScanMs: MINUTE, lossy: true };
    const cleaning = new Retention(engine, policy, { clock, blobs });
    const [one, other] = [await makeScan(), await makeScan()];
    for (let i = 0; i < 5; i++) await one.writer.send(i);
    await cleaning.pass();
    expect(trims.splice(0)).toEqual([[one.writer.key, 3]]);
    await one.scan.close();
    await store.deleteScan(other.scan.key, { force: true });
    await cleaning.pass();
    expect(trims.splice(0)).toEqual([[other.writer.key, Number.MAX_SAFE_INTEGER]]);
    await clock.advance(MINUTE);
    expect((await cleaning.pass()).leaving).toEqual([one.scan.key]);
    expect(trims).toEqual([[one.writer.key, Number.MAX_SAFE_INTEGER]]);
    expect(await engine.getScan(one.scan.key)).toBeUndefined();
  });
});

describe("payloads beside the engine", () => {
  const policy = { maxPoints: 2, protectedMs: 0, closedScanMs: MINUTE, lossy: true };

  test("stay while their scan is there, also if another process has shortened the history", async () => {
    const { clock, engine, makeScan, bounds } = setup({});
    const trims: number[] = [];
    const blobs = { trim: async (_: string, before: number) => trims.push(before) };
    const cleaning = new Retention(engine, policy, { clock, blobs });
    const { writer } = await makeScan();
    await cleaning.pass();
    engine.scansAfter = async () => ({ scans: [], tag: "1-0", hasGap: false });
    for (let i = 0; i < 5; i++) await writer.send(i);
    expect(await cleaning.pass()).toMatchObject({ scans: 1, points: 3 });
    expect([trims, (await bounds(writer))?.floor]).toEqual([[3], 3]);
  });

  test("are removed by the next pass if they could not be when their scan was gone", async () => {
    const { clock, engine, store, makeScan } = setup({});
    const { scan } = await makeScan();
    let isAway = true;
    const removed: string[] = [];
    const trim = async (stream: string) => {
      if (isAway) throw new Error("away");
      removed.push(stream);
    };
    const cleaning = new Retention(engine, policy, { clock, blobs: { trim } });
    await cleaning.pass();
    await store.deleteScan(scan.key, { force: true });
    expect((await cleaning.pass()).failed).toMatchObject([{ scan: scan.key }]);
    isAway = false;
    expect((await cleaning.pass()).failed).toEqual([]);
    expect(removed).toEqual([scan.stream("data").key]);
    await cleaning.pass();
    expect(removed.length).toBe(1);
  });
});

test("a policy that cannot be is refused with the member at fault", () => {
  const { engine } = setup({});
  for (const policy of [{ maxAgeMs: -1 }, { pressure: 2 }, { maxBytes: Number.NaN }]) {
    expect(() => new Retention(engine, policy)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(Object.keys(policy)[0] ?? "") }),
    );
  }
});
