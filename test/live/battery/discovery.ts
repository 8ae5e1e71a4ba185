import { describe, expect, test } from "vitest";
import { CONCURRENT_SCANS, PATIENCE_MS } from "./sizes.ts";
import { type BatteryEngine, failureOf, moment, withStores } from "./subject.ts";

/** How scans are found. */
export function discoveryBattery(engine: BatteryEngine): void {
  describe(`discovery in ${engine.name}`, () => {
    test("case 8: an empty store has no scan to search, none that is last, and none next, at once or after a while", () =>
      withStores(engine, async (_writing, reading) => {
        expect(await reading.search()).toEqual({ tag: "0-0", keys: [] });
        expect(await failureOf(reading.lastScan())).toMatchObject({ code: "NOT_FOUND", name: "NoScanAvailableError" });
        for (const timeoutMs of [0, 100]) {
          expect(await failureOf(reading.nextScan({ timeoutMs }))).toMatchObject({ name: "NoScanAvailableError" });
        }
      }));

    test("case 9: next ignores earlier scans unless a place is named", () =>
      withStores(engine, async (writing, reading) => {
        const first = await writing.createScan({ number: 1 });
        expect(await failureOf(reading.nextScan({ timeoutMs: 0 }))).toMatchObject({ code: "NOT_FOUND" });
        expect((await reading.nextScan({ since: "oldest" })).key).toBe(first.key);
      }));

    test("case 14: a next that waits is woken by a scan that is created", () =>
      withStores(engine, async (writing, reading) => {
        await writing.createScan({ number: 1 });
        const waiting = reading.nextScan();
        await moment();
        const second = await writing.createScan({ number: 2 });
        expect((await waiting).key).toBe(second.key);
      }));

    test("case 10: next passes over deleted scans, in order, blocking or not", () =>
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
      }));

    test("case 11: last passes over deleted scans", () =>
      withStores(engine, async (writing, reading) => {
        const scans: { readonly key: string }[] = [];
        for (let number = 0; number < 5; number++) scans.push(await writing.createScan({ number }));
        expect((await reading.lastScan()).key).toBe(scans[4]?.key);
        await writing.deleteScan(scans[4]?.key ?? "", { force: true });
        expect((await reading.lastScan()).key).toBe(scans[3]?.key);
        expect(await reading.states([scans[3]?.key ?? "", scans[4]?.key ?? ""])).toEqual([0, undefined]);
      }));

    test("case 12: of twenty scans those are found whose fields are as asked, exactly or by wildcards", () =>
      withStores(engine, async (writing, reading) => {
        for (let i = 0; i < 20; i++) {
          const identity = { name: "scan", number: i, dataset: `dataset${i}`, session: `session${i % 2}` };
          await writing.createScan(identity, { leaseMs: 0 });
        }
        const counts: [Record<string, string | number>, number][] = [
          [{ dataset: "dataset1" }, 1],
          [{ dataset: "dataset1*" }, 11],
          [{ dataset: "dataset1*", session: "session0" }, 5],
          [{ dataset: "dataset*", session: "session*" }, 20],
          [{ number: 1, session: "session0" }, 0],
        ];
        for (const [identity, count] of counts) expect((await reading.search({ identity })).keys.length).toBe(count);
      }));

    test(
      "case 13: a search and the watch after it miss none of a thousand scans that are created meanwhile",
      () =>
        withStores(engine, async (writing, reading) => {
          const creating = Promise.all(
            Array.from({ length: CONCURRENT_SCANS }, (_, number) =>
              writing.createScan({ name: "many", number }, { leaseMs: 0 }),
            ),
          );
          const seen = new Set<string>();
          const { tag, keys } = await reading.search({ identity: { name: "many" } });
          for (const key of keys) seen.add(key);
          expect(seen.size).toBe(keys.length);
          for (let since = tag; seen.size < CONCURRENT_SCANS; ) {
            const sighting = await reading.nextScan({ since });
            expect(seen.has(sighting.key)).toBe(false);
            seen.add(sighting.key);
            since = sighting.tag;
          }
          const created = await creating;
          expect(created.every(({ key }) => seen.has(key))).toBe(true);
          expect(await failureOf(reading.nextScan({ timeoutMs: 0 }))).toMatchObject({ code: "NOT_FOUND" });
        }),
      PATIENCE_MS,
    );

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
