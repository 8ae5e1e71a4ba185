/** One connection of the catalogue: transactions one after another, and waiting that stops nobody. */
import { describe, expect, it } from "vitest";
import { type CatalogTransaction, openDatabase } from "../../src/catalog/database.ts";
import { openSqlite } from "../../src/sqlite/open.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { catalogEngines } from "../support/catalog-engines.ts";
import { newBeamtime } from "./beamtime-folder.ts";

async function withTable(options = {}) {
  const path = await newBeamtime();
  const driver = await openSqlite(path, { busyTimeoutMs: 0 });
  driver.exec("CREATE TABLE t (n INTEGER UNIQUE)");
  return { path, driver, database: await openDatabase(path, options) };
}

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime: newLocation }) => {
  prepare();

  it("what a transaction has read is still true when it writes, whoever else wants to", async () => {
    const location = await newLocation();
    const databases = [await openDatabase(location), await openDatabase(location)];
    await databases[0]!.transaction(async (transaction) => {
      await transaction.run("CREATE TABLE t (n INTEGER)");
      await transaction.run("INSERT INTO t VALUES (0)");
    });
    const raise = (transaction: CatalogTransaction) =>
      transaction.all<{ n: number }>("SELECT n FROM t").then(async ([row]) => {
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
        await transaction.run("UPDATE t SET n = ?", [row!.n + 1]);
      });
    await Promise.all([...databases, ...databases].map((database) => database.transaction(raise)));
    expect(await databases[1]!.all("SELECT n FROM t")).toEqual([{ n: 4 }]);
    for (const database of databases) await database.close();
  });
});

describe("a database", () => {
  it("commits a transaction as a whole, or nothing of it", async () => {
    const { database, driver } = await withTable();
    const sum = await database.transaction(async (transaction) => {
      await transaction.runMany("INSERT INTO t VALUES (?)", [[1], [2]]);
      const rows = await transaction.all<{ n: number }>("SELECT n FROM t");
      expect(driver.all("SELECT * FROM t")).toEqual([]);
      return rows.reduce((total, { n }) => total + n, 0);
    });
    expect(sum).toBe(3);
    const failing = database.transaction(async (transaction) => {
      await transaction.run("INSERT INTO t VALUES (3)");
      throw new Error("changed my mind");
    });
    await expect(failing).rejects.toThrow("changed my mind");
    const refused = database.transaction((transaction) => transaction.runMany("INSERT INTO t VALUES (?)", [[4], [1]]));
    await expect(refused).rejects.toMatchObject({ code: "CONFLICT", retryable: false });
    expect(driver.all("SELECT n FROM t ORDER BY n")).toEqual([{ n: 1 }, { n: 2 }]);
    await database.close();
    driver.close();
  });

  it("runs transactions in the order of the calls, and queries between them", async () => {
    const { database, driver } = await withTable();
    const order: number[] = [];
    const slow = database.transaction(async (transaction) => {
      await new Promise((resolve) => setImmediate(resolve));
      await transaction.run("INSERT INTO t VALUES (1)");
      order.push(1);
    });
    const fast = database.transaction(async () => void order.push(2));
    const rows = await database.all("SELECT n FROM t");
    expect(rows).toEqual([{ n: 1 }]);
    await Promise.all([slow, fast]);
    expect(order).toEqual([1, 2]);
    await database.close();
    driver.close();
  });

  it("waits for another writer without stopping the event loop, and gives up in the end", async () => {
    const clock = new FakeClock();
    const { database, driver } = await withTable({ clock, busyTimeoutMs: 100, busyPollMs: 10 });
    driver.exec("BEGIN IMMEDIATE");
    const waiting = database.transaction((transaction) => transaction.run("INSERT INTO t VALUES (1)"));
    await clock.advance(50);
    driver.exec("COMMIT");
    await clock.advance(10);
    expect(await waiting).toBe(1);
    driver.exec("BEGIN IMMEDIATE");
    const giving = expect(database.transaction(async () => {})).rejects.toMatchObject({
      code: "CONFLICT",
      retryable: true,
    });
    await clock.advance(200);
    await giving;
    driver.exec("COMMIT");
    await database.close();
    driver.close();
  });

  it("stops waiting when the signal fires", async () => {
    const clock = new FakeClock();
    const { database, driver } = await withTable({ clock });
    driver.exec("BEGIN IMMEDIATE");
    const abort = new AbortController();
    const waiting = database.transaction(async () => {}, { signal: abort.signal });
    await clock.advance(20);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    await expect(database.all("SELECT 1", [], { signal: abort.signal })).rejects.toMatchObject({ code: "ABORTED" });
    driver.exec("COMMIT");
    await database.close();
    driver.close();
  });

  it("has a token that is another one after others have committed", async () => {
    const { database, driver } = await withTable();
    const before = await database.watchToken();
    expect(await database.watchToken()).toBe(before);
    driver.exec("INSERT INTO t VALUES (1)");
    expect(await database.watchToken()).not.toBe(before);
    await database.close();
    driver.close();
  });

  it("a transaction that has ended takes nothing more", async () => {
    const { database, driver } = await withTable();
    const kept = await database.transaction(async (transaction) => transaction);
    await expect(kept.run("INSERT INTO t VALUES (1)")).rejects.toMatchObject({ code: "NOT_OPEN" });
    await database.close();
    await database.close();
    await expect(database.all("SELECT 1")).rejects.toMatchObject({ code: "NOT_OPEN" });
    driver.close();
  });

  it("is no URL of something unknown", async () => {
    await expect(openDatabase("mysql://localhost/x")).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});
