/** The beamtime schema: made, brought up to date, and refused, in real files. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CatalogDatabase, openDatabase } from "../../src/catalog/database.ts";
import { migrate, readAsLatest } from "../../src/catalog/migrations.ts";
import { beamtimeSchema } from "../../src/catalog/schema.ts";
import { openSqlite } from "../../src/sqlite/open.ts";
import { oldBeamtime } from "./old-beamtime.ts";

let folder: string;
let count = 0;
const path = () => join(folder, `${++count}.db`);
const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-schema-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function withDatabase<T>(file: string, run: (database: CatalogDatabase) => Promise<T>, readOnly = false) {
  const database = await openDatabase(file, { readOnly });
  try {
    return await run(database);
  } finally {
    await database.close();
  }
}

describe("the beamtime schema", () => {
  it("case 54: a new file has resonance's five tables, its indexes, and version 3", async () => {
    const file = path();
    expect(await withDatabase(file, (database) => migrate(database, beamtimeSchema))).toBe(0);
    const driver = await openSqlite(file, { readOnly: true });
    const names = driver.all<{ name: string }>("SELECT name FROM sqlite_schema").map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["samples", "runs", "streams", "events", "image_refs"]));
    expect(driver.all("PRAGMA user_version")).toEqual([{ user_version: 3 }]);
    expect(driver.all("PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }]);
    driver.close();
  });

  it("case 54: making it again changes nothing", async () => {
    const file = path();
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    const before = sum(file);
    expect(await withDatabase(file, (database) => migrate(database, beamtimeSchema))).toBe(3);
    expect(sum(file)).toBe(before);
  });

  it.each([
    [
      "a run of a sample that is not there",
      "INSERT INTO runs (uid, sample_id, plan_name, time_start) VALUES ('r', 99, 'x', 1)",
    ],
    ["a number that an event of the stream has", "INSERT INTO events VALUES ('e2', 's1', 1, 2.0, '{}', '{}')"],
    ["a name that a stream of the run has", "INSERT INTO streams VALUES ('s2', 'aa', 'primary', '{}', 2.0, NULL)"],
    ["an image of an event that is not there", "UPDATE image_refs SET event_uid = 'nobody'"],
  ])("case 54: %s is refused", async (_, statement) => {
    const file = path();
    await oldBeamtime(file, 2);
    await withDatabase(file, async (database) => {
      await migrate(database, beamtimeSchema);
      const refused = database.transaction((transaction) => transaction.run(statement));
      await expect(refused).rejects.toMatchObject({ code: "CONFLICT", retryable: false });
    });
  });

  it("what a run has goes with it", async () => {
    const file = path();
    await oldBeamtime(file, 2);
    await withDatabase(file, async (database) => {
      await migrate(database, beamtimeSchema);
      await database.transaction((transaction) => transaction.run("DELETE FROM runs WHERE uid = 'aa'"));
      for (const table of ["streams", "events", "image_refs", "run_tags"]) {
        expect(await database.all(`SELECT * FROM ${table}`)).toEqual([]);
      }
    });
  });

  it("is made once, also by many at the same time", async () => {
    const file = path();
    await Promise.all(
      Array.from({ length: 5 }, () => withDatabase(file, (database) => migrate(database, beamtimeSchema))),
    );
    expect(await withDatabase(file, (database) => migrate(database, beamtimeSchema))).toBe(3);
  });

  it.each([1, 2])("case 59: a file of version %i is altered, not stamped", async (version) => {
    const file = path();
    await oldBeamtime(file, version);
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    const driver = await openSqlite(file);
    expect(driver.all("SELECT compression_codec, uri FROM image_refs")).toEqual([
      { compression_codec: null, uri: null },
    ]);
    expect(driver.all("SELECT run_uid, tag FROM run_tags ORDER BY tag")).toEqual([
      { run_uid: "aa", tag: "calibration" },
      { run_uid: "aa", tag: "night" },
    ]);
    expect(driver.all("SELECT id, unique_name FROM samples ORDER BY id")).toEqual([
      { id: 1, unique_name: "PS" },
      { id: 2, unique_name: null },
      { id: 3, unique_name: "PMMA" },
    ]);
    driver.close();
  });

  it("a file of version 1 that resonance stamped as 2 gets the column that is missing", async () => {
    const file = path();
    await oldBeamtime(file, 1);
    const stamp = await openSqlite(file);
    stamp.exec("PRAGMA user_version = 2");
    stamp.close();
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    const driver = await openSqlite(file);
    expect(driver.all("SELECT compression_codec FROM image_refs")).toHaveLength(1);
    driver.close();
  });

  it("a run whose metadata is no JSON keeps no file from being brought up to date, and stays as it is", async () => {
    const file = path();
    await oldBeamtime(file, 2);
    const damage = await openSqlite(file);
    damage.exec("UPDATE runs SET metadata = '{\"tags\": [\"a\"' WHERE uid = 'bb'");
    damage.close();
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    const driver = await openSqlite(file);
    expect(driver.all("SELECT metadata FROM runs WHERE uid = 'bb'")).toEqual([{ metadata: '{"tags": ["a"' }]);
    expect(driver.all("SELECT DISTINCT run_uid FROM run_tags")).toEqual([{ run_uid: "aa" }]);
    driver.close();
  });

  it("a file of version 3 that resonance stamped as 2 keeps what it has", async () => {
    const file = path();
    await oldBeamtime(file, 2);
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    const stamp = await openSqlite(file);
    stamp.exec("PRAGMA user_version = 2");
    stamp.close();
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    await withDatabase(file, async (database) => {
      expect(await database.all("SELECT tag FROM run_tags")).toHaveLength(2);
      expect(await database.version("beamtime")).toBe(3);
    });
  });

  it.each([1, 2])("a file of version %i is read as if it were new, and left as it is", async (version) => {
    const file = path();
    await oldBeamtime(file, version);
    const before = sum(file);
    const read = async (database: CatalogDatabase) => {
      await readAsLatest(database, beamtimeSchema);
      expect(await database.all("SELECT tag FROM run_tags ORDER BY tag")).toEqual([
        { tag: "calibration" },
        { tag: "night" },
      ]);
      expect(await database.all("SELECT field_name, uri, compression_codec FROM image_refs")).toEqual([
        { field_name: "cam", uri: null, compression_codec: null },
      ]);
      expect(await database.all("SELECT * FROM stream_data")).toEqual([]);
      expect(await database.all("SELECT uid, writer FROM runs ORDER BY uid")).toEqual([
        { uid: "aa", writer: null },
        { uid: "bb", writer: null },
      ]);
    };
    await withDatabase(file, read, true);
    expect(sum(file)).toBe(before);
  });

  it("case 54: a newer file is refused with both versions, and untouched", async () => {
    const file = path();
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    const driver = await openSqlite(file);
    driver.exec("PRAGMA user_version = 9");
    driver.close();
    const before = sum(file);
    const open = () => withDatabase(file, (database) => migrate(database, beamtimeSchema));
    await expect(open()).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/version 9.*up to 3/),
    });
    await expect(withDatabase(file, (d) => readAsLatest(d, beamtimeSchema), true)).rejects.toMatchObject({
      code: "UNSUPPORTED",
    });
    expect(sum(file)).toBe(before);
  });

  it("a database of something else is refused, whatever version it carries", async () => {
    const file = path();
    const driver = await openSqlite(file);
    driver.exec("CREATE TABLE notes (text TEXT)");
    driver.close();
    for (const version of [0, 2, 3]) {
      const stamp = await openSqlite(file);
      stamp.exec(`PRAGMA user_version = ${version}`);
      stamp.close();
      const open = () => withDatabase(file, (database) => migrate(database, beamtimeSchema));
      await expect(open()).rejects.toMatchObject({ code: "INVALID_DATA", identifier: file });
    }
    const check = await openSqlite(file);
    expect(check.all("SELECT name FROM sqlite_schema")).toEqual([{ name: "notes" }]);
    check.close();
  });

  it("a failed step leaves nothing of the earlier ones", async () => {
    const file = path();
    await oldBeamtime(file, 1);
    const broken = {
      ...beamtimeSchema,
      migrations: [
        ...beamtimeSchema.migrations,
        { to: 4, apply: async () => Promise.reject(new Error("no such luck")) },
      ],
    };
    await expect(withDatabase(file, (database) => migrate(database, broken))).rejects.toThrow("no such luck");
    const driver = await openSqlite(file);
    expect(driver.all("PRAGMA user_version")).toEqual([{ user_version: 1 }]);
    expect(() => driver.all("SELECT compression_codec FROM image_refs")).toThrow(/no such column/);
    driver.close();
  });

  it("a corrupt file is named as such, and untouched", async () => {
    const file = path();
    writeFileSync(file, "this is a text of more than sixteen bytes, and no database at all".repeat(100));
    const before = sum(file);
    await expect(openDatabase(file)).rejects.toMatchObject({ code: "CORRUPT", identifier: file });
    await expect(openDatabase(file, { readOnly: true })).rejects.toMatchObject({ code: "CORRUPT" });
    expect(sum(file)).toBe(before);
  });

  it("a file that lost its end is named as such, and untouched", async () => {
    const file = path();
    await withDatabase(file, (database) => migrate(database, beamtimeSchema));
    writeFileSync(file, readFileSync(file).subarray(0, 9000));
    const before = sum(file);
    const open = () => withDatabase(file, (database) => migrate(database, beamtimeSchema));
    await expect(open()).rejects.toMatchObject({ code: "CORRUPT" });
    expect(sum(file)).toBe(before);
  });
});
