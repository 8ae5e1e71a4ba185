/** Runs that are indexed when they end, and several processes that record and index at the same time. Index and beamtime lie in the same engine. */
import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openDatabase } from "../../../src/catalog/database.ts";
import { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { RunWriter } from "../../../src/catalog/run-writer.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { problemsOf } from "./beamtime-files.ts";

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime, newIndex }) => {
  prepare();

  async function indexOf(): Promise<{ index: IndexWriter; location: string; db: string }> {
    const db = await newBeamtime();
    const location = newIndex(dirname(db));
    const index = new IndexWriter(location);
    await index.registerBeamtime(await index.registerResearcher("Anna", "."), "March", db);
    return { index, location, db };
  }

  describe("an index attached to a RunWriter", () => {
    it("case 61: has each run when closeRun has returned, with its sample, tags and words", async () => {
      const { index, db } = await indexOf();
      const writer = new RunWriter(db, { name: "PS film" });
      const detach = await index.attach(writer);
      await writer.open();
      const uid = await writer.openRun("nexafs", { metadata: { tags: ["night"], note: "spin coated" } });
      await writer.openStream("primary", {});
      await writer.writeEvent({ diode: 1.5 });
      expect((await index.search()).runs).toEqual([]);
      await writer.closeRun({ exitStatus: "aborted" });
      const filter = {
        plan: "nexafs",
        sample: "PS film",
        tags: { all: ["night"] },
        status: "aborted",
        text: "coated",
      } as const;
      expect((await index.search(filter)).runs).toMatchObject([{ uid, numEvents: 1, status: "aborted" }]);
      const run = await index.open(uid);
      expect(run.sample?.name).toBe("PS film");
      detach();
      await writer.openRun("count");
      await writer.closeRun();
      await writer.close();
      expect((await index.search()).runs).toHaveLength(1);
      expect(await index.repair()).toMatchObject({ added: 1 });
      await index.close();
    });

    it("case 61: has the end of a run that a later writer finds lost", async () => {
      const { index, db } = await indexOf();
      const first = new RunWriter(db, { name: "PS" });
      await first.open();
      const uid = await first.openRun("scan");
      await index.reindex(db);
      expect((await index.search({ status: "running" })).runs).toMatchObject([{ uid }]);
      // As if its process had ended: nobody is known to write it.
      await using database = await openDatabase(db);
      await database.transaction((transaction) => transaction.run("DELETE FROM writers"));
      const second = new RunWriter(db, { name: "PS" });
      await index.attach(second);
      await second.open();
      expect((await index.search({ status: "lost" })).runs).toMatchObject([{ uid }]);
      await second.close();
      await first.close();
      await index.close();
    });

    it("case 61: does not keep a run from being closed when it fails, and says so", async () => {
      const { index, location, db } = await indexOf();
      const writer = new RunWriter(db, { name: "PS" });
      const told: string[] = [];
      await index.attach(writer, { onError: (_, uid) => told.push(uid) });
      await writer.open();
      await index.close();
      const uid = await writer.openRun("scan");
      await writer.closeRun();
      await writer.close();
      expect(told).toEqual([uid]);
      const again = new IndexWriter(location);
      expect(await again.reindex(db)).toMatchObject({ added: 1 });
      await again.close();
    });
  });

  describe("several processes", () => {
    let child: Bundle;
    beforeAll(async () => {
      child = await bundle(new URL("./indexing-process.ts", import.meta.url), installed);
    }, 60_000);
    afterAll(() => child.remove());

    it("case 61: make the same index and beamtime, and lose nothing while another rebuilds", async () => {
      const db = await newBeamtime();
      const location = newIndex(dirname(db));
      const index = new IndexWriter(location);
      onTestFinished(() => index.close());
      const RUNS = 25;
      const names = ["north", "south", "east", "west"];
      let left = names.length;
      // Neither is there yet: all find nothing, and each makes it.
      const children = names.map(async (name) => {
        const output = await run([child.path, location, db, name, String(RUNS)]);
        left--;
        return output;
      });
      const rebuild = async () => {
        while (left > 0) await index.reindex(db).catch((error) => expect(error.code).toMatch(/NOT_FOUND|CONFLICT/));
      };
      const [outputs] = await Promise.all([Promise.all(children), rebuild()]);
      expect(outputs).toEqual(names.map(() => "[]"));
      const { runs } = await index.search({ limit: 1000 });
      expect(new Set(runs.map(({ uid }) => uid)).size).toBe(names.length * RUNS);
      for (const name of names) expect((await index.search({ tags: { all: [name] } })).runs).toHaveLength(RUNS);
      expect(await problemsOf(index)).toEqual([]);
      expect(await index.beamtimes()).toHaveLength(1);
      expect(await index.researchers()).toHaveLength(1);
    }, 240_000);
  });
});

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const process_ = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    process_.stdout.on("data", (data) => (output += data));
    process_.stderr.on("data", (data) => (errors += data));
    process_.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`exit ${code}: ${errors}`))));
  });
}
