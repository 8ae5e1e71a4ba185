import { describe, expect, test } from "vitest";
import { DataStore } from "../../../src/live/data-store.ts";
import type { JsonObject } from "../../../src/live/json.ts";
import { scanStates } from "../../../src/live/scan-state.ts";
import { doubled } from "./doubled.ts";
import { type BatteryEngine, failureOf, makeStream, moment, withStores } from "./subject.ts";

/** Scans: what a producer makes of them, and what readers see of it. */
export function scanBattery(engine: BatteryEngine): void {
  describe(`scans in ${engine.name}`, () => {
    test("case 1: a scan that was created is loaded CREATED, with its identity", () =>
      withStores(engine, async (writing, reading) => {
        const scan = await writing.createScan({ name: "loop", number: 7, session: "s" }, { info: { title: "t" } });
        const loaded = await reading.loadScan(scan.key);
        expect(loaded.stateName).toBe("CREATED");
        expect(loaded.identity).toEqual({ name: "loop", number: 7, session: "s" });
        expect(loaded.info).toEqual({ title: "t" });
        expect(scan.key).toMatch(/^esrf:scan:[0-9A-HJKMNP-TV-Z]{26}$/);
      }));

    test("case 2: a reader sees nothing new until it updates", () =>
      withStores(engine, async (writing, reading) => {
        const scan = await writing.createScan({ name: "loop" });
        const loaded = await reading.loadScan(scan.key);
        await scan.createStream("x", { dtype: "int32" });
        await scan.prepare();
        expect([loaded.stateName, loaded.streamNames]).toEqual(["CREATED", []]);
        expect(await loaded.update()).toBe(true);
        expect([loaded.stateName, loaded.streamNames]).toEqual(["PREPARED", ["x"]]);
        expect(loaded.stream("x").key).toMatch(/^esrf:stream:[0-9A-HJKMNP-TV-Z]{26}$/);
        expect(await loaded.update({ timeoutMs: 0 })).toBe(false);
        const waiting = loaded.waitState(scanStates.CLOSED);
        await scan.start();
        await scan.stop();
        await scan.close();
        expect(await waiting).toBe(true);
        expect(loaded.endReason).toBe("SUCCESS");
        expect(await loaded.update()).toBe(false);
      }));

    test("case 3: a scan that is stopped before it is started, or closed twice, refuses and stays as it is", () =>
      withStores(engine, async (writing, reading) => {
        const scan = await writing.createScan({ name: "loop" });
        expect(await failureOf(scan.stop())).toMatchObject({ code: "CONFLICT", state: scanStates.CREATED });
        expect(await failureOf(scan.start())).toMatchObject({ code: "CONFLICT" });
        expect((await reading.loadScan(scan.key)).stateName).toBe("CREATED");
        await scan.close();
        expect(await failureOf(scan.close())).toMatchObject({ code: "CONFLICT" });
      }));

    test("case 4: info of half a mebibyte is taken, of one it is refused", () =>
      withStores(engine, async (writing, reading) => {
        const half = { text: "x".repeat(2 ** 19) };
        const whole = { text: "x".repeat(2 ** 20) };
        const scan = await writing.createScan({ name: "loop" }, { info: half });
        expect((await reading.loadScan(scan.key)).info).toEqual(half);
        expect(() => scan.setInfo(whole)).toThrow(/1048\d+ bytes/);
        expect(await failureOf(writing.createScan({ name: "loop" }, { info: whole }))).toMatchObject({
          code: "INVALID_DATA",
        });
      }));

    test("info that is no JSON is refused with the member that is at fault", () =>
      withStores(engine, async (writing) => {
        const scan = await writing.createScan({ name: "loop" });
        expect(() => scan.setInfo({ a: [1, Number.NaN] })).toThrow(/info\.a\[1\]/);
      }));

    test("case 5: info changes with prepare and close, not with start and stop", () =>
      withStores(engine, async (writing, reading) => {
        const scan = await writing.createScan({ name: "loop" });
        scan.setInfo({ n: 1 });
        await scan.prepare();
        expect((await reading.loadScan(scan.key)).info).toEqual({ n: 1 });
        scan.setInfo({ n: 2 });
        expect(await failureOf(scan.start())).toMatchObject({ code: "CONFLICT" });
        const other = await reading.loadScan(scan.key);
        expect([other.stateName, other.info]).toEqual(["PREPARED", { n: 1 }]);
        await scan.close();
        expect((await reading.loadScan(scan.key)).info).toEqual({ n: 2 });
      }));

    test("case 52: a group that the layout gets with the close is visible after an update, and not before", () =>
      withStores(engine, async (writing, reading) => {
        const group = { type: "group", children: { title: "loop" } };
        const layout = (children: JsonObject) => ({ h5maps: { "/data/run.h5": { type: "group", children } } });
        const scan = await writing.createScan({ name: "loop" }, { info: layout({ measurement: group }) });
        await scan.prepare();
        const loaded = await reading.loadScan(scan.key);
        scan.setInfo(layout({ measurement: group, sample: group }));
        await loaded.update({ timeoutMs: 0 });
        expect(loaded.info).toEqual(layout({ measurement: group }));
        await scan.close();
        expect(await loaded.update()).toBe(true);
        expect(loaded.info).toEqual(layout({ measurement: group, sample: group }));
      }));

    test("case 6: an open scan is deleted only by force, and those who wait for it leave", () =>
      withStores(engine, async (writing, reading) => {
        const { scan, stream } = await makeStream(writing, reading);
        const loaded = await reading.loadScan(scan.key);
        const cursor = await stream.cursor();
        expect(await failureOf(writing.deleteScan(scan.key))).toMatchObject({ code: "CONFLICT" });
        const updating = loaded.update();
        const failing = failureOf(cursor.read());
        await moment();
        await writing.deleteScan(scan.key, { force: true });
        expect(await updating).toBe(true);
        expect([loaded.stateName, loaded.endReason]).toEqual(["CLOSED", "DELETION"]);
        expect((await failing).code).toBe("END_OF_STREAM");
        expect(await failureOf(reading.loadScan(scan.key))).toMatchObject({ code: "NOT_FOUND" });
        await scan[Symbol.asyncDispose]().catch(() => {});
      }));

    test("case 7: a stream whose plugin is missing rejects when it is used; the scan and its other streams do not", () =>
      withStores(engine, async (writing, reading) => {
        const plugins = { strange: () => ({ open: () => Promise.reject(new Error("no codec")) }) };
        const knowing = new DataStore(writing.engine, {
          plugins: {
            strange: () => ({ open: async () => doubled }),
          },
        });
        const scan = await knowing.createScan({ name: "loop" });
        const strange = await scan.createStream("odd", { encoding: { type: "doubled" }, info: { plugin: "strange" } });
        await scan.createStream("plain", { type: "json" });
        await scan.prepare();
        await strange.send(4);
        const loaded = await reading.loadScan(scan.key);
        expect(await failureOf(loaded.stream("odd").at(0))).toMatchObject({ code: "MISSING_DEPENDENCY" });
        expect(await loaded.stream("odd").length()).toBe(1);
        expect(await loaded.stream("plain").slice()).toEqual([]);
        const broken = new DataStore(reading.engine, { plugins });
        expect(await failureOf((await broken.loadScan(scan.key)).stream("odd").at(0))).toMatchObject({
          code: "UNEXPECTED",
        });
        const known = await (await knowing.loadScan(scan.key)).stream("odd").at(0);
        expect(known).toBe(8);
        expect(
          await failureOf(
            writing.createScan({}).then((other) => other.createStream("y", { encoding: { type: "odd" } })),
          ),
        ).toMatchObject({ code: "MISSING_DEPENDENCY" });
      }));

    test("a producer that dies frees its readers, who learn that it is lost after all that it has sent", () =>
      withStores(
        engine,
        async (writing, reading) => {
          const scan = await writing.createScan({ name: "loop" }, { leaseMs: 1_000_000 });
          const writer = await scan.createStream("data", { dtype: "float64" });
          await scan.prepare();
          await writer.send(Float64Array.of(1, 2));
          const loaded = await reading.loadScan(scan.key);
          const cursor = await loaded.stream("data").cursor();
          const { owner = "" } = (await writing.engine.getScan(scan.key))?.lease ?? {};
          await writing.engine.renewLease(scan.key, owner, 1);
          expect((await cursor.read())?.length).toBe(2);
          expect(await failureOf(cursor.read())).toMatchObject({ code: "WRITER_LOST", scan: scan.key });
          expect(await loaded.update()).toBe(true);
          expect([loaded.stateName, loaded.endReason]).toEqual(["CLOSED", "LOST"]);
          expect(await failureOf(writer.send(3))).toMatchObject({ code: "NOT_OPEN" });
          await scan[Symbol.asyncDispose]().catch(() => {});
        },
        { lostWritersMs: 10 },
      ));
  });
}
