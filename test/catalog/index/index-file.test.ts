/** Case 61: what is about the file of an index: its tables as others see them, damage, age, and files that move. SQLite only. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, realpath, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { rowsIn, writeBeamtime } from "./beamtime-files.ts";

let folder: string;
let path: string;
let index: IndexWriter;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "sluice-index-")));
  path = join(folder, "index.db");
  index = new IndexWriter(path);
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

describe("the file of an index", () => {
  it("has no password of a server in it", async () => {
    const anna = await index.registerResearcher("Anna", folder);
    await index.registerBeamtime(anna, "A", "postgres://anna:secret@host/data");
    expect(readFileSync(path).includes("secret")).toBe(false);
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
