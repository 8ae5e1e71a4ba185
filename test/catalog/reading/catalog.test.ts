import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Catalog, type SearchOptions } from "../../../src/catalog/catalog.ts";
import { BeamtimeFile } from "../../support/beamtime-file.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { rejectionOf } from "../../support/rejection.ts";

const uidsOf = (runs: readonly { readonly uid: string }[]) => runs.map(({ uid }) => uid);

/** The uids of all pages of a search. */
async function allPages(catalog: Catalog, options: SearchOptions): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await catalog.search({ ...options, cursor });
    found.push(...uidsOf(page.runs));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime }) => {
  prepare();
  let path: string;
  beforeEach(async () => {
    path = await newBeamtime();
  });

  describe("a catalogue", () => {
    it("gives the runs that started last, newest first", async () => {
      await using file = await BeamtimeFile.make(path);
      for (const [uid, start] of [
        ["a", 100],
        ["b", 300],
        ["c", 200],
      ] as const)
        await file.run({ uid, start });
      await using catalog = await Catalog.open(path);
      expect(uidsOf(await catalog.recent())).toEqual(["b", "c", "a"]);
      expect(uidsOf(await catalog.recent(2))).toEqual(["b", "c"]);
      expect(await catalog.recent(0)).toEqual([]);
      expect((await rejectionOf(catalog.recent(-1))).code).toBe("INVALID_DATA");
    });

    it("gives ten of them if nobody says how many", async () => {
      await using file = await BeamtimeFile.make(path);
      for (let i = 0; i < 12; i++) await file.run({ uid: `run-${i}`, start: 1000 + i });
      await using catalog = await Catalog.open(path);
      expect((await catalog.recent()).length).toBe(10);
    });

    it("finds runs by the exact name of their sample", async () => {
      await using file = await BeamtimeFile.make(path);
      await file.sample(1, "PS");
      await file.sample(2, "PS-b-PMMA");
      await file.run({ uid: "a", sample: 1 });
      await file.run({ uid: "b", sample: 2 });
      await using catalog = await Catalog.open(path);
      expect(uidsOf(await catalog.bySample("PS"))).toEqual(["a"]);
      expect(await catalog.bySample("ps")).toEqual([]);
    });

    it("says everything that is known of a run", async () => {
      await using file = await BeamtimeFile.make(path);
      await file.sample(7, "PS", {
        formula: "C8H8",
        serial: "042",
        tags: ["film"],
        beamline_pos: "A1",
        extra: { thickness_nm: 30 },
      });
      await file.run({
        uid: "a",
        plan: "nexafs",
        sample: 7,
        start: 100.25,
        stop: 160.5,
        status: "aborted",
        events: 3,
        operator: "Ada",
        metadata: { edge: "C", tags: ["calibrated"] },
      });
      await using catalog = await Catalog.open(path);
      const run = await catalog.get("a");
      expect({ ...run, sample: run.sample, metadata: run.metadata, extra: run.extra }).toEqual({
        uid: "a",
        planName: "nexafs",
        timeStart: 100.25,
        timeStop: 160.5,
        exitStatus: "aborted",
        status: "aborted",
        numEvents: 3,
        operator: "Ada",
        metadata: { edge: "C", tags: ["calibrated"] },
        extra: {},
        sample: {
          id: 7,
          name: "PS",
          formula: "C8H8",
          serial: "042",
          tags: ["film"],
          beamlinePos: "A1",
          extra: { thickness_nm: 30 },
        },
      });
      expect(run.sampleName).toBe("PS");
    });

    it("does not know a run that is not there", async () => {
      await (await BeamtimeFile.make(path)).close();
      await using catalog = await Catalog.open(path);
      const error = await rejectionOf(catalog.get("nobody"));
      expect(error.code).toBe("NOT_FOUND");
      expect(error.message).toContain("nobody");
    });

    it("tells runs that go on from those whose writer is gone", async () => {
      await using file = await BeamtimeFile.make(path);
      await file.writer("here");
      await file.writer("elsewhere", JSON.stringify(["another-machine", 1, "1"]), 1000);
      await file.writer("killed", JSON.stringify([JSON.parse(await thisHost(file))[0], 2 ** 22 + 1, "1"]));
      for (const writer of ["here", "elsewhere", "killed", null]) {
        await file.run({ uid: `${writer}`, writer, status: null });
      }
      await file.stream("here");
      await file.events("here-primary", [{ x: 1 }, { x: 2 }]);
      const statusAt = async (time: number) => {
        await using catalog = await Catalog.open(path, { time: () => time });
        const runs = await catalog.recent();
        return Object.fromEntries(runs.map(({ uid, status, numEvents }) => [uid, `${status} ${numEvents}`]));
      };
      expect(await statusAt(999)).toEqual({
        here: "running 2",
        elsewhere: "running 0",
        killed: "lost 0",
        null: "lost 0",
      });
      expect((await statusAt(1001)).elsewhere).toBe("lost 0");
      await using catalog = await Catalog.open(path);
      expect(uidsOf((await catalog.search({ status: "running" })).runs)).toEqual(["here"]);
    });

    it("sees what others have committed since, and a run that is looked up again", async () => {
      await using file = await BeamtimeFile.make(path);
      await file.writer("w");
      await file.run({ uid: "a", status: null, writer: "w" });
      await using catalog = await Catalog.open(path);
      const run = await catalog.get("a");
      await file.database.transaction((transaction) =>
        transaction.run("UPDATE runs SET exit_status = 'success', time_stop = 5, num_events = 9"),
      );
      expect([run.status, run.numEvents]).toEqual(["running", 0]);
      const again = await run.refresh();
      expect([again.status, again.numEvents, again.timeStop]).toEqual(["success", 9, 5]);
    });
  });

  async function thisHost(file: BeamtimeFile): Promise<string> {
    const [row] = await file.database.all<{ process: string }>("SELECT process FROM writers WHERE id = 'here'");
    return (row as { process: string }).process;
  }

  describe("a search of runs", () => {
    it.each<[name: string, filter: SearchOptions, expected: readonly string[]]>([
      ["everything", {}, ["d", "c", "b", "a"]],
      ["from a moment on", { from: 300 }, ["d", "c"]],
      ["before a moment", { to: 300 }, ["b", "a"]],
      ["between dates", { from: new Date(200_000), to: new Date(400_000) }, ["c", "b"]],
      ["a plan", { plan: "nexafs" }, ["b", "a"]],
      ["one of several plans", { plan: ["rsoxs", "count"] }, ["d", "c"]],
      ["none of no plans", { plan: [] }, []],
      ["a sample", { sample: "PS" }, ["c", "a"]],
      ["a status", { status: "failed" }, ["b"]],
      ["one of several", { status: ["failed", "lost"] }, ["d", "b"]],
      ["all tags", { tags: { all: ["film", "good"] } }, ["c"]],
      ["any tag", { tags: { any: ["good", "bad"] } }, ["c", "b"]],
      ["tags of the sample too", { tags: { all: ["film"] } }, ["c", "a"]],
      ["all and any", { tags: { all: ["film"], any: ["bad", "good"] } }, ["c"]],
      ["none of no tags", { tags: { any: [] } }, []],
      ["part of the plan, in another case", { text: "NEXA" }, ["b", "a"]],
      ["part of the sample's name", { text: "film 2" }, ["b"]],
      ["the operator", { text: "grace" }, ["c"]],
      ["the sample's formula", { text: "c8h8" }, ["c", "a"]],
      ["a value in the metadata", { text: "proposal-17" }, ["a"]],
      ["a key in the metadata", { text: "proposal_id" }, ["a"]],
      ["a number in the metadata", { text: "2838" }, ["b"]],
      ["what Python wrote with escapes", { text: "Zürich" }, ["d"]],
      ["all words, wherever each is", { text: "nexafs PS" }, ["a"]],
      ["no wildcards", { text: "%" }, []],
      ["nor others", { text: "n_xafs" }, []],
      ["no SQL", { text: "' OR 1=1 --" }, []],
      ["several things at once", { plan: "nexafs", status: "success", text: "proposal" }, ["a"]],
    ])("by %s", async (_name, filter, expected) => {
      await using file = await BeamtimeFile.make(path);
      await file.sample(1, "PS", { formula: "C8H8", tags: ["film"] });
      await file.sample(2, "Film 2", { tags: "no list" });
      await file.run({ uid: "a", start: 100, plan: "nexafs", sample: 1, metadata: { proposal_id: "Proposal-17" } });
      await file.run({
        uid: "b",
        start: 200,
        plan: "nexafs",
        sample: 2,
        status: "failed",
        metadata: { eV: 283.8, n: 2838, tags: ["bad"] },
      });
      await file.run({
        uid: "c",
        start: 300,
        plan: "rsoxs",
        sample: 1,
        operator: "Grace",
        metadata: { tags: ["good"] },
      });
      await file.run({
        uid: "d",
        start: 400,
        plan: "count",
        status: "lost",
        metadata: '{"place": "Z\\u00fcrich", "bad": NaN}',
      });
      await using catalog = await Catalog.open(path);
      expect(uidsOf((await catalog.search(filter)).runs)).toEqual(expected);
    });

    it("is not stopped by a row that is no JSON", async () => {
      await using file = await BeamtimeFile.make(path);
      await file.run({ uid: "a", metadata: "{broken" });
      await file.run({ uid: "b", metadata: { word: "needle" } });
      await using catalog = await Catalog.open(path);
      expect(uidsOf((await catalog.search({ text: "needle" })).runs)).toEqual(["b"]);
      // Only who asks for the broken one hears of it.
      const damaged = await catalog.get("a");
      const error = await rejectionOf(() => damaged.metadata);
      expect(error.code).toBe("CORRUPT");
      expect(error.message).toContain("Run a, metadata");
    });

    it.each<[string, object]>([
      ["an unknown name", { plans: "nexafs" }],
      ["a moment that is none", { from: Number.NaN }],
      ["a text that is none", { text: 5 }],
      ["tags without all or any", { tags: ["film"] }],
      ["a page of nothing", { limit: 0 }],
    ])("refuses %s", async (_name, filter) => {
      await (await BeamtimeFile.make(path)).close();
      await using catalog = await Catalog.open(path);
      expect((await rejectionOf(catalog.search(filter))).code).toBe("INVALID_DATA");
    });
  });

  describe("pages of a search", () => {
    it("hold every run once, also where many started at the same moment", async () => {
      await using file = await BeamtimeFile.make(path);
      for (let i = 0; i < 25; i++) await file.run({ uid: `run-${i}`, start: 1000 + Math.floor(i / 7) });
      await using catalog = await Catalog.open(path);
      for (const limit of [1, 2, 7, 24, 25, 26]) {
        const found = await allPages(catalog, { limit });
        expect(found.length).toBe(25);
        expect(new Set(found).size).toBe(25);
      }
      expect((await catalog.search({ limit: 25 })).cursor).toBeUndefined();
    });

    it("neither repeat nor miss a run while others are added", async () => {
      await using file = await BeamtimeFile.make(path);
      for (let i = 0; i < 10; i++) await file.run({ uid: `old-${i}`, start: 1000 + i });
      await using catalog = await Catalog.open(path);
      const found: string[] = [];
      let cursor: string | undefined;
      for (let page = 0; ; page++) {
        const { runs, cursor: next } = await catalog.search({ limit: 3, cursor });
        found.push(...uidsOf(runs));
        cursor = next;
        if (cursor === undefined) break;
        await file.run({ uid: `new-${page}`, start: 2000 + page });
      }
      expect(found).toEqual(Array.from({ length: 10 }, (_, i) => `old-${9 - i}`));
    });

    it.each(["", "nonsense", "bnVsbA", Buffer.from('[1,"x",2,3]').toString("base64url")])(
      "do not begin behind the cursor %j",
      async (cursor) => {
        await (await BeamtimeFile.make(path)).close();
        await using catalog = await Catalog.open(path);
        const error = await rejectionOf(catalog.search({ cursor }));
        expect(error.code).toBe("INVALID_DATA");
        expect(error.message).toContain("cursor");
      },
    );

    it("do not begin behind the cursor of another search, and take one of the same", async () => {
      await using file = await BeamtimeFile.make(path);
      for (let i = 0; i < 4; i++) await file.run({ uid: `run-${i}`, plan: "a" });
      await using catalog = await Catalog.open(path);
      const { cursor } = await catalog.search({ plan: "a", limit: 2, text: undefined });
      expect((await catalog.search({ limit: 1, cursor, plan: "a" })).runs.length).toBe(1);
      expect((await rejectionOf(catalog.search({ plan: "b", cursor }))).code).toBe("INVALID_DATA");
    });
  });
});

describe("opening a file", () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "catalog-"));
    path = join(folder, "beamtime.db");
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("does not make a catalogue that is not there", async () => {
    for (const readOnly of [true, false]) {
      expect((await rejectionOf(Catalog.open(join(folder, "none.db"), { readOnly }))).code).toBe("NOT_FOUND");
    }
  });

  it.each([1, 2])("reads a file of version %s as it is, and changes nothing in it", async (version) => {
    const file = await BeamtimeFile.make(path, version);
    await file.sample(1, "PS");
    await file.run({ uid: "a", sample: 1, metadata: { tags: ["good"] } });
    await file.stream("a");
    await file.events("a-primary", [{ x: 1.5 }]);
    await file.close();
    await using catalog = await Catalog.open(path);
    const { runs } = await catalog.search({ tags: { all: ["good"] } });
    expect(runs.map((run) => [run.uid, run.sampleName])).toEqual([["a", "PS"]]);
    expect((await runs[0]?.table())?.rows()).toEqual([{ seq_num: 1, time: 1_700_000_001.1, x: 1.5 }]);
    await using raw = await (await import("../../../src/catalog/database.ts")).openDatabase(path, { readOnly: true });
    expect(await raw.version("")).toBe(version);
  });

  it("brings an older file up to date where it may be written", async () => {
    await (await BeamtimeFile.make(path, 1)).close();
    await (await Catalog.open(path, { readOnly: false })).close();
    await using raw = await (await import("../../../src/catalog/database.ts")).openDatabase(path, { readOnly: true });
    expect(await raw.version("")).toBe(3);
  });

  it("is over after closing, however often", async () => {
    await (await BeamtimeFile.make(path)).close();
    const catalog = await Catalog.open(path);
    await catalog.close();
    await catalog.close();
    expect((await rejectionOf(catalog.recent())).code).toBe("NOT_OPEN");
  });
});
