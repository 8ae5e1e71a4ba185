import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float16ToNumber } from "../../../src/core/dtype.ts";
import { isNdArray, type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import type { LayoutItem, StaticValue } from "../../../src/live/view/layout.ts";
import { LiveFile } from "../../../src/live/view/live-file.ts";
import { writeHdf5 } from "../../../src/live/view/write-hdf5.ts";
import { writeZarr } from "../../../src/live/view/write-zarr.ts";
import { startScan } from "../view/scans.ts";
import { everythingIn, script, sendPoints, startWholeScan } from "../view/whole-scan.ts";
import { type BatteryEngine, failureOf, withStores } from "./subject.ts";

/** Files are written and synced, on machines that have other things to do. */
const SLOW = 120_000;

/** Scans as files: what readers of HDF5 know, while a scan is under way and afterwards. */
export function viewBattery(engine: BatteryEngine): void {
  const file = "/nowhere/data.h5";

  async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), "sluice-view-"));
    try {
      await body(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  const withChildren = (children: Readonly<Record<string, LayoutItem>>, body: (view: LiveFile) => Promise<void>) =>
    withStores(engine, async (writing, reading) => {
      await startScan(writing, { file, children });
      await using view = await LiveFile.open(reading, file);
      await body(view);
    });

  describe(`files in ${engine.name}`, () => {
    test("case 49: paths and links lead where they say, and name where they end", () =>
      withStores(engine, async (writing, reading) => {
        const group = { type: "group" } as const;
        const link = (target_path: string) => ({ type: "soft_link", target_path }) as const;
        const target = {
          type: "group",
          children: { x: { type: "group", children: { y: group } }, data: 123.456, back: link("/1.1/cycle") },
        } as const;
        const children = { abc: group, target, rel: link("target"), cycle: link("/1.1/rel/back") };
        await startScan(writing, { file, children });
        const there = { type: "external_link", target_file: "data.h5", target_path: "/1.1/rel/data" } as const;
        await startScan(writing, { file: "/nowhere/other.h5", children: { there } });
        await using view = await LiveFile.open(reading, file);
        expect((await view.get("/1.1/rel/x/y")).name).toBe("/1.1/target/x/y");
        expect((await view.get("1.1/target//x/./y/")).name).toBe("/1.1/target/x/y");
        await using other = await LiveFile.open(reading, "/nowhere/other.h5");
        expect(await (await other.dataset("/1.1/there")).read()).toBe(123.456);
        const messages: Record<string, [code: string, message: RegExp]> = {
          "/1.1/abc/ERR/x": ["NOT_FOUND", /^No such path: '\/1.1\/abc\/ERR'$/],
          "/1.1/rel/data/x": ["NOT_A_DIRECTORY", /^'\/1.1\/target\/data' is not a Group, can't reach '.*data\/x'$/],
          "/1.1/cycle": ["INVALID_DATA", /^'\/1.1\/cycle': path can't be resolved, found link cycle: \['\/1.1\/cycle'/],
          "/2.1": ["NOT_FOUND", /^No such path: '\/2.1'$/],
        };
        for (const [path, [code, message]] of Object.entries(messages)) {
          expect(await failureOf(view.get(path))).toMatchObject({ code, message: expect.stringMatching(message) });
        }
        await startScan(writing, { file, children: {} });
        expect((await failureOf(view.get("/1.1"))).message).toMatch(/^Found multiple scans with '\/1.1' in /);
      }));

    test("case 49: values that stand in the layout are what NumPy would make of them", () => {
      const values: [StaticValue, string, unknown][] = [
        [3, "int64", 3n],
        [true, "bool", true],
        ["text", "string", "text"],
        [[1, 2.5], "float64", [1, 2.5]],
        [{ type: "inline", dtype: "float32", value: "nan" }, "float32", Number.NaN],
        [{ type: "inline", dtype: "float64", value: ["-inf", "inf"] }, "float64", [-Infinity, Infinity]],
        [{ type: "inline", dtype: "complex64", value: ["1+2j", "nan-infj"] }, "complex64", [1, 2, NaN, -Infinity]],
        [{ type: "inline_b64", dtype: ">i2", shape: [2], value: "AAEAAg==" }, "int16", [1, 2]],
      ];
      const children = Object.fromEntries(values.map(([value], i) => [`d${i}`, value]));
      return withChildren(children, async (view) => {
        for (const [i, [, dtype, expected]] of values.entries()) {
          const dataset = await view.dataset(`/1.1/d${i}`);
          const read = await dataset.read();
          expect([dataset.dtype, Array.isArray(expected) ? [...(read as NdArray).data] : read]).toEqual([
            dtype,
            expected,
          ]);
        }
      });
    });

    test.each([
      ["|u1", Uint8Array.from({ length: 24 }, (_, i) => i), "uint8"],
      ["<i8", BigInt64Array.from({ length: 24 }, (_, i) => BigInt(i) - 2n ** 62n), "int64"],
      [">f2", Uint16Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? 0x3c00 + i : 0xbc00 - i)), "float16"],
      ["<u2", Uint16Array.from({ length: 24 }, (_, i) => 65_535 - i), "uint16"],
    ] as const)("case 50: a dataset in other files has their bytes: %s", (dtype, numbers, type) =>
      withFolder((folder) =>
        withStores(engine, async (writing, reading) => {
          const bytes = Buffer.from(numbers.buffer.slice(0) as ArrayBuffer);
          if (dtype.startsWith(">")) bytes.swap16();
          const cut = bytes.length / 3;
          await writeFile(join(folder, "all.bin"), bytes);
          await writeFile(join(folder, "begin.bin"), Buffer.concat([Buffer.alloc(7), bytes.subarray(0, cut), bytes]));
          await writeFile(join(folder, "end.bin"), bytes.subarray(cut));
          const external = (files: readonly { name: string; offset: number; size?: number }[]) =>
            ({ type: "external_binary_dataset", dtype, shape: [4, 3, 2], files }) as const;
          const children = {
            one: external([{ name: "all.bin", offset: 0 }]),
            two: external([
              { name: "begin.bin", offset: 7, size: cut },
              { name: join(folder, "end.bin"), offset: 0 },
            ]),
          };
          await startScan(writing, { file: join(folder, "data.h5"), children });
          await using view = await LiveFile.open(reading, join(folder, "data.h5"));
          const asNumbers = (data: ArrayLike<number | bigint>) =>
            type === "float16" && data instanceof Uint16Array ? Array.from(data, float16ToNumber) : Array.from(data);
          const expected = asNumbers(numbers);
          for (const name of ["one", "two"]) {
            const dataset = await view.dataset(`/1.1/${name}`);
            const all = (await dataset.read()) as NdArray;
            expect([dataset.dtype, all.shape, asNumbers(all.data)]).toEqual([type, [4, 3, 2], expected]);
            const part = (await dataset.select("1:, ::-2, 1")) as NdArray;
            const wanted = [1, 2, 3].flatMap((a) => [2, 0].map((b) => expected[(a * 3 + b) * 2 + 1]));
            expect([part.shape, asNumbers(part.data)]).toEqual([[3, 2], wanted]);
          }
        }),
      ),
    );

    test("case 51: a virtual dataset shows parts of streams, of this file and of another, as far as they are", () =>
      withStores(engine, async (writing, reading) => {
        const streams = { frames: { dtype: "uint16", shape: [4, 6] } } as const;
        const frames = { type: "stream", stream: "frames" } as const;
        const other = await startScan(writing, { file: "/nowhere/other.h5", children: { frames }, streams });
        const source = (vspace: object, src_file: string, src_space: object) =>
          ({ vspace, src_file, src_dataset: "/1.1/frames", src_space }) as never;
        const mosaic = {
          type: "virtual_dataset",
          dtype: "<u2",
          shape: [3, 4, 6],
          virtual_sources: [
            // The left half is every other frame of this file; the right half, columns in pairs, is of the other.
            source({ start: [0, 0, 0], count: [3, 4, 3] }, ".", {
              start: [0, 0, 0],
              stride: [2, 1, 2],
              count: [3, 4, 3],
            }),
            source({ start: [0, 0, 3], count: [3, 4, 3] }, "other.h5", { start: [1, 0, 0], count: [3, 4, 3] }),
          ],
        } as const;
        const scan = await startScan(writing, { file, children: { frames, mosaic }, streams });
        const frame = (n: number, from: number) => Uint16Array.from({ length: 24 }, (_, i) => from + n * 24 + i);
        const numbers = (length: number, from: number) => Array.from({ length }, (_, n) => frame(n, from));
        const send = async (to: typeof scan, all: readonly Uint16Array[]) => {
          for (const data of all) await to.writer("frames").send(ndArray(data, [4, 6]));
        };
        await send(scan, numbers(3, 0));
        await using view = await LiveFile.open(reading, file);
        const dataset = await view.dataset("/1.1/mosaic");
        expect([dataset.isVirtual, dataset.maxShape, dataset.dtype]).toEqual([true, [3, 4, 6], "uint16"]);
        const at = (n: number, y: number, x: number, own: number, others: number) => {
          const [index, from, column, length] = x < 3 ? [2 * n, 0, 2 * x, own] : [n + 1, 1000, x - 3, others];
          return index < length ? from + index * 24 + y * 6 + column : 0;
        };
        const check = async (own: number, others: number) => {
          const read = async (selection: string) => (await dataset.select(selection, { wait: "none" })) as NdArray;
          const whole = await read("...");
          const expected = Array.from({ length: 72 }, (_, i) =>
            at(Math.floor(i / 24), Math.floor(i / 6) % 4, i % 6, own, others),
          );
          expect([whole.shape, [...whole.data]]).toEqual([[3, 4, 6], expected]);
          const part = await read("::-1, 1:4:2, -1::-2");
          const wanted = [2, 1, 0].flatMap((n) =>
            [1, 3].flatMap((y) => [5, 3, 1].map((x) => at(n, y, x, own, others))),
          );
          expect([part.shape, [...part.data]]).toEqual([[3, 2, 3], wanted]);
        };
        await check(3, 0);
        await send(scan, numbers(5, 0).slice(3));
        await send(other, numbers(4, 1000));
        await check(5, 4);
        const complete = dataset.select("...", { wait: "seal" });
        await scan.close();
        await other.close();
        expect(isNdArray(await complete)).toBe(true);
        await check(5, 4);
      }));

    test("case 52: a group that the layout gets with the close is in the file that a reader has open", () =>
      withStores(engine, async (writing, reading) => {
        const group = { type: "group" } as const;
        const scan = await startScan(writing, { file, children: { measurement: group } });
        await using view = await LiveFile.open(reading, file);
        const entry = await view.group("/1.1");
        expect(await failureOf(entry.get("sample"))).toMatchObject({ code: "NOT_FOUND" });
        const children = { "1.1": { type: "group", children: { measurement: group, sample: group } } };
        scan.setInfo({ h5maps: { [file]: { type: "group", children } } });
        await scan.close();
        expect([(await entry.get("sample")).name, await entry.keys()]).toEqual([
          "/1.1/sample",
          ["measurement", "sample"],
        ]);
      }));

    test(
      "case 53: one script reads a scan that is under way, and its finished HDF5 and Zarr files, all the same",
      { timeout: SLOW },
      () =>
        withFolder((folder) =>
          withStores(engine, async (writing, reading) => {
            const [hdf5, zarr, linked] = ["data.h5", "data.zarr", "other.h5"].map((name) => join(folder, name)) as [
              string,
              string,
              string,
            ];
            const other = await startWholeScan(writing, linked);
            await sendPoints(other);
            await other.close();
            const scan = await startWholeScan(writing, hdf5);
            await using live = await LiveFile.open(reading, hdf5);
            const running = script(live);
            await sendPoints(scan);
            await scan.close();
            const result = await running;
            const everything = await everythingIn(live);
            expect(await writeZarr(live, { to: zarr })).toEqual(["1.1"]);
            expect(await writeHdf5(live)).toEqual(["1.1"]);
            await using links = await LiveFile.open(reading, linked);
            await writeHdf5(links);
            // While both are there; then the same file goes on without the scan.
            expect(await everythingIn(live)).toEqual(everything);
            await writing.deleteScan(scan.key);
            await writing.deleteScan(other.key);
            expect([await script(live), await everythingIn(live)]).toEqual([result, everything]);
            for (const finished of [hdf5, zarr]) {
              await using view = await LiveFile.open(reading, hdf5, { finished });
              expect([await script(view), await everythingIn(view)]).toEqual([result, everything]);
              await using alone = await LiveFile.open(undefined, hdf5, { finished });
              expect([await script(alone), await everythingIn(alone)]).toEqual([result, everything]);
            }
          }),
        ),
    );
  });
}
