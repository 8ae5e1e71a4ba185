import { describe, expect, test } from "vitest";
import type { DataStore } from "../../../src/live/data-store.ts";
import type { RetentionPolicy } from "../../../src/live/retention/policy.ts";
import type { RetentionEvent } from "../../../src/live/retention/report.ts";
import { Retention } from "../../../src/live/retention/retention.ts";
import { type BatteryEngine, failureOf, makeStream, numbers, withStores } from "./subject.ts";

const GIVE_ALL = { maxBytes: 0, protectedMs: 0, lossy: true };

/** A pass of a retention that knows nothing from before, in the store of the reader. */
async function pass(store: DataStore, policy: RetentionPolicy) {
  const events: RetentionEvent[] = [];
  const retention = new Retention(store.engine, policy, { onEvent: (event) => events.push(event) });
  return { report: await retention.pass(), events };
}

/** What leaves a store, and what stays. The rules themselves, with time in the hand, have tests of their own. */
export function retentionBattery(engine: BatteryEngine): void {
  describe(`retention in ${engine.name}`, () => {
    test("case 39: under pressure the oldest points leave; the length, the newest point and the error say so", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        for (let from = 0; from < 1024; from += 64) await writer.send(numbers(from, from + 64));
        const { report } = await pass(reading, GIVE_ALL);
        const { floor, length } = await stream.bounds();
        expect([report.points, length]).toEqual([floor, 1024]);
        expect(floor).toBeGreaterThan(0);
        expect(await failureOf(stream.at(0))).toMatchObject({ code: "EXPIRED", floor, length: 1024 });
        expect(await stream.at(1023)).toBe(1023);
        await writer.send(1024);
        expect(await stream.length()).toBe(1025);
      }));

    test("case 40: a sealed stream of which every point left keeps its length", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        await writer.send(numbers(0, 100));
        await writer.seal();
        expect((await pass(reading, GIVE_ALL)).report.failed).toEqual([]);
        expect(await stream.bounds()).toMatchObject({ floor: 100, length: 100, sealed: true });
        expect(await failureOf(stream.at(-1))).toMatchObject({ code: "EXPIRED" });
        expect(await writer.seal()).toBe(100);
      }));

    test("case 41: streams without a point, and scans without a stream, are no trouble", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        await writing.createScan({ name: "without streams" });
        expect((await pass(reading, GIVE_ALL)).report).toMatchObject({ scans: 2, points: 0, failed: [] });
        await writer.send(1);
        await writer.seal();
        expect(await stream.at(0)).toBe(1);
      }));

    test("case 42: protected history stays whatever the rules say, and a critical event tells of it", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        await writer.send(numbers(0, 10));
        await writer.send(numbers(10, 20));
        const policy = { maxBytes: 0, maxPoints: 0, maxAgeMs: 0, protectedMs: 600_000, lossy: true };
        const { report, events } = await pass(reading, policy);
        expect(report).toMatchObject({ points: 0, heldPoints: 0 });
        expect(events).toMatchObject([{ type: "critical", targetBytes: 0, heldPoints: 0 }]);
        expect([...(await stream.slice()).data]).toEqual([...numbers(0, 20)]);
      }));

    test("case 43: a scan whose writer is silent is closed after its lease, one that is renewed is not", () =>
      withStores(engine, async (writing, reading) => {
        const silent = await writing.createScan({ name: "silent" }, { leaseMs: 1_000_000 });
        const active = await writing.createScan({ name: "active" }, { leaseMs: 1_000_000 });
        expect((await pass(reading, {})).report.closed).toEqual([]);
        // Its process is gone: the lease is as if it had been short, and nobody renews it.
        await writing.engine.renewLease(silent.key, silent.owner ?? "", 1);
        const closed = async () => (await pass(reading, {})).report.closed;
        await expect.poll(closed, { timeout: 30_000 }).toEqual([silent.key]);
        const ended = await reading.loadScan(silent.key);
        expect([ended.stateName, ended.endReason]).toEqual(["CLOSED", "LOST"]);
        expect((await reading.loadScan(active.key)).stateName).toBe("CREATED");
      }));

    test("case 44: a closed scan goes after its time with all its data, however often it is told to", () =>
      withStores(engine, async (writing, reading) => {
        const { scan, writer, stream } = await makeStream(writing, reading);
        const staying = await makeStream(writing, reading);
        await writer.send(numbers(0, 10));
        await staying.writer.send(numbers(0, 10));
        await scan.close();
        const policy = { closedScanMs: 400, protectedMs: 0, lossy: true };
        const cleaning = new Retention(reading.engine, policy);
        const isThere = async () => {
          await cleaning.pass();
          await pass(reading, policy);
          return (await reading.engine.getScan(scan.key)) !== undefined;
        };
        await expect.poll(isThere, { timeout: 30_000 }).toBe(false);
        expect(await reading.engine.getStates([scan.key])).toEqual([undefined]);
        expect((await reading.search()).keys).toEqual([staying.scan.key]);
        const { entries, bounds } = await reading.engine.range(stream.key, 0, 10);
        expect([entries, bounds.floor]).toEqual([[], bounds.length]);
        expect(await staying.stream.at(9)).toBe(9);
      }));

    test("case 45: a scan that is deleted while it is tracked is no trouble, and is forgotten", () =>
      withStores(engine, async (writing, reading) => {
        const [one, other] = [await makeStream(writing, reading), await makeStream(writing, reading)];
        for (const { writer } of [one, other]) {
          await writer.send(1);
          await writer.send(2);
        }
        const cleaning = new Retention(reading.engine, { maxPoints: 1, protectedMs: 0, lossy: true });
        expect(await cleaning.pass()).toMatchObject({ scans: 2, points: 2 });
        await writing.deleteScan(one.scan.key, { force: true });
        expect(await cleaning.pass()).toMatchObject({ scans: 1, failed: [] });
        await writing.deleteScan(other.scan.key, { force: true });
        expect(await cleaning.pass()).toMatchObject({ scans: 0, failed: [] });
      }));

    test("case 47: what no store has stays, up to the durable index, unless the policy says lossy", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        for (let i = 0; i < 100; i++) await writer.send(i);
        await writer.setDurable(40);
        const policy = { maxPoints: 10, protectedMs: 0 };
        expect((await pass(reading, policy)).report).toMatchObject({ points: 40, heldPoints: 50 });
        expect(await stream.bounds()).toMatchObject({ floor: 40, length: 100, durable: 40 });
        const { report, events } = await pass(reading, { ...policy, maxBytes: 0 });
        expect(report).toMatchObject({ points: 0 });
        expect(events).toMatchObject([{ type: "critical", heldPoints: 60 }]);
        expect((await pass(reading, { ...policy, lossy: true })).report).toMatchObject({ points: 50, heldPoints: 0 });
        expect(await stream.at(90)).toBe(90);
      }));

    test("several that clean at once do not hurt each other, nor those who read and write", () =>
      withStores(engine, async (writing, reading) => {
        const { scan, writer, stream } = await makeStream(writing, reading);
        const policy = { maxPoints: 50, protectedMs: 0, lossy: true };
        const controller = new AbortController();
        const { signal } = controller;
        const failed: unknown[] = [];
        const running = [writing, writing, reading].map(({ engine: shared }) =>
          new Retention(shared, policy, { intervalMs: 1 }).run({
            signal,
            onReport: (report) => failed.push(...report.failed),
          }),
        );
        const cursor = await stream.cursor({ onGap: "skip" });
        const following = (async () => {
          let next = 0;
          for await (const view of cursor) {
            expect(view.index).toBe(next + view.skipped);
            next = view.lastIndex + 1;
          }
          return next;
        })();
        for (let i = 0; i < 500; i++) await writer.send(i);
        await scan.close();
        expect(await following).toBe(500);
        await pass(reading, policy);
        controller.abort();
        await Promise.all(running);
        expect(failed).toEqual([]);
        const { floor, length } = await stream.bounds();
        expect([floor, length]).toEqual([450, 500]);
        expect([...(await stream.slice(450)).data]).toEqual([...numbers(450, 500)]);
      }));
  });

  const { makeLimited } = engine;
  if (makeLimited === undefined) return;
  describe(`retention in ${engine.name} with a limit`, () => {
    test("case 46: out of memory, that send is an error; after a pass the same writer goes on", () =>
      withStores({ ...engine, make: makeLimited }, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading, { dtype: "uint8", shape: [200_000] });
        const point = new Uint8Array(200_000);
        let length = 0;
        const fill = async () => {
          for (; ; length++) await writer.send(point);
        };
        expect(await failureOf(fill())).toMatchObject({ code: "NO_SPACE" });
        expect(await failureOf(writer.send(point))).toMatchObject({ code: "NO_SPACE" });
        expect(await stream.bounds()).toMatchObject({ floor: 0, length, sealed: false });
        const { report, events } = await pass(reading, { pressure: 0.5, protectedMs: 0, lossy: true });
        expect(report.points).toBeGreaterThan(0);
        expect(events.filter(({ type }) => type === "failed")).toEqual([]);
        await writer.send(point);
        expect((await stream.bounds()).length).toBe(length + 1);
      }));
  });
}
