import { afterEach, describe, expect, test, vi } from "vitest";
import { Retention } from "../../../src/live/retention/retention.ts";
import { type BatteryEngine, failureOf, makeStream, moment, withStores } from "./subject.ts";

const HOUR = 3_600_000;

/** The wall clock of this process, in which producer and reader are, is set. */
export function clockBattery(engine: BatteryEngine): void {
  describe(`clocks in ${engine.name}`, () => {
    afterEach(() => {
      vi.useRealTimers();
    });

    test.each([
      ["forward", HOUR],
      ["back", -HOUR],
    ])("a wall clock that is set %s by an hour ends no lease, no scan and no wait, and begins none", (_, jump) =>
      withStores(engine, async (writing, reading) => {
        const { scan, writer, stream } = await makeStream(writing, reading);
        const closed = await makeStream(writing, reading);
        await closed.scan.close();
        await reading.engine.expire(closed.scan.key, HOUR / 2);
        await writer.send(0);
        const waiting = (await stream.cursor({ from: "now" })).read({ timeoutMs: HOUR / 2 });
        const next = reading.nextScan({ timeoutMs: HOUR / 2 });
        await moment();

        vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + jump });
        expect(await reading.engine.closeLost()).toEqual([]);
        const left = (await reading.engine.getScan(scan.key))?.lease?.remainingMs ?? 0;
        expect(left).toBeGreaterThan(0);
        expect(left).toBeLessThanOrEqual(30_000);
        expect(await failureOf(reading.resumeScan(scan.key))).toMatchObject({ code: "CONFLICT" });
        expect(await reading.engine.getScan(closed.scan.key)).toMatchObject({ state: 4, endReason: "SUCCESS" });
        const policy = { maxAgeMs: HOUR / 2, closedScanMs: HOUR / 2, inactiveScanMs: HOUR / 2, lossy: true };
        expect(await new Retention(reading.engine, policy).pass()).toMatchObject({ points: 0, closed: [], failed: [] });
        expect((await reading.loadScan(closed.scan.key)).stateName).toBe("CLOSED");

        await writer.send(1);
        expect((await waiting)?.index).toBe(1);
        const later = await writing.createScan({ name: "later" });
        expect((await next).key).toBe(later.key);
        expect((await reading.lastScan()).key).toBe(later.key);
        await scan.stop();
        await scan.close();
        expect((await reading.loadScan(scan.key)).endReason).toBe("SUCCESS");
      }),
    );
  });
}
