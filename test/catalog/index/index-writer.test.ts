/** Case 61: the master index as it is defined, and its files as others see them. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, realpath, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IndexWriter, type RunEnds } from "../../../src/catalog/index/index-writer.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { eraseRuns, rowsIn, writeBeamtime } from "./beamtime-files.ts";

let folder: string;
let path: string;
let index: IndexWriter;
const NOW = 1_750_000_000;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "sluice-index-")));
  path = join(folder, "index.db");
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

describe("the schema of the index", () => {
  it("case 61: is made once, with resonance's tables and columns", async () => {
    await index.ensureSchema();
    await index.ensureSchema();
    const tables = (await rowsIn(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")).map(({ name }) => name);
    expect(tables).toEqual(expect.arrayContaining(["researchers", "beamtimes", "runs_index"]));
    const columns = async (table: string) =>
      (await rowsIn(path, `SELECT name FROM pragma_table_info('${table}')`)).map(({ name }) => name);
    expect(await columns("researchers")).toEqual(["id", "name", "email", "orcid", "affiliation", "root_path", "extra"]);
    expect(await columns("beamtimes")).toEqual([
      "id",
      "researcher_id",
      "label",
      "db_path",
      "time_start",
      "time_stop",
      "description",
      "extra",
    ]);
    expect((await columns("runs_index")).slice(0, 7)).toEqual([
      "uid",
      "researcher_id",
      "beamtime_id",
      "plan_name",
      "sample_name",
      "time_start",
      "tags",
    ]);
    expect(await rowsIn(path, "PRAGMA user_version")).toEqual([{ user_version: 2 }]);
  });

  it("is made by many at the same time", async () => {
    const others = Array.from({ length: 4 }, () => new IndexWriter(path));
    await Promise.all(others.map((other) => other.ensureSchema()));
    await Promise.all(others.map((other) => other.close()));
    expect(await index.researchers()).toEqual([]);
  });

  it.each([0, 1])("case 61: an index of resonance that says version %i is brought up to date", async (version) => {
    await oldIndex(path, version);
    expect(await uids({ plan: "nexafs" })).toEqual(["aa"]);
    expect(await uids({ text: "film", tags: { all: ["night"] } })).toEqual(["aa"]);
    expect(await uids({ researcher: "Ben" })).toEqual(["bb", "aa"]);
    // One run had no beamtime: it is kept, and nobody could open it.
    expect(await rowsIn(path, "SELECT uid, plan_name FROM runs_index ORDER BY uid")).toHaveLength(3);
    expect(await rowsIn(path, "PRAGMA user_version")).toEqual([{ user_version: 2 }]);
  });

  it("case 61: of a newer version is refused, and the file stays as it is", async () => {
    await index.ensureSchema();
    await index.close();
    const driver = await openSqlite(path);
    driver.exec("PRAGMA user_version = 3");
    driver.close();
    const before = sum(path);
    for (const readOnly of [false, true]) {
      const newer = new IndexWriter(path, { readOnly });
      const error = await rejectionOf(newer.search());
      expect(error).toMatchObject({ code: "UNSUPPORTED", message: expect.stringContaining("version 3 of the master") });
      await newer.close();
    }
    expect(sum(path)).toBe(before);
  });

  it.each([
    ["CORRUPT", Buffer.from("not a database, but text that goes on for a while".repeat(20))],
    ["CORRUPT", Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(4096, 7)])],
  ])("case 61: a damaged file is %s, named, and untouched", async (code, bytes) => {
    writeFileSync(path, bytes);
    for (const call of [() => index.ensureSchema(), () => index.search(), () => index.registerResearcher("A", ".")]) {
      const error = await rejectionOf(call);
      expect(error).toMatchObject({ code, message: expect.stringContaining(path) });
    }
    expect(readFileSync(path)).toEqual(bytes);
  });

  it("of something else is refused: a beamtime file is no index", async () => {
    await writeBeamtime(path, []);
    const before = sum(path);
    expect(await rejectionOf(index.ensureSchema())).toMatchObject({ code: "INVALID_DATA" });
    expect(sum(path)).toBe(before);
  });

  it("is not made by those who only read", async () => {
    const reader = new IndexWriter(path, { readOnly: true });
    expect(await rejectionOf(reader.search())).toMatchObject({ code: "NOT_FOUND" });
    await index.ensureSchema();
    expect((await reader.search()).runs).toEqual([]);
    expect(await rejectionOf(reader.registerResearcher("A", "."))).toMatchObject({ code: "READ_ONLY" });
    await reader.close();
    expect(await rejectionOf(reader.search())).toMatchObject({ code: "NOT_OPEN" });
  });
});

describe("researchers", () => {
  it("case 61: are there once for each name; what is given replaces, what is not stays", async () => {
    const id = await index.registerResearcher("Anna  Müller".replace("  ", " "), folder, { email: "a@b.c" });
    expect(await index.registerResearcher("Anna Mu\u0308ller ", folder, { orcid: "000000029079593x" })).toBe(id);
    expect(await index.registerResearcher("Anna Müller", join(folder, "x"), { email: null, affiliation: "ALS" })).toBe(
      id,
    );
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
    expect(await rowsIn(path, "SELECT db_path FROM beamtimes")).toEqual([{ db_path: "data/a.db" }]);
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
    expect(await rowsIn(path, "SELECT db_path FROM beamtimes")).toEqual([{ db_path: "postgres://anna@host/data" }]);
    expect(readFileSync(path).includes("secret")).toBe(false);
  });
});

describe("indexRun", () => {
  it("case 61: writes a run, and the same once more changes nothing", async () => {
    const { researcher, beamtime } = await withRuns();
    const details = { sampleName: "PS", timeStart: 1000.25, tags: ["night", "night", "good"] };
    await index.indexRun("aa", researcher, beamtime, "nexafs", details);
    const all = "SELECT * FROM runs_index";
    const before = await rowsIn(path, all);
    expect(before).toMatchObject([{ uid: "aa", plan_name: "nexafs", sample_name: "PS", time_start: 1000.25 }]);
    expect(JSON.parse(before[0]?.tags as string)).toEqual(["night", "good"]);
    const reader = await openSqlite(path, { readOnly: true });
    const token = () => reader.all("SELECT total_changes() AS mine, (SELECT count(*) FROM runs_text_docsize) AS texts");
    const texts = token();
    await index.indexRun("aa", researcher, beamtime, "nexafs", details);
    expect(await rowsIn(path, all)).toEqual(before);
    expect(token()).toEqual(texts);
    reader.close();
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
    expect(await rowsIn(path, "SELECT * FROM runs_index")).toEqual([]);
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
        // SQLite knows one zero.
        const expected = { uid: "aa", planName: plan, timeStart: timeStart + 0, sampleName: sampleName ?? undefined };
        const { runs } = await index.search({
          plan,
          tags: { all: tags },
          ...(sampleName === null ? {} : { sample: sampleName }),
        });
        expect(runs).toMatchObject([{ ...expected, tags: [...new Set(tags)] }]);
        expect(await uids({ plan: plan === "scan" ? "count" : "scan" })).toEqual([]);
        expect(await rowsIn(path, "SELECT count(*) AS n FROM runs_text_docsize")).toEqual([{ n: 1 }]);
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
    const blocker = await openSqlite(path);
    blocker.exec("BEGIN IMMEDIATE");
    const hasty = new IndexWriter(path, { busyTimeoutMs: 0 });
    await hasty.attach(writer, {
      onError: (error, uid) => told.push([(error as { code: string }).code, uid, "hasty"]),
    });
    await index.close();
    await writer.close("aa");
    blocker.close();
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

describe("files that move", () => {
  it("index and beamtimes together go on as before", async () => {
    const old = join(folder, "old");
    await mkdir(join(old, "2026"), { recursive: true });
    await writeBeamtime(join(old, "2026", "a.db"), [{ uid: "aa", time: 5 }]);
    const first = new IndexWriter(join(old, "index.db"));
    await first.registerBeamtime(await first.registerResearcher("Anna", old), "A", join(old, "2026", "a.db"));
    await first.reindex(join(old, "2026", "a.db"));
    await first.close();
    const moved = join(folder, "elsewhere", "deep");
    await mkdir(join(folder, "elsewhere"));
    await rename(old, moved);
    const second = new IndexWriter(join(moved, "index.db"));
    expect((await second.search()).runs).toMatchObject([{ beamtime: { path: join(moved, "2026", "a.db") } }]);
    for await (const problem of second.verify()) expect.unreachable(problem.kind);
    expect((await second.open("aa")).planName).toBe("scan");
    expect(await second.researchers()).toMatchObject([{ rootPath: moved }]);
    await second.reindex(join(moved, "2026", "a.db"));
    await second.close();
  });

  it("an index may lie elsewhere than its beamtimes, and is told when they move", async () => {
    const { db, beamtime } = await withRuns({ uid: "aa" });
    const elsewhere = join(folder, "a", "b", "index.db");
    await mkdir(join(folder, "a", "b"), { recursive: true });
    const other = new IndexWriter(elsewhere);
    const id = await other.registerBeamtime(await other.registerResearcher("Anna", folder), "A", db);
    await other.reindex(db);
    expect(await rowsIn(elsewhere, "SELECT db_path FROM beamtimes")).toEqual([{ db_path: "../../beamtime.db" }]);
    await other.close();
    await mkdir(join(folder, "new"));
    for (const suffix of ["", "-wal", "-shm"])
      await cp(db + suffix, join(folder, "new", `x.db${suffix}`)).catch(() => {});
    await rm(db);
    const again = new IndexWriter(elsewhere);
    expect(await rejectionOf(again.open("aa"))).toMatchObject({ code: "NOT_FOUND" });
    await again.moveBeamtime(id, join(folder, "new", "x.db"));
    expect((await again.open("aa")).uid).toBe("aa");
    expect(await rejectionOf(again.moveBeamtime(99, db))).toMatchObject({ code: "NOT_FOUND" });
    await again.close();
    await index.registerBeamtime((await index.researchers())[0]!.id, "B", join(folder, "b.db"));
    expect(await rejectionOf(index.moveBeamtime(beamtime, join(folder, "b.db")))).toMatchObject({ code: "CONFLICT" });
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

/** An index as resonance's tables would hold one. */
async function oldIndex(file: string, version: number): Promise<void> {
  const driver = await openSqlite(file);
  driver.exec(`
    CREATE TABLE researchers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, email TEXT, orcid TEXT,
      affiliation TEXT, root_path TEXT NOT NULL, extra TEXT);
    CREATE TABLE beamtimes (id INTEGER PRIMARY KEY AUTOINCREMENT, researcher_id INTEGER NOT NULL, label TEXT NOT NULL,
      db_path TEXT NOT NULL UNIQUE, time_start REAL, time_stop REAL, description TEXT, extra TEXT,
      FOREIGN KEY (researcher_id) REFERENCES researchers(id) ON DELETE CASCADE);
    CREATE TABLE runs_index (uid TEXT PRIMARY KEY, researcher_id INTEGER, beamtime_id INTEGER, plan_name TEXT,
      sample_name TEXT, time_start REAL NOT NULL, tags TEXT);
    INSERT INTO researchers (name, root_path) VALUES ('Ben', '/data/ben');
    INSERT INTO beamtimes (researcher_id, label, db_path) VALUES (1, '2025', '/data/ben/2025.db');
    INSERT INTO runs_index VALUES ('aa', 1, 1, 'nexafs', 'PS film', 1000.5, '["night"]'),
      ('bb', 1, 1, 'scan', NULL, 1000.5, NULL), ('cc', NULL, NULL, 'scan', NULL, 5, NULL);
    PRAGMA user_version = ${version};
  `);
  driver.close();
}
