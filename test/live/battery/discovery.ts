import { describe, expect, test } from "vitest";
import { type BatteryEngine, failureOf, moment, withStores } from "./subject.ts";

/** How scans are found. */
export function discoveryBattery(engine: BatteryEngine): void {
  describe(`discovery in ${engine.name}`, () => {
    test("an empty store has no scan to search, none that is last, and none next, at once or after a while", () =>
      withStores(engine, async (_writing, reading) => {
        expect(await reading.search()).toEqual({ tag: "0-0", keys: [] });
        expect(await failureOf(reading.lastScan())).toMatchObject({ code: "NOT_FOUND", name: "NoScanAvailableError" });
        for (const timeoutMs of [0, 100]) {
          expect(await failureOf(reading.nextScan({ timeoutMs }))).toMatchObject({ name: "NoScanAvailableError" });
        }
      }));

    test("next ignores earlier scans unless a place is named, and wakes when one is created", () =>
      withStores(engine, async (writing, reading) => {
        const first = await writing.createScan({ number: 1 });
        expect(await failureOf(reading.nextScan({ timeoutMs: 0 }))).toMatchObject({ code: "NOT_FOUND" });
        expect((await reading.nextScan({ since: "oldest" })).key).toBe(first.key);
        const waiting = reading.nextScan();
        await moment();
        const second = await writing.createScan({ number: 2 });
        expect((await waiting).key).toBe(second.key);
      }));

    test("next and last pass over deleted scans, in order, blocking or not", () =>
      withStores(engine, async (writing, reading) => {
        const scans: { readonly key: string }[] = [];
        for (let number = 0; number < 5; number++) scans.push(await writing.createScan({ number }));
        for (const number of [0, 2]) await writing.deleteScan(scans[number]?.key ?? "", { force: true });
        for (const options of [{}, { timeoutMs: 1000 }, { timeoutMs: 0 }]) {
          const seen: string[] = [];
          for (let since = "oldest"; seen.length < 3; ) {
            const { key, tag } = await reading.nextScan({ ...options, since });
            seen.push(key);
            since = tag;
          }
          expect(seen).toEqual([1, 3, 4].map((number) => scans[number]?.key));
        }
        await writing.deleteScan(scans[4]?.key ?? "", { force: true });
        expect((await reading.lastScan()).key).toBe(scans[3]?.key);
        expect(await reading.states([scans[3]?.key ?? "", scans[4]?.key ?? ""])).toEqual([0, undefined]);
      }));

    test("a watch goes on until its signal fires", () =>
      withStores(engine, async (writing, reading) => {
        const controller = new AbortController();
        const seen: string[] = [];
        const watching = (async () => {
          for await (const { key } of reading.watch({ since: "oldest", signal: controller.signal })) {
            seen.push(key);
            if (seen.length === 3) controller.abort();
          }
        })();
        const keys = [];
        for (let number = 0; number < 3; number++) keys.push((await writing.createScan({ number })).key);
        await watching;
        expect(seen).toEqual(keys);
      }));
  });
}
