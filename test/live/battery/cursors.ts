import { describe, expect, test } from "vitest";
import { CursorGroup } from "../../../src/live/cursor-group.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { PATIENCE_MS, STRESS_SECONDS } from "./sizes.ts";
import { type BatteryEngine, failureOf, makeStream, moment, numbers, withStores } from "./subject.ts";

const BATCHES = {
  none: [],
  one: [1],
  three: [3],
  "one and three": [1, 3],
  "three and one": [3, 1],
  singles: [1, 1, 1, 1],
  mixed: [1, 4, 2],
};

/** Cursors: from anywhere, at any speed. */
export function cursorBattery(engine: BatteryEngine): void {
  describe(`cursors in ${engine.name}`, () => {
    const matrix = Object.entries(BATCHES).flatMap(([name, batches]) =>
      [true, false].flatMap((isSealed) =>
        [true, false].flatMap((isBlocking) =>
          [true, false].flatMap((isGroup) =>
            [true, false].map((isLatest) => ({ name, batches, isSealed, isBlocking, isGroup, isLatest })),
          ),
        ),
      ),
    );
    test.each(matrix)(
      "case 28: batches $name, sealed $isSealed, blocking $isBlocking, group $isGroup, latest $isLatest",
      (row) =>
        withStores(engine, async (writing, reading) => {
          const { writer, stream } = await makeStream(writing, reading);
          const length = row.batches.reduce((sum, count) => sum + count, 0);
          let at = 0;
          for (const count of row.batches) {
            await writer.send(numbers(at, at + count));
            at += count;
          }
          if (row.isSealed) await writer.seal();
          const cursor = await stream.cursor({ mode: row.isLatest ? "latest" : "all" });
          const group = new CursorGroup([cursor]);
          const options = { timeoutMs: row.isBlocking ? 5 : 0 };
          const read = async () =>
            row.isGroup
              ? ((await group.read(options)).get(stream) as Awaited<ReturnType<typeof cursor.read>>)
              : await cursor.read(options);
          if (length > 0) {
            const view = await read();
            const expected = row.isLatest ? [length - 1] : [...numbers(0, length)];
            expect([view?.index, view?.lastIndex, view?.length]).toEqual([expected[0], length - 1, expected.length]);
            expect((await view?.data())?.data).toEqual(Float64Array.from(expected));
          }
          for (let again = 0; again < 2; again++) {
            if (row.isSealed) expect(await failureOf(read())).toMatchObject({ code: "END_OF_STREAM" });
            else expect(await read()).toBeUndefined();
          }
        }),
    );

    test("case 29: it starts at the origin, at an index, now, or at the newest", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        await writer.send(numbers(0, 10));
        const cursors = [];
        for (const from of ["start", 4, "latest", "now"] as const) cursors.push(await stream.cursor({ from }));
        await writer.send(numbers(10, 12));
        const indexes = [];
        for (const cursor of cursors) indexes.push((await cursor.read())?.index);
        expect(indexes).toEqual([0, 4, 9, 10]);
      }));

    test("case 30: a read that blocks ends with its time, or with the data", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        const cursor = await stream.cursor();
        expect(await cursor.read({ timeoutMs: 10 })).toBeUndefined();
        const waiting = cursor.read({ timeoutMs: 60_000 });
        await moment();
        await writer.send(5);
        expect((await waiting)?.index).toBe(0);
      }));

    test("case 36: times of a tenth of a millisecond are over, wherever something is awaited", () =>
      withStores(engine, async (writing, reading) => {
        const { scan, stream } = await makeStream(writing, reading);
        const cursor = await stream.cursor();
        for (const timeoutMs of [0, 0.1]) {
          expect(await cursor.read({ timeoutMs })).toBeUndefined();
          expect((await new CursorGroup([await stream.cursor()]).read({ timeoutMs })).size).toBe(0);
          expect(await stream.waitSealed({ timeoutMs })).toBe(false);
          expect(await (await reading.loadScan(scan.key)).update({ timeoutMs })).toBe(false);
          expect(await failureOf(reading.nextScan({ timeoutMs }))).toMatchObject({ code: "NOT_FOUND" });
        }
      }));

    test("case 31: a group answers with the first stream that has news, and the rest with the next read", () =>
      withStores(engine, async (writing, reading) => {
        const one = await makeStream(writing, reading);
        const two = await makeStream(writing, reading);
        const group = new CursorGroup([await one.stream.cursor(), await two.stream.cursor()]);
        const waiting = group.read();
        await moment();
        await one.writer.send(numbers(0, 3));
        expect([...(await waiting)].map(([stream, view]) => [stream, view.index, view.length])).toEqual([
          [one.stream, 0, 3],
        ]);
        await two.writer.send(1);
        await one.writer.send(4);
        const rest = await group.read();
        expect([rest.get(one.stream)?.index, rest.get(two.stream)?.index]).toEqual([3, 0]);
        await one.writer.seal();
        expect((await group.read({ timeoutMs: 5 })).size).toBe(0);
        expect(group.size).toBe(1);
        await two.writer.seal();
        expect(await failureOf(group.read())).toMatchObject({ code: "END_OF_STREAM" });
      }));

    test("a group follows streams of several stores", () =>
      withStores(engine, async (writing, reading) => {
        await withStores(engine, async (otherWriting, otherReading) => {
          const one = await makeStream(writing, reading);
          const two = await makeStream(otherWriting, otherReading);
          const group = new CursorGroup([await one.stream.cursor(), await two.stream.cursor()]);
          for (const { writer, stream } of [two, one]) {
            const waiting = group.read();
            await moment();
            await writer.send(1);
            expect([...(await waiting).keys()]).toEqual([stream]);
          }
        });
      }));

    test("case 32: a read that blocks ends when the stream is sealed", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        const failing = failureOf((await stream.cursor()).read());
        await moment();
        await writer.seal();
        expect(await failing).toMatchObject({ code: "END_OF_STREAM" });
      }));

    test("case 33: a hundred streams of two thousand points are read complete", () =>
      withStores(engine, async (writing, reading) => {
        const scan = await writing.createScan({ name: "many" });
        const writers = [];
        for (let i = 0; i < 100; i++) writers.push(await scan.createStream(`s${i}`, { dtype: "float64" }));
        await scan.prepare();
        const loaded = await reading.loadScan(scan.key);
        const cursors = await Promise.all(loaded.streamNames.map((name) => loaded.stream(name).cursor()));
        const group = new CursorGroup(cursors);
        const reading2 = (async () => {
          const sums = new Map<string, [number, number]>();
          for await (const views of group) {
            for (const [stream, view] of views) {
              const [count, sum] = sums.get(stream.name) ?? [0, 0];
              expect(view.index).toBe(count);
              const { data } = (await view.data()) as { data: Float64Array };
              sums.set(stream.name, [count + view.length, sum + data.reduce((a, b) => a + b, 0)]);
            }
          }
          return [...sums.values()];
        })();
        for (let from = 0; from < 2000; from += 100) {
          await Promise.all(writers.map((writer) => writer.send(numbers(from, from + 100))));
        }
        await scan.close();
        const sums = await reading2;
        expect(sums).toEqual(Array.from({ length: 100 }, () => [2000, 1_999_000]));
      }));

    test("case 34: the latest point is given alone, and each once", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        const cursor = await stream.cursor({ mode: "latest" });
        await writer.send(Float64Array.of(0, 1, 2, 4, 16, 32));
        const first = await cursor.read();
        expect([first?.index, await first?.at(0)]).toEqual([5, 32]);
        await writer.send(Float64Array.of(64, 128));
        expect((await cursor.read())?.index).toBe(7);
        expect(await cursor.read({ timeoutMs: 0 })).toBeUndefined();
        const waiting = cursor.read();
        await writer.send(256);
        expect((await waiting)?.index).toBe(8);
      }));

    test("each n-th point is given, whatever the batches and the pages", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        for (let from = 0; from < 100; from += 10) await writer.send(numbers(from, from + 10));
        await writer.seal();
        const cursor = await stream.cursor({ from: 1, mode: { every: 7 } });
        const seen: number[] = [];
        for (;;) {
          const view = await cursor.read({ maxBytes: 200 }).catch((error: { code?: string }) => {
            expect(error.code).toBe("END_OF_STREAM");
          });
          if (view === undefined) break;
          for await (const point of view) seen.push(point);
        }
        expect(seen).toEqual([...numbers(0, 100)].filter((i) => i % 7 === 1));
      }));

    test("a read keeps to its points and its bytes", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        for (let from = 0; from < 100; from += 10) await writer.send(numbers(from, from + 10));
        const cursor = await stream.cursor();
        const lengths = [];
        for (const options of [{ maxItems: 3 }, { maxItems: 12 }, { maxBytes: 160 }, {}])
          lengths.push((await cursor.read(options))?.length);
        expect(lengths).toEqual([3, 12, 15, 70]);
      }));

    test("case 35: what has left is counted, and is an error, passed over, or read from the store", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        for (let i = 0; i < 600; i++) await writer.send(i);
        const floor = await writing.engine.trim(stream.key, 590);
        expect(floor).toBeGreaterThan(0);
        expect(await failureOf(stream.at(0))).toMatchObject({ code: "EXPIRED", floor, length: 600 });
        expect(await failureOf(stream.slice(floor - 1))).toMatchObject({ code: "EXPIRED" });
        const view = await (await stream.cursor()).read();
        expect([view?.index, view?.length, view?.expired]).toEqual([0, 600, floor]);
        expect(await failureOf(view?.data() ?? Promise.resolve())).toMatchObject({ code: "EXPIRED", floor });
        expect([...((await view?.data(floor)) ?? { data: [] }).data]).toEqual([...numbers(floor, 600)]);
        const skipped = await (await stream.cursor({ onGap: "skip" })).read();
        expect([skipped?.index, skipped?.skipped, skipped?.expired]).toEqual([floor, floor, 0]);
        expect(await failureOf((await stream.cursor({ onGap: "fill" })).read())).toMatchObject({ code: "EXPIRED" });
        const asked: [number, number][] = [];
        const { codec } = await stream.opened();
        const cold = {
          uri: "file:///scan.zarr",
          read: async (from: number, to: number) => {
            asked.push([from, to]);
            return codec.decode(
              { index: from, length: to - from, payload: new Uint8Array(numbers(from, to).buffer) },
              0,
              to - from,
            );
          },
        };
        const { Stream } = await import("../../../src/live/stream.ts");
        const header = (await reading.engine.getScan(stream.scan))?.streams.data;
        if (header === undefined) throw new Error("no stream");
        const filled = new Stream<{ data: Float64Array }, number>(header, {
          engine: reading.engine,
          scan: stream.scan,
          open: async () => ({ codec, cold }),
        });
        expect([...(await filled.slice(0, 600)).data]).toEqual([...numbers(0, 600)]);
        expect(asked).toEqual([[0, floor]]);
        expect(await filled.at(floor)).toBe(floor);
        expect(await failureOf(filled.at(600))).toMatchObject({ code: "NOT_YET" });
        expect(asked.length).toBe(1);
        expect(await filled.locate(0)).toEqual({ state: "in file", tier: "file", uri: "file:///scan.zarr" });
        const whole = await (await filled.cursor({ onGap: "fill" })).read();
        expect([...((await whole?.data()) ?? { data: [] }).data]).toEqual([...numbers(0, 600)]);
      }));

    test("a cursor that skips what it has missed stays on the points that it takes", () =>
      withStores(engine, async (writing, reading) => {
        const { scan, writer, stream } = await makeStream(writing, reading);
        for (let i = 0; i < 30; i++) await writer.send(i);
        expect(await writing.engine.trim(stream.key, 10)).toBe(10);
        const cursor = await stream.cursor({ from: 2, mode: { every: 3 }, onGap: "skip" });
        const seen: number[] = [];
        const view = await cursor.read();
        expect([view?.index, view?.skipped, view?.expired]).toEqual([11, 9, 0]);
        for await (const point of view ?? []) seen.push(point);
        await scan.close();
        for await (const rest of cursor) for await (const point of rest) seen.push(point);
        expect(seen).toEqual([11, 14, 17, 20, 23, 26, 29]);
      }));

    test("case 37: a signal frees a read and what it held, and it can be made again", () =>
      withStores(engine, async (writing, reading, { waiting }) => {
        const { writer, stream } = await makeStream(writing, reading);
        const cursor = await stream.cursor();
        for (let round = 0; round < 10; round++) {
          const controller = new AbortController();
          const failing = failureOf(cursor.read({ signal: controller.signal }));
          if (round > 7) await moment();
          controller.abort();
          expect(await failing).toMatchObject({ code: "ABORTED" });
        }
        if (waiting !== undefined) await expect.poll(waiting, { timeout: 30_000 }).toBe(0);
        await writer.send(1);
        expect((await cursor.read())?.index).toBe(0);
      }));

    test(
      "case 38: fifty readers of different speeds all see all that one writer sends",
      () =>
        withStores(engine, async (writing, reading) => {
          const { writer, stream } = await makeStream(writing, reading);
          const readers = Array.from({ length: 50 }, async (_, speed) => {
            const cursor = await stream.cursor();
            let seen = 0;
            for (let reads = 0; ; reads++) {
              const view = await cursor.read({ maxItems: 1 + speed * 4 }).catch((error: { code?: string }) => {
                expect(error.code).toBe("END_OF_STREAM");
              });
              if (view === undefined) return seen;
              const { data } = (await view.data()) as { data: Float64Array };
              expect(data).toEqual(numbers(seen, seen + view.length));
              seen += view.length;
              if (speed % 3 === 0 && reads % 10 === 0) await moment(1);
            }
          });
          const end = performance.now() + STRESS_SECONDS * 1000;
          let count = 0;
          while (count < 500 || performance.now() < end) {
            await writer.send(count++);
            // Who only writes leaves a process no turn to read.
            if (count % 10 === 0) await moment(1);
          }
          await writer.seal();
          expect(new Set(await Promise.all(readers))).toEqual(new Set([count]));
        }),
      STRESS_SECONDS * 2000 + PATIENCE_MS,
    );
  });

  test("two stores on one engine are no obstacle", () =>
    withStores(engine, async (writing) => {
      const scan = await writing.createScan({ name: "a" });
      expect((await new DataStore(writing.engine).loadScan(scan.key)).key).toBe(scan.key);
    }));
}
