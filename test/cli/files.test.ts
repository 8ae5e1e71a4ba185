import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { createCodecs } from "../../src/codecs/index.ts";
import { arraysEqual, isNdArray, type NdArray } from "../../src/core/nd-array.ts";
import { hasRealData, realData } from "../support/real-data.ts";
import { scratchFolder, sluice } from "./command.ts";

/** Loads a file without any backend: the side door. */
async function decode(path: string): Promise<NdArray> {
  const value = await createCodecs().forIdentifier(path).decode(readFileSync(path), { identifier: path, options: {} });
  if (!isNdArray(value)) throw new Error(`${path} is no array`);
  return value;
}

const session = "session: s\nbackends: {raw: {use: disk, root: store}}\n";

describe("sluice ls", () => {
  function tree(): string {
    const folder = scratchFolder({ "a_10.txt": "ten", "a_2.txt": "two", "w1_[9A-F].tif": "" });
    mkdirSync(join(folder, "deep/er"), { recursive: true });
    writeFileSync(join(folder, "deep/er/a_1.txt"), "");
    symlinkSync("nowhere", join(folder, "broken"));
    return folder;
  }

  it("lists a directory in natural order, directories with a slash", async () => {
    const { output, code } = await sluice(["ls"], tree());
    expect(code).toBe(0);
    const names = output.split("\n").map((line) => line.split("  ").at(-1));
    expect(names).toEqual(["a_2.txt", "a_10.txt", "broken", "deep/", "w1_[9A-F].tif", ""]);
    expect(output).toMatch(/^3 B +\d{4}-\d\d-\d\d \d\d:\d\d {2}a_2\.txt$/m);
  });

  it("lists files below with -r, filtered by --pattern, names with brackets as they are", async () => {
    const folder = tree();
    const paths = async (...args: string[]) => {
      const { entries } = JSON.parse((await sluice(["ls", "--json", ...args], folder)).output);
      return entries.map((entry: { path: string }) => entry.path);
    };
    expect(await paths(".", "-r")).toEqual(["a_2.txt", "a_10.txt", "deep/er/a_1.txt", "w1_[9A-F].tif"]);
    expect(await paths(".", "-r", "-p", "a_*.txt")).toEqual(["a_2.txt", "a_10.txt", "deep/er/a_1.txt"]);
    expect(await paths(".", "-p", "w1_[9A-F].tif")).toEqual(["w1_[9A-F].tif"]);
    expect(await paths("deep", "-r", "-p", "er/*")).toEqual(["deep/er/a_1.txt"]);
    expect(await paths("a_2.txt")).toEqual(["a_2.txt"]);
  });

  it("takes file URLs, and backends of a session file by name", async () => {
    const folder = scratchFolder({ "s.yaml": session });
    mkdirSync(join(folder, "store/in ner"), { recursive: true });
    writeFileSync(join(folder, "store/in ner/x#1.txt"), "hello");
    const url = pathToFileURL(join(folder, "store/in ner")).href;
    expect((await sluice(["ls", url])).output).toMatch(/x#1\.txt\n$/);
    const named = await sluice(["ls", "raw:in ner", "--session", join(folder, "s.yaml"), "--json"]);
    expect(JSON.parse(named.output).entries).toMatchObject([{ path: "in ner/x#1.txt", kind: "file", byteLength: 5 }]);
    const outside = await sluice(["ls", "raw:..", "--session", join(folder, "s.yaml")]);
    expect(outside.code).toBe(1);
    expect(outside.errors).toContain("INVALID_KEY");
  });
});

describe("a name with control characters", () => {
  const name = "a\u001b[2J\u009b\nb\tc.txt";
  const shown = "a\\x1b[2J\\x9b\\x0ab\tc.txt";

  it("is escaped in lines for people, and as it is in JSON and in what cat gives", async () => {
    const folder = scratchFolder({ [name]: "\u001b[31m" });
    const { output } = await sluice(["ls"], folder);
    expect(output.endsWith(`  ${shown}\n`)).toBe(true);
    expect(output.split("\n")).toHaveLength(2);
    const json = JSON.parse((await sluice(["ls", "--json"], folder)).output);
    expect(json.entries).toMatchObject([{ path: name }]);
    expect((await sluice(["cat", name], folder)).output).toBe("\u001b[31m");
  });

  it("is escaped in errors and stacks", async () => {
    const folder = scratchFolder();
    const { errors } = await sluice(["cat", "gone\u001b[2J", "--verbose"], folder);
    expect(errors).toContain("gone\\x1b[2J");
    expect(errors).toContain("    at ");
    expect(errors).not.toContain("\u001b");
  });
});

describe("sluice cat", () => {
  it("gives a pipe every byte as it is", async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 256));
    const folder = scratchFolder();
    writeFileSync(join(folder, "a.bin"), bytes);
    const { stdout, code, errors } = await sluice(["cat", "a.bin"], folder);
    expect(code).toBe(0);
    expect(errors).toBe("");
    expect(stdout.equals(bytes)).toBe(true);
  });

  it("says what would help for a directory and for nothing", async () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, "d"));
    expect((await sluice(["cat", "d"], folder)).errors).toBe(
      'sluice: IS_A_DIRECTORY: "d" is a directory; try: sluice ls d\n',
    );
    expect((await sluice(["cat", "x"], folder)).errors).toBe('sluice: NOT_FOUND: No file "x"\n');
  });
});

describe("sluice cp", () => {
  it("copies a tree byte for byte, and into an existing directory under its own name", async () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, "from/deep"), { recursive: true });
    mkdirSync(join(folder, "from/empty"));
    writeFileSync(join(folder, "from/deep/a.bin"), Buffer.from([0, 255, 13, 10]));
    const first = await sluice(["cp", "-r", "from", "to"], folder);
    expect(first).toMatchObject({ code: 0, output: "1 file, 4 B → to\n" });
    expect([...readFileSync(join(folder, "to/deep/a.bin"))]).toEqual([0, 255, 13, 10]);
    expect(existsSync(join(folder, "to/empty"))).toBe(true);
    await sluice(["cp", "-r", "from", "to"], folder);
    expect(readdirSync(join(folder, "to")).sort()).toEqual(["deep", "empty", "from"]);
  });

  it("keeps what exists unless told otherwise", async () => {
    const folder = scratchFolder({ a: "new", b: "old" });
    const refused = await sluice(["cp", "a", "b"], folder);
    expect(refused.code).toBe(1);
    expect(refused.errors).toContain("ALREADY_EXISTS");
    const skipped = await sluice(["cp", "a", "b", "--if-exists", "skip"], folder);
    expect(skipped).toMatchObject({ code: 0, output: "0 files, 1 skipped → b\n" });
    expect(readFileSync(join(folder, "b"), "utf8")).toBe("old");
    expect((await sluice(["cp", "a", "b", "--if-exists", "replace"], folder)).code).toBe(0);
    expect(readFileSync(join(folder, "b"), "utf8")).toBe("new");
  });

  it("copies between a path and a named backend", async () => {
    const folder = scratchFolder({ "s.yaml": session, "a.txt": "text" });
    mkdirSync(join(folder, "store"));
    const { code, errors } = await sluice(["cp", "a.txt", "raw:in/b.txt", "--session", "s.yaml"], folder);
    expect(code, errors).toBe(0);
    expect(readFileSync(join(folder, "store/in/b.txt"), "utf8")).toBe("text");
  });

  it.skipIf(!hasRealData())("converts formats without changing a value", async () => {
    const folder = scratchFolder();
    const [name = ""] = readdirSync(realData("names"));
    const source = join(realData("names"), name);
    expect((await sluice(["cp", source, "a.npy", "--convert"], folder)).code).toBe(0);
    expect((await sluice(["cp", "a.npy", "b.png", "--convert"], folder)).code).toBe(0);
    const original = await decode(source);
    expect(original.dtype).toBe("uint16");
    for (const copy of ["a.npy", "b.png"]) expect(arraysEqual(await decode(join(folder, copy)), original)).toBe(true);
  });
});

describe("sluice info", () => {
  it.skipIf(!hasRealData())("describes an image, and a folder of images by count and first image", async () => {
    const [name = ""] = readdirSync(realData("names"));
    const image = JSON.parse((await sluice(["info", join(realData("names"), name), "--json"])).output);
    expect(image).toMatchObject({ kind: "array", dtype: "uint16", shape: [520, 696], minimum: 90, maximum: 1709 });
    const folder = JSON.parse((await sluice(["info", realData("timelapse"), "--json"])).output);
    expect(folder).toMatchObject({ kind: "folder", images: 10, image: { dtype: "uint8", shape: [264, 542, 3] } });
    expect(folder.first).toMatch(/_0000\.tif$/);
    expect(folder.last).toMatch(/_0009\.tif$/);
  });

  it("lists the stores below a folder, and looks into none of them", async () => {
    const folder = scratchFolder({ "preview.txt": "" });
    const file = (path: string, text = "{}") => {
      mkdirSync(join(folder, path, ".."), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    file("runs/1/a.zarr/zarr.json");
    file("runs/1/a.zarr/inner/zarr.json");
    file("runs/10/b.tiffs/metadata.json");
    file("runs/10/b.tiffs/camera/camera_000000.tif");
    file("runs/2/old.zarr/.zgroup");
    file("runs/2/notes.tiffs/readme.txt");
    const { output, code, errors } = await sluice(["info", "runs"], folder);
    expect(code, errors).toBe(0);
    expect(output).toBe(
      [
        "runs",
        "  3 stores",
        "    1/a.zarr    Zarr v3",
        "    10/b.tiffs  TIFF sequence",
        "    2/old.zarr  Zarr v2",
        "",
      ].join("\n"),
    );
    const { stores } = JSON.parse((await sluice(["info", ".", "--json"], folder)).output);
    expect(stores[0]).toEqual({ path: "runs/1/a.zarr", format: "Zarr v3" });
  });

  it("names what is not there as it was typed", async () => {
    const folder = scratchFolder();
    for (const path of ["nope", join(folder, "nope"), "nope.npy", join(folder, "nope.npy")]) {
      expect((await sluice(["info", path], folder)).errors).toBe(`sluice: NOT_FOUND: No "${path}" in "disk"\n`);
    }
    writeFileSync(join(folder, "odd.xyz"), "");
    const odd = join(folder, "odd.xyz");
    expect((await sluice(["info", odd], folder)).errors).toContain(`No codec for the suffix of "${odd}"`);
  });

  it("describes other values, and says what a folder without images lacks", async () => {
    const folder = scratchFolder({ "a.json": '{"wells": 384}' });
    expect((await sluice(["info", "a.json"], folder)).output).toBe("a.json\n  a plain object\n");
    const { code, errors } = await sluice(["info", "."], folder);
    expect(code).toBe(1);
    expect(errors).toContain("a folder without Zarr metadata and without images; npx sluice ls -r");
  });

  it("describes a Zarr v2 store that somebody else wrote", async () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, "old.zarr/a"), { recursive: true });
    writeFileSync(join(folder, "old.zarr/.zgroup"), '{"zarr_format": 2}');
    writeFileSync(join(folder, "old.zarr/.zattrs"), '{"lab": "ours"}');
    const array = { zarr_format: 2, shape: [4, 6], chunks: [2, 6], dtype: "<u2", order: "C", fill_value: 0 };
    writeFileSync(
      join(folder, "old.zarr/a/.zarray"),
      JSON.stringify({ ...array, filters: null, compressor: { id: "zlib", level: 1 } }),
    );
    const { output, code, errors } = await sluice(["info", "old.zarr", "--json"], folder);
    expect(code, errors).toBe(0);
    expect(JSON.parse(output)).toMatchObject({
      kind: "zarr",
      format: 2,
      attributes: { lab: "ours" },
      arrays: [{ path: "a", dtype: "uint16", shape: [4, 6], chunks: [2, 6], codecs: ["zlib"], byteLength: 48 }],
    });
  });
});
