/**
 * Tables of a beamtime database.
 *
 * Versions 1 and 2 are resonance's, table by table and column by column: its files are read and written here, and its
 * reader finds what it knows in ours. Version 3 adds what it lacks, and takes nothing away.
 *
 * @see resonance `api/data`, schema and models
 */
import type { CatalogTransaction } from "./database.ts";
import { type Dialect, dialects } from "./dialect.ts";
import { addColumn, type Migration, type Schema } from "./migrations.ts";
import { lenient, parseJson } from "./row-json.ts";

/** Version 1: resonance's first. */
const first: Migration = {
  to: 1,
  apply: async (transaction, { identity, text, real, integer, functions }) => {
    await runAll(transaction, [
      ...functions,
      `CREATE TABLE IF NOT EXISTS samples (
        id ${identity},
        name ${text} NOT NULL,
        formula ${text},
        serial ${text},
        tags ${text},
        beamline_pos ${text},
        extra ${text}
      )`,
      "CREATE INDEX IF NOT EXISTS idx_samples_name ON samples(name)",
      `CREATE TABLE IF NOT EXISTS runs (
        uid ${text} PRIMARY KEY,
        sample_id ${integer} REFERENCES samples(id) ON DELETE SET NULL,
        plan_name ${text} NOT NULL,
        time_start ${real} NOT NULL,
        time_stop ${real},
        exit_status ${text},
        num_events ${integer} DEFAULT 0,
        operator ${text},
        metadata ${text}
      )`,
      "CREATE INDEX IF NOT EXISTS idx_runs_sample ON runs(sample_id)",
      "CREATE INDEX IF NOT EXISTS idx_runs_plan ON runs(plan_name)",
      "CREATE INDEX IF NOT EXISTS idx_runs_tstart ON runs(time_start)",
      `CREATE TABLE IF NOT EXISTS streams (
        uid ${text} PRIMARY KEY,
        run_uid ${text} NOT NULL REFERENCES runs(uid) ON DELETE CASCADE,
        name ${text} NOT NULL,
        data_keys ${text} NOT NULL,
        time_created ${real} NOT NULL
      )`,
      "CREATE INDEX IF NOT EXISTS idx_streams_run ON streams(run_uid)",
      "CREATE UNIQUE INDEX IF NOT EXISTS idx_streams_run_name ON streams(run_uid, name)",
      `CREATE TABLE IF NOT EXISTS events (
        uid ${text} PRIMARY KEY,
        stream_uid ${text} NOT NULL REFERENCES streams(uid) ON DELETE CASCADE,
        seq_num ${integer} NOT NULL,
        time ${real} NOT NULL,
        data ${text} NOT NULL,
        timestamps ${text}
      )`,
      "CREATE INDEX IF NOT EXISTS idx_events_stream ON events(stream_uid)",
      "CREATE UNIQUE INDEX IF NOT EXISTS idx_events_seq ON events(stream_uid, seq_num)",
      `CREATE TABLE IF NOT EXISTS image_refs (
        id ${identity},
        event_uid ${text} NOT NULL REFERENCES events(uid) ON DELETE CASCADE,
        field_name ${text} NOT NULL,
        zarr_group ${text} NOT NULL,
        index_in_stack ${integer} NOT NULL,
        shape_x ${integer} NOT NULL,
        shape_y ${integer} NOT NULL,
        dtype ${text} NOT NULL
      )`,
      "CREATE INDEX IF NOT EXISTS idx_image_refs_event ON image_refs(event_uid)",
    ]);
  },
};

/** Version 2: says how frames are compressed. */
const second: Migration = {
  to: 2,
  apply: (transaction, dialect) => addColumn(transaction, dialect, "image_refs", "compression_codec", dialect.text),
};

/** Columns of text that version 3 adds. All may be empty, so that a program that does not know them can still write rows. */
const addedColumns = [
  // The name, in the one row that stands for it: files of resonance may have a name several times.
  ["samples", "unique_name"],
  // Which row of `writers` writes the run; empty in those of resonance.
  ["runs", "writer"],
  // JSON: what the stop document says besides time and status.
  ["runs", "extra"],
  // JSON: configuration, object keys and hints of the descriptor.
  ["streams", "extra"],
  // URI of the store of the frame; empty for the Zarr store beside the file.
  ["image_refs", "uri"],
] as const;

/** Tables that version 3 adds. */
const addedTables = ({ text, real, integer }: Pick<Dialect, "text" | "real" | "integer">) => ({
  // Tags of runs, one by one, as `metadata.tags` lists them.
  run_tags: `(
    run_uid ${text} NOT NULL REFERENCES runs(uid) ON DELETE CASCADE,
    tag ${text} NOT NULL,
    PRIMARY KEY (run_uid, tag)
  )`,
  // Frames by reference, in whatever store a writer put them: bluesky's stream_resource documents …
  stream_resources: `(
    uid ${text} PRIMARY KEY,
    run_uid ${text} NOT NULL REFERENCES runs(uid) ON DELETE CASCADE,
    data_key ${text} NOT NULL,
    mimetype ${text} NOT NULL,
    uri ${text} NOT NULL,
    parameters ${text} NOT NULL
  )`,
  // … and stream_datum documents: rows of the resource from index_start up to index_stop, for the events from seq_start.
  stream_data: `(
    uid ${text} PRIMARY KEY,
    resource_uid ${text} NOT NULL REFERENCES stream_resources(uid) ON DELETE CASCADE,
    stream_uid ${text} NOT NULL REFERENCES streams(uid) ON DELETE CASCADE,
    index_start ${integer} NOT NULL,
    index_stop ${integer} NOT NULL,
    seq_start ${integer} NOT NULL,
    seq_stop ${integer} NOT NULL
  )`,
  // Who is writing runs now, and until when it is believed without another sign of life. Seconds since 1970.
  writers: `(
    id ${text} PRIMARY KEY,
    process ${text} NOT NULL,
    heartbeat ${real} NOT NULL,
    expires ${real} NOT NULL
  )`,
});

const addedIndexes = [
  "CREATE UNIQUE INDEX IF NOT EXISTS idx_samples_unique_name ON samples(unique_name)",
  "CREATE INDEX IF NOT EXISTS idx_runs_exit_status ON runs(exit_status)",
  "CREATE INDEX IF NOT EXISTS idx_run_tags_tag ON run_tags(tag)",
  "CREATE INDEX IF NOT EXISTS idx_stream_resources_run_uid ON stream_resources(run_uid)",
  "CREATE INDEX IF NOT EXISTS idx_stream_data_stream_uid ON stream_data(stream_uid)",
  "CREATE INDEX IF NOT EXISTS idx_stream_data_resource_uid ON stream_data(resource_uid)",
];

/** Version 3: ours. */
const third: Migration = {
  to: 3,
  apply: async (transaction, dialect) => {
    // resonance writes "version 2" into files of version 1 that it opens, and leaves out the column.
    await second.apply(transaction, dialect);
    for (const [table, column] of addedColumns) await addColumn(transaction, dialect, table, column, dialect.text);
    const tables = Object.entries(addedTables(dialect));
    await runAll(transaction, [
      ...tables.map(([name, columns]) => `CREATE TABLE IF NOT EXISTS ${name} ${columns}`),
      ...addedIndexes,
      // Of samples with the same name the oldest stands for it; the others keep their rows, numbers and runs.
      "UPDATE samples SET unique_name = name WHERE id IN (SELECT min(id) FROM samples GROUP BY name) " +
        "AND name NOT IN (SELECT unique_name FROM samples WHERE unique_name IS NOT NULL)",
    ]);
    await tagRuns(transaction);
  },
};

/** The schema of a beamtime database. */
export const beamtimeSchema: Schema = {
  name: "beamtime catalogue",
  marker: "runs",
  migrations: [first, second, third],
  asLatest: async (source) => {
    const statements: string[] = [];
    const wanted = [...addedColumns, ["image_refs", "compression_codec"]] as const;
    for (const table of new Set(wanted.map(([name]) => name))) {
      const present = await dialects.sqlite.columns(source, table);
      const missing = wanted.filter(([name, column]) => name === table && !present.includes(column));
      if (missing.length === 0) continue;
      const columns = missing.map(([, column]) => `, ${usualValue(table, column)} AS ${column}`).join("");
      statements.push(`CREATE TEMP VIEW ${table} AS SELECT m.*${columns} FROM main.${table} AS m`);
    }
    for (const [name, columns] of Object.entries(addedTables(dialects.sqlite))) {
      if (await dialects.sqlite.hasTable(source, name)) continue;
      if (name === "run_tags") statements.push(TAGS_OF_METADATA);
      // Nobody fills it, so rules about what it refers to are left out.
      else statements.push(`CREATE TEMP TABLE ${name} ${columns.replaceAll(/ REFERENCES \S+ ON DELETE CASCADE/g, "")}`);
    }
    return statements;
  },
};

/** The tags of old runs, as a view. Valid is what SQLite reads: also NaN, as Python writes it, and no broken text. */
const TAGS_OF_METADATA = `CREATE TEMP VIEW run_tags AS
  SELECT DISTINCT r.uid AS run_uid, t.value AS tag
  FROM main.runs r, json_each(CASE WHEN json_valid(r.metadata, 2) THEN r.metadata ELSE '{}' END, '$.tags') t
  WHERE t.type = 'text' AND t.path = '$.tags'`;

/** What a column that is not there would hold. */
function usualValue(table: string, column: string): string {
  return table === "samples" && column === "unique_name" ? "m.name" : "NULL";
}

/** Fills `run_tags` from the metadata of runs that were written without. */
async function tagRuns(transaction: CatalogTransaction): Promise<void> {
  const PAGE = 500;
  for (let last: string | undefined = ""; last !== undefined; ) {
    const runs: { uid: string; metadata: string | null }[] = await transaction.all(
      `SELECT uid, metadata FROM runs WHERE uid > ? ORDER BY uid LIMIT ${PAGE}`,
      [last],
    );
    const rows = runs.flatMap(({ uid, metadata }) => {
      return tagsOf(lenient(() => parseJson(metadata, `Run ${uid}, metadata`), undefined)).map((tag) => [uid, tag]);
    });
    await transaction.runMany("INSERT INTO run_tags (run_uid, tag) VALUES (?, ?) ON CONFLICT DO NOTHING", rows);
    last = runs.at(-1)?.uid;
  }
}

/** The tags that the metadata of a run lists, without repetition. */
export function tagsOf(metadata: unknown): string[] {
  const { tags } = (metadata ?? {}) as { tags?: unknown };
  return Array.isArray(tags) ? [...new Set(tags.filter((tag) => typeof tag === "string"))] : [];
}

async function runAll(transaction: CatalogTransaction, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await transaction.run(statement);
}
