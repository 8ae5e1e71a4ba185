/** Layouts of files: our schema by another validator, and what our reader makes of them by blissdata's models. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { layoutSchema } from "../../src/live/view/layout-schema.ts";
import { checkLayout, readLayout } from "../../src/live/view/read-layout.ts";
import { wholeChildren } from "../live/view/whole-scan.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

const space = { start: [0], count: [2] };
const source = { vspace: space, src_file: ".", src_dataset: "/d", src_space: space };
const virtual = { type: "virtual_dataset", dtype: "<f4", shape: [4], virtual_sources: [source] };
const external = { type: "external_binary_dataset", dtype: ">f2", shape: [2], files: [{ name: "a", offset: 0 }] };

/** Children of a root. */
const right: unknown[] = [
  {},
  wholeChildren(),
  { a: [{ NX_class: "NXentry" }, { b: [{ units: "s" }, "STREAM", "t"], c: [{}, "RAW", [1, 2]] }] },
  { a: 1, b: "text", c: true, d: [[1, 2.5]], e: [] },
  { a: { type: "dataset", attributes: { x: [1, 2] }, value: { type: "stream", stream: "s" } } },
  { a: { type: "inline", dtype: "float32", value: ["nan", 1] } },
  { a: { type: "inline_b64", dtype: "<f4", value: "AACAPw==" } },
  { a: { type: "inline_b64", dtype: "<f4", shape: null, value: "AACAPw==" } },
  { a: { ...external, files: [{ name: "a", offset: 3, size: null }] }, v: virtual },
  { a: { type: "soft_link", target_path: "b" }, b: { type: "external_link", target_file: "f", target_path: "/" } },
];

const wrong: unknown[] = [
  { a: null },
  { "a/b": 1 },
  { "..": 1 },
  { a: { type: "grup" } },
  { a: { type: "group", children: [1] } },
  { a: { type: "group", attributes: { b: { type: "stream", stream: "s" } } } },
  { a: { type: "group", attributes: { b: null } } },
  { a: [{}, "DATA", 1] },
  { a: [{}, "STREAM", 1] },
  { a: { type: "stream" } },
  { a: { type: "inline", dtype: "text", value: 1 } },
  { a: { type: "inline", dtype: "int8" } },
  { a: { type: "inline_b64", dtype: "float32", value: "AACAPw==" } },
  { a: { type: "inline_b64", dtype: "<f4", value: "?" } },
  { a: { type: "compound", columns: [] } },
  { a: { type: "soft_link" } },
  { a: { type: "external_link", target_file: "x" } },
  { a: { ...external, files: [{ name: "x" }] } },
  { a: { ...external, files: [] } },
  { a: { ...external, dtype: "f2" } },
  { a: { ...external, shape: [-1] } },
  { v: { ...virtual, virtual_sources: [{ ...source, src_dataset: undefined }] } },
  { v: { ...virtual, virtual_sources: [{ ...source, vspace: { start: [0] } }] } },
  { v: { ...virtual, virtual_sources: [{ ...source, vspace: { ...space, stride: [0] } }] } },
];

/** What a schema cannot say. */
const unsaid: unknown[] = [
  { a: [[1, 2], [3]] },
  { v: { ...virtual, virtual_sources: [{ ...source, src_space: { start: [0], count: [3] } }] } },
  { a: { type: "inline_b64", dtype: "<f4", shape: [2], value: "AACAPw==" } },
];

describe.skipIf(!isPythonExpected)("layouts", () => {
  it("are told right from wrong by the schema, and what is right is right for blissdata", async () => {
    const roots = [...right, ...wrong, ...unsaid].map((children) => ({ type: "group", children }));
    const trees = right.map((children) => readLayout({ children }));
    const folder = await mkdtemp(join(tmpdir(), "sluice-interop-"));
    try {
      const path = join(folder, "layouts.json");
      await writeFile(path, JSON.stringify({ schema: layoutSchema, layouts: roots, trees }));
      const { schema, blissdata } = runPython("layouts.py", path) as { schema: boolean[]; blissdata: boolean[] };
      const verdicts = roots.map((root, i) => ({ root, isRight: schema[i], mistakes: checkLayout(root).length > 0 }));
      const isExpected = (i: number) => i < right.length || i >= right.length + wrong.length;
      for (const [i, { root, isRight, mistakes }] of verdicts.entries()) {
        expect({ root, isRight, mistakes }).toEqual({ root, isRight: isExpected(i), mistakes: i >= right.length });
      }
      expect(blissdata).toEqual(trees.map(() => true));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
