/**
 * What OpenHCS's virtual workspace and its tests do, one by one: kept where it is right, and decided anew where it loses
 * something in silence.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import { formatMapping, openWorkspace, parseMapping, type WorkspaceEntry } from "../../../backends/virtual/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { DataSink } from "../../../src/core/data-sink.ts";
import { DataSource } from "../../../src/core/data-source.ts";
import { type NdArray, sliceArray } from "../../../src/core/nd-array.ts";
import { sampleRegion } from "../../../src/core/region.ts";
import { FileManager } from "../../../src/io/file-manager.ts";
import { bitsOf } from "../../support/arrays.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { CountedMemory, counted } from "./sources.ts";

const at = (address: string, rest: Partial<WorkspaceEntry> = {}): WorkspaceEntry => ({
  backend: "m",
  address,
  ...rest,
});

async function workspace(entries: Record<string, unknown>, memory = new MemoryBackend({ instance: "m" })) {
  const mapping = parseMapping(JSON.stringify({ version: 1, entries }), "it");
  return openWorkspace({ mapping, backends: new Map([["m", memory]]) });
}

describe("kept from OpenHCS", () => {
  it("a reference is a backend, an address and indices of axes, and round-trips", () => {
    const mapping = { version: 1 as const, entries: { "Images/r01.tif": at("real/r01.tif", { axes: [1] }) } };
    expect(parseMapping(formatMapping(mapping), "it")).toEqual(mapping);
  });

  it("a reference that is a mere string, lacks a field or has another one is refused", async () => {
    for (const wrong of [
      "real/r01.tif",
      { backend: "m" },
      { address: "a" },
      { ...at("a"), source_axis_indices: [1] },
    ]) {
      const error = await rejectionOf(workspace({ "r01.tif": wrong }));
      expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining('"r01.tif"') });
    }
  });

  it("malformed addresses are refused: empty ones, ones that are no text, ones that leave the root", async () => {
    for (const address of ["", 7, null, "a\0b"]) {
      expect(await rejectionOf(workspace({ a: { backend: "m", address } }))).toMatchObject({ code: "CONFIG_INVALID" });
    }
    expect(await rejectionOf((await workspace({ a: at("../a") })).load("a"))).toMatchObject({ code: "INVALID_KEY" });
  });

  it("each reference is loaded by its own backend: memory and a disk in one workspace", async () => {
    const root = join(import.meta.dirname, "../../..");
    const set = new BackendSet(createRegistry(), { m: { use: "memory" }, raw: { use: "disk", root } });
    await new FileManager(set).save("in memory", "x.txt", "m");
    const entries = { a: at("x.txt"), b: { backend: "raw", address: "tsconfig.json" } };
    await using w = await openWorkspace({ mapping: { version: 1, entries }, backends: set });
    expect(await w.loadBatch(["b", "a"])).toMatchObject([{ compilerOptions: { strict: true } }, "in memory"]);
    await set.close();
  });

  it("an index takes a plane, (2, 4, 5)[1] is (4, 5); a region of it is (2, 3) from (1, 1); with and without a workspace", async () => {
    const memory = new MemoryBackend({ instance: "m" });
    const stack = counted(2, 4, 5);
    await memory.save(stack, "s");
    const w = await workspace({ p: at("s", { axes: [1] }) }, memory);
    expect(((await w.load("p")) as NdArray).shape).toEqual([4, 5]);
    const expected = bitsOf(sliceArray(stack, [1, [1, 3], [1, 4]]));
    const request = { origin: [1, 1], shape: [2, 3] };
    expect(bitsOf((await w.sample("p", request)).array)).toEqual(expected);
    expect(bitsOf((await sampleRegion(memory, "s", request, { within: [[1]] })).array)).toEqual(expected);
  });

  it("an index outside the array is an error", async () => {
    const memory = new MemoryBackend({ instance: "m" });
    await memory.save(counted(2, 4, 5), "s");
    const w = await workspace({ p: at("s", { axes: [2] }), q: at("s", { axes: [0, 0, 0, 0] }) }, memory);
    for (const path of ["p", "q"]) {
      expect(await rejectionOf(w.load(path))).toMatchObject({ code: "OUT_OF_RANGE", identifier: path });
    }
  });

  it("a batch loads each source once and keeps its order", async () => {
    const memory = new CountedMemory({ instance: "m" });
    await memory.save(counted(3, 2, 2), "s");
    const w = await workspace(
      { a: at("s", { axes: [0] }), b: at("s", { axes: [1] }), c: at("s", { axes: [2] }) },
      memory,
    );
    const loaded = (await w.loadBatch(["c", "a", "b"])) as NdArray[];
    expect([loaded.map(({ data }) => data[0]), memory.loads]).toEqual([[8, 0, 4], ["s"]]);
  });

  it("predicates answer with true and false", async () => {
    const w = await workspace({ "d/a": at("x") });
    expect([await w.exists("d/a"), await w.isFile("d"), await w.isDir("d"), await w.exists("none/x")]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  it("listings go through the router in natural order", async () => {
    const names = ["f10.tif", "f2.tif", "f1.tif"];
    const files = new FileManager({ w: await workspace(Object.fromEntries(names.map((name) => [name, at("x")]))) });
    expect(await files.listFiles("", "w")).toEqual(["f1.tif", "f2.tif", "f10.tif"]);
  });
});

describe("decided anew", () => {
  it("of two rival entries none wins in silence (there: the last)", async () => {
    const error = await rejectionOf(workspace({ "a/b": at("one"), "a//b": at("two") }));
    expect(error.message).toContain('"a/b" and "a//b" are the same path');
  });

  it("opening a second plate leaves the first one open (there: it replaces it)", async () => {
    const mapping = (address: string) => ({ version: 1, entries: { a: at(address) } });
    const set = new BackendSet(createRegistry(), {
      m: { use: "memory" },
      first: { use: "virtual_workspace", mapping: mapping("1") },
      second: { use: "virtual_workspace", mapping: mapping("2") },
    });
    const files = new FileManager(set);
    await files.saveBatch(["one", "two"], ["1", "2"], "m");
    expect([await files.load("a", "first"), await files.load("a", "second"), await files.load("a", "first")]).toEqual([
      "one",
      "two",
      "one",
    ]);
    await set.close();
  });

  it("a directory that is not there is an error (there: an empty list), one above files is there without being listed", async () => {
    const w = await workspace({ "a/b/c.tif": at("x") });
    expect(await rejectionOf(w.listFiles("nowhere"))).toMatchObject({ code: "NOT_FOUND" });
    expect(await rejectionOf(w.listDir("a/b/c.tif"))).toMatchObject({ code: "NOT_A_DIRECTORY" });
    expect([await w.listDir(""), await w.listDir("a"), await w.isDir("a"), await w.listFiles("a")]).toEqual([
      ["a"],
      ["b"],
      true,
      [],
    ]);
  });

  it("a save is READ_ONLY by name (there: a missing attribute)", async () => {
    const files = new FileManager({ w: await workspace({ a: at("x") }) });
    expect(await rejectionOf(files.save(1, "b", "w"))).toMatchObject({ code: "READ_ONLY" });
    expect(await rejectionOf(files.ensureDirectory("d", "w"))).toMatchObject({ code: "UNSUPPORTED" });
  });

  it("a backslash is a character of a name (there: a slash)", async () => {
    const w = await workspace({ "a\\b": at("x") });
    expect([await w.exists("a\\b"), await w.exists("a/b"), await w.listDir("")]).toEqual([true, false, ["a\\b"]]);
  });

  it("a virtual backend is a source as well as a sink, so that the router samples it (there: it is no source)", async () => {
    const memory = new MemoryBackend({ instance: "m" });
    await memory.save(counted(4, 4), "s");
    const w = await workspace({ p: at("s") }, memory);
    expect([w instanceof DataSource, w instanceof DataSink]).toEqual([true, true]);
    const { array } = await new FileManager({ w }).sample("p", "w", { origin: [3, 3], shape: [9, 9] });
    expect([array.shape, array.data[0]]).toEqual([[1, 1], 15]);
  });

  it("a predicate about a backend that nobody knows is an error (there: false)", async () => {
    const files = new FileManager({ w: await workspace({ a: at("x") }) });
    expect(await rejectionOf(files.isFile("a", "nobody"))).toMatchObject({ code: "UNKNOWN_BACKEND" });
  });
});
