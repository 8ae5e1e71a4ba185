import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BackendSet, createRegistry } from "../../../registry/index.ts";
import { ndArray } from "../../../src/core/nd-array.ts";
import { type DatasetSource, followSource } from "../../../src/live/view/dataset-source.ts";
import { LiveFile } from "../../../src/live/view/live-file.ts";
import type { TreeGroup } from "../../../src/live/view/tree.ts";
import { writeHdf5 } from "../../../src/live/view/write-hdf5.ts";
import { writeZarr } from "../../../src/live/view/write-zarr.ts";
import { memoryStore, startScan } from "./scans.ts";
import { sendPoints, startWholeScan } from "./whole-scan.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-view-"));
  path = join(folder, "data.h5");
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("a file that was written as HDF5", () => {
  it("goes on under a dataset that a reader has, and under an iteration", async () => {
    const store = memoryStore();
    const scan = await startWholeScan(store, path);
    await sendPoints(scan);
    await using file = await LiveFile.open(store, path);
    const diode = await file.dataset("/instrument/diode");
    const points = diode[Symbol.asyncIterator]();
    const values = [(await points.next()).value, (await points.next()).value];
    await scan.close();
    await writeHdf5(file);
    await store.deleteScan(scan.key);
    for (let next = await points.next(); !next.done; next = await points.next()) values.push(next.value);
    expect(values).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25]);
    expect(await diode.select("-2:")).toMatchObject({ data: Float64Array.of(1, 1.25) });
    expect(await diode.shape()).toEqual([6]);
  });

  it("gets further scans, and keeps those that it has", async () => {
    const store = memoryStore();
    await using file = await LiveFile.open(store, path);
    const first = await startScan(store, { file: path, number: 1, children: { a: 1 } });
    await first.close();
    await writeHdf5(file);
    await store.deleteScan(first.key);
    await (await startScan(store, { file: path, number: 2, children: { b: 2 } })).close();
    expect(await file.keys()).toEqual(["1.1", "2.1"]);
    expect(await writeHdf5(file)).toEqual(["2.1"]);
    await using afterwards = await LiveFile.open(undefined, path);
    expect(await (await afterwards.dataset("/1.1/a")).read()).toBe(1n);
    expect(await (await afterwards.dataset("/2.1/b")).read()).toBe(2n);
    expect((await afterwards.group("/")).attributes).toMatchObject({
      NX_class: "NXroot",
      default: "2.1",
      creator: "sluice",
    });
    await expect(writeHdf5(file, { ifExists: "error" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("waits for streams that are still written", async () => {
    const store = memoryStore();
    const scan = await startWholeScan(store, path);
    await sendPoints(scan);
    await using file = await LiveFile.open(store, path);
    const writing = writeHdf5(file);
    await scan.writer("diode").send(9);
    await scan.close();
    await writing;
    await using afterwards = await LiveFile.open(undefined, path);
    expect(await (await afterwards.dataset("/instrument/diode")).at(-1)).toBe(9);
  });

  it("is not there, nor anything else, when writing fails or is aborted", async () => {
    const store = memoryStore();
    await startScan(store, { file: path, children: { a: 1, b: { type: "stream", stream: "missing" } } });
    await using file = await LiveFile.open(store, path);
    await expect(writeHdf5(file)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(writeHdf5(file, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
    expect(await readdir(folder)).toEqual([]);
  });

  it("is an error if it is none", async () => {
    await writeFile(path, "no HDF5");
    await expect(LiveFile.open(undefined, path)).rejects.toMatchObject({ code: "CORRUPT" });
    await expect(LiveFile.open(undefined, join(folder, "none.h5"))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a file that was written as Zarr", () => {
  it("gets further scans, and keeps those that it has; what fails leaves nothing", async () => {
    const zarr = join(folder, "data.zarr");
    const store = memoryStore();
    await using file = await LiveFile.open(store, zarr);
    const first = await startScan(store, { file: zarr, number: 1, children: { a: 1 } });
    await first.close();
    await writeZarr(file);
    await store.deleteScan(first.key);
    const bad = { b: { type: "stream", stream: "missing" } } as const;
    const second = await startScan(store, { file: zarr, number: 2, children: bad });
    await expect(writeZarr(file)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await store.deleteScan(second.key, { force: true });
    await (await startScan(store, { file: zarr, number: 3, children: { c: 3 } })).close();
    expect(await writeZarr(file)).toEqual(["3.1"]);
    expect([await file.keys(), await readdir(folder)]).toEqual([["1.1", "3.1"], ["data.zarr"]]);
    await using afterwards = await LiveFile.open(undefined, zarr);
    expect(await (await afterwards.dataset("/1.1/a")).read()).toBe(1n);
    await expect(writeZarr(file, { ifExists: "error" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("has much text as bytes", async () => {
    const zarr = join(folder, "data.zarr");
    const store = memoryStore();
    await using file = await LiveFile.open(store, zarr);
    const scan = await startScan(store, {
      file: zarr,
      children: { notes: { type: "stream", stream: "notes" } },
      streams: { notes: { type: "json" } },
    });
    const texts = Array.from({ length: 300 }, (_, i) => ({ i, text: "ü".repeat(i) }));
    for (const text of texts) await scan.writer("notes").sendNoWait(text);
    await scan.close();
    await writeZarr(file);
    await using afterwards = await LiveFile.open(undefined, zarr);
    const notes = await afterwards.dataset("/1.1/notes");
    expect([notes.dtype, await notes.shape()]).toEqual(["string", [300]]);
    const part = (await notes.select("10:200:95")) as unknown as { data: string[] };
    expect(part.data.map((text) => JSON.parse(text) as unknown)).toEqual([texts[10], texts[105]]);
  });

  it.each(["a folder", "a store without folders"])(
    "may be at a URI, of %s, where nothing beside it is touched",
    async (kind) => {
      const store = memoryStore();
      await using file = await LiveFile.open(store, path);
      await (await startScan(store, { file: path, number: 1, children: { a: [1, 2] } })).close();
      await using backends = new BackendSet(createRegistry());
      const base = kind === "a folder" ? pathToFileURL(folder).href : "mem://bucket/folder";
      const to = `${base}/my%20data.zarr`;
      await using view = await LiveFile.open(store, path, { backends, finished: to });
      expect(await view.keys()).toEqual(["1.1"]);
      expect(await writeZarr(file, { to, backends })).toEqual(["1.1"]);
      const { key } = await store.lastScan();
      await store.deleteScan(key);
      expect(await (await view.dataset("/1.1/a")).at(-1)).toBe(2n);
      const bytes = await backends.store(base);
      const keys: string[] = [];
      for await (const entry of bytes.list({ prefix: "" })) if (entry.kind !== "directory") keys.push(entry.key);
      expect(keys.filter((name) => !name.startsWith("my data.zarr/"))).toEqual([]);
      expect(keys.length).toBeGreaterThan(3);
      await expect(writeZarr(file, { to: "mem://bucket", backends })).rejects.toMatchObject({ code: "INVALID_KEY" });
    },
  );
});

describe.each([
  ["HDF5", writeHdf5],
  ["Zarr", writeZarr],
] as const)("a finished file: %s", (_, write) => {
  it("stays good for those who read it when another scan is added", async () => {
    const store = memoryStore();
    await using writing = await LiveFile.open(store, path);
    await (await startScan(store, { file: path, number: 1, children: { a: [1, 2, 3], b: ["x", "y"] } })).close();
    await write(writing);
    await using reading = await LiveFile.open(undefined, path);
    const [group, numbers, texts] = [
      await reading.group("/1.1"),
      await reading.dataset("/1.1/a"),
      await reading.dataset("/1.1/b"),
    ];
    const points = numbers[Symbol.asyncIterator]();
    expect((await points.next()).value).toBe(1n);
    await (await startScan(store, { file: path, number: 2, children: {} })).close();
    await write(writing);
    expect(await numbers.at(1)).toBe(2n);
    expect([await reading.keys(), await group.keys()]).toEqual([
      ["1.1", "2.1"],
      ["a", "b"],
    ]);
    expect([await numbers.at(-1), await texts.at(0), (await points.next()).value]).toEqual([3n, "x", 2n]);
  });

  it("is made of pieces of bounded size, one at a time, however much there is", async () => {
    const frame = 2 ** 20;
    const store = memoryStore();
    const streams = { frames: { dtype: "uint8", shape: [1024, 1024] } } as const;
    const children = { frames: { type: "stream", stream: "frames" } } as const;
    const scan = await startScan(store, { file: path, children, streams });
    const data = new Uint8Array(frame);
    for (let i = 0; i < 40; i++) await scan.writer("frames").send(ndArray(data.fill(i), [1024, 1024]));
    await scan.close();
    await using view = await LiveFile.open(store, path);
    const lengths: number[] = [];
    let held = 0;
    const measured = Object.create(view, { root: { value: measure(view.root) } }) as LiveFile;
    await write(measured, { names: ["1.1"] });
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(40);
    expect([Math.max(...lengths) <= 16, held]).toEqual([true, 0]);
    await using finished = await LiveFile.open(undefined, path);
    expect(await (await finished.dataset("/1.1/frames")).select("::13, 5, -1")).toMatchObject({
      data: Uint8Array.of(0, 13, 26, 39),
    });

    /** The same tree, with datasets that count the pieces that are asked for. */
    function measure(group: TreeGroup): TreeGroup {
      return {
        ...group,
        child: async (name, options) => {
          const item = await group.child(name, options);
          if (item?.kind === "group") return measure(item);
          if (item?.kind !== "dataset") return item;
          return { ...item, open: async (how) => counted(await item.open(how)) };
        },
      };
    }

    function counted(source: DatasetSource): DatasetSource {
      return {
        dtype: source.dtype,
        maxShape: source.maxShape,
        extent: (atLeast, options) => source.extent(atLeast, options),
        read: (axes, options) => source.read(axes, options),
        async *follow(from, options) {
          for await (const piece of followSource(source, from, options)) {
            lengths.push(piece.shape[0] as number);
            expect(held++).toBe(0);
            yield piece;
            held--;
          }
        },
      };
    }
  });
});
