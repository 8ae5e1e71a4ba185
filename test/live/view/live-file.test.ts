import { describe, expect, it } from "vitest";
import { ndArray } from "../../../src/core/nd-array.ts";
import { h5maps, RAW, STREAM } from "../../../src/live/view/layout.ts";
import { LiveFile } from "../../../src/live/view/live-file.ts";
import { createScan, entry, memoryStore, startScan } from "./scans.ts";

const FILE = "/nowhere/data.h5";
const GROUP = { type: "group" } as const;

async function withChildren(children: Parameters<typeof entry>[1]) {
  const store = memoryStore();
  const scan = await startScan(store, { file: FILE, children });
  return { store, scan, file: await LiveFile.open(store, FILE) };
}

describe("paths", () => {
  const children = {
    abc: { type: "group", children: { def: { type: "group", children: { ghi: GROUP } } } },
    xyz: GROUP,
    dset: 3,
  } as const;

  it("lead to groups, absolute ones, relative ones and with slashes to spare", async () => {
    const { file } = await withChildren(children);
    const group = await file.group("1.1");
    expect(await group.keys()).toEqual(["abc", "xyz", "dset"]);
    expect(await group.length()).toBe(3);
    for (const path of ["abc/def/ghi", "/1.1/abc/def/ghi", "abc//def/./ghi/"]) {
      expect((await group.get(path)).name).toBe("/1.1/abc/def/ghi");
    }
    expect((await (await file.group("//1.1/abc///")).parent()).name).toBe("/1.1");
    expect((await (await file.group("/1.1")).parent()).name).toBe("/");
    expect((await file.get("")).name).toBe("/");
    expect((await file.group("/")).attributes).toEqual({ NX_class: "NXroot" });
  });

  it("that lead nowhere are answered as blissdata does", async () => {
    const { file } = await withChildren(children);
    const group = await file.group("/1.1");
    await expect(group.get("abc/ERR/def/ghi")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "No such path: '/1.1/abc/ERR'",
    });
    await expect(group.get("dset/none")).rejects.toMatchObject({
      code: "NOT_A_DIRECTORY",
      message: "'/1.1/dset' is not a Group, can't reach '/1.1/dset/none'",
    });
    await expect(file.get("/2.1")).rejects.toMatchObject({ code: "NOT_FOUND", message: "No such path: '/2.1'" });
    expect([await file.has("/1.1/abc"), await file.has("/1.1/no"), await file.has("/1.1/dset/x")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("see a group that is added when the scan is closed (case 52)", async () => {
    const { file, scan } = await withChildren(children);
    const group = await file.group("/1.1");
    await expect(group.get("xyz/uvw")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await scan.stop();
    const later = entry(1, { ...children, xyz: { type: "group", children: { uvw: GROUP } } });
    scan.setInfo({ ...h5maps(FILE, later) });
    await scan.close();
    expect((await group.get("xyz/uvw")).name).toBe("/1.1/xyz/uvw");
  });

  it("of a scan without a layout, or with a wrong one, lead nowhere, and harm no other", async () => {
    const { file, store } = await withChildren(children);
    await startScan(store, { file: FILE, number: 2, info: {} });
    const wrong = await startScan(store, {
      file: FILE,
      number: 3,
      layout: { children: { "3.1": { type: "grup" } } } as never,
    });
    expect(await file.keys()).toEqual(["1.1"]);
    await expect(file.get("/2.1")).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringMatching(new RegExp(`${wrong.key}.*/3.1: type is "grup"`)),
    });
    expect((await file.get("/1.1/abc")).name).toBe("/1.1/abc");
  });

  it("may leave out the name of the scan, unless two have it", async () => {
    const { file, store } = await withChildren(children);
    expect((await file.get("/abc/def")).name).toBe("/1.1/abc/def");
    await startScan(store, { file: FILE, number: 2, children: { abc: GROUP } });
    await expect(file.get("/abc/def")).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("'/1.1/abc' and '/2.1/abc'"),
    });
  });

  it("that two scans have are an error that names both", async () => {
    const { file, store, scan } = await withChildren(children);
    const other = await startScan(store, { file: FILE, number: 1, children: {} });
    await expect(file.get("/1.1")).rejects.toMatchObject({
      code: "CONFLICT",
      message: `Found multiple scans with '/1.1' in ${FILE}: ${scan.key} and ${other.key}`,
    });
    await store.deleteScan(other.key, { force: true });
    expect((await file.get("/1.1")).name).toBe("/1.1");
  });

  it("of a scan that is not prepared are waited for", async () => {
    const store = memoryStore();
    const file = await LiveFile.open(store, FILE);
    const scan = await createScan(store, { file: FILE, info: {} });
    await expect(file.get("/1.1", { timeoutMs: 1 })).rejects.toMatchObject({ code: "TIMED_OUT" });
    const waiting = file.get("/1.1");
    scan.setInfo({ ...h5maps(FILE, entry(1, {})) });
    await scan.prepare();
    expect((await waiting).name).toBe("/1.1");
  });

  it("without the name of a scan, and groups without a number, are waited for until the scans are prepared", async () => {
    const store = memoryStore();
    const file = await LiveFile.open(store, FILE);
    const scan = await createScan(store, { file: FILE, info: {} });
    await expect(file.get("/instrument", { timeoutMs: 1 })).rejects.toMatchObject({ code: "TIMED_OUT" });
    expect(await file.has("/instrument")).toBe(false);
    const found = [file.get("/instrument"), file.get("/count_0/instrument")].map(async (item) => (await item).name);
    const wrong = expect(file.get("/nothing")).rejects.toMatchObject({ code: "NOT_FOUND" });
    const attributes = { NX_class: "NXentry" };
    const group = { type: "group", attributes, children: { instrument: GROUP } } as const;
    scan.setInfo({ ...h5maps(FILE, { type: "group", children: { count_0: group } }) });
    await scan.prepare();
    expect(await Promise.all(found)).toEqual(["/count_0/instrument", "/count_0/instrument"]);
    await wrong;
  });

  it("of another file's scan are not here", async () => {
    const { file, store } = await withChildren(children);
    await startScan(store, { file: "/nowhere/other.h5", number: 2, children: {} });
    expect(await file.keys()).toEqual(["1.1"]);
    await expect(file.get("2.1")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("links", () => {
  const links = {
    abs: { type: "soft_link", target_path: "/1.1/target" },
    rel: { type: "soft_link", target_path: "target" },
    data_link: { type: "soft_link", target_path: "/1.1/target/data" },
    target: {
      type: "group",
      children: {
        x: { type: "group", children: { y: GROUP } },
        data: 123.456,
        cycle2: { type: "soft_link", target_path: "/1.1/cycle1" },
        broken: { type: "soft_link", target_path: "/1.1/pipeau" },
        sibling: { type: "soft_link", target_path: "x/y" },
      },
    },
    cycle1: { type: "soft_link", target_path: "/1.1/abs/cycle2" },
  } as const;

  it("lead to what they name, and further", async () => {
    const { file } = await withChildren(links);
    expect((await file.get("/1.1/abs")).name).toBe("/1.1/target");
    expect((await file.get("/1.1/rel")).name).toBe("/1.1/target");
    expect((await file.get("/1.1/abs/x/y")).name).toBe("/1.1/target/x/y");
    expect((await file.get("/1.1/rel/x/y")).name).toBe("/1.1/target/x/y");
    expect((await file.get("/1.1/rel/sibling")).name).toBe("/1.1/target/x/y");
    expect(await (await file.dataset("/1.1/data_link")).read()).toBe(123.456);
  });

  it("that go in a circle, or nowhere, say so", async () => {
    const { file } = await withChildren(links);
    await expect(file.get("/1.1/cycle1")).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining("'/1.1/cycle1': path can't be resolved, found link cycle: ['/1.1/cycle1'"),
    });
    await expect(file.get("/1.1/target/broken")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "No such path: '/1.1/pipeau'",
    });
  });

  it("lead into other scans, and other files, and back", async () => {
    const { file, store } = await withChildren(links);
    await startScan(store, {
      file: FILE,
      number: 2,
      children: { link: { type: "soft_link", target_path: "/1.1/target/data" } },
    });
    await startScan(store, {
      file: "/nowhere/other.h5",
      children: {
        there: { type: "external_link", target_file: FILE, target_path: "/2.1/link" },
        round: { type: "external_link", target_file: "data.h5", target_path: "/3.1/round" },
      },
    });
    await startScan(store, {
      file: FILE,
      number: 3,
      children: { round: { type: "external_link", target_file: "other.h5", target_path: "/1.1/round" } },
    });
    expect(await (await file.dataset("/2.1/link")).read()).toBe(123.456);
    await using other = await LiveFile.open(store, "/nowhere/other.h5");
    const there = await other.dataset("/1.1/there");
    expect([await there.read(), there.name, there.file.path]).toEqual([123.456, "/1.1/target/data", FILE]);
    await expect(other.get("/1.1/round")).rejects.toMatchObject({
      message: expect.stringContaining("found link cycle"),
    });
  });
});

describe("iteration over the file", () => {
  it("gives the scans that are there, then those that come, whichever is ready first", async () => {
    const store = memoryStore();
    const file = await LiveFile.open(store, FILE);
    await (await startScan(store, { file: FILE, number: 1 })).close();
    const names: string[] = [];
    const leave = new AbortController();
    const done = (async () => {
      for await (const name of file.names({ signal: leave.signal })) if (names.push(name) === 4) break;
    })();
    const slow = await createScan(store, { file: FILE, number: 2, info: {} });
    await startScan(store, { file: FILE, number: 3 });
    await expect.poll(() => names, { timeout: 30_000 }).toEqual(["1.1", "3.1"]);
    expect(await file.keys()).toEqual(["1.1", "3.1"]);
    slow.setInfo({ ...h5maps(FILE, entry(2, {})) });
    await slow.prepare();
    await expect.poll(() => names, { timeout: 30_000 }).toEqual(["1.1", "3.1", "2.1"]);
    slow.setInfo({ ...h5maps(FILE, { type: "group", children: { "2.1": GROUP, "2.2": GROUP } }) });
    await slow.close();
    await done;
    expect(names).toEqual(["1.1", "3.1", "2.1", "2.2"]);
    expect(await file.length()).toBe(4);
  });

  it("ends when the signal fires", async () => {
    const store = memoryStore();
    const file = await LiveFile.open(store, FILE);
    const leave = new AbortController();
    await startScan(store, { file: FILE });
    const names = file.names({ signal: leave.signal });
    expect(await names.next()).toEqual({ done: false, value: "1.1" });
    const next = names.next();
    leave.abort();
    expect(await next).toMatchObject({ done: true });
  });
});

describe("NeXus", () => {
  it("the script of the slides runs", async () => {
    const store = memoryStore();
    const path = "/tmp/scans/test_session/data.h5";
    const scan = await startScan(store, {
      file: path,
      info: {
        mapping: [
          { NX_class: "NXentry" },
          {
            instrument: [
              { NX_class: "NXinstrument" },
              {
                name: [{ short_name: "id00" }, RAW, "esrf-id00a"],
                diode: [{ NX_class: "NXdetector" }, { data: [{}, STREAM, "simulation:diode"] }],
                my_camera: [{ NX_class: "NXdetector" }, { data: [{}, STREAM, "camera"] }],
              },
            ],
          },
        ],
      },
      streams: {
        "simulation:diode": { dtype: "float64" },
        camera: { dtype: "uint16", shape: [2, 3] },
      },
    });
    const f = await LiveFile.open(store, path);
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const value of await f.dataset("/instrument/diode")) values.push(value);
      return await (await f.dataset("/instrument/my_camera")).select("0:10");
    })();
    for (let i = 0; i < 12; i++) {
      await scan.writer("simulation:diode").send(i / 2);
      await scan.writer("camera").send(ndArray(new Uint16Array(6).fill(i), [2, 3]));
    }
    await scan.close();
    expect(await reading).toMatchObject({ shape: [10, 2, 3], dtype: "uint16" });
    expect(values).toEqual(Array.from({ length: 12 }, (_, i) => i / 2));
    expect((await f.group("/1.1/instrument/diode")).nxClass).toBe("NXdetector");
    expect((await (await f.group("/instrument")).byClass("NXdetector")).map(({ name }) => name)).toEqual([
      "/1.1/instrument/diode",
      "/1.1/instrument/my_camera",
    ]);
    expect((await f.dataset("/instrument/name")).attributes).toEqual({ short_name: "id00" });
  });

  it("a group names the dataset that it is about", async () => {
    const { file } = await withChildren({
      plot: { type: "group", attributes: { NX_class: "NXdata", signal: "y" }, children: { x: [1, 2], y: [3.5, 4.5] } },
      start: {
        type: "group",
        attributes: { default: "next" },
        children: { next: { type: "soft_link", target_path: "/1.1/plot" } },
      },
    });
    expect((await file.dataset("/1.1/start")).name).toBe("/1.1/plot/y");
    await expect(file.dataset("/1.1")).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
  });
});
