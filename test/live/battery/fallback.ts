import { describe, expect, test } from "vitest";
import { DataStore } from "../../../src/live/data-store.ts";
import { NumericCodec } from "../../../src/live/encoding/numeric.ts";
import { type BatteryEngine, failureOf, numbers, withStores } from "./subject.ts";

/** What has left the engine is read from the store that was written, and nothing else is. */
export function fallbackBattery(engine: BatteryEngine): void {
  describe(`fallback in ${engine.name}`, () => {
    test("case 48: only what has left is read from the file, exactly; what is not there yet, or never, is not", () =>
      withStores(engine, async (writing, reading) => {
        const codec = new NumericCodec("<f8", []);
        const asked: [number, number][] = [];
        const cold = {
          uri: "file:///data/run.h5",
          read: async (from: number, to: number) => {
            asked.push([from, to]);
            const payload = new Uint8Array(numbers(from, to).buffer);
            return codec.decode({ index: from, length: to - from, payload }, 0, to - from);
          },
        };
        const plugins = { hdf5: () => ({ open: () => ({ codec, cold }) }) };
        const scan = await new DataStore(writing.engine, { plugins }).createScan({ name: "loop" });
        const definition = { dtype: "float64", info: { plugin: "hdf5" } } as const;
        const writer = await scan.createStream("diode", definition);
        await scan.prepare();
        await scan.start();
        for (let i = 0; i < 600; i++) await writer.send(i);
        const loaded = await new DataStore(reading.engine, { plugins }).loadScan(scan.key);
        const stream = loaded.stream<{ data: Float64Array }, number>("diode");
        const all = async () => [...(await stream.slice()).data];
        const everything = [...numbers(0, 600)];

        expect(await all()).toEqual(everything);
        expect(await stream.at(0)).toBe(0);
        expect(asked).toEqual([]);

        const floor = await writing.engine.trim(stream.key, 300);
        expect(floor).toBeGreaterThan(0);
        expect(await all()).toEqual(everything);
        expect(await stream.at(floor)).toBe(floor);
        expect(asked).toEqual([[0, floor]]);
        const whole = await (await stream.cursor({ onGap: "fill" })).read();
        // Of what a reader has missed no more is read than shows that it is there, before the reader asks.
        expect(asked.splice(0)).toEqual([
          [0, floor],
          [0, 1],
        ]);
        expect([...((await whole?.data()) ?? { data: [] }).data]).toEqual(everything);
        expect(asked).toEqual([[0, floor]]);
        expect(await stream.locate(0)).toMatchObject({ state: "in file", uri: "file:///data/run.h5" });
        expect(await stream.locate(floor)).toMatchObject({ state: "here" });

        asked.length = 0;
        expect(await failureOf(stream.at(600))).toMatchObject({ code: "NOT_YET" });
        expect(await failureOf(stream.at(-1))).toMatchObject({ code: "NOT_YET" });
        await scan.close();
        expect(await failureOf(stream.at(600))).toMatchObject({ code: "OUT_OF_RANGE" });
        expect(asked).toEqual([]);

        await writing.engine.trim(stream.key, 600);
        expect((await stream.bounds()).floor).toBe(600);
        expect(await all()).toEqual(everything);
        expect(await stream.at(-1)).toBe(599);
        expect(asked).toEqual([
          [0, 600],
          [599, 600],
        ]);
      }));
  });
}
