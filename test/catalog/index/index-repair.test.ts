/**
 * Verify and repair: what is found, what is done about it, and what is left alone. The index is in each engine; the
 * beamtimes are files, since it is files that move, go missing and are damaged.
 */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, realpath, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../../src/catalog/database.ts";
import { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { eraseRuns, problemsOf, writeBeamtime } from "./beamtime-files.ts";

describe.each(catalogEngines)("in $name", ({ prepare, newIndex }) => {
  prepare();

  let folder: string;
  let index: IndexWriter;
  let anna: number;
  let location: string;
  const file = (name: string) => join(folder, `${name}.db`);

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "sluice-repair-")));
    location = newIndex(folder);
    index = new IndexWriter(location);
    anna = await index.registerResearcher("Anna", folder);
    await writeBeamtime(file("a"), [{ uid: "a1" }, { uid: "a2" }, { uid: "a3" }]);
    await writeBeamtime(file("b"), [{ uid: "b1" }, { uid: "b2" }]);
    for (const name of ["a", "b"]) {
      await index.registerBeamtime(anna, name, file(name));
      await index.reindex(file(name));
    }
  });
  afterEach(async () => {
    await index.close();
    await rm(folder, { recursive: true });
  });

  const problems = () => problemsOf(index);

  /** One of each kind. */
  async function damage() {
    await writeBeamtime(file("a"), [{ uid: "a2", plan: "other" }, { uid: "a4" }, { uid: "running", status: null }]);
    await eraseRuns(file("a"), ["a1"]);
    await writeBeamtime(file("c"), [{ uid: "c1" }]);
    await index.registerBeamtime(anna, "c", file("c"));
    await index.registerBeamtime(anna, "away", file("away"));
    writeFileSync(file("odd"), "no database at all".repeat(100));
    await index.registerBeamtime(anna, "odd", file("odd"));
  }

  describe("beamtimes", () => {
    it("are found by their label or their file", async () => {
      await index.registerBeamtime(anna, "a", file("again"));
      const pathsOf = async (name?: string) => (await index.beamtimes(name)).map(({ path }) => path);
      expect(await pathsOf("a")).toEqual([file("a"), file("again")]);
      expect(await pathsOf(file("b"))).toEqual([file("b")]);
      expect(await pathsOf("nobody")).toEqual([]);
      expect(await pathsOf()).toHaveLength(3);
    });

    it("are taken out with their runs, and their words; the others and the file stay", async () => {
      const [a] = await index.beamtimes("a");
      const before = readFileSync(file("a"));
      expect(await index.removeBeamtime(a!.id)).toBe(3);
      expect(readFileSync(file("a")).equals(before)).toBe(true);
      expect(await problems()).toEqual([]);
      for (const filter of [{}, { text: "scan" }, { plan: "scan" }]) {
        expect((await index.search(filter)).runs.map(({ uid }) => uid).sort()).toEqual(["b1", "b2"]);
      }
      await using database = await openDatabase(location, { readOnly: true });
      const [texts] = await database.all<{ n: number | string }>("SELECT count(*) AS n FROM runs_text");
      expect(Number(texts?.n)).toBe(2);
      expect(await rejectionOf(index.removeBeamtime(a!.id))).toMatchObject({ code: "NOT_FOUND" });
      await index.registerBeamtime(anna, "a", file("a"));
      expect(await index.reindex(file("a"))).toMatchObject({ added: 3 });
    });

    it("whose file was registered again where it is now go, and then nothing is wrong", async () => {
      await rename(file("a"), file("moved"));
      const [old] = await index.beamtimes("a");
      await index.registerBeamtime(anna, "moved", file("moved"));
      await index.reindex(file("moved"));
      const refused = await rejectionOf(index.moveBeamtime(old!.id, file("moved")));
      expect(refused).toMatchObject({ code: "CONFLICT", message: expect.stringContaining("removeBeamtime") });
      expect(await problems()).toEqual(["missing-file a NOT_FOUND"]);
      expect(await index.removeBeamtime(old!.id)).toBe(0);
      expect(await problems()).toEqual([]);
      expect((await index.search({ beamtime: "moved" })).runs).toHaveLength(3);
    });
  });

  describe("verify", () => {
    it("case 61: finds nothing where nothing is wrong", async () => {
      expect(await problems()).toEqual([]);
      expect(await index.repair()).toEqual({ added: 0, updated: 0, removed: 0, elsewhere: 0, unreadable: [] });
    });

    it("case 61: finds missing files, runs not indexed, rows whose run is gone, and changed runs; and changes nothing", async () => {
      await damage();
      const all = [
        "changed a a2",
        "gone a a1",
        "missing-file away NOT_FOUND",
        "not-indexed a a4",
        "not-indexed c c1",
        "unreadable-file odd CORRUPT",
      ];
      expect(await problems()).toEqual(all);
      expect(await problems()).toEqual(all);
    });

    it("can be read by those who may not write, and ends when the signal fires", async () => {
      await damage();
      const reader = new IndexWriter(location, { readOnly: true });
      const found = [];
      for await (const { kind } of reader.verify()) found.push(kind);
      expect(found).toHaveLength(6);
      expect(await rejectionOf(reader.repair())).toMatchObject({ code: "READ_ONLY" });
      expect(await reader.repair({ dryRun: true })).toMatchObject({ added: 2, updated: 1, removed: 1 });
      await reader.close();
      const controller = new AbortController();
      const stopped = async () => {
        for await (const _ of index.verify({ signal: controller.signal })) controller.abort();
      };
      expect(await rejectionOf(stopped)).toMatchObject({ code: "ABORTED" });
    });

    it("finds what somebody changed in the index itself", async () => {
      await using database = await openDatabase(location);
      await database.transaction(async (transaction) => {
        await transaction.run("UPDATE runs_index SET fingerprint = NULL WHERE uid = 'b1'");
        await transaction.run("DELETE FROM runs_index WHERE uid = 'b2'");
      });
      expect(await problems()).toEqual(["changed b b1", "not-indexed b b2"]);
      expect(await index.repair()).toMatchObject({ added: 1, updated: 1, removed: 0 });
      expect((await index.search({ beamtime: "b" })).runs).toHaveLength(2);
    });
  });

  describe("a file that turns out to be damaged while it is read", () => {
    it("is named, keeps its rows, and hides none of the others", async () => {
      const texts = { metadata: { text: "x".repeat(3000) } };
      const runs = Array.from({ length: 40 }, (_, i) => ({ uid: `a${100 + i}`, ...texts }));
      await writeBeamtime(file("a"), runs);
      await index.reindex(file("a"));
      await writeBeamtime(file("b"), [{ uid: "b3" }]);
      const driver = await openSqlite(file("a"));
      const [row] = driver.all<{ pageno: number; size: number }>(
        "SELECT max(rootpage) AS pageno, (SELECT page_size FROM pragma_page_size) AS size FROM sqlite_schema WHERE name = 'runs'",
      );
      driver.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      driver.close();
      const { pageno, size } = row as { pageno: number; size: number };
      const bytes = readFileSync(file("a"));
      bytes.fill(0xff, (pageno - 1) * size, pageno * size);
      writeFileSync(file("a"), bytes);
      await index.registerBeamtime(anna, "below", join(file("b"), "no.db"));
      expect(await problems()).toEqual([
        "not-indexed b b3",
        "unreadable-file a CORRUPT",
        "unreadable-file below NOT_A_DIRECTORY",
      ]);
      const report = await index.repair();
      expect(report).toMatchObject({ added: 1, removed: 0 });
      expect(report.unreadable.map(({ beamtime }) => beamtime.label)).toEqual(["a", "below"]);
      expect((await index.search({ beamtime: "a" })).runs).toHaveLength(43);
    });
  });

  describe("repair", () => {
    it("case 61: says what it would do, does it, and leaves what it cannot read", async () => {
      await damage();
      const before = (await index.search()).runs;
      const plan = await index.repair({ dryRun: true });
      expect(plan).toMatchObject({ added: 2, updated: 1, removed: 1, elsewhere: 0 });
      expect(plan.unreadable.map(({ kind, beamtime }) => [kind, beamtime.label])).toEqual([
        ["missing-file", "away"],
        ["unreadable-file", "odd"],
      ]);
      expect((await index.search()).runs).toEqual(before);
      // The run that goes on is taken along; verifying does not ask for it.
      expect(await index.repair()).toMatchObject({ added: 3, updated: 1, removed: 1 });
      expect(await problems()).toEqual(["missing-file away NOT_FOUND", "unreadable-file odd CORRUPT"]);
      const uids = (await index.search()).runs.map(({ uid }) => uid).sort();
      expect(uids).toEqual(["a2", "a3", "a4", "b1", "b2", "c1", "running"]);
    });

    it("keeps the rows of a beamtime whose file is away", async () => {
      await rename(file("b"), file("hidden"));
      expect(await index.repair()).toMatchObject({ removed: 0, unreadable: [{ kind: "missing-file" }] });
      expect((await index.search({ beamtime: "b" })).runs).toHaveLength(2);
    });

    it("leaves runs of a copied file with the beamtime that they have; reindex takes them", async () => {
      cpSync(file("b"), file("copy"));
      await index.registerBeamtime(anna, "copy", file("copy"));
      expect(await problems()).toEqual(["elsewhere copy b1", "elsewhere copy b2"]);
      expect(await index.repair()).toMatchObject({ added: 0, updated: 0, removed: 0, elsewhere: 2 });
      await writeBeamtime(file("copy"), [{ uid: "new" }]);
      expect(await index.repair()).toMatchObject({ added: 1, updated: 0, removed: 0, elsewhere: 2 });
      expect((await index.search({ beamtime: "b" })).runs).toHaveLength(2);
      expect(await index.reindex(file("copy"))).toEqual({ added: 0, updated: 2, removed: 0 });
      expect((await index.search({ beamtime: "b" })).runs).toHaveLength(0);
      expect((await index.search({ beamtime: "copy" })).runs).toHaveLength(3);
    });

    it("does the rest when it is called again after it was stopped", async () => {
      await writeBeamtime(file("a"), [{ uid: "a9" }]);
      await writeBeamtime(file("b"), [{ uid: "b9" }]);
      const controller = new AbortController();
      const blocked = index.repair({ signal: controller.signal });
      controller.abort();
      await rejectionOf(blocked);
      await index.repair();
      expect(await problems()).toEqual([]);
    });
  });
});
