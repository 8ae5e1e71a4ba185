/** Streams of a run. */
import type { OperationOptions } from "../core/byte-store.ts";
import type { DataKey } from "../core/documents.ts";
import type { CatalogDatabase } from "./database.ts";
import { parseObject } from "./row-json.ts";

/** One stream of a run. */
export interface CatalogStream {
  readonly uid: string;
  readonly name: string;
  /** What it says of its fields. Those of other programs may lack what the event model asks for. */
  readonly dataKeys: Readonly<Record<string, DataKey>>;
  /** Seconds since 1970-01-01 UTC. */
  readonly timeCreated: number | undefined;
  /** Events that were there when it was looked up. */
  readonly numEvents: number;
  /** Configuration, object keys and hints of its descriptor, if it came with one. */
  readonly extra: Readonly<Record<string, unknown>>;
}

interface StreamRow {
  readonly uid: string;
  readonly name: string;
  readonly data_keys: string;
  readonly time_created: number | string | null;
  readonly extra: string | null;
  readonly num_rows: number | string;
  readonly seq_stop: number | string | null;
}

/** The streams of a run, in the order in which they were opened. */
export async function readStreams(
  database: CatalogDatabase,
  runUid: string,
  options: OperationOptions = {},
): Promise<CatalogStream[]> {
  const rows = await database.all<StreamRow>(
    "SELECT s.uid, s.name, s.data_keys, s.time_created, s.extra, " +
      "(SELECT COUNT(*) FROM events e WHERE e.stream_uid = s.uid) AS num_rows, " +
      "(SELECT MAX(d.seq_stop) FROM stream_data d WHERE d.stream_uid = s.uid) AS seq_stop " +
      "FROM streams s WHERE s.run_uid = ? ORDER BY s.time_created, s.name",
    [runUid],
    options,
  );
  return rows.map((row) => ({
    uid: row.uid,
    name: row.name,
    dataKeys: parseObject(row.data_keys, `Stream ${row.uid}, data keys`) as Record<string, DataKey>,
    timeCreated: row.time_created === null ? undefined : Number(row.time_created),
    // An event is there when it has a row of readings, frames, or both.
    numEvents: Math.max(Number(row.num_rows), Number(row.seq_stop ?? 1) - 1),
    extra: parseObject(row.extra, `Stream ${row.uid}, extra`),
  }));
}
