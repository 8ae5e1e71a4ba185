/** Beamtime files with the runs that a test wants, written by SQL: what the index reads is not written by what it reads with. */
import { openDatabase } from "../../../src/catalog/database.ts";
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

/** Writes runs into a beamtime file, which is made if it is not there; those of the same uid are replaced. */
export async function writeBeamtime(path: string, runs: readonly TestRun[]): Promise<void> {
  const database = await openDatabase(path);
  await migrate(database, beamtimeSchema);
  await database.close();
  const driver = await openSqlite(path);
  driver.exec("BEGIN");
  for (const run of runs) {
    const { uid, plan = "scan", sample, sampleTags = [], time = 1_700_000_000, status = "success", tags = [] } = run;
    const metadata = { ...run.metadata, ...(tags.length > 0 ? { tags } : {}) };
    const stop = status === null ? null : time + 60;
    let id: number | null = null;
    if (sample !== undefined) {
      const known = driver.all<{ id: number }>("SELECT id FROM samples WHERE name = ?", [sample])[0]?.id;
      const values = [sample, JSON.stringify(sampleTags)];
      id = known ?? driver.run("INSERT INTO samples (name, tags) VALUES (?, ?)", values).lastInsertRowid;
    }
    const row = [uid, id, plan, time, stop, status, run.numEvents ?? 0, JSON.stringify(metadata)];
    driver.run(
      "INSERT OR REPLACE INTO runs (uid, sample_id, plan_name, time_start, time_stop, exit_status, num_events, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      row,
    );
  }
  driver.exec("COMMIT");
  driver.close();
}

/** Takes runs out of a beamtime file. */
export async function eraseRuns(path: string, uids: readonly string[]): Promise<void> {
  const driver = await openSqlite(path);
  for (const uid of uids) driver.run("DELETE FROM runs WHERE uid = ?", [uid]);
  driver.close();
}

/** Rows of an index file, as another program would see them. */
export async function rowsIn(path: string, sql: string): Promise<Record<string, unknown>[]> {
  const driver = await openSqlite(path, { readOnly: true });
  const rows = driver.all(sql);
  driver.close();
  return rows;
}
