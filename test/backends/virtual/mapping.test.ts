import { mkdtemp, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import { MemoryStore } from "../../../backends/memory/store.ts";
import {
  formatMapping,
  mergeMappings,
  openWorkspace,
  parseMapping,
  type WorkspaceMapping,
} from "../../../backends/virtual/index.ts";
import { Latest } from "../../../backends/virtual/latest.ts";
import { MappingFile } from "../../../backends/virtual/mapping-file.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import type { ObjectStat } from "../../../src/core/byte-store.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { freshWorkspace } from "./subjects.ts";

const entry = { backend: "raw", address: "a.tif" };
const mappingOf = (...paths: string[]): WorkspaceMapping => ({
  version: 1,
  entries: Object.fromEntries(paths.map((path) => [path, entry])),
});
const open = (mapping: unknown) =>
  openWorkspace({ mapping: mapping as WorkspaceMapping, backends: new Map([["raw", new MemoryBackend()]]) });

describe("a mapping", () => {
  it("round-trips through its text (a law)", () => {
    const selection = fc.oneof(fc.nat(9), fc.constant(null), fc.tuple(fc.nat(9), fc.nat(9)));
    const text = fc.string({ minLength: 1 }).filter((each) => !each.includes("\0"));
    const anyEntry = fc.record(
      {
        backend: text,
        address: text,
        axes: fc.array(fc.nat(9)),
        selection: fc.array(selection),
        coordinates: fc.constant({ well: "A01", field: 1, channel: "DAPI", z: 1, t: 2 }),
      },
      { requiredKeys: ["backend", "address"] },
    );
    fc.assert(
      fc.property(fc.dictionary(text, anyEntry), (entries) => {
        const mapping = { version: 1 as const, entries };
        expect(parseMapping(formatMapping(mapping), "it")).toEqual(mapping);
      }),
    );
  });

  it.each([
    [
      "plain text for an entry, as older files of OpenHCS have",
      { "a.tif": "real/a.tif" },
      /"a\.tif" must be .*got a string/,
    ],
    ["a missing address", { "a.tif": { backend: "raw" } }, /"a\.tif": address/],
    ["an empty address", { "a.tif": { backend: "raw", address: "" } }, /"a\.tif": address/],
    ["an address with a NUL", { "a.tif": { backend: "raw", address: "a\0" } }, /"a\.tif": address/],
    ["a backend that is no name", { "a.tif": { backend: 7, address: "a" } }, /"a\.tif": backend .*got a number/],
    [
      "an unknown field",
      { "a.tif": { ...entry, adress: "x" } },
      /"a\.tif": unknown field "adress"; did you mean "address"/,
    ],
    ["axes that are no numbers", { "a.tif": { ...entry, axes: ["1"] } }, /"a\.tif": axes/],
    ["axes that are no whole numbers", { "a.tif": { ...entry, axes: [0.5] } }, /"a\.tif": axes/],
    ["a selection of one end", { "a.tif": { ...entry, selection: [[1]] } }, /"a\.tif": selection/],
    [
      "coordinates that are none",
      { "a.tif": { ...entry, coordinates: { well: "A01" } } },
      /field must be .*z must be .*t must/,
    ],
  ])("refuses %s and names the entry", (_, entries, message) => {
    expect(() => parseMapping(JSON.stringify({ version: 1, entries }), "map.json")).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ["no object", "[]", /must be \{ "version": 1/],
    ["no version", '{"entries":{}}', /version must be 1.*none/],
    ["a version of the future", '{"version":2,"entries":{}}', /version must be 1.*got 2/],
    ["no entries", '{"version":1}', /entries must be an object/],
    ["an unknown field", '{"version":1,"entries":{},"entires":{}}', /did you mean "entries"/],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseMapping(text, "map.json")).toThrow(message);
  });

  it("that is no JSON is CORRUPT", () => {
    expect(() => parseMapping('{"version":1,', "map.json")).toThrow(expect.objectContaining({ code: "CORRUPT" }));
  });

  it("names ten mistakes and counts the others", () => {
    const entries = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`${i}`, 7]));
    expect(() => parseMapping(JSON.stringify({ version: 1, entries }), "it")).toThrow(/"9" must be .*; and 4 more$/);
  });

  it("with a path twice is refused, with the lines of both, however they are written", () => {
    const text = '{\n"version": 1,\n"entries": {\n  "é.tif": {"backend": "a", "address": "1"},\n  "\\u00e9.tif": {}}}';
    expect(() => parseMapping(text, "map.json")).toThrow('map.json has "é.tif" twice, on lines 4 and 5');
    expect(() =>
      parseMapping('{"version":1,"entries":{"a":{"backend":"a","backend":"b","address":"c"}}}', "m"),
    ).toThrow('"backend" twice');
    const nested =
      '{"version":1,"entries":{"a":{"backend":"a","address":"{\\"a\\":1,\\"a\\":2}"},"b":{"backend":"a","address":"a"}}}';
    expect(parseMapping(nested, "m").entries.a).toEqual({ backend: "a", address: '{"a":1,"a":2}' });
  });

  it("has one entry for each path, in whatever spelling, and names both that clash", async () => {
    const error = await rejectionOf(open(mappingOf("b", "a//b.tif", "./a/b.tif")));
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).toBe('The mapping: "a//b.tif" and "./a/b.tif" are the same path');
  });

  it.each([
    [["a", "a/b/c"], '"a" and "a/b/c" cannot both be'],
    [["a/b/c", "a"], '"a/b/c" and "a" cannot both be'],
    [["a/./b/c", "a/b"], '"a/./b/c" and "a/b" cannot both be'],
  ])("refuses a path that is a file and a directory: %j", async (paths, message) => {
    expect((await rejectionOf(open(mappingOf(...paths)))).message).toContain(message);
  });

  it.each([
    ["", /root/],
    ["a/..", /root/],
    ["../a", /leaves the root/],
  ])("refuses the path %j", async (path, message) => {
    expect((await rejectionOf(open(mappingOf(path)))).message).toMatch(message);
  });

  it("keeps backslashes and other awkward characters as they are", async () => {
    const paths = ["a\\b.tif", "[1] #?%41.tif", "🔬/é", "__proto__", "constructor/toString"];
    const workspace = await open(JSON.parse(formatMapping(mappingOf(...paths))));
    expect((await workspace.listFiles("", { recursive: true })).sort()).toEqual([...paths].sort());
    expect([await workspace.exists("valueOf"), await workspace.exists("a/b.tif")]).toEqual([false, false]);
  });
});

describe("several mappings as one", () => {
  it("stand each below its directory", () => {
    const merged = mergeMappings({ one: mappingOf("a"), "two/x": mappingOf("a"), "": mappingOf("z") });
    expect(Object.keys(merged.entries)).toEqual(["one/a", "two/x/a", "z"]);
  });

  it("are refused where two have one path: none wins", () => {
    expect(() => mergeMappings({ one: mappingOf("two/a"), "one/two": mappingOf("a") })).toThrow(
      '"one/two/a" is in two mappings: the mappings of "one" and of "one/two"',
    );
  });
});

describe("a mapping file", () => {
  let folder: string;
  let path: string;
  let set: BackendSet;
  let w: MemoryBackend;
  const write = (...paths: string[]) => writeFile(path, formatMapping(mappingOf(...paths)));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-virtual-"));
    path = join(folder, "map.json");
    await write("a");
    set = new BackendSet(
      createRegistry(),
      {
        raw: { use: "memory" },
        w: { use: "virtual", mapping: "map.json" },
        manual: { use: "virtual", mapping: "map.json", refresh: "manual" },
        none: { use: "virtual", mapping: "none.json" },
      },
      { baseDirectory: folder },
    );
    w = (await set.get("w")) as MemoryBackend;
  });
  afterAll(async () => {
    await set.close();
    await rm(folder, { recursive: true });
  });

  it("that changes is noticed by the next operation, whichever it is", async () => {
    const operations = [
      () => w.exists("b"),
      async () => (await w.listFiles("")).includes("b"),
      async () => (await w.listDir("")).includes("b"),
      async () => (await w.stat("b")).exists,
      async () => (await w.loadBatch(["b"], { onError: "collect" })).some((error) => String(error).includes("a.tif")),
    ];
    for (const operation of operations) {
      await write("a");
      expect(await operation()).toBe(false);
      await write("a", "b");
      expect(await operation()).toBe(true);
    }
  });

  it("is noticed also when length and time stay the same", async () => {
    await write("a", "c");
    expect(await w.exists("c")).toBe(true);
    const { atime, mtime } = await stat(path);
    await write("a", "d");
    await utimes(path, atime, mtime);
    expect([await w.exists("c"), await w.exists("d")]).toEqual([false, true]);
    await writeFile(`${path}.new`, formatMapping(mappingOf("e")));
    await rename(`${path}.new`, path);
    expect(await w.listDir("")).toEqual(["e"]);
  });

  it("that is gone or wrong makes every operation fail until it is mended: nothing is answered from the old one", async () => {
    await write("a");
    expect(await w.exists("a")).toBe(true);
    await writeFile(path, '{"version":1,"entr');
    for (const operation of [() => w.exists("a"), () => w.load("a"), () => w.listFiles(""), () => w.loadBatch(["a"])]) {
      const error = await rejectionOf(operation());
      expect(error).toMatchObject({ code: "CORRUPT" });
      expect(error.message).toContain('Mapping file "map.json"');
    }
    await rm(path);
    expect(await rejectionOf(w.exists("a"))).toMatchObject({ code: "NOT_FOUND" });
    await write("a");
    expect(await w.exists("a")).toBe(true);
  });

  it("that must be asked for is looked at when it is asked for", async () => {
    await write("a");
    const manual = (await set.get("manual")) as MemoryBackend & { refresh(): Promise<void> };
    await write("b");
    expect([await manual.exists("a"), await manual.exists("b")]).toEqual([true, false]);
    await manual.refresh();
    expect([await manual.exists("a"), await manual.exists("b")]).toEqual([false, true]);
  });

  it("that is not there is NOT_FOUND when the workspace is opened, and names the file", async () => {
    const error = await rejectionOf(set.get("none"));
    expect(error).toMatchObject({ code: "NOT_FOUND" });
    expect(error.message).toContain('"none.json"');
  });

  it("is looked at once for a batch, and its look is shared by those that wait", async () => {
    const { workspace, store } = await freshWorkspace(false);
    let looks = 0;
    const look = store.stat.bind(store);
    store.stat = (key): Promise<ObjectStat> => {
      looks++;
      return look(key);
    };
    await workspace.loadBatch(
      Array.from({ length: 100 }, (_, i) => `${i}`),
      { onError: "collect" },
    );
    expect(looks).toBe(1);
    await Promise.all(Array.from({ length: 100 }, (_, i) => workspace.exists(`${i}`)));
    expect(looks).toBeLessThanOrEqual(3);
  });

  it("with stores that have no etags, goes by time and length", async () => {
    const store = new MemoryStore();
    const put = (...paths: string[]) => store.write("m", new TextEncoder().encode(formatMapping(mappingOf(...paths))));
    await put("a");
    const look = store.stat.bind(store);
    let modifiedMs = 1;
    store.stat = async (key) => ({ ...(await look(key)), etag: undefined, modifiedMs });
    const file = new MappingFile({ store, key: "m" });
    const { version } = await file.load();
    expect(await file.isCurrent(version)).toBe(true);
    await put("b");
    modifiedMs = 2;
    expect(await file.isCurrent(version)).toBe(false);
  });

  it("is refused a path that somebody else has mapped meanwhile", async () => {
    const store = new MemoryStore();
    await store.write("m", new TextEncoder().encode(formatMapping(mappingOf("a"))));
    const file = new MappingFile({ store, key: "m" });
    const other = { backend: "raw", address: "other" };
    const error = await rejectionOf(file.add(new Map([["a", { entry: other, mayReplace: false }]])));
    expect(error).toMatchObject({ code: "CONFLICT", identifier: "a" });
    await file.add(new Map([["a", { entry: other, mayReplace: true }]]));
    expect((await file.load()).tree.file("a")).toEqual(other);
  });
});

describe("work that must begin after it is asked for", () => {
  it("runs once for all who ask while it runs, and never twice at a time", async () => {
    let running = 0;
    let most = 0;
    let runs = 0;
    const latest = new Latest(async () => {
      most = Math.max(most, ++running);
      const run = ++runs;
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return run;
    });
    const first = latest.run();
    const others = Array.from({ length: 10 }, () => latest.run());
    expect([await first, ...new Set(await Promise.all(others))]).toEqual([1, 2]);
    const chained = await Promise.all([first, ...others].map((promise) => promise.then(() => latest.run())));
    expect(Math.min(...chained)).toBe(3);
    expect(most).toBe(1);
  });

  it("runs again for those who wait when it has failed for those before", async () => {
    let runs = 0;
    const latest = new Latest(async () => {
      if (++runs === 1) throw new Error("first");
      return runs;
    });
    const first = latest.run();
    const second = latest.run();
    expect((await rejectionOf(first)).message).toBe("first");
    expect(await second).toBe(2);
  });
});
