/** Beamtimes with the runs that a test wants, written by SQL: what the index reads is not written by what it is read with. */
import { type CatalogTransaction, openDatabase } from "../../../src/catalog/database.ts";
import type { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { migrate } from "../../../src/catalog/migrations.ts";
import { beamtimeSchema } from "../../../src/catalog/schema.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";

/** A run of a test. */
export interface TestRun {
  readonly uid: string;
  readonly plan?: string;
  readonly sample?: string;
  readonly sampleTags?: readonly string[];
  /** Seconds since 1970. */
  readonly time?: number;
  /** `null` for a run that has not ended. */
  readonly status?: string | null;
  readonly numEvents?: number;
  readonly tags?: readonly string[];
  readonly metadata?: Record<string, unknown>;
}

/** Writes runs into a beamtime file or database, which is made if it is not there; those of the same uid are replaced. */
export async function writeBeamtime(location: string, runs: readonly TestRun[]): Promise<void> {
  await using database = await openDatabase(location);
  await migrate(database, beamtimeSchema);
  await database.transaction(async (transaction) => {
    for (const run of runs) await writeRun(transaction, run);
  });
}

async function writeRun(transaction: CatalogTransaction, run: TestRun): Promise<void> {
  const { uid, plan = "scan", sample, sampleTags = [], time = 1_700_000_000, status = "success", tags = [] } = run;
  const metadata = { ...run.metadata, ...(tags.length > 0 ? { tags } : {}) };
  const stop = status === null ? null : time + 60;
  let id: number | null = null;
  if (sample !== undefined) {
    const [known] = await transaction.all<{ id: number }>("SELECT id FROM samples WHERE name = ?", [sample]);
    const made = "INSERT INTO samples (name, tags) VALUES (?, ?) RETURNING id";
    id = (known ?? (await transaction.all<{ id: number }>(made, [sample, JSON.stringify(sampleTags)]))[0])?.id ?? null;
  }
  await transaction.run("DELETE FROM runs WHERE uid = ?", [uid]);
  await transaction.run(
    "INSERT INTO runs (uid, sample_id, plan_name, time_start, time_stop, exit_status, num_events, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [uid, id, plan, time, stop, status, run.numEvents ?? 0, JSON.stringify(metadata)],
  );
}

/** Takes runs out of a beamtime. */
export async function eraseRuns(location: string, uids: readonly string[]): Promise<void> {
  await using database = await openDatabase(location);
  await database.transaction((transaction) =>
    transaction.runMany(
      "DELETE FROM runs WHERE uid = ?",
      uids.map((uid) => [uid]),
    ),
  );
}

/** What is wrong with an index, one line each: the kind, the label of the beamtime, and the run or the code. */
export async function problemsOf(index: IndexWriter): Promise<string[]> {
  const found: string[] = [];
  for await (const problem of index.verify()) {
    found.push([problem.kind, problem.beamtime.label, "uid" in problem ? problem.uid : problem.error.code].join(" "));
  }
  return found.sort();
}

/** Rows of an index file, as another program would see them. */
export async function rowsIn(path: string, sql: string): Promise<Record<string, unknown>[]> {
  const driver = await openSqlite(path, { readOnly: true });
  const rows = driver.all(sql);
  driver.close();
  return rows;
}
