/** Beamtimes that lie in PostgreSQL, in an index that lies in a file or in PostgreSQL too. */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openDatabase } from "../../../src/catalog/database.ts";
import { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { labelOf } from "../../../src/catalog/location.ts";
import { RunWriter } from "../../../src/catalog/run-writer.ts";
import { dropSchema, newSchema } from "../../support/catalog-engines.ts";
import { hasPostgres, type PostgresServer, startOwnPostgres } from "../../support/postgres-server.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { eraseRuns, problemsOf, writeBeamtime } from "./beamtime-files.ts";

let server: PostgresServer;
let folder: string;

describe.skipIf(!hasPostgres).each(["a file", "PostgreSQL"])("beamtimes in PostgreSQL, in an index in %s", (where) => {
  beforeAll(async () => {
    server = await startOwnPostgres();
  }, 60_000);
  afterAll(() => server?.stop());

  let index: IndexWriter;
  let indexLocation: string;
  let anna: number;
  const passwordOf = (location: string) => decodeURIComponent(new URL(location).password);
  const withoutPassword = (location: string) => {
    const url = new URL(location);
    url.password = "";
    return url.href;
  };

  /** A beamtime of its own schema, with runs, in the index. */
  async function beamtime(label: string, ...runs: Parameters<typeof writeBeamtime>[1]): Promise<string> {
    const location = newSchema(server.url);
    onTestFinished(() => dropSchema(location));
    await writeBeamtime(location, runs);
    await index.registerBeamtime(anna, label, location);
    await index.reindex(location);
    return location;
  }

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "sluice-index-servers-")));
    indexLocation = where === "a file" ? join(folder, "index.db") : newSchema(server.url);
    index = new IndexWriter(indexLocation);
    anna = await index.registerResearcher("Anna", folder);
  });
  afterEach(async () => {
    await index.close();
    vi.unstubAllEnvs();
    if (where !== "a file") await dropSchema(indexLocation);
    await rm(folder, { recursive: true });
  });

  it("case 61: are indexed, found by everything, and opened", async () => {
    const location = await beamtime("March", { uid: "aa", plan: "nexafs", sample: "PS film", tags: ["night"] });
    await beamtime("April", { uid: "bb", plan: "scan" });
    const filter = { plan: "nexafs", sample: "PS film", tags: { all: ["night"] }, text: "film" };
    const { runs } = await index.search(filter);
    expect(runs).toMatchObject([{ uid: "aa", beamtime: { label: "March", path: withoutPassword(location) } }]);
    expect((await index.search({ beamtime: location })).runs.map(({ uid }) => uid)).toEqual(["aa"]);
    expect((await index.open("bb")).planName).toBe("scan");
    expect(await problemsOf(index)).toEqual([]);
  });

  it("case 61: are verified and repaired, also beside files and servers that cannot be asked", async () => {
    const location = await beamtime("a", { uid: "a1" }, { uid: "a2" }, { uid: "a3" });
    const dropped = newSchema(server.url);
    await writeBeamtime(dropped, [{ uid: "d1" }]);
    await index.registerBeamtime(anna, "dropped", dropped);
    await index.reindex(dropped);
    await dropSchema(dropped);
    const nobody = newSchema(server.url).replace(/:\d+\//, ":1/");
    await index.registerBeamtime(anna, "nobody there", nobody);
    const stranger = newSchema(server.url).replace(/\/\/[^@]*@/, "//stranger:wrong@");
    await index.registerBeamtime(anna, "not ours", stranger);
    const file = join(folder, "file.db");
    await writeBeamtime(file, [{ uid: "f1" }]);
    await index.registerBeamtime(anna, "file", file);

    await writeBeamtime(location, [{ uid: "a2", plan: "other" }, { uid: "a4" }, { uid: "running", status: null }]);
    await eraseRuns(location, ["a1"]);
    const unreadable = ["missing-file dropped NOT_FOUND"];
    unreadable.push("unreadable-file nobody there UNEXPECTED", "unreadable-file not ours UNAUTHENTICATED");
    expect(await problemsOf(index)).toEqual(
      ["changed a a2", "gone a a1", "not-indexed a a4", "not-indexed file f1", ...unreadable].sort(),
    );
    const report = await index.repair();
    expect(report).toMatchObject({ added: 3, updated: 1, removed: 1, elsewhere: 0 });
    expect(report.unreadable.map(({ beamtime: { label } }) => label)).toEqual(["dropped", "nobody there", "not ours"]);
    expect(await problemsOf(index)).toEqual(unreadable.sort());
    // What cannot be asked keeps its rows.
    expect((await index.search({ beamtime: "dropped" })).runs).toHaveLength(1);
  });

  it("case 61: are there once, in whatever spelling of the URL", async () => {
    const location = await beamtime("a", { uid: "a1" });
    for (const spelling of [location.replace("postgres:", "postgresql:"), withoutPassword(location)]) {
      await index.registerBeamtime(anna, "again", spelling);
    }
    expect(await index.beamtimes()).toMatchObject([{ label: "again", path: withoutPassword(location) }]);
    const plain = server.url;
    await index.registerBeamtime(anna, "plain", plain);
    await index.registerBeamtime(anna, "named", `${plain}?schema=sluice`);
    expect((await index.beamtimes()).map(({ label }) => label)).toEqual(["again", "named"]);
    expect([labelOf(location), labelOf("/data/2026-03-05.db")]).toEqual([
      new URL(location).searchParams.get("schema"),
      "2026-03-05",
    ]);
  });

  it("case 61: index themselves when a run of a writer ends", async () => {
    const location = await beamtime("a");
    const writer = new RunWriter(location, { name: "PS" });
    const failures: unknown[] = [];
    await index.attach(writer, { onError: (error) => failures.push(error) });
    let uid = "";
    await writer.use(async () => {
      uid = await writer.openRun("scan", { metadata: { tags: ["night"] } });
    });
    expect(failures).toEqual([]);
    expect((await index.search({ tags: { all: ["night"] } })).runs).toMatchObject([{ uid, status: "success" }]);
    const stranger = new RunWriter(newSchema(server.url), { name: "PS" });
    const refused = await rejectionOf(index.attach(stranger));
    expect(refused).toMatchObject({ code: "NOT_FOUND" });
  });

  it("leave no password in the index, and are opened later with that of the option or the environment", async () => {
    const location = await beamtime("a", { uid: "a1" });
    await index.registerResearcher("Ben", location);
    const password = passwordOf(location);
    expect(password).not.toBe("");
    await index.close();
    await using database = await openDatabase(indexLocation);
    for (const rows of [
      "* FROM researchers",
      "* FROM beamtimes",
      "uid, plan_name, sample_name, tags FROM runs_index",
    ]) {
      expect(inspect(await database.all(`SELECT ${rows}`))).not.toContain(password);
    }
    expect(await database.all("SELECT db_path FROM beamtimes")).toEqual([{ db_path: withoutPassword(location) }]);

    // Known by the URL of the index, if it is the same server and user; by an option; by the environment; or not at all.
    const sameServer = where !== "a file";
    const forgetful = new IndexWriter(indexLocation);
    expect((await problemsOf(forgetful)).map((problem) => problem.split(" ")[0])).toEqual(
      sameServer ? [] : ["unreadable-file"],
    );
    await forgetful.close();
    const told = new IndexWriter(indexLocation, { password });
    expect(await problemsOf(told)).toEqual([]);
    expect((await told.open("a1")).uid).toBe("a1");
    await told.close();
    vi.stubEnv("PGPASSWORD", password);
    const later = new IndexWriter(sameServer ? withoutPassword(indexLocation) : indexLocation);
    expect(await problemsOf(later)).toEqual([]);
    await later.close();
  });
});
