import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Catalog } from "../../../src/catalog/catalog.ts";
import { parseJson } from "../../../src/catalog/row-json.ts";
import { type Column, stackColumn } from "../../../src/catalog/table-column.ts";
import { BeamtimeFile } from "../../support/beamtime-file.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { rejectionOf } from "../../support/rejection.ts";

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime }) => {
  prepare();

  let file: BeamtimeFile;
  let catalog: Catalog;

  beforeEach(async () => {
    const path = await newBeamtime();
    file = await BeamtimeFile.make(path);
    await file.run({ uid: "a" });
    catalog = await Catalog.open(path);
  });
  afterEach(async () => {
    await catalog.close();
    await file.close();
  });

  const number = { source: "sim", dtype: "number", shape: [] };
  const integer = { source: "sim", dtype: "integer", shape: [] };

  async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
    const list: T[] = [];
    for await (const item of items) list.push(item);
    return list;
  }

  /** The column of one field, given what the stream says of it and its values. */
  async function columnOf(values: readonly unknown[], dataKey?: object): Promise<Column> {
    const stream = await file.stream("a", "primary", dataKey === undefined ? {} : { x: dataKey });
    await file.events(
      stream,
      values.map((value) => (typeof value === "bigint" ? `{"x": ${value}}` : value === undefined ? {} : { x: value })),
    );
    return (await (await catalog.get("a")).table()).column("x");
  }

  describe("a table", () => {
    it("begins with the number and the time of each event, then has the fields in the order of the data keys", async () => {
      const stream = await file.stream("a", "primary", { energy: number, diode: number });
      await file.events(stream, [
        { diode: 0.5, energy: 280 },
        { diode: 0.25, energy: 281.5, late: true },
      ]);
      const table = await (await catalog.get("a")).table("primary");
      expect(table.names).toEqual(["seq_num", "time", "energy", "diode", "late"]);
      expect(table.length).toBe(2);
      expect(table.column("seq_num").data).toEqual(Int32Array.of(1, 2));
      expect(table.column("time").data).toEqual(Float64Array.of(1_700_000_001.1, 1_700_000_001.2));
      expect(table.column("energy")).toMatchObject({
        type: "float64",
        data: Float64Array.of(280, 281.5),
        nullCount: 0,
      });
      expect(table.rows()).toEqual([
        { seq_num: 1, time: 1_700_000_001.1, energy: 280, diode: 0.5, late: null },
        { seq_num: 2, time: 1_700_000_001.2, energy: 281.5, diode: 0.25, late: true },
      ]);
      expect(table.row(-1)).toEqual(table.rows()[1]);
    });

    it("of a stream that the run does not have is empty, with number and time", async () => {
      const table = await (await catalog.get("a")).table("nobody");
      expect(table.names).toEqual(["seq_num", "time"]);
      expect(table.length).toBe(0);
      expect(table.rows()).toEqual([]);
      expect(table.column("time").data).toEqual(new Float64Array(0));
      expect((await (await catalog.get("a")).timestamps("nobody")).names).toEqual(["seq_num", "time"]);
    });

    it("of a stream without events has the columns of its data keys, and no rows", async () => {
      await file.stream("a", "primary", { x: number, n: integer, camera: { ...number, external: "STREAM:" } });
      const table = await (await catalog.get("a")).table();
      expect(table.columns.map(({ name, type }) => [name, type])).toEqual([
        ["seq_num", "int32"],
        ["time", "float64"],
        ["x", "float64"],
        ["n", "int32"],
      ]);
    });

    it("keeps fields apart that are called like its own columns", async () => {
      await file.events(await file.stream("a"), [{ time: 5, seq_num: "S1" }]);
      const table = await (await catalog.get("a")).table();
      expect(table.rows()).toEqual([{ seq_num: 1, time: 1_700_000_001.1, "data.time": 5, "data.seq_num": "S1" }]);
    });

    it("has the fields that were asked for, in that order, and says which there are", async () => {
      await file.events(await file.stream("a"), [{ x: 1, y: 2, z: 3 }]);
      const run = await catalog.get("a");
      expect((await run.table("primary", { fields: ["z", "x"] })).names).toEqual(["seq_num", "time", "z", "x"]);
      const error = await rejectionOf(run.table("primary", { fields: ["w"] }));
      expect(error.code).toBe("NOT_FOUND");
      expect(error.message).toContain("x, y, z");
    });

    it("says of a field with images where they are read", async () => {
      const camera = { ...number, external: "STREAM:" };
      await file.events(await file.stream("a", "primary", { camera }), [{ x: 1 }]);
      const error = await rejectionOf((await catalog.get("a")).table("primary", { fields: ["camera"] }));
      expect(error).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining('images("camera")') });
    });

    it("takes the field __proto__ for a field like any other", async () => {
      await file.events(await file.stream("a"), ['{"__proto__": 1.5, "x": 2}']);
      const [row] = (await (await catalog.get("a")).table()).rows();
      expect(Object.entries(row as object).slice(2)).toEqual([
        ["__proto__", 1.5],
        ["x", 2],
      ]);
    });

    it("says when each value was taken", async () => {
      await file.events(await file.stream("a", "primary", { x: integer }), [{ x: 1, y: 2 }]);
      const table = await (await catalog.get("a")).timestamps();
      expect(table.names).toEqual(["seq_num", "time", "x", "y"]);
      expect(table.column("x")).toMatchObject({ type: "float64", data: Float64Array.of(1_700_000_001) });
      expect(table.column("y").data[0]).toBe(1_700_000_001.001);
    });

    it("does not know rows and columns that it does not have", async () => {
      await file.events(await file.stream("a"), [{ x: 1 }]);
      const table = await (await catalog.get("a")).table();
      for (const index of [1, -2, 0.5, Number.NaN]) {
        expect((await rejectionOf(() => table.row(index))).code).toBe("OUT_OF_RANGE");
      }
      const error = await rejectionOf(() => table.column("y"));
      expect(error.code).toBe("NOT_FOUND");
      expect(error.message).toContain("seq_num, time, x");
    });
  });

  describe("a column", () => {
    const big = 2n ** 60n + 1n;
    it.each<[string, readonly unknown[], object | undefined, Column["type"], unknown]>([
      ["numbers", [1.5, 2], undefined, "float64", Float64Array.of(1.5, 2)],
      ["whole numbers that nobody calls integers", [280, 281], undefined, "float64", Float64Array.of(280, 281)],
      ["integers", [1, -2], integer, "int32", Int32Array.of(1, -2)],
      ["integers with one that needs 64 bits", [1, 2 ** 40], integer, "int64", BigInt64Array.of(1n, 2n ** 40n)],
      ["integers beyond 2^53", [1, big], integer, "int64", BigInt64Array.of(1n, big)],
      ["and without a data key", [big], undefined, "int64", BigInt64Array.of(big)],
      ["integers of eight bytes", [1], { ...integer, dtype_numpy: "<i8" }, "int64", BigInt64Array.of(1n)],
      ["integers of two", [1], { ...integer, dtype_numpy: "<u2" }, "int32", Int32Array.of(1)],
      ["integers by the name of a NumPy type", [1], { dtype: "int16" }, "int32", Int32Array.of(1)],
      ["integers that are none after all", [1, 1.5], integer, "float64", Float64Array.of(1, 1.5)],
      ["numbers beyond 2^53", [1.5, big], number, "float64", Float64Array.of(1.5, 2 ** 60)],
      ["texts", ["a", "ü"], undefined, "string", ["a", "ü"]],
      ["truths", [true, false], undefined, "boolean", Uint8Array.of(1, 0)],
      ["lists", [[1, 2], []], undefined, "array", [[1, 2], []]],
      ["objects", [{ a: 1 }], undefined, "json", [{ a: 1 }]],
      ["several kinds", [1, "a"], undefined, "json", [1, "a"]],
      ["integers beyond 64 bits", [2n ** 70n], integer, "json", [2n ** 70n]],
      ["nothing at all", [null, null], undefined, "json", [null, null]],
    ])("of %s", async (_name, values, dataKey, type, data) => {
      const column = await columnOf(values, dataKey);
      expect(column.type).toBe(type);
      expect(column.data).toEqual(data);
    });

    it.each<[unknown, Column["type"], unknown]>([
      [1.5, "float64", Number.NaN],
      ["a", "string", null],
      [true, "boolean", 0],
      [[1], "array", null],
      [{}, "json", null],
      [2n ** 60n, "int64", 0n],
    ])("counts what is missing beside %s", async (value, type, hole) => {
      const column = await columnOf([value, null, undefined, value]);
      expect(column.type).toBe(type);
      expect(column.nullCount).toBe(2);
      expect(column.nulls).toEqual(Uint8Array.of(0, 1, 1, 0));
      expect(column.data[1]).toEqual(hole);
      const table = await (await catalog.get("a")).table();
      expect(table.rows().map(({ x }) => x)).toEqual([value, null, null, value]);
    });

    it("takes a NaN that was measured for a value, also as Python writes it", async () => {
      const stream = await file.stream("a");
      await file.events(stream, ['{"x": NaN}', '{"x": -Infinity}', '{"x": null}', '{"x": Infinity}']);
      const column = (await (await catalog.get("a")).table()).column("x");
      expect(column).toMatchObject({ type: "float64", nullCount: 1 });
      expect([...column.data]).toEqual([Number.NaN, Number.NEGATIVE_INFINITY, Number.NaN, Number.POSITIVE_INFINITY]);
      expect(column.nulls).toEqual(Uint8Array.of(0, 0, 1, 0));
    });

    it("of lists is stacked where they are alike, with NaN where one is missing", async () => {
      const array = stackColumn(
        await columnOf([
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
          null,
          [
            [7, 8, 9],
            [10, 11, null],
          ],
        ]),
      );
      expect(array.shape).toEqual([3, 2, 3]);
      expect(array.dtype).toBe("float64");
      expect([...array.data].slice(0, 7)).toEqual([1, 2, 3, 4, 5, 6, Number.NaN]);
      expect([...array.data].slice(-2)).toEqual([11, Number.NaN]);
    });

    it.each<[string, readonly unknown[], string]>([
      ["lists of different lengths", [[1, 2], [3]], "SHAPE_MISMATCH"],
      ["lists of different depths", [[1], [[1]]], "SHAPE_MISMATCH"],
      ["texts", [["a"]], "INVALID_DATA"],
      ["no lists", [1], "INVALID_DATA"],
    ])("is not stacked of %s", async (_name, values, code) => {
      const column = await columnOf(values);
      expect((await rejectionOf(() => stackColumn(column))).code).toBe(code);
    });
  });

  describe("pages of a table", () => {
    it("hold each event once, in order, with the same types throughout", async () => {
      const stream = await file.stream("a", "primary", { n: integer });
      // Only the last event shows that the field needs 64 bits, and that there is another one.
      await file.events(stream, [...Array.from({ length: 24 }, (_, n) => ({ n })), { n: 2 ** 40, late: "x" }]);
      const run = await catalog.get("a");
      for (const pageRows of [1, 7, 25, 26, 1000]) {
        const numbers: bigint[] = [];
        for await (const page of run.pages("primary", { pageRows })) {
          expect(page.length).toBeLessThanOrEqual(pageRows);
          expect(page.columns.map(({ name, type }) => [name, type])).toEqual([
            ["seq_num", "int32"],
            ["time", "float64"],
            ["n", "int64"],
            ["late", "string"],
          ]);
          numbers.push(...(page.column("n").data as BigInt64Array));
        }
        expect(numbers).toEqual([...Array.from({ length: 24 }, (_, n) => BigInt(n)), 2n ** 40n]);
      }
    });

    it("are shorter where events are long: it is bytes that memory is made of", async () => {
      const stream = await file.stream("a", "primary");
      const note = "x".repeat(600_000);
      for (let from = 1; from <= 45; from += 15) {
        await file.events(
          stream,
          Array.from({ length: 15 }, () => ({ note })),
          from,
        );
      }
      const lengths: number[] = [];
      const numbers: unknown[] = [];
      for await (const page of (await catalog.get("a")).pages("primary")) {
        lengths.push(page.length);
        numbers.push(...(page.column("seq_num").data as Int32Array));
      }
      expect(numbers).toEqual(Array.from({ length: 45 }, (_, i) => i + 1));
      expect(lengths.length).toBeGreaterThan(2);
      expect(Math.max(...lengths)).toBeLessThanOrEqual(20);
    });

    it("are one without rows where there are no events", async () => {
      await file.stream("a", "primary", { n: integer });
      const run = await catalog.get("a");
      for (const [stream, names] of [
        ["primary", ["seq_num", "time", "n"]],
        ["nobody", ["seq_num", "time"]],
      ] as const) {
        const pages = await listOf(run.pages(stream));
        expect(pages.map((page) => [page.length, page.names])).toEqual([[0, names]]);
      }
    });

    it("end with the event that was the last when they began", async () => {
      const stream = await file.stream("a");
      await file.events(stream, [{ x: 1 }, { x: 2 }, { x: 3 }]);
      const rows: unknown[] = [];
      for await (const page of (await catalog.get("a")).pages("primary", { pageRows: 2 })) {
        if (rows.length === 0) await file.events(stream, [{ x: "text" }], 4);
        rows.push(...page.rows().map(({ x }) => x));
      }
      expect(rows).toEqual([1, 2, 3]);
    });

    it("refuse a size that is none", async () => {
      await file.stream("a");
      const pages = (await catalog.get("a")).pages("primary", { pageRows: 0 });
      expect((await rejectionOf(pages.next())).code).toBe("INVALID_DATA");
    });

    it("stop when the signal fires", async () => {
      await file.events(await file.stream("a"), [{ x: 1 }, { x: 2 }]);
      const controller = new AbortController();
      const pages = (await catalog.get("a")).pages("primary", { pageRows: 1, signal: controller.signal });
      await pages.next();
      controller.abort();
      expect((await rejectionOf(pages.next())).code).toBe("ABORTED");
    });
  });

  describe("the streams of a run", () => {
    it("have names, data keys and numbers of events, in the order in which they were opened", async () => {
      await file.stream("a", "primary", { x: number }, { configuration: {} });
      await file.events("a-primary", [{ x: 1 }, { x: 2 }]);
      await file.insert("streams", { uid: "b", run_uid: "a", name: "baseline", data_keys: {}, time_created: 5 });
      const streams = await (await catalog.get("a")).streams();
      expect(streams).toEqual([
        { uid: "b", name: "baseline", dataKeys: {}, timeCreated: 5, numEvents: 0, extra: {} },
        {
          uid: "a-primary",
          name: "primary",
          dataKeys: { x: number },
          timeCreated: 1_700_000_001,
          numEvents: 2,
          extra: { configuration: {} },
        },
      ]);
    });

    it("count events that have frames only", async () => {
      const stream = await file.stream("a");
      await file.insert("stream_resources", {
        uid: "r",
        run_uid: "a",
        data_key: "cam",
        mimetype: "m",
        uri: "u",
        parameters: {},
      });
      await file.insert("stream_data", {
        uid: "d",
        resource_uid: "r",
        stream_uid: stream,
        index_start: 0,
        index_stop: 7,
        seq_start: 1,
        seq_stop: 8,
      });
      expect((await (await catalog.get("a")).streams())[0]?.numEvents).toBe(7);
    });
  });

  describe("JSON in rows", () => {
    it("comes back as it was, whatever it was", () => {
      fc.assert(
        fc.property(fc.jsonValue(), (value) => {
          expect(parseJson(JSON.stringify(value), "x")).toEqual(JSON.parse(JSON.stringify(value)));
        }),
      );
    });

    it("keeps texts that look like numbers, and every digit of whole numbers", () => {
      const text =
        '{"a": "NaN, 12345678901234567890", "b": -12345678901234567890, "c": [NaN, 0.1234567890123456, 1e400]}';
      expect(parseJson(text, "x")).toEqual({
        a: "NaN, 12345678901234567890",
        b: -12345678901234567890n,
        c: [Number.NaN, 0.1234567890123456, Number.POSITIVE_INFINITY],
      });
    });

    it.each(["{", "[1,]", "nan", "'a'"])("that is none is named: %s", async (text) => {
      const error = await rejectionOf(() => parseJson(text, "Event 5, data"));
      expect(error.code).toBe("CORRUPT");
      expect(error.message).toContain("Event 5, data");
    });
  });
});
