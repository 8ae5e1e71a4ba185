import { describe, expect, it } from "vitest";
import { isStorageError } from "../../../src/core/errors.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import type { LayoutItem } from "../../../src/live/view/layout.ts";
import { LiveFile } from "../../../src/live/view/live-file.ts";
import { memoryStore, startScan } from "./scans.ts";

const FILE = "/nowhere/data.h5";

async function open(children: Readonly<Record<string, LayoutItem>>) {
  const store = memoryStore();
  const streams = {
    points: { dtype: "int32" },
    frames: { dtype: "uint16", shape: [2, 3] },
    json: { type: "json" },
    ragged: { dtype: "float32", shape: [-1] },
  } as const;
  const scan = await startScan(store, { file: FILE, children, streams });
  return { store, scan, file: await LiveFile.open(store, FILE) };
}

async function openPoints() {
  const { file, scan, store } = await open({ points: { type: "stream", stream: "points" } });
  return { scan, store, points: await file.dataset("/1.1/points"), writer: scan.writer("points") };
}

const list = (value: unknown) => [...(value as NdArray).data];

describe("static datasets", () => {
  it.each([
    [3, "int64", [], 3n],
    [1.5, "float64", [], 1.5],
    [true, "bool", [], true],
    ["🃏", "string", [], "🃏"],
    [[1, 2, 3], "int64", [3], [1n, 2n, 3n]],
    [
      [
        [1, 2.5],
        [true, 4],
      ],
      "float64",
      [2, 2],
      [1, 2.5, 1, 4],
    ],
    [[true, false], "bool", [2], [1, 0]],
    [["a", 1, true], "string", [3], ["a", "1", "True"]],
    [[], "float64", [0], []],
    [{ type: "inline", dtype: "float32", value: "nan" }, "float32", [], Number.NaN],
    [
      { type: "inline", dtype: "float64", value: ["-inf", "inf", "4.5", 2] },
      "float64",
      [4],
      [-Infinity, Infinity, 4.5, 2],
    ],
    [{ type: "inline", dtype: "uint8", value: [[1], [2]] }, "uint8", [2, 1], [1, 2]],
    [{ type: "inline", dtype: "int64", value: "9007199254740993" }, "int64", [], 9007199254740993n],
    [{ type: "inline", dtype: "complex64", value: ["1+2j", "(nan-infj)"] }, "complex64", [2], [1, 2, NaN, -Infinity]],
    [{ type: "inline", dtype: "complex128", value: "-1.5e-3-2e+2j" }, "complex128", [], [-1.5e-3, -200]],
    [{ type: "inline", dtype: "complex128", value: "2j" }, "complex128", [], [0, 2]],
    [
      { type: "inline_b64", dtype: "<f4", shape: [2, 2], value: "AACAPwAAAEAAAEBAAACAQA==" },
      "float32",
      [2, 2],
      [1, 2, 3, 4],
    ],
    [{ type: "inline_b64", dtype: ">i2", value: "AAEAAg==" }, "int16", [2], [1, 2]],
    [{ type: "inline_b64", dtype: "<c8", value: "AACAPwAAAEA=" }, "complex64", [1], [1, 2]],
  ] as const)("%j is %s %j", async (value, dtype, shape, expected) => {
    const { file } = await open({ d: value as LayoutItem });
    const dataset = await file.dataset("/1.1/d");
    const read = await dataset.read();
    expect([dataset.dtype, await dataset.shape()]).toEqual([dtype, shape]);
    expect(shape.length === 0 ? read : list(read)).toEqual(expected);
    expect([dataset.isVirtual, dataset.external]).toEqual([false, undefined]);
    if (shape.length > 0) {
      expect(await dataset.length()).toBe(shape[0]);
      return;
    }
    await expect(dataset.length()).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(dataset[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(dataset.select([0])).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
  });

  it("may be records", async () => {
    const columns = [
      ["name", ["chan1", "chan2"]],
      ["current", { type: "inline", dtype: "float32", value: [1.25, "4.5"] }],
    ] as const;
    const { file } = await open({ d: { type: "compound", columns } as never });
    const dataset = await file.dataset("/1.1/d");
    expect([dataset.dtype, await dataset.shape()]).toEqual(["compound", [2]]);
    expect(await dataset.at(1)).toEqual({ name: "chan2", current: 4.5 });
  });

  it("of a type that JavaScript has not fail alone", async () => {
    const { file } = await open({ d: { type: "inline", dtype: "float128", value: 1 }, e: 1.5 });
    await expect(file.dataset("/1.1/d")).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
    expect(await (await file.dataset("/1.1/e")).read()).toBe(1.5);
  });

  it("have attributes", async () => {
    const attributes = {
      units: "s",
      n: 3,
      list: ["a", "b"],
      big: { type: "inline", dtype: "int64", value: "9007199254740993" },
    } as const;
    const { file } = await open({ d: { type: "dataset", attributes, value: 1 } });
    expect((await file.dataset("/1.1/d")).attributes).toEqual({
      units: "s",
      n: 3,
      list: { dtype: "string", shape: [2], data: ["a", "b"] },
      big: 9007199254740993n,
    });
  });
});

describe("datasets of streams", () => {
  it("grow along their first axis", async () => {
    const { file, scan } = await open({ d: { type: "stream", stream: "frames" } });
    const dataset = await file.dataset("/1.1/d");
    expect([dataset.dtype, dataset.maxShape, await dataset.shape()]).toEqual(["uint16", [null, 2, 3], [0, 2, 3]]);
    await scan.writer("frames").send(
      ndArray(
        Uint16Array.from({ length: 12 }, (_, i) => i),
        [2, 2, 3],
      ),
    );
    expect([await dataset.shape(), await dataset.length()]).toEqual([[2, 2, 3], 2]);
    expect(await dataset.select([1, "...", -1])).toMatchObject({ shape: [2], data: Uint16Array.of(8, 11) });
    await scan.writer("frames").seal();
    expect(await dataset.select("::-1, 0, ::2")).toMatchObject({ shape: [2, 2], data: Uint16Array.of(6, 8, 0, 2) });
  });

  it("wait for what a selection names", async () => {
    const { points, writer } = await openPoints();
    await writer.send(Int32Array.of(0, 1, 2));
    expect(list(await points.select("1:3"))).toEqual([1, 2]);
    const later = [points.select([4]), points.select("2:5"), points.select("0:100"), points.select(":"), points.at(-1)];
    let settled = 0;
    for (const selected of later) void selected.then(() => settled++);
    expect(list(await points.read())).toEqual([0, 1, 2]);
    expect(settled).toBe(0);
    await writer.send(Int32Array.of(3, 4));
    expect(await later[0]).toBe(4);
    expect(list(await later[1])).toEqual([2, 3, 4]);
    expect(settled).toBe(2);
    await writer.seal();
    expect(list(await later[2])).toEqual([0, 1, 2, 3, 4]);
    expect(list(await later[3])).toEqual([0, 1, 2, 3, 4]);
    expect(await later[4]).toBe(4);
  });

  it("do not wait for more than a step reaches, or for an empty range", async () => {
    const { points, writer } = await openPoints();
    await writer.send(Int32Array.of(0, 1, 2));
    expect(list(await points.select("0:4:2"))).toEqual([0, 2]);
    expect(list(await points.select("7:5"))).toEqual([]);
    expect(list(await points.select("2::-1"))).toEqual([2, 1, 0]);
  });

  it("are taken as they are with wait none, and whole with wait seal", async () => {
    const { points, writer } = await openPoints();
    await writer.send(Int32Array.of(0, 1, 2));
    const none = { wait: "none" } as const;
    expect(list(await points.select("1:", none))).toEqual([1, 2]);
    expect(list(await points.select("0:10", none))).toEqual([0, 1, 2]);
    await expect(points.at(3, none)).rejects.toMatchObject({ code: "NOT_YET", index: 3, length: 3 });
    await expect(points.at(-1, none)).rejects.toMatchObject({ code: "NOT_YET" });
    await expect(points.select("-2:", none)).rejects.toMatchObject({ code: "NOT_YET" });
    const whole = points.select("0:2", { wait: "seal" });
    await writer.seal();
    expect(list(await whole)).toEqual([0, 1]);
    await expect(points.at(3)).rejects.toMatchObject({ code: "OUT_OF_RANGE", length: 3 });
    expect(list(await points.select("-2:", none))).toEqual([1, 2]);
  });

  it("stop waiting when the time is over, or the signal fires", async () => {
    const { points } = await openPoints();
    await expect(points.at(0, { timeoutMs: 0.1 })).rejects.toMatchObject({ code: "TIMED_OUT", retryable: true });
    await expect(points.select(":", { timeoutMs: 0 })).rejects.toMatchObject({ code: "TIMED_OUT" });
    const leave = new AbortController();
    const waiting = points.at(0, { signal: leave.signal });
    leave.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("are followed to their end, point by point or in batches", async () => {
    const { points, writer } = await openPoints();
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const value of points) values.push(value);
    })();
    await writer.send(Int32Array.of(0, 1));
    await writer.send(2);
    await expect.poll(() => values, { timeout: 30_000 }).toEqual([0, 1, 2]);
    await writer.seal();
    await reading;
    const batches: number[][] = [];
    for await (const batch of points.batches({ from: 1 })) batches.push(list(batch) as number[]);
    expect(batches.flat()).toEqual([1, 2]);
  });

  it("may be JSON, which is text, and points of varying shape", async () => {
    const { file, scan } = await open({
      json: { type: "stream", stream: "json" },
      ragged: { type: "stream", stream: "ragged" },
    });
    await scan.writer("json").send({ a: [1, null] });
    await scan.writer("ragged").send(ndArray(Float32Array.of(1, 2, 3)));
    await scan.writer("ragged").send(ndArray(Float32Array.of(4)));
    const json = await file.dataset("/1.1/json");
    const ragged = await file.dataset("/1.1/ragged");
    expect([json.dtype, await json.at(0)]).toEqual(["string", '{"a":[1,null]}']);
    expect([ragged.dtype, await ragged.shape()]).toEqual(["ragged", [2]]);
    expect(await ragged.at(0)).toMatchObject({ shape: [3], data: Float32Array.of(1, 2, 3) });
    expect(await ragged.select("::-1", { wait: "none" })).toMatchObject({ shape: [2] });
  });

  it("without a stream, or with one that nobody can read, fail alone", async () => {
    const { file } = await open({ none: { type: "stream", stream: "nothing" } });
    await expect(file.dataset("/1.1/none")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("free their readers when the scan is deleted", async () => {
    const { points, scan, store } = await openPoints();
    const waiting = points.at(0).catch((error: unknown) => error);
    await store.deleteScan(scan.key, { force: true });
    expect(isStorageError(await waiting, "NOT_FOUND", "OUT_OF_RANGE")).toBe(true);
    await expect(points.read()).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
