/** Case 61: the master index as it is defined, in each engine; the beamtimes in it are files. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../../src/catalog/database.ts";
import { IndexWriter, type RunEnds } from "../../../src/catalog/index/index-writer.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { eraseRuns, writeBeamtime } from "./beamtime-files.ts";

describe.each(catalogEngines)("in $name", ({ name, prepare, newIndex, rowsOf }) => {
  prepare();
  /** Says how many texts there are to be searched; in a server they are columns of the runs. */
  const countOfTexts = `SELECT count(*) AS n FROM ${name === "sqlite" ? "runs_text_docsize" : "runs_index"}`;

  let folder: string;
  let path: string;
  let index: IndexWriter;
  const NOW = 1_750_000_000;

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "sluice-index-")));
    path = newIndex(folder);
    index = new IndexWriter(path, { time: () => NOW });
  });
  afterEach(async () => {
    await index.close();
    await rm(folder, { recursive: true });
  });

  const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

  /** A researcher and a beamtime with some runs. */
  async function withRuns(...runs: Parameters<typeof writeBeamtime>[1]) {
    const db = join(folder, "beamtime.db");
    await writeBeamtime(db, runs);
    const researcher = await index.registerResearcher("Anna", folder);
    const beamtime = await index.registerBeamtime(researcher, "2026-03-05", db);
    return { db, researcher, beamtime };
  }

  const uids = async (...search: Parameters<IndexWriter["search"]>) =>
    (await index.search(...search)).runs.map(({ uid }) => uid);

  describe("researchers", () => {
    it("case 61: are there once for each name; what is given replaces, what is not stays", async () => {
      const id = await index.registerResearcher("Anna  Müller".replace("  ", " "), folder, { email: "a@b.c" });
      expect(await index.registerResearcher("Anna Mu\u0308ller ", folder, { orcid: "000000029079593x" })).toBe(id);
      expect(
        await index.registerResearcher("Anna Müller", join(folder, "x"), { email: null, affiliation: "ALS" }),
      ).toBe(id);
      expect(await index.researchers()).toEqual([
        {
          id,
          name: "Anna Müller",
          email: "a@b.c",
          orcid: "0000-0002-9079-593X",
          affiliation: "ALS",
          rootPath: join(folder, "x"),
        },
      ]);
    });

    it("case 61: with a wrong ORCID are refused, and nothing changes", async () => {
      const error = await rejectionOf(index.registerResearcher("Anna", folder, { orcid: "0000-0002-1825-0098" }));
      expect(error).toMatchObject({ code: "INVALID_DATA", message: expect.stringContaining("call for 7") });
      expect(await index.researchers()).toEqual([]);
      expect(await rejectionOf(index.registerResearcher(" ", folder))).toMatchObject({ code: "INVALID_DATA" });
    });

    it("registered by many at the same time are one", async () => {
      const others = Array.from({ length: 4 }, () => new IndexWriter(path));
      const ids = await Promise.all(others.map((other) => other.registerResearcher("Anna", folder)));
      expect(new Set(ids).size).toBe(1);
      await Promise.all(others.map((other) => other.close()));
    });
  });

  describe("beamtimes", () => {
    it("case 61: are there once for each file, in whatever spelling", async () => {
      const anna = await index.registerResearcher("Anna", folder);
      await mkdir(join(folder, "data"));
      await symlink(join(folder, "data"), join(folder, "link"));
      const spellings = ["data/a.db", "./data/../data/a.db", "link/a.db"].map((part) => join(folder, part));
      spellings.push(relative(process.cwd(), join(folder, "data/a.db")), `${folder}//data//a.db`);
      const ids = [];
      for (const spelling of spellings) ids.push(await index.registerBeamtime(anna, "A", spelling));
      expect(new Set(ids).size).toBe(1);
      expect(await rowsOf(path, "SELECT db_path FROM beamtimes")).toEqual([
        { db_path: name === "sqlite" ? "data/a.db" : join(folder, "data/a.db") },
      ]);
      expect(await index.beamtimes()).toMatchObject([
        { label: "A", path: join(folder, "data/a.db"), timeStop: undefined },
      ]);
    });

    it("case 61: of somebody else are a conflict, and nothing changes", async () => {
      const anna = await index.registerResearcher("Anna", folder);
      const ben = await index.registerResearcher("Ben", folder);
      await index.registerBeamtime(anna, "A", join(folder, "a.db"), { timeStart: 5 });
      const error = await rejectionOf(index.registerBeamtime(ben, "B", join(folder, "a.db"), { timeStart: 6 }));
      expect(error).toMatchObject({ code: "CONFLICT", message: expect.stringContaining("a.db") });
      expect(await index.beamtimes()).toMatchObject([{ researcherId: anna, label: "A", timeStart: 5 }]);
    });

    it("keep what is not given again, and are refused for nobody", async () => {
      const anna = await index.registerResearcher("Anna", folder);
      const id = await index.registerBeamtime(anna, "A", join(folder, "a.db"), { timeStart: 5, description: "films" });
      expect(await index.registerBeamtime(anna, "B", join(folder, "a.db"))).toBe(id);
      expect(await index.beamtimes()).toMatchObject([{ label: "B", timeStart: 5, description: "films" }]);
      expect(await rejectionOf(index.registerBeamtime(77, "C", join(folder, "c.db")))).toMatchObject({
        code: "NOT_FOUND",
      });
      expect(await rejectionOf(index.registerBeamtime(anna, "C", ""))).toMatchObject({ code: "INVALID_KEY" });
      expect(await rejectionOf(index.registerBeamtime(anna, "C", "c.db", { timeStart: Number.NaN }))).toMatchObject({
        code: "INVALID_DATA",
      });
    });

    it("are closed once, unless somebody says when", async () => {
      const { beamtime } = await withRuns();
      await index.closeBeamtime(beamtime);
      expect(await index.beamtimes()).toMatchObject([{ timeStop: NOW }]);
      await index.closeBeamtime(beamtime, { timeStop: 12.5 });
      await index.closeBeamtime(beamtime);
      expect(await index.beamtimes()).toMatchObject([{ timeStop: 12.5 }]);
      expect(await rejectionOf(index.closeBeamtime(99))).toMatchObject({ code: "NOT_FOUND" });
    });

    it("keep no password of a server", async () => {
      const anna = await index.registerResearcher("Anna", folder);
      await index.registerBeamtime(anna, "A", "postgres://anna:secret@host/data");
      expect(await rowsOf(path, "SELECT db_path FROM beamtimes")).toEqual([
        { db_path: "postgres://anna@host/data?schema=sluice" },
      ]);
    });
  });

  describe("indexRun", () => {
    it("case 61: writes a run, and the same once more changes nothing", async () => {
      const { researcher, beamtime } = await withRuns();
      const details = { sampleName: "PS", timeStart: 1000.25, tags: ["night", "night", "good"] };
      await index.indexRun("aa", researcher, beamtime, "nexafs", details);
      const all = "SELECT * FROM runs_index";
      const before = await rowsOf(path, all);
      expect(before).toMatchObject([{ uid: "aa", plan_name: "nexafs", sample_name: "PS", time_start: 1000.25 }]);
      expect(JSON.parse(before[0]?.tags as string)).toEqual(["night", "good"]);
      const texts = await rowsOf(path, countOfTexts);
      await index.indexRun("aa", researcher, beamtime, "nexafs", details);
      expect(await rowsOf(path, all)).toEqual(before);
      expect(await rowsOf(path, countOfTexts)).toEqual(texts);
    });

    it("case 61: takes what is not given from the run itself", async () => {
      const { researcher, beamtime } = await withRuns({
        uid: "aa",
        plan: "scan",
        sample: "PS",
        time: 900.5,
        tags: ["night"],
        numEvents: 7,
        metadata: { note: "spin coated" },
      });
      await index.indexRun("aa", researcher, beamtime, "scan");
      expect((await index.search({ text: "spin" })).runs).toEqual([
        {
          uid: "aa",
          planName: "scan",
          sampleName: "PS",
          timeStart: 900.5,
          timeStop: 960.5,
          status: "success",
          numEvents: 7,
          tags: ["night"],
          researcher: { id: researcher, name: "Anna" },
          beamtime: { id: beamtime, label: "2026-03-05", path: join(folder, "beamtime.db") },
        },
      ]);
    });

    it("case 61: a run in no file starts now, and then stays there", async () => {
      const { researcher, beamtime } = await withRuns();
      await index.indexRun("aa", researcher, beamtime, "scan");
      expect((await index.search()).runs).toMatchObject([{ uid: "aa", timeStart: NOW, status: "running" }]);
      const later = new IndexWriter(path, { time: () => NOW + 50 });
      await later.indexRun("aa", researcher, beamtime, "count");
      await later.close();
      expect((await index.search()).runs).toMatchObject([{ uid: "aa", timeStart: NOW, planName: "count" }]);
    });

    it("case 61: names the researcher or the beamtime that is not there", async () => {
      const { researcher, beamtime } = await withRuns();
      const other = await index.registerResearcher("Ben", folder);
      const code = async (...call: Parameters<IndexWriter["indexRun"]>) =>
        (await rejectionOf(index.indexRun(...call))).code;
      expect(await code("aa", 77, beamtime, "scan")).toBe("NOT_FOUND");
      expect(await code("aa", researcher, 77, "scan")).toBe("NOT_FOUND");
      expect(await code("aa", other, beamtime, "scan")).toBe("INVALID_DATA");
      expect(await code("", researcher, beamtime, "scan")).toBe("INVALID_DATA");
      expect(await code("aa", researcher, beamtime, "scan", { timeStart: Number.POSITIVE_INFINITY })).toBe(
        "INVALID_DATA",
      );
      expect(await rowsOf(path, "SELECT * FROM runs_index")).toEqual([]);
    });

    it("leaves one row and one text of a run, whatever it was before", async () => {
      const { researcher, beamtime } = await withRuns();
      const state = fc.record({
        plan: fc.constantFrom("scan", "count"),
        sampleName: fc.option(fc.string({ unit: "grapheme" })),
        timeStart: fc.double({ noNaN: true, noDefaultInfinity: true }),
        tags: fc.array(fc.string({ unit: "grapheme" }), { maxLength: 3 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(state, { minLength: 1, maxLength: 4 }), async (states) => {
          for (const { plan, ...details } of states) await index.indexRun("aa", researcher, beamtime, plan, details);
          const { plan, sampleName, timeStart, tags } = states.at(-1)!;
          // There is one zero.
          const expected = { uid: "aa", planName: plan, timeStart: timeStart + 0, sampleName: sampleName ?? undefined };
          const { runs } = await index.search({
            plan,
            tags: { all: tags },
            ...(sampleName === null ? {} : { sample: sampleName }),
          });
          expect(runs).toMatchObject([{ ...expected, tags: [...new Set(tags)] }]);
          expect(await uids({ plan: plan === "scan" ? "count" : "scan" })).toEqual([]);
          expect(await rowsOf(path, countOfTexts)).toEqual([{ n: 1 }]);
        }),
        { numRuns: 60 },
      );
    });
  });

  describe("reindex", () => {
    it("case 61: makes the index say what the file says: new, changed and gone runs", async () => {
      const { db } = await withRuns({ uid: "aa", sample: "PS" }, { uid: "bb" }, { uid: "cc", status: null });
      expect(await index.reindex(db)).toEqual({ added: 3, updated: 0, removed: 0 });
      expect(await index.reindex(db)).toEqual({ added: 0, updated: 0, removed: 0 });
      await writeBeamtime(db, [{ uid: "bb", plan: "count" }, { uid: "cc", status: "failed" }, { uid: "dd" }]);
      await eraseRuns(db, ["aa"]);
      expect(await index.reindex(db)).toEqual({ added: 1, updated: 2, removed: 1 });
      expect((await uids()).sort()).toEqual(["bb", "cc", "dd"]);
      expect(await uids({ plan: "count" })).toEqual(["bb"]);
      expect(await uids({ status: "failed" })).toEqual(["cc"]);
      expect(await uids({ text: "ps" })).toEqual([]);
    });

    it("goes through more runs than a page holds", async () => {
      const many = Array.from({ length: 1203 }, (_, i) => ({ uid: `run-${i}`, time: i }));
      const { db } = await withRuns(...many);
      expect(await index.reindex(db)).toEqual({ added: 1203, updated: 0, removed: 0 });
      await eraseRuns(
        db,
        many.slice(0, 1100).map(({ uid }) => uid),
      );
      expect(await index.reindex(db)).toEqual({ added: 0, updated: 0, removed: 1100 });
      expect(await uids({ limit: 1 })).toEqual(["run-1202"]);
    });

    it("lets others have their turn on the way, so that it can be stopped", async () => {
      const { db } = await withRuns(...Array.from({ length: 1203 }, (_, i) => ({ uid: `run-${i}`, time: i })));
      const controller = new AbortController();
      setImmediate(() => controller.abort());
      expect(await rejectionOf(index.reindex(db, { signal: controller.signal }))).toMatchObject({ code: "ABORTED" });
      expect(await uids()).toEqual([]);
    });

    it("changes nothing if it fails on the way", async () => {
      const { db } = await withRuns({ uid: "aa" });
      await index.reindex(db);
      await writeBeamtime(db, [{ uid: "aa", plan: "other" }, { uid: "bb" }]);
      const aborted = AbortSignal.abort();
      expect(await rejectionOf(index.reindex(db, { signal: aborted }))).toMatchObject({ code: "ABORTED" });
      await rename(db, `${db}.away`);
      expect(await rejectionOf(index.reindex(db))).toMatchObject({ code: "NOT_FOUND" });
      writeFileSync(db, "nonsense".repeat(1000));
      expect(await rejectionOf(index.reindex(db))).toMatchObject({ code: "CORRUPT" });
      expect((await index.search()).runs).toMatchObject([{ uid: "aa", planName: "scan" }]);
      expect(await rejectionOf(index.reindex(join(folder, "other.db")))).toMatchObject({
        code: "NOT_FOUND",
        message: expect.stringContaining("registerBeamtime"),
      });
    });

    it("finds the words of the beamtime, its sample and its metadata, and tags of both", async () => {
      const { db, researcher } = await withRuns({
        uid: "aa",
        sample: "PS-b-PMMA 01",
        sampleTags: ["spin-coated"],
        tags: ["night"],
        metadata: { operator: { name: "Zoë" }, list: [1, ["deep"]], dose: 12.5 },
      });
      await index.registerBeamtime(researcher, "x", db, { description: "Annealed films" });
      await index.reindex(db);
      for (const text of ["pmma", '"ps b pmma"', "night", "spin coat*", "zoe", "deep", "12.5", "ANNEALED", "scan"]) {
        expect(await uids({ text }), text).toEqual(["aa"]);
      }
      for (const tag of ["night", "spin-coated"]) expect(await uids({ tags: { all: [tag] } })).toEqual(["aa"]);
      expect(await uids({ tags: { any: ["nigh"] } })).toEqual([]);
      expect(await uids({ text: "operator" })).toEqual([]);
    });

    it("reads files of resonance as they are, and metadata that is no JSON", async () => {
      const { oldBeamtime } = await import("../old-beamtime.ts");
      const db = join(folder, "old.db");
      await oldBeamtime(db, 1);
      const driver = await openSqlite(db);
      driver.exec("UPDATE runs SET metadata = 'oops, calibration' WHERE uid = 'bb'");
      driver.exec("PRAGMA journal_mode = DELETE");
      driver.close();
      const before = sum(db);
      await index.registerBeamtime(await index.registerResearcher("Ben", folder), "old", db);
      await index.reindex(db);
      expect(await uids({ text: "calibration" })).toEqual(["bb", "aa"]);
      expect(await uids({ tags: { any: ["calibration"] } })).toEqual(["aa"]);
      expect(sum(db)).toBe(before);
    });
  });

  describe("attached to a writer", () => {
    /** What an index needs of a writer, in the hands of the test. */
    class FakeWriter implements RunEnds {
      readonly listeners = new Set<(uid: string) => Promise<void>>();
      readonly dbPath: string;
      constructor(dbPath: string) {
        this.dbPath = dbPath;
      }
      onRunEnd(listener: (uid: string) => Promise<void>) {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      }
      async close(uid: string) {
        for (const listener of this.listeners) await listener(uid);
      }
    }

    it("case 61: each run is in the index when it has been closed", async () => {
      const { db } = await withRuns({ uid: "aa", sample: "PS" });
      const writer = new FakeWriter(db);
      const detach = await index.attach(writer);
      await writer.close("aa");
      expect(await uids({ sample: "PS" })).toEqual(["aa"]);
      detach();
      expect(writer.listeners.size).toBe(0);
    });

    it("case 61: a failure is told and never reaches the writer; reindex makes up for it", async () => {
      const { db } = await withRuns({ uid: "aa" });
      const writer = new FakeWriter(db);
      const told: unknown[] = [];
      await index.attach(writer, { onError: (error, uid) => told.push([(error as { code: string }).code, uid]) });
      const hasty = new IndexWriter(path, { busyTimeoutMs: 0 });
      await hasty.attach(writer, {
        onError: (error, uid) => told.push([(error as { code: string }).code, uid, "hasty"]),
      });
      await index.close();
      await using blocker = await openDatabase(path);
      await blocker.transaction(() => writer.close("aa"));
      expect(told).toEqual([
        ["NOT_OPEN", "aa"],
        ["CONFLICT", "aa", "hasty"],
      ]);
      expect((await hasty.search()).runs).toEqual([]);
      await hasty.reindex(db);
      expect((await hasty.search()).runs).toMatchObject([{ uid: "aa" }]);
      await hasty.close();
    });

    it("needs a beamtime that is registered", async () => {
      const error = await rejectionOf(index.attach(new FakeWriter(join(folder, "none.db"))));
      expect(error).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("registerBeamtime") });
    });
  });

  describe("open", () => {
    it("gives a run with its data, from whichever file it is in", async () => {
      const { researcher, db } = await withRuns({ uid: "aa", sample: "PS", metadata: { note: "x" } });
      await writeBeamtime(join(folder, "b.db"), [{ uid: "bb", plan: "count" }]);
      await index.registerBeamtime(researcher, "B", join(folder, "b.db"));
      await index.reindex(db);
      await index.reindex(join(folder, "b.db"));
      const [a, b] = await Promise.all([index.open("aa"), index.open("bb")]);
      expect(a).toMatchObject({ uid: "aa", planName: "scan" });
      expect(a.sample?.name).toBe("PS");
      expect(b).toMatchObject({ uid: "bb", planName: "count" });
      expect(await rejectionOf(index.open("zz"))).toMatchObject({ code: "NOT_FOUND" });
    });
  });
});
