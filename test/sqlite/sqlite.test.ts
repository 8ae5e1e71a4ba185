/** The driver, by each library that this Node has. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { SqliteLibrary } from "../../src/sqlite/driver.ts";
import { isBusy, sqliteError } from "../../src/sqlite/errors.ts";
import { openSqlite } from "../../src/sqlite/open.ts";
import { rejectionOf as rejection } from "../support/rejection.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-sqlite-"));
let count = 0;
const newFile = () => join(folder, `${++count}.db`);
afterAll(() => rmSync(folder, { recursive: true }));

const hasOwn = process.getBuiltinModule?.("node:sqlite") !== undefined;
// Where Node has its own, the package may be built for another Node.
const libraries: SqliteLibrary[] = hasOwn ? ["node:sqlite"] : ["better-sqlite3"];

function failureOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("It did not fail");
}

describe.each(libraries)("SQLite by %s", (driver) => {
  const open = (path: string, options = {}) => openSqlite(path, { driver, busyTimeoutMs: 0, ...options });

  it("keeps numbers, texts, bytes and nothing", async () => {
    const database = await open(newFile());
    database.exec("CREATE TABLE t (a, b, c, d, e)");
    const row = [2 ** 53 - 1, 0.1, "µ x", Uint8Array.of(0, 255), null];
    expect(database.run("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row).changes).toBe(1);
    const [found] = database.all<Record<string, unknown>>("SELECT * FROM t");
    expect(found).toMatchObject({ a: 2 ** 53 - 1, b: 0.1, c: "µ x", e: null });
    expect([...(found as { d: Uint8Array }).d]).toEqual([0, 255]);
    database.close();
  });

  it("refuses text of which a part would not come back", async () => {
    const database = await open(newFile());
    database.exec("CREATE TABLE t (a)");
    const refused = expect.objectContaining({ code: "INVALID_DATA", message: expect.stringContaining("µ\\u0000x") });
    expect(() => database.run("INSERT INTO t VALUES (?)", ["µ\u0000x"])).toThrow(refused);
    expect(() => database.all("SELECT * FROM t WHERE a = ?", ["µ\u0000x"])).toThrow(refused);
    expect(database.all("SELECT * FROM t")).toEqual([]);
    database.close();
  });

  it("answers what changed, and rows of statements that change", async () => {
    const database = await open(newFile());
    database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, n)");
    expect(database.run("INSERT INTO t (n) VALUES (1), (2)")).toMatchObject({ changes: 2, lastInsertRowid: 2 });
    expect(database.all("INSERT INTO t (n) VALUES (?) RETURNING id", [3])).toEqual([{ id: 3 }]);
    expect(database.all("UPDATE t SET n = 0")).toEqual([]);
    expect(database.run("DELETE FROM t WHERE n = ?", [0]).changes).toBe(3);
    database.close();
  });

  it("prepared statements run again, and iterate row by row, also when left early", async () => {
    const database = await open(newFile());
    database.exec("CREATE TABLE t (n)");
    const insert = database.prepare("INSERT INTO t VALUES (?)");
    for (let n = 0; n < 5; n++) insert.run([n]);
    const select = database.prepare("SELECT n FROM t ORDER BY n");
    expect([...select.iterate<{ n: number }>()].map(({ n }) => n)).toEqual([0, 1, 2, 3, 4]);
    for (const { n } of select.iterate<{ n: number }>()) if (n === 1) break;
    insert.run([5]);
    expect(select.all()).toHaveLength(6);
    database.close();
  });

  it("has a write-ahead log, foreign keys, and commits that outlive the process", async () => {
    const database = await open(newFile());
    expect(database.all("PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }]);
    expect(database.all("PRAGMA synchronous")).toEqual([{ synchronous: 1 }]);
    expect(database.all("PRAGMA foreign_keys")).toEqual([{ foreign_keys: 1 }]);
    database.close();
  });

  it("a rule of the schema is a conflict that trying again does not solve", async () => {
    const path = newFile();
    const database = await open(path);
    database.exec("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (1)");
    const error = failureOf(() => database.run("INSERT INTO t VALUES (1)"));
    expect(error).toMatchObject({ code: "CONFLICT", retryable: false, identifier: path });
    expect(isBusy(error)).toBe(false);
    database.close();
  });

  it("another connection that writes is a conflict that passes", async () => {
    const path = newFile();
    const [first, second] = [await open(path), await open(path)];
    first.exec("CREATE TABLE t (n); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
    const error = failureOf(() => second.exec("BEGIN IMMEDIATE"));
    expect(error).toMatchObject({ code: "CONFLICT", retryable: true });
    expect(isBusy(error)).toBe(true);
    expect(second.all("SELECT * FROM t")).toEqual([]);
    first.exec("COMMIT");
    second.exec("BEGIN IMMEDIATE; COMMIT");
    expect(second.all("SELECT * FROM t")).toEqual([{ n: 1 }]);
    first.close();
    second.close();
  });

  it("a closed connection says so, and closes again", async () => {
    const database = await open(newFile());
    const statement = database.prepare("SELECT 1");
    database.close();
    database.close();
    expect(failureOf(() => database.exec("SELECT 1"))).toMatchObject({ code: "NOT_OPEN" });
    expect(failureOf(() => statement.all())).toMatchObject({ code: "NOT_OPEN" });
  });

  it("wrong SQL is UNEXPECTED, with the cause", async () => {
    const database = await open(newFile());
    expect(failureOf(() => database.exec("SELEKT"))).toMatchObject({ code: "UNEXPECTED", cause: expect.any(Error) });
    database.close();
  });

  it("says why a file cannot be opened", async () => {
    expect(await rejection(open(newFile(), { readOnly: true }))).toMatchObject({ code: "NOT_FOUND" });
    expect(await rejection(open(join(folder, "no", "such.db")))).toMatchObject({ code: "NOT_FOUND" });
    const directory = newFile();
    mkdirSync(directory);
    expect(await rejection(open(directory))).toMatchObject({ code: "IS_A_DIRECTORY" });
    const text = newFile();
    writeFileSync(text, "no database ".repeat(1000));
    expect(await rejection(open(text))).toMatchObject({ code: "CORRUPT", identifier: text });
    expect(await rejection(open(join(text, "below.db")))).toMatchObject({ code: "NOT_A_DIRECTORY" });
  });

  it("a reader writes nothing", async () => {
    const path = newFile();
    const writer = await open(path);
    writer.exec("CREATE TABLE t (n)");
    const reader = await open(path, { readOnly: true });
    expect(failureOf(() => reader.exec("INSERT INTO t VALUES (1)"))).toMatchObject({ code: "READ_ONLY" });
    reader.close();
    writer.close();
  });

  it("a database in memory is there for one connection", async () => {
    const database = await open(":memory:");
    database.exec("CREATE TABLE t (n)");
    expect(database.all("SELECT * FROM t")).toEqual([]);
    database.close();
  });
});

describe("SQLite", () => {
  it("a library that is not there is named, with what would do", async () => {
    const missing = hasOwn ? undefined : await rejection(openSqlite(newFile(), { driver: "node:sqlite" }));
    if (!hasOwn) expect(missing).toMatchObject({ code: "MISSING_DEPENDENCY" });
  });

  it.each([
    ["SQLITE_FULL", { code: "NO_SPACE" }],
    ["SQLITE_READONLY_DBMOVED", { code: "READ_ONLY" }],
    ["SQLITE_CORRUPT_INDEX", { code: "CORRUPT" }],
    ["SQLITE_BUSY_SNAPSHOT", { code: "CONFLICT", retryable: true }],
    ["SQLITE_PERM", { code: "PERMISSION_DENIED" }],
    ["SQLITE_MISUSE", { code: "UNEXPECTED" }],
  ])("%s of either library means the same", (code, meaning) => {
    const numbers: Record<string, number> = {
      SQLITE_FULL: 13,
      SQLITE_READONLY_DBMOVED: 1032,
      SQLITE_CORRUPT_INDEX: 779,
      SQLITE_BUSY_SNAPSHOT: 517,
      SQLITE_PERM: 3,
      SQLITE_MISUSE: 21,
    };
    const named = Object.assign(new Error("x"), { code });
    const numbered = Object.assign(new Error("x"), { code: "ERR_SQLITE_ERROR", errcode: numbers[code] });
    for (const error of [named, numbered]) expect(sqliteError(error, "file", "run")).toMatchObject(meaning);
  });
});
