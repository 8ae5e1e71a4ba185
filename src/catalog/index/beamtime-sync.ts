/** The runs of one beamtime, in its file and in the index: where they differ, and making them the same. */
import type { OperationOptions } from "../../core/byte-store.ts";
import type { CatalogTransaction } from "../database.ts";
import type { DialectName, SqlSource } from "../dialect.ts";
import { type BeamtimeRuns, RUN_PAGE } from "./beamtime-runs.ts";
import { putEntries, removeEntries } from "./entry-table.ts";
import { type EntryOwner, fingerprint, type IndexEntry } from "./index-entry.ts";

/** Some runs of a beamtime that are not as they should be in the index. */
export interface Differences {
  /** In the file, and in no index row. */
  readonly missing: readonly IndexEntry[];
  /** In both, with other contents. */
  readonly changed: readonly IndexEntry[];
  /** In the file, and in the index as a run of another beamtime. */
  readonly elsewhere: readonly IndexEntry[];
  /** In the index, and in the file no more. */
  readonly gone: readonly string[];
}

/** How many runs a repair wrote and took away. */
export interface SyncCounts {
  /** Runs that the index did not have. */
  readonly added: number;
  /** Runs that it had otherwise. */
  readonly updated: number;
  /** Rows whose run is gone. */
  readonly removed: number;
}

/** Page by page, so that it does not matter how many there are. */
export async function* differences(
  source: SqlSource,
  runs: BeamtimeRuns,
  owner: EntryOwner,
  options: OperationOptions = {},
): AsyncGenerator<Differences> {
  yield* rowsGone(source, runs, owner, options);
  for (let last = ""; ; ) {
    await turn();
    const entries = await runs.page(last, options);
    const end = entries.at(-1);
    if (end === undefined) return;
    last = end.uid;
    const known = await rowsOf(
      source,
      entries.map(({ uid }) => uid),
    );
    const missing: IndexEntry[] = [];
    const changed: IndexEntry[] = [];
    const elsewhere: IndexEntry[] = [];
    for (const entry of entries) {
      const row = known.get(entry.uid);
      if (row === undefined) missing.push(entry);
      else if (Number(row.beamtime_id) !== owner.beamtimeId) elsewhere.push(entry);
      else if (row.fingerprint !== fingerprint(entry, owner)) changed.push(entry);
    }
    if (missing.length + changed.length + elsewhere.length > 0) yield { missing, changed, elsewhere, gone: [] };
  }
}

/**
 * Makes the index say what the file says.
 *
 * @param options - `takeOver`: runs that the index has in another beamtime too. `signal`.
 */
export async function syncBeamtime(
  transaction: CatalogTransaction,
  dialect: DialectName,
  runs: BeamtimeRuns,
  owner: EntryOwner,
  options: OperationOptions & { readonly takeOver: boolean },
): Promise<SyncCounts> {
  const counts = { added: 0, updated: 0, removed: 0 };
  for await (const { missing, changed, elsewhere, gone } of differences(transaction, runs, owner, options)) {
    counts.removed += await removeEntries(transaction, gone);
    counts.added += await putEntries(transaction, dialect, owner, missing);
    const others = options.takeOver ? elsewhere : [];
    counts.updated += await putEntries(transaction, dialect, owner, [...changed, ...others]);
  }
  return counts;
}

/**
 * Rows of runs that the file no longer has. The index is looked at first: a run is in its file before it is in the index,
 * so that none that has just been recorded looks gone.
 */
async function* rowsGone(
  source: SqlSource,
  runs: BeamtimeRuns,
  { beamtimeId }: EntryOwner,
  options: OperationOptions,
): AsyncGenerator<Differences> {
  for (let last = ""; ; ) {
    await turn();
    const rows = await source.all<{ uid: string }>(
      `SELECT uid FROM runs_index WHERE beamtime_id = ? AND uid > ? ORDER BY uid LIMIT ${RUN_PAGE}`,
      [beamtimeId, last],
    );
    const end = rows.at(-1);
    if (end === undefined) return;
    last = end.uid;
    const there = await runs.known(
      rows.map(({ uid }) => uid),
      options,
    );
    const gone = rows.flatMap(({ uid }) => (there.has(uid) ? [] : [uid]));
    if (gone.length > 0) yield { missing: [], changed: [], elsewhere: [], gone };
  }
}

/** Lets timers, sockets and signals have their turn: SQLite answers at once, and promises alone never would. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

async function rowsOf(source: SqlSource, uids: readonly string[]): Promise<Map<string, IndexRow>> {
  const rows = await source.all<IndexRow>(
    `SELECT uid, beamtime_id, fingerprint FROM runs_index WHERE uid IN (${uids.map(() => "?").join(", ")})`,
    uids,
  );
  return new Map(rows.map((row) => [row.uid, row]));
}

interface IndexRow {
  uid: string;
  beamtime_id: number | string;
  fingerprint: string | null;
}
