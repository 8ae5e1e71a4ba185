/** Writing runs into the index. */
import type { CatalogTransaction } from "../database.ts";
import { type DialectName, dialects } from "../dialect.ts";
import { textDialects } from "./index-dialect.ts";
import { type EntryOwner, fingerprint, type IndexEntry, textOfEntry } from "./index-entry.ts";
import { lastPositionAt, nextPosition, positionAt } from "./run-position.ts";

/** Parameters of one query; SQLite takes 32,766 of them, PostgreSQL 65,535. */
const MAX_PARAMETERS = 500;

interface KnownRow {
  uid: string;
  position: string | null;
  fingerprint: string | null;
}

/**
 * Writes runs of one beamtime, whether they are there or not. What is there and the same is left alone.
 *
 * @returns How many runs were new or different.
 */
export async function putEntries(
  transaction: CatalogTransaction,
  dialect: DialectName,
  owner: EntryOwner,
  entries: readonly IndexEntry[],
): Promise<number> {
  const { integer } = dialects[dialect];
  const text = textDialects[dialect];
  const known = await knownRows(
    transaction,
    entries.map(({ uid }) => uid),
  );
  const places = new Places(transaction, integer);
  const removed: string[][] = [];
  const runs: (string | number | null)[][] = [];
  const texts: ReturnType<typeof text.row>[] = [];
  for (const entry of entries) {
    const before = known.get(entry.uid);
    const print = fingerprint(entry, owner);
    if (before?.fingerprint === print) continue;
    const old = before?.position ?? undefined;
    if (old !== undefined) removed.push([old]);
    const position = isAt(old, entry.timeStart) ? old : await places.take(entry.timeStart);
    const { uid, planName, sampleName, timeStart, timeStop, exitStatus, numEvents, tags } = entry;
    const many = [timeStop ?? null, exitStatus ?? null, numEvents ?? null, JSON.stringify(tags), print, position];
    runs.push([uid, owner.researcherId, owner.beamtimeId, planName, sampleName ?? null, timeStart, ...many]);
    texts.push(text.row(position, textOfEntry(entry, owner)));
  }
  await transaction.runMany(text.remove, removed);
  await transaction.runMany(
    `INSERT INTO runs_index (uid, researcher_id, beamtime_id, plan_name, sample_name, time_start,
       time_stop, exit_status, num_events, tags, fingerprint, position)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS ${integer}))
     ON CONFLICT (uid) DO UPDATE SET
       researcher_id = excluded.researcher_id, beamtime_id = excluded.beamtime_id, plan_name = excluded.plan_name,
       sample_name = excluded.sample_name, time_start = excluded.time_start, time_stop = excluded.time_stop,
       exit_status = excluded.exit_status, num_events = excluded.num_events, tags = excluded.tags,
       fingerprint = excluded.fingerprint, position = excluded.position`,
    runs,
  );
  await transaction.runMany(text.insert, texts);
  return runs.length;
}

/** Takes runs out of the index; their words go with them. */
export function removeEntries(transaction: CatalogTransaction, uids: readonly string[]): Promise<number> {
  return transaction.runMany(
    "DELETE FROM runs_index WHERE uid = ?",
    uids.map((uid) => [uid]),
  );
}

async function knownRows(transaction: CatalogTransaction, uids: readonly string[]): Promise<Map<string, KnownRow>> {
  const known = new Map<string, KnownRow>();
  for (let start = 0; start < uids.length; start += MAX_PARAMETERS) {
    const part = uids.slice(start, start + MAX_PARAMETERS);
    const rows = await transaction.all<KnownRow>(
      `SELECT uid, CAST(position AS TEXT) AS position, fingerprint FROM runs_index
       WHERE uid IN (${part.map(() => "?").join(", ")})`,
      part,
    );
    for (const row of rows) known.set(row.uid, row);
  }
  return known;
}

/** True if a position is one of the millisecond of a time, and may stay. */
function isAt(position: string | undefined, time: number): position is string {
  if (position === undefined) return false;
  return BigInt(position) >= positionAt(time) && BigInt(position) <= lastPositionAt(time);
}

/** Free positions, as long as a transaction keeps all others from writing. */
class Places {
  readonly #transaction: CatalogTransaction;
  readonly #integer: string;
  /** The last position that is taken in a millisecond, by its first one. */
  readonly #last = new Map<bigint, bigint>();

  constructor(transaction: CatalogTransaction, integer: string) {
    this.#transaction = transaction;
    this.#integer = integer;
  }

  async take(time: number): Promise<string> {
    const first = positionAt(time);
    const last = this.#last.get(first) ?? (await this.#lastTaken(first, time));
    const position = last === undefined ? first : nextPosition(last, time);
    this.#last.set(first, position);
    return String(position);
  }

  async #lastTaken(first: bigint, time: number): Promise<bigint | undefined> {
    const [row] = await this.#transaction.all<{ position: string | null }>(
      `SELECT CAST(MAX(position) AS TEXT) AS position FROM runs_index
       WHERE position BETWEEN CAST(? AS ${this.#integer}) AND CAST(? AS ${this.#integer})`,
      [String(first), String(lastPositionAt(time))],
    );
    return row?.position == null ? undefined : BigInt(row.position);
  }
}
