/** Several processes record runs and index them at the same time, with a real writer attached. */
import { spawn } from "node:child_process";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { RunWriter } from "../../../src/catalog/run-writer.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "sluice-index-processes-")));
});
afterAll(() => rm(folder, { recursive: true }));

async function indexOf(name: string): Promise<{ index: IndexWriter; db: string }> {
  const db = join(folder, `${name}.db`);
  const index = new IndexWriter(join(folder, `${name}-index.db`));
  await index.registerBeamtime(await index.registerResearcher("Anna", folder), name, db);
  return { index, db };
}

describe("an index attached to a RunWriter", () => {
  it("case 61: has each run when closeRun has returned, with its sample, tags and words", async () => {
    const { index, db } = await indexOf("attached");
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
    const { index, db } = await indexOf("lost");
    const first = new RunWriter(db, { name: "PS" });
    await first.open();
    const uid = await first.openRun("scan");
    await index.reindex(db);
    expect((await index.search({ status: "running" })).runs).toMatchObject([{ uid }]);
    // As if its process had ended: nobody is known to write it.
    const driver = await openSqlite(db);
    driver.exec("DELETE FROM writers");
    driver.close();
    const second = new RunWriter(db, { name: "PS" });
    await index.attach(second);
    await second.open();
    expect((await index.search({ status: "lost" })).runs).toMatchObject([{ uid }]);
    await second.close();
    await first.close();
    await index.close();
  });

  it("case 61: does not keep a run from being closed when it fails, and says so", async () => {
    const { index, db } = await indexOf("failing");
    const writer = new RunWriter(db, { name: "PS" });
    const told: string[] = [];
    await index.attach(writer, { onError: (_, uid) => told.push(uid) });
    await writer.open();
    await index.close();
    const uid = await writer.openRun("scan");
    await writer.closeRun();
    await writer.close();
    expect(told).toEqual([uid]);
    const again = new IndexWriter(index.location);
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

  it("case 61: index their runs at the same time, while another rebuilds, and nothing is lost", async () => {
    const { index, db } = await indexOf("shared");
    const RUNS = 25;
    const names = ["north", "south", "east"];
    let left = names.length;
    const children = names.map(async (name) => {
      const output = await run([child.path, index.location, db, name, String(RUNS)]);
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
    for await (const problem of index.verify()) expect.unreachable(problem.kind);
    expect(await index.beamtimes()).toHaveLength(1);
    await index.close();
  }, 120_000);
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
