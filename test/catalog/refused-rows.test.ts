/** Rows that the schema has a rule against: what the caller is told depends on the rule. */
import { describe, expect, it } from "vitest";
import { brokenRule } from "../../src/catalog/broken-rule.ts";
import { openDatabase } from "../../src/catalog/database.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import { catalogEngines } from "../support/catalog-engines.ts";
import { rejectionOf } from "../support/rejection.ts";

const ps = { name: "PS" };

async function change(location: string, ...statements: string[]): Promise<void> {
  await using database = await openDatabase(location);
  await database.transaction(async (transaction) => {
    for (const statement of statements) await transaction.run(statement);
  });
}

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime, rowsOf }) => {
  prepare();

  it("a name that is taken already exists", async () => {
    const path = await newBeamtime();
    await new RunWriter(path, ps).use(async (writer) => {
      await writer.openRun("scan", { uid: "r" });
      await writer.openStream("primary", {}, { uid: "s" });
      for (const stream of [writer.openStream("primary", {}), writer.openStream("other", {}, { uid: "s" })]) {
        expect(await rejectionOf(stream)).toMatchObject({ code: "ALREADY_EXISTS" });
      }
      await writer.closeRun();
      const again = await rejectionOf(writer.openRun("scan", { uid: "r" }));
      expect(again).toMatchObject({
        code: "ALREADY_EXISTS",
        message: expect.stringContaining("Run r is there already"),
      });
      expect(brokenRule(again.cause)).toBe("duplicate");
      // Nothing of it is left: another may be opened.
      expect(writer.runUid).toBeUndefined();
      await writer.openRun("scan");
    });
  });

  it("a stream of a run that was removed meanwhile is not found, and a run of a sample that was", async () => {
    const path = await newBeamtime();
    const writer = new RunWriter(path, ps);
    await writer.open();
    await writer.openRun("scan");
    await change(path, "DELETE FROM runs");
    expect(await rejectionOf(writer.openStream("primary", {}))).toMatchObject({ code: "NOT_FOUND" });
    await writer.closeRun();
    await change(path, "DELETE FROM samples");
    expect(await rejectionOf(writer.openRun("scan"))).toMatchObject({ code: "NOT_FOUND" });
    await writer.close();
    expect(await rowsOf(path, "SELECT uid FROM runs")).toEqual([]);
  });

  it("a rule of somebody's own says that the values do not fit, and not that the run is there", async () => {
    const path = await newBeamtime();
    await new RunWriter(path, ps).use(async () => {});
    await change(path, "ALTER TABLE runs ADD COLUMN must TEXT CHECK (must IS NOT NULL)");
    const writer = new RunWriter(path, ps);
    await writer.open();
    const refused = await rejectionOf(writer.openRun("scan"));
    expect(refused).toMatchObject({ code: "INVALID_DATA", retryable: false });
    expect(brokenRule(refused.cause)).toBe("value");
    await writer.close();
  });

  it("any other failure is no broken rule", async () => {
    expect(brokenRule(new Error("23505"))).toBeUndefined();
    const path = await newBeamtime();
    await using database = await openDatabase(path);
    expect(brokenRule(await rejectionOf(database.all("SELECT nothing FROM nowhere")))).toBeUndefined();
  });
});
