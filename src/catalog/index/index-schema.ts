/** Tables of the master index. */
import { StorageError } from "../../core/errors.ts";
import type { CatalogTransaction } from "../database.ts";
import type { DialectName } from "../dialect.ts";
import { addColumn, type Migration, type Schema } from "../migrations.ts";
import { parseWords } from "../row-json.ts";
import { putEntries } from "./entry-table.ts";
import { textDialects } from "./index-dialect.ts";

/** Version 1: the tables of resonance, whose index never went further. */
const first: Migration = {
  to: 1,
  apply: async (transaction, { identity, text, integer, real }) => {
    for (const statement of [
      `CREATE TABLE IF NOT EXISTS researchers (
        id ${identity},
        name ${text} NOT NULL UNIQUE,
        email ${text},
        orcid ${text},
        affiliation ${text},
        root_path ${text} NOT NULL,
        extra ${text}
      )`,
      `CREATE TABLE IF NOT EXISTS beamtimes (
        id ${identity},
        researcher_id ${integer} NOT NULL REFERENCES researchers(id) ON DELETE CASCADE,
        label ${text} NOT NULL,
        db_path ${text} NOT NULL UNIQUE,
        time_start ${real},
        time_stop ${real},
        description ${text},
        extra ${text}
      )`,
      `CREATE TABLE IF NOT EXISTS runs_index (
        uid ${text} PRIMARY KEY,
        researcher_id ${integer} REFERENCES researchers(id) ON DELETE CASCADE,
        beamtime_id ${integer} REFERENCES beamtimes(id) ON DELETE CASCADE,
        plan_name ${text},
        sample_name ${text},
        time_start ${real} NOT NULL,
        tags ${text}
      )`,
    ]) {
      await transaction.run(statement);
    }
  },
};

/** Version 2: ours. Order, what a list of runs shows, and full text. */
const second: Migration = {
  to: 2,
  apply: async (transaction, dialect) => {
    // A file of version 0 may have all tables: another program may have made them and not said so.
    await first.apply(transaction, dialect);
    const { text, real, integer } = dialect;
    for (const [column, type] of [
      ["position", integer],
      ["time_stop", real],
      ["exit_status", text],
      ["num_events", integer],
      ["fingerprint", text],
    ] as const) {
      await addColumn(transaction, dialect, "runs_index", column, type);
    }
    for (const statement of [
      "CREATE UNIQUE INDEX IF NOT EXISTS idx_runs_index_position ON runs_index(position)",
      "CREATE INDEX IF NOT EXISTS idx_runs_index_beamtime ON runs_index(beamtime_id, uid)",
      ...textDialects[dialect.name].create,
    ]) {
      await transaction.run(statement);
    }
    await fillIn(transaction, dialect.name);
  },
};

/** The schema of a master index. */
export const indexSchema: Schema = {
  name: "master index",
  marker: "researchers",
  migrations: [first, second],
  asLatest: async () => {
    const message = "The master index is of an older version: open it once for writing, as sluice index repair does";
    throw new StorageError("UNSUPPORTED", message, { operation: "open" });
  },
};

interface OldRow {
  uid: string;
  researcher_id: number | string;
  beamtime_id: number | string;
  plan_name: string | null;
  sample_name: string | null;
  time_start: number;
  tags: string | null;
}

/**
 * Gives rows of version 1 a position and words. What else they lack comes with the next reindex. A row of no beamtime, or
 * of one that is not there, stays as it is: nobody could open such a run.
 */
async function fillIn(transaction: CatalogTransaction, dialect: DialectName): Promise<void> {
  const PAGE = 500;
  for (let last = ""; ; ) {
    const rows = await transaction.all<OldRow>(
      `SELECT r.uid, b.researcher_id, r.beamtime_id, r.plan_name, r.sample_name, r.time_start, r.tags
       FROM runs_index r JOIN beamtimes b ON b.id = r.beamtime_id
       WHERE r.uid > ? AND r.position IS NULL ORDER BY r.uid LIMIT ${PAGE}`,
      [last],
    );
    for (const row of rows) {
      const owner = { beamtimeId: Number(row.beamtime_id), researcherId: Number(row.researcher_id) };
      const entry = {
        uid: row.uid,
        planName: row.plan_name ?? "",
        sampleName: row.sample_name ?? undefined,
        timeStart: Number(row.time_start),
        timeStop: undefined,
        exitStatus: undefined,
        numEvents: undefined,
        tags: parseWords(row.tags, `tags of run ${row.uid}`),
        texts: [],
      };
      await putEntries(transaction, dialect, owner, [entry]);
    }
    const end = rows.at(-1);
    if (end === undefined) return;
    last = end.uid;
  }
}
