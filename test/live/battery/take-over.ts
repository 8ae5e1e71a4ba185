import { describe, expect, test } from "vitest";
import type { StorageError } from "../../../src/core/errors.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { doubled } from "./doubled.ts";
import { type BatteryEngine, failureOf, makeStream, numbers, withStores } from "./subject.ts";

/** Scans that one process begins and another goes on with. */
export function takeOverBattery(engine: BatteryEngine): void {
  describe(`take-over in ${engine.name}`, () => {
    test("a scan that was released goes on in another process, where its streams were", () =>
      withStores(engine, async (writing, reading) => {
        const { scan, writer, stream } = await makeStream(writing, reading);
        await writer.sendNoWait(numbers(0, 3));
        const cursor = await stream.cursor();
        await scan.release();
        expect(await failureOf(scan.stop())).toMatchObject({ code: "NOT_OPEN" });
        await scan[Symbol.asyncDispose]();
        const taken = await reading.resumeScan(scan.key, { owner: scan.owner });
        expect([taken.stateName, taken.writer("data").length]).toEqual(["STARTED", 3]);
        await taken.writer("data").send(numbers(3, 5));
        await taken.stop();
        await taken.close();
        expect(await failureOf(writer.send(9))).toMatchObject({ code: "NOT_OPEN" });
        expect([...((await cursor.read())?.length === 5 ? (await stream.slice()).data : [])]).toEqual([
          ...numbers(0, 5),
        ]);
        expect(await failureOf(cursor.read())).toMatchObject({ code: "END_OF_STREAM" });
      }));

    test("nobody else gets it while the lease is held, and whoever knows the owner gets it at once", () =>
      withStores(engine, async (writing, reading) => {
        const scan = await writing.createScan({ name: "loop" }, { owner: "acquisition-7", leaseMs: 1_000_000 });
        const writer = await scan.createStream("data", { dtype: "float64" });
        await scan.prepare();
        await writer.send(1);
        // The process of the producer is gone; its supervisor starts another one.
        expect(await failureOf(reading.resumeScan(scan.key))).toMatchObject({ code: "CONFLICT" });
        const taken = await reading.resumeScan(scan.key, { owner: "acquisition-7" });
        await taken.start();
        await taken.writer("data").send(2);
        // If it was not gone after all, its points do not come between.
        expect(await failureOf(writer.send(3))).toMatchObject({ code: "CONFLICT", index: 1, length: 2 });
        await taken.close();
        expect((await writing.engine.getScan(scan.key))?.endReason).toBe("SUCCESS");
        await scan[Symbol.asyncDispose]().catch(() => {});
      }));

    test("a producer that was only away is refused, also where its next point would fit, and the new one goes on", () =>
      withStores(engine, async (writing, reading) => {
        for (const owner of ["acquisition-7", undefined]) {
          const scan = await writing.createScan({ name: "loop" }, { owner: "acquisition-7", leaseMs: 1_000_000 });
          const [old, untouched] = [
            await scan.createStream("data", { dtype: "float64" }),
            await scan.createStream("untouched", { dtype: "float64" }),
          ];
          await scan.prepare();
          await old.send(0);
          if (owner === undefined) await writing.engine.renewLease(scan.key, "acquisition-7", 1);
          const taking = () => reading.resumeScan(scan.key, { owner }).catch((error: StorageError) => error);
          let taken = await taking();
          while (!("writer" in taken)) {
            expect(taken.code).toBe("CONFLICT");
            taken = await taking();
          }
          expect(await failureOf(old.send(1))).toMatchObject({ code: "CONFLICT" });
          expect(await failureOf(untouched.send(0))).toMatchObject({ code: "CONFLICT" });
          // Looking how long the stream is does not make it a writer again.
          expect(await old.resume()).toBe(1);
          expect(await failureOf(old.send(1))).toMatchObject({ code: "CONFLICT" });
          const writer = taken.writer("data");
          await Promise.all([1, 2, 3].map((value) => writer.send(value)));
          expect(await failureOf(old.send(4))).toMatchObject({ code: "CONFLICT" });
          const again = await reading.resumeScan(scan.key, { owner: taken.owner });
          expect(await failureOf(writer.send(4))).toMatchObject({ code: "CONFLICT" });
          await again.writer("data").send(4);
          await again.close();
          const stream = (await writing.loadScan(scan.key)).stream<NdArray, number>("data");
          expect([...(await stream.slice()).data]).toEqual([...numbers(0, 5)]);
          await scan[Symbol.asyncDispose]().catch(() => {});
          await taken[Symbol.asyncDispose]().catch(() => {});
        }
      }));

    test("a scan is not gone on with once it is LOST, CLOSED or deleted", () =>
      withStores(engine, async (writing, reading) => {
        const lost = await writing.createScan({ name: "lost" }, { leaseMs: 1_000_000 });
        await writing.engine.renewLease(lost.key, lost.owner ?? "", 1);
        await expect.poll(() => reading.engine.closeLost(), { timeout: 30_000 }).toEqual([lost.key]);
        expect(await failureOf(reading.resumeScan(lost.key, { owner: lost.owner }))).toMatchObject({
          code: "WRITER_LOST",
          scan: lost.key,
        });
        expect(await failureOf(lost.prepare())).toMatchObject({ code: "CONFLICT" });
        const closed = await writing.createScan({ name: "closed" });
        await closed.close();
        expect(await failureOf(reading.resumeScan(closed.key))).toMatchObject({ code: "CONFLICT" });
        await writing.deleteScan(closed.key);
        expect(await failureOf(reading.resumeScan(closed.key))).toMatchObject({ code: "NOT_FOUND" });
        expect(await failureOf(reading.resumeScan("elsewhere"))).toMatchObject({ code: "INVALID_KEY" });
      }));

    test("a scan whose lease has run out, or that has none, is taken by the first who comes", () =>
      withStores(engine, async (writing, reading) => {
        for (const leaseMs of [0, 1_000_000]) {
          const scan = await writing.createScan({ name: "loop" }, { leaseMs });
          await scan.createStream("data", { dtype: "float64" });
          await scan.prepare();
          if (scan.owner !== undefined) await writing.engine.renewLease(scan.key, scan.owner, 1);
          const taking = () => reading.resumeScan(scan.key).catch(({ code }: { code: string }) => code);
          await expect.poll(taking, { timeout: 30_000 }).not.toBe("CONFLICT");
          expect(await failureOf(writing.resumeScan(scan.key))).toMatchObject({ code: "CONFLICT" });
          await scan.close();
        }
      }));

    test("a stream whose plugin is missing there leaves the others writable", () =>
      withStores(engine, async (writing, reading) => {
        const knowing = new DataStore(writing.engine, { plugins: { strange: () => ({ open: () => doubled }) } });
        const scan = await knowing.createScan({ name: "loop" });
        await scan.createStream("odd", { encoding: { type: "doubled" }, info: { plugin: "strange" } });
        await scan.createStream("plain", { type: "json" });
        await scan.prepare();
        await scan.start();
        await scan.release();
        const taken = await reading.resumeScan(scan.key, { owner: scan.owner });
        await taken.writer("plain").send({ a: 1 });
        expect(() => taken.writer("odd")).toThrow(expect.objectContaining({ code: "MISSING_DEPENDENCY" }));
        const { late } = await taken.addStreams({ late: { type: "json" } });
        await late?.send(1);
        await taken.close();
        expect((await reading.loadScan(scan.key)).streamNames).toEqual(["odd", "plain", "late"]);
      }));
  });
}
