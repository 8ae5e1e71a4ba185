/**
 * Tells runs that are being written from runs whose writer is gone.
 *
 * Every open writer has a row in `writers`, which names its process. A writer of this machine is gone when its process
 * has ended; one of another machine when its row has not been renewed in time. What a writer that was gone left open is
 * marked `lost` by the next one that opens the database.
 */
import type { CatalogTransaction, SqlSource } from "./database.ts";
import { lenient } from "./row-json.ts";
import { isAlive, thisProcess } from "./writing-process.ts";

/** The row of one writer. */
export class WriterLease {
  /** Key of the row. */
  readonly id: string;
  readonly #seconds: number;
  #renewed = Number.NEGATIVE_INFINITY;

  /** @param seconds - How long a writer of another machine is believed to live without a sign of it. */
  constructor(id: string, seconds: number) {
    this.id = id;
    this.#seconds = seconds;
  }

  /** True if a third of the time is over. */
  isDue(now: number): boolean {
    return now - this.#renewed >= this.#seconds / 3 || now < this.#renewed;
  }

  /**
   * Writes or renews the row.
   *
   * @param now - Seconds since 1970.
   * @param run - The run that is being written. If somebody took this writer for gone meanwhile (the machine slept), the
   * run is open again.
   */
  async renew(transaction: CatalogTransaction, now: number, run?: string): Promise<void> {
    const known = await transaction.run("UPDATE writers SET heartbeat = ?, expires = ? WHERE id = ?", [
      now,
      now + this.#seconds,
      this.id,
    ]);
    if (known === 0) {
      await transaction.run("INSERT INTO writers (id, process, heartbeat, expires) VALUES (?, ?, ?, ?)", [
        this.id,
        thisProcess(),
        now,
        now + this.#seconds,
      ]);
      if (run !== undefined) {
        await transaction.run("UPDATE runs SET exit_status = NULL WHERE uid = ? AND exit_status = 'lost'", [run]);
      }
    }
    this.#renewed = now;
  }

  /** Removes the row. */
  async end(transaction: CatalogTransaction): Promise<void> {
    await transaction.run("DELETE FROM writers WHERE id = ?", [this.id]);
  }
}

/**
 * Marks runs `lost` that nobody writes any more, with the number of events that are there. When they stopped nobody
 * knows, and so nothing is said of it.
 *
 * @param now - Seconds since 1970.
 * @returns The runs that were marked.
 */
export async function markLostRuns(transaction: CatalogTransaction, now: number): Promise<string[]> {
  const { gone } = await readWriters(transaction, now);
  await transaction.runMany(
    "DELETE FROM writers WHERE id = ?",
    gone.map((id) => [id]),
  );
  const lost = await transaction.all<{ uid: string }>(
    "SELECT uid FROM runs WHERE exit_status IS NULL AND time_stop IS NULL " +
      "AND (writer IS NULL OR writer NOT IN (SELECT id FROM writers))",
  );
  for (const { uid } of lost) {
    const events = await countEvents(transaction, uid);
    await transaction.run("UPDATE runs SET exit_status = 'lost', num_events = ? WHERE uid = ?", [events, uid]);
  }
  return lost.map(({ uid }) => uid);
}

/**
 * The writers that live: a run that was not ended, and is of none of them, is lost.
 *
 * @param now - Seconds since 1970.
 */
export async function livingWriters(source: SqlSource, now: number): Promise<string[]> {
  return (await readWriters(source, now)).living;
}

/** Writers by whether they live. */
async function readWriters(source: SqlSource, now: number): Promise<{ living: string[]; gone: string[] }> {
  const writers = await source.all<{ id: string; process: string; expires: number | string }>(
    "SELECT id, process, expires FROM writers",
  );
  const living: string[] = [];
  const gone: string[] = [];
  for (const { id, process, expires } of writers) {
    // A damaged row must not keep all runs away: its writer lives as long as the row says that it does.
    const isLiving = lenient(() => isAlive(process), undefined) ?? Number(expires) >= now;
    (isLiving ? living : gone).push(id);
  }
  return { living, gone };
}

/**
 * Events of a run: those of its stream "primary", or, in a run that has none, of all its streams. Frames that a device
 * wrote by itself count as events where their stream has no others.
 */
export async function countEvents(source: SqlSource, run: string): Promise<number> {
  const streams = await source.all<{ name: string; events: number; frames: number | null }>(
    "SELECT s.name AS name, (SELECT count(*) FROM events e WHERE e.stream_uid = s.uid) AS events, " +
      "(SELECT max(d.seq_stop) - 1 FROM stream_data d WHERE d.stream_uid = s.uid) AS frames " +
      "FROM streams s WHERE s.run_uid = ?",
    [run],
  );
  const primary = streams.filter(({ name }) => name === "primary");
  const counted = primary.length > 0 ? primary : streams;
  return counted.reduce((sum, { events, frames }) => sum + Math.max(Number(events), Number(frames ?? 0)), 0);
}
