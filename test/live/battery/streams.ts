import { describe, expect, test } from "vitest";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { type BatteryEngine, failureOf, makeStream, numbers, withStores } from "./subject.ts";

/** Streams: what is sent is what is read. */
export function streamBattery(engine: BatteryEngine): void {
  describe(`streams in ${engine.name}`, () => {
    test.each([
      ["int64", BigInt64Array.from({ length: 1000 }, (_, i) => BigInt(i) - 500n)],
      ["float64", Float64Array.from({ length: 1000 }, (_, i) => i / 7)],
      ["uint32", Uint32Array.from({ length: 1000 }, (_, i) => i * 4_000_000)],
      [">f4", Float32Array.from({ length: 1000 }, (_, i) => i / 7)],
    ] as const)("case 16: a thousand values of %s come back with their dtype", (dtype, values) =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading, { dtype });
        await writer.send(values);
        expect((await stream.slice()).data).toEqual(values);
        expect(await stream.at(3)).toBe(values[3]);
      }),
    );

    test("case 17: other dtypes, other shapes and no points are refused, and nothing is sent", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading, { dtype: "int32", shape: [2] });
        for (const data of [Int16Array.of(1, 2), Float32Array.of(1, 2)]) {
          expect(await failureOf(writer.send(data))).toMatchObject({ code: "DTYPE_MISMATCH" });
        }
        for (const shape of [[3], [2, 3], [1, 1, 2], [0, 2]]) {
          const array = ndArray(new Int32Array(shape.reduce((a, b) => a * b)), shape);
          expect(await failureOf(writer.send(array))).toMatchObject({ code: "SHAPE_MISMATCH" });
        }
        expect(await stream.length()).toBe(0);
        await writer.send(ndArray(Int32Array.of(1, 2, 3, 4), [2, 2]));
        await writer.send(Int32Array.of(5, 6));
        expect((await stream.slice()).shape).toEqual([3, 2]);
      }));

    test("case 15: keys are a prefix and a ULID, each once", () =>
      withStores(engine, async (writing, reading) => {
        const [one, other] = [await makeStream(writing, reading), await makeStream(writing, reading)];
        const keys = [one, other].flatMap(({ scan, stream }) => [scan.key, stream.key]);
        for (const key of keys) expect(key).toMatch(/^esrf:(?:scan|stream):[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
        expect(new Set(keys).size).toBe(4);
      }));

    test("case 19: an encoding that nobody knows is refused when the stream is declared", () =>
      withStores(engine, async (writing) => {
        const scan = await writing.createScan({ name: "loop" });
        expect(await failureOf(scan.createStream("x", { encoding: { type: "odd" } }))).toMatchObject({
          code: "MISSING_DEPENDENCY",
        });
        await scan.prepare();
        expect(scan.streamNames).toEqual([]);
      }));

    test("numbers are sent where the dtype holds them, and refused where it does not", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading, { dtype: "int16" });
        for (const value of [1.5, 40_000, Number.NaN]) {
          expect(await failureOf(writer.send(value))).toMatchObject({ code: "DTYPE_MISMATCH" });
        }
        await writer.send(-3);
        expect(await stream.at(0)).toBe(-3);
      }));

    test("case 18: a reader has no way to write", () =>
      withStores(engine, async (writing, reading) => {
        const { stream } = await makeStream(writing, reading);
        for (const method of ["send", "sendNoWait", "seal", "setDurable"]) expect(method in stream).toBe(false);
      }));

    test("JSON, points of varying shape and frames come back as they were", () =>
      withStores(engine, async (writing, reading) => {
        const scan = await writing.createScan({ name: "loop" });
        const json = await scan.createStream("json", { type: "json" });
        const varying = await scan.createStream("varying", { dtype: "uint16", shape: [-1, 2] });
        const frames = await scan.createStream("frames", { type: "frames", dtype: "uint16", shape: [2, 2] });
        await scan.prepare();
        const values = [{ a: [1, null, "x"] }, [1, 2], "text", 3];
        for (const value of values) await json.send(value);
        for (const rows of [1, 3, 0, 200]) await varying.send(ndArray(new Uint16Array(2 * rows).fill(rows), [rows, 2]));
        const frame = ndArray(Uint16Array.of(1, 2, 3, 4), [2, 2]);
        await frames.send(frame);
        const loaded = await reading.loadScan(scan.key);
        expect(await loaded.stream("json").slice()).toEqual(values);
        expect(await loaded.stream("json").slice(undefined, undefined, 2)).toEqual([values[0], values[2]]);
        const read = await loaded.stream<NdArray[], NdArray>("varying").slice();
        expect(read.map(({ shape }) => shape)).toEqual([
          [1, 2],
          [3, 2],
          [0, 2],
          [200, 2],
        ]);
        expect(read[3]?.data[399]).toBe(200);
        expect(await loaded.stream("frames").at(0)).toMatchObject({ shape: [2, 2], data: frame.data });
      }));

    test("case 20: a seal is for everybody, and any number of times", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        await writer.send(numbers(0, 1000));
        const other = () => reading.engine.seal(stream.key);
        expect([await writer.seal(), await writer.seal(), await other(), await other()]).toEqual([
          1000, 1000, 1000, 1000,
        ]);
      }));

    test("case 27: what comes after the seal is refused, whoever sealed, and nothing is added", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        await writer.send(numbers(0, 10));
        await reading.engine.seal(stream.key);
        expect(await failureOf(writer.send(1))).toMatchObject({ code: "NOT_OPEN", length: 10 });
        expect(await stream.bounds()).toMatchObject({ length: 10, sealed: true });
      }));

    test("case 21: batches of any length give the same array, whole, by index and by slice", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        const all = numbers(0, 100);
        let at = 0;
        for (const length of [1, 2, 3, 4, 10, 30, 50]) {
          await writer.send(all.subarray(at, at + length));
          at += length;
        }
        for (let i = 0; i < 100; i++) expect(await stream.at(i)).toBe(i);
        for (const [start, stop, step] of [
          [0, 100, 1],
          [3, 17, 1],
          [5, 95, 7],
          [95, 5, -9],
          [10, 5, 1],
          [50, 500, 1],
          [20, 21, -1],
        ] as const) {
          const expected = pythonSlice([...all], start, stop, step);
          expect([...(await stream.slice(start, stop, step)).data]).toEqual(expected);
        }
        expect([...(await stream.slice(90)).data]).toEqual([...all.subarray(90)]);
        expect((await stream.slice(10, 5)).dtype).toBe("float64");
      }));

    test("case 22: a sealed stream answers all indexes and slices as the array does", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        const all = [...numbers(0, 10)];
        await writer.send(numbers(0, 4));
        await writer.send(numbers(4, 10));
        await writer.seal();
        for (let i = -15; i < 15; i++) {
          if (i >= -10 && i < 10) expect(await stream.at(i)).toBe(all.at(i));
          else expect(await failureOf(stream.at(i))).toMatchObject({ code: "OUT_OF_RANGE", length: 10 });
          for (let j = -15; j < 15; j++) {
            expect([...(await stream.slice(i, j)).data]).toEqual(all.slice(i, j));
          }
        }
        expect([...(await stream.slice(undefined, undefined, -1)).data]).toEqual([...all].reverse());
      }));

    test("case 23: before the seal nothing counts from the end", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        await writer.send(numbers(0, 3));
        for (const work of [stream.at(-1), stream.slice(-2), stream.slice(0, -1), stream.at(3)]) {
          expect(await failureOf(work)).toMatchObject({ code: "NOT_YET", length: 3 });
        }
      }));

    test("case 24: an index that is asked for before it comes is not there yet, never gone", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        const codes = new Set<unknown>();
        const hammering = (async () => {
          for (let i = 0; i < 1000; ) {
            try {
              expect(await stream.at(i)).toBe(i);
              i++;
            } catch (error) {
              codes.add((error as { code?: string }).code);
              await new Promise((resolve) => setImmediate(resolve));
            }
          }
        })();
        for (let i = 0; i < 1000; i++) {
          await writer.send(i);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await hammering;
        expect([...codes]).toEqual(["NOT_YET"]);
      }));

    test("case 25: a wait for the seal ends with the time, or with the seal", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        expect(await stream.waitSealed({ timeoutMs: 10 })).toBe(false);
        const waiting = stream.waitSealed();
        await writer.seal();
        expect(await waiting).toBe(true);
        expect(await stream.waitSealed({ timeoutMs: 0 })).toBe(true);
      }));

    test("case 26: of two writers the second is refused, and the first's points are intact", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        const { StreamWriter } = await import("../../../src/live/stream-writer.ts");
        const header = (await writing.engine.getScan(stream.scan))?.streams.data;
        if (header === undefined) throw new Error("no stream");
        const second = new StreamWriter(reading.engine, header, (await stream.opened()).codec, 0);
        await writer.send(numbers(0, 3));
        await second.sendNoWait(99);
        expect(await failureOf(second.flush())).toMatchObject({ code: "CONFLICT" });
        expect(await failureOf(second.send(99))).toMatchObject({ code: "CONFLICT" });
        expect([...(await stream.slice()).data]).toEqual([0, 1, 2]);
        expect([await writer.seal(), await second.seal()]).toEqual([3, 3]);
      }));

    test("what was not waited for is told by flush, once", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        for (let i = 0; i < 100; i++) await writer.sendNoWait(i);
        await writer.flush();
        expect([...(await stream.slice()).data]).toEqual([...numbers(0, 100)]);
        await reading.engine.seal(stream.key);
        await writer.sendNoWait(100);
        expect(await failureOf(writer.flush())).toMatchObject({ code: "NOT_OPEN" });
        await writer.flush();
      }));

    test("a point can be located, now and when it comes", () =>
      withStores(engine, async (writing, reading) => {
        const { writer, stream } = await makeStream(writing, reading);
        expect(await stream.locate(0)).toEqual({ state: "not yet" });
        const waiting = stream.locate(0, { wait: true });
        await writer.send(1);
        expect(await waiting).toEqual({ state: "here", tier: reading.engine.name });
        await writer.send(2);
        await writer.seal();
        expect(await stream.locate(2)).toEqual({ state: "never" });
        const floor = await writing.engine.trim(stream.key, 2);
        if (floor > 0) expect(await stream.locate(0)).toEqual({ state: "gone" });
      }));
  });
}

/** What Python's `list[start:stop:step]` gives for bounds that are not negative. */
function pythonSlice(list: readonly number[], start: number, stop: number, step: number): number[] {
  const picked: number[] = [];
  const first = step > 0 ? start : Math.min(start, list.length - 1);
  for (let i = first; step > 0 ? i < Math.min(stop, list.length) : i > stop; i += step) picked.push(list[i] as number);
  return picked;
}
