import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import {
  definePlateGrammar,
  type PlateGrammarOptions,
  parsePlateNames,
  plateGrammars,
  wellName,
  wellPosition,
  workspaceFromFolder,
} from "../../../backends/virtual/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { CountedMemory, counted, RegionMemory } from "./sources.ts";

/** What one name says: `[well, field, channel, z, t, plate]`; or why it says nothing. */
async function read(grammar: string | PlateGrammarOptions, name: string) {
  const { files, unparsed, ignored } = await parsePlateNames(grammar, [name]);
  const [file] = files;
  if (file === undefined) return unparsed[0]?.reason ?? (ignored.length > 0 ? "ignored" : "lost");
  const { well, field, channel, z, t, plate } = file.coordinates;
  return [well, field, channel, z, t, ...(plate === undefined ? [] : [plate])];
}

const simple = (pattern: PlateGrammarOptions["pattern"], rest: Partial<PlateGrammarOptions> = {}) => ({
  name: "ours",
  pattern,
  ...rest,
});

describe("names of wells", () => {
  it.each([
    ["A01", 0, 0, "A01"],
    ["a1", 0, 0, "A01"],
    ["H12", 7, 11, "H12"],
    ["P24", 15, 23, "P24"],
    ["Z01", 25, 0, "Z01"],
    ["AA01", 26, 0, "AA01"],
    ["AF48", 31, 47, "AF48"],
    ["R01C02", 0, 1, "A02"],
    ["r16c24", 15, 23, "P24"],
    ["R32C48", 31, 47, "AF48"],
    ["R05", 17, 4, "R05"],
    ["ZZ1", 701, 0, "ZZ01"],
    ["AAA1", 702, 0, "AAA01"],
  ])("%s is row %i, column %i, and is called %s", (text, row, column, name) => {
    expect(wellPosition(text)).toEqual({ row, column });
    expect(wellName(row, column)).toBe(name);
  });

  it("and positions are one to one (a law)", () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.nat(998), (row, column) => {
        expect(wellPosition(wellName(row, column))).toEqual({ row, column });
      }),
    );
  });

  it.each(["", "A", "A0", "01", "A-1", "R00C01", "R1C0", "A0001", "AAAA1"])("%j is none", (text) => {
    expect(() => wellPosition(text)).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
  });

  it("a place off the plate has none", () => {
    expect(() => wellName(-1, 0)).toThrow(expect.objectContaining({ code: "OUT_OF_RANGE" }));
    expect(() => wellName(0, 0.5)).toThrow(expect.objectContaining({ code: "OUT_OF_RANGE" }));
  });
});

describe("the grammar imagexpress", () => {
  const guid = "9AA4D9EA-18E4-4354-8C7D-0202029A8048";
  it.each([
    ["A01_s1_w1.tif", ["A01", 1, 1, 1, 1]],
    ["Plate 7_H12_s9_w3.TIF", ["H12", 9, 3, 1, 1, "Plate 7"]],
    [`Plate_A01_s2_w1${guid}.tif`, ["A01", 2, 1, 1, 1, "Plate"]],
    [`Plate_A01_s2_w12${guid}.tif`, ["A01", 2, 12, 1, 1, "Plate"]],
    [`101210OranePlt1_C16_w2_[${guid}].tif`, ["C16", 1, 2, 1, 1, "101210OranePlt1"]],
    ["P_B02.tif", ["B02", 1, 1, 1, 1, "P"]],
    ["P_AF48_s1_w4.tif", ["AF48", 1, 4, 1, 1, "P"]],
    ["TimePoint_3/P_A01_s1_w1.tif", ["A01", 1, 1, 1, 3, "P"]],
    ["TimePoint_3/ZStep_5/P_A01_s1_w1.tif", ["A01", 1, 1, 5, 3, "P"]],
    ["ZStep_5/P_A01_s1_w1.tif", ["A01", 1, 1, 5, 1, "P"]],
    ["TimePoint_1/A01_s1_w1_z2.tif", ["A01", 1, 1, 2, 1]],
    ["2026-11-18/1208/TimePoint_2/P_A01_w1.tif", ["A01", 1, 1, 1, 2, "P"]],
    ["P_A01_s1_w1_thumb.tif", "ignored"],
    ["P.HTD", "ignored"],
    ["._P_A01_s1_w1.tif", "ignored"],
    ["P_A01_s1_w1.png", 'it does not fit the grammar "imagexpress"'],
  ])("reads %s", async (name, expected) => {
    expect(await read("imagexpress", name)).toEqual(expected);
  });
});

describe("the grammar opera_phenix", () => {
  it.each([
    ["r01c02f03p01-ch1sk1fk1fl1.tiff", ["A02", 3, 1, 1, 1]],
    ["Images/r16c24f120p07-ch4sk12fk1fl1.tiff", ["P24", 120, 4, 7, 12]],
    ["r32c48f01p01-ch1sk1fk1fl1.tiff", ["AF48", 1, 1, 1, 1]],
    ["Images/Index.idx.xml", "ignored"],
    ["r00c02f03p01-ch1sk1fk1fl1.tiff", "its row is 0, and the first one is 1"],
  ])("reads %s", async (name, expected) => {
    expect(await read("opera_phenix", name)).toEqual(expected);
  });
});

it("the grammar as_barcode counts fields and channels from 0", async () => {
  expect(await read("as_barcode", "AS_09047_050428030001_O01f00d2.TIF")).toEqual([
    "O01",
    1,
    3,
    1,
    1,
    "09047_050428030001",
  ]);
});

describe("a grammar of one's own", () => {
  it("is a name and a pattern, as text or as a regular expression", async () => {
    for (const pattern of ["(?<well>[A-P][0-9]+)-(?<field>[0-9]+)\\.tif", /(?<well>[a-p]\d+)-(?<field>\d+)\.tif/i]) {
      expect(await read(simple(pattern), "B7-02.tif")).toEqual(["B07", 2, 1, 1, 1]);
    }
    const grammar = definePlateGrammar(simple("(?<well>[A-P][0-9]+)"));
    expect(await read(grammar, "B7")).toEqual(["B07", 1, 1, 1, 1]);
  });

  it("fits whole names, and of several patterns the first that does", async () => {
    const grammar = simple(["(?<well>[A-P][0-9]+)", "(?<well>[A-P][0-9]+)x(?<channel>[a-z]+)"]);
    expect(await read(grammar, "B7xgfp")).toEqual(["B07", 1, "gfp", 1, 1]);
    expect(await read(grammar, "xB7")).toMatch(/does not fit/);
  });

  it("counts each kind from its first number, and refuses numbers before it", async () => {
    const grammar = simple("(?<row>[0-9]+)-(?<column>[0-9]+)-(?<z>[0-9]+)", { first: { row: 0, column: 0, z: 10 } });
    expect(await read(grammar, "0-0-10")).toEqual(["A01", 1, 1, 1, 1]);
    expect(await read(grammar, "26-3-12")).toEqual(["AA04", 1, 1, 3, 1]);
    expect(await read(grammar, "0-0-9")).toBe("its z is 9, and the first one is 10");
  });

  it("takes rows of letters beside columns of numbers", async () => {
    const grammar = simple("(?<row>[A-Z]+)(?:,)(?<column>[0-9]+)");
    expect(await read(grammar, "AB,12")).toEqual(["AB12", 1, 1, 1, 1]);
    expect(await read(grammar, "ABCD,12")).toMatch(/no well/);
  });

  it("that captures no number where one belongs says so of the file", async () => {
    expect(await read(simple("(?<well>A1)(?<t>.*)"), "A1x")).toBe('its t "x" is no number');
    expect(await read(simple("(?<well>.*)"), "nowhere")).toMatch(/is no well/);
  });

  it.each([
    [{ name: "", pattern: "x" }, /name must be text/],
    [{ pattern: "x" }, /name is missing/],
    [{ name: "x" }, /"x": pattern is missing/],
    [{ name: "x", pattern: [] }, /pattern must be/],
    [{ name: "x", pattern: "a", first: { fields: 0 } }, /first must be/],
    [{ name: "x", pattern: "a", pages: "y" }, /pages must be/],
    [{ name: "x", patern: "a" }, /did you mean "pattern"/],
    ["imagexpres", /known: imagexpress, opera_phenix/],
  ])("refuses %j", async (grammar, message) => {
    const error = await rejectionOf(parsePlateNames(grammar as PlateGrammarOptions, []));
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).toMatch(message);
  });

  it.each([
    ["(?<wel>A1)", /unknown group "wel"; did you mean "well"/],
    ["(?<field>1)", /needs a group well/],
    ["(?<row>1)", /needs a group well/],
    ["(?<well>A1)(?<row>1)", /well is given twice/],
    ["(?<well>A1", /cannot be used: missing closing \)/],
    ["(?<well>A1)(?!_thumb)", /look-around and back-references do not exist/],
    ["(?<well>A)\\1", /look-around and back-references do not exist/],
  ])("refuses the pattern %s and says why", async (pattern, message) => {
    const error = await rejectionOf(parsePlateNames(simple(pattern), []));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(/^Plate grammar "ours": /) });
    expect(error.message).toMatch(message);
  });

  it("refuses pages that are in the names too", async () => {
    const grammar = simple("(?<well>A1)(?<z>1)", { pages: "z" });
    expect((await rejectionOf(parsePlateNames(grammar, []))).message).toContain("z is in the name and in the pages");
  });

  it("costs no more than the name is long, however it is written", async () => {
    // A matcher that goes back and tries again needs more steps for this than there are atoms.
    const grammar = simple("(?<well>(?:A+)+)+(?:(?:a|a)*)*b");
    expect(await read(grammar, `${"A".repeat(2000)}${"a".repeat(2000)}`)).toMatch(/does not fit/);
    expect(await read(grammar, "A".repeat(5000))).toMatch(/longer than 4096/);
  });
});

it("every path is read, reported or ignored, and none is lost (a law)", async () => {
  const path = fc.oneof(
    fc.string(),
    fc.constantFrom("A01_s1_w1.tif", "._x", "P_A01_thumb.tif", "r01c01.tif", "Thumbs.db"),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(path), fc.constantFrom(...Object.keys(plateGrammars)), async (paths, grammar) => {
      const { files, unparsed, ignored } = await parsePlateNames(grammar, paths);
      const all = [...files.map((file) => file.path), ...unparsed.map((file) => file.path), ...ignored];
      expect(all.sort()).toEqual([...paths].sort());
    }),
  );
});

describe("a workspace from a folder", () => {
  const plate = async (...paths: string[]) => {
    const memory = new MemoryBackend({ instance: "raw" });
    for (const path of paths) await memory.save(counted(2, 2), path, { createParents: true });
    return memory;
  };

  it("has one path for each image, in the order of the plate, whatever the instrument calls it", async () => {
    const names = [
      "r02c01f01p01-ch1sk1fk1fl1.tiff",
      "r27c01f01p01-ch1sk1fk1fl1.tiff",
      "r01c10f02p03-ch2sk4fk1fl1.tiff",
      "r01c09f01p01-ch1sk1fk1fl1.tiff",
    ];
    const memory = await plate(...names.map((name) => `p/Images/${name}`), "p/notes.txt", "p/._x");
    const { mapping, unparsed, ignored } = await workspaceFromFolder(memory, "p", "opera_phenix");
    expect(Object.keys(mapping.entries)).toEqual([
      "A09/A09_f001_c1_z001_t001.tiff",
      "A10/A10_f002_c2_z003_t004.tiff",
      "B01/B01_f001_c1_z001_t001.tiff",
      "AA01/AA01_f001_c1_z001_t001.tiff",
    ]);
    expect(mapping.entries["A10/A10_f002_c2_z003_t004.tiff"]).toEqual({
      backend: "raw",
      address: `p/Images/${names[2]}`,
      coordinates: { well: "A10", field: 2, channel: 2, z: 3, t: 4 },
    });
    expect(unparsed).toEqual([{ path: "notes.txt", reason: 'it does not fit the grammar "opera_phenix"' }]);
    expect(ignored).toEqual(["._x"]);
  });

  it("is refused where two files are one image, and both are named", async () => {
    const memory = await plate("a/A01_s1_w1.tif", "b/A1_s01_w1.tif");
    const error = await rejectionOf(workspaceFromFolder(memory, "", "imagexpress"));
    expect(error).toMatchObject({ code: "INVALID_DATA" });
    expect(error.message).toContain(
      '"a/A01_s1_w1.tif" and "b/A1_s01_w1.tif" are both well A01, field 1, channel 1, z 1, t 1',
    );
  });

  it("keeps several plates apart by their names, or is refused", async () => {
    const memory = await plate("P1_A01_s1_w1.tif", "P2_A01_s1_w1.tif");
    expect((await rejectionOf(workspaceFromFolder(memory, "", "imagexpress"))).message).toMatch(
      /"P1", "P2"; put \{plate\}/,
    );
    const { mapping } = await workspaceFromFolder(memory, "", "imagexpress", { paths: "{plate}/{well}-{field:2}" });
    expect(Object.keys(mapping.entries)).toEqual(["P1/A01-01.tif", "P2/A01-01.tif"]);
  });

  it("is refused where paths leave two images one path, or have an unknown part", async () => {
    const memory = await plate("A01_s1_w1.tif", "A01_s2_w1.tif");
    const paths = (template: string) =>
      rejectionOf(workspaceFromFolder(memory, "", "imagexpress", { paths: template }));
    expect((await paths("{well}")).message).toBe(
      'paths ("{well}") gives "A01_s1_w1.tif" and "A01_s2_w1.tif" the one path "A01.tif"',
    );
    expect((await paths("{well}/{site}")).message).toMatch(/\{site\} in paths is none of plate, well/);
  });

  it("has a path for each page, where pages are something; whether shapes are known or files must be loaded", async () => {
    const grammar = { name: "stacks", pattern: "(?<well>[A-H][0-9]+)\\.npy", pages: "z" } as const;
    for (const memory of [new CountedMemory({ instance: "m" }), new RegionMemory({ instance: "m" })]) {
      await memory.save(counted(3, 4, 4), "B2.npy");
      await memory.save(counted(4, 4), "B3.npy");
      for (const isReticent of [false, true]) {
        memory.isReticent = isReticent;
        const { mapping } = await workspaceFromFolder(memory, "", grammar);
        expect(Object.entries(mapping.entries).map(([path, { address, axes }]) => [path, address, axes])).toEqual([
          ["B02/B02_f001_c1_z001_t001.npy", "B2.npy", [0]],
          ["B02/B02_f001_c1_z002_t001.npy", "B2.npy", [1]],
          ["B02/B02_f001_c1_z003_t001.npy", "B2.npy", [2]],
          ["B03/B03_f001_c1_z001_t001.npy", "B3.npy", undefined],
        ]);
      }
      expect(memory.loads.length).toBe(memory instanceof RegionMemory ? 0 : 2);
    }
  });

  it("is NOT_FOUND for a folder that is not there", async () => {
    expect(await rejectionOf(workspaceFromFolder(new MemoryBackend(), "p", "imagexpress"))).toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it("opens by a few lines of configuration, sees new files when it is refreshed, and refuses what it cannot read", async () => {
    const grammar = { name: "ours", pattern: "(?<well>[A-H][0-9]+)_(?<channel>GFP|DAPI)\\.npy", ignore: "*.log" };
    await using set = new BackendSet(createRegistry(), {
      raw: { use: "memory" },
      plate: { use: "virtual", source: "raw", folder: "p", grammar, paths: "{channel}/{well}" },
      lax: { use: "virtual", source: "raw", folder: "p", grammar, onUnparsed: "report" },
    });
    const raw = (await set.get("raw")) as MemoryBackend;
    await raw.save(counted(2, 2), "p/A1_GFP.npy", { createParents: true });
    await raw.save("x", "p/run.log");
    const w = (await set.get("plate")) as MemoryBackend & { refresh(): Promise<void> };
    expect(await w.listFiles("", { recursive: true })).toEqual(["GFP/A01.npy"]);
    expect(((await w.load("GFP/A01.npy")) as NdArray).shape).toEqual([2, 2]);
    await raw.save(counted(2, 2), "p/A2_DAPI.npy");
    expect(await w.exists("DAPI/A02.npy")).toBe(false);
    await w.refresh();
    expect(await w.exists("DAPI/A02.npy")).toBe(true);
    await raw.save(counted(2, 2), "p/A3.npy");
    const error = await rejectionOf(w.refresh());
    expect(error).toMatchObject({ code: "INVALID_DATA", identifier: "A3.npy" });
    expect(error.message).toMatch(/1 files .*"A3.npy" among them: it does not fit/);
    expect(((await set.get("lax")) as unknown as { unparsed: string[] }).unparsed).toEqual(["A3.npy"]);
  });
});
