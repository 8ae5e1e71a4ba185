/** Watching a catalogue that another process writes. */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { type Clock, pause } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { CatalogDatabase } from "./database.ts";
import { type CatalogEvent, mergeEvents, readEvents } from "./event-reader.ts";
import { oneRunQuery, type RunStatus } from "./run-query.ts";
import { livingWriters } from "./writer-lease.ts";

/** Options of whatever waits for others to write. */
export interface WatchOptions extends OperationOptions {
  /**
   * How often to ask whether another process has committed, in milliseconds; asking costs microseconds. Default 10.
   */
  readonly pollMs?: number | undefined;
}

/** Options of `CatalogRun.follow`. */
export interface FollowOptions extends WatchOptions {
  /**
   * Where to begin: with the first event (the default), with what comes next, or behind the last sequence number that was
   * seen of each stream, by its name; streams that are not named begin with their first.
   */
  readonly from?: "start" | "now" | Readonly<Record<string, number>> | undefined;
}

/** What watching needs. */
export interface Watched {
  readonly database: CatalogDatabase;
  readonly clock: Clock;
  /** The time, in seconds since 1970. */
  readonly now: () => number;
}

const DEFAULT_POLL_MS = 10;
/** Below every sequence number; those of other programs may begin with 0. */
const BEFORE_ALL = Number.MIN_SAFE_INTEGER;
/** Events that are asked for at once. */
const READ_ROWS = 1000;

/**
 * Yields the events of a run that are there, then those that come, until the run has ended or its writer is gone. Events
 * of one stream come in order; those of several that were committed together come by time.
 */
export async function* followRun(watched: Watched, uid: string, options: FollowOptions): AsyncGenerator<CatalogEvent> {
  const { database } = watched;
  const { from = "start", signal } = options;
  const context = { operation: "follow", identifier: uid };
  const seen = new Map<string, number>();
  for (let isFirst = true; ; isFirst = false) {
    checkAborted(signal, context);
    // Both are asked for before the events: what is committed after them is seen the next time round.
    const token = await database.watchToken({ signal });
    const life = await lifeOf(watched, uid, options);
    const streams = await database.all<{ uid: string; name: string }>(
      "SELECT uid, name FROM streams WHERE run_uid = ? ORDER BY time_created, name",
      [uid],
      { signal },
    );
    for (const stream of streams) {
      if (seen.has(stream.uid)) continue;
      if (from === "now" && isFirst) seen.set(stream.uid, await lastSeqNum(database, stream.uid, options));
      else seen.set(stream.uid, typeof from === "object" ? (from[stream.name] ?? BEFORE_ALL) : BEFORE_ALL);
    }
    const sources = streams.map((stream) => {
      return readEvents(database, stream, { after: seen.get(stream.uid), pageRows: READ_ROWS, signal });
    });
    const uids = new Map(streams.map((stream) => [stream.name, stream.uid]));
    for await (const event of mergeEvents(sources)) {
      seen.set(uids.get(event.stream) as string, event.seqNum);
      yield event;
    }
    if (life !== "running") return;
    await nextChange(
      watched,
      token,
      async () => (await lifeOf(watched, uid, options)) !== "running",
      options,
      "follow",
    );
  }
}

/** Yields the uids of runs that are added from now on. */
export async function* watchRuns(watched: Watched, options: WatchOptions): AsyncGenerator<string> {
  const { database } = watched;
  let token = await database.watchToken(options);
  const known = new Set<string>(await allUids(database, options));
  for (;;) {
    await nextChange(watched, token, async () => false, options, "watch");
    token = await database.watchToken(options);
    if (await hasCount(database, known.size, options)) continue;
    const uids = await allUids(database, options);
    const added = uids.filter((uid) => !known.has(uid));
    known.clear();
    for (const uid of uids) known.add(uid);
    yield* added;
  }
}

/** Resolves when something was committed since a token was taken, or the condition holds. */
async function nextChange(
  { database, clock }: Watched,
  token: string,
  isOver: () => Promise<boolean>,
  { pollMs = DEFAULT_POLL_MS, signal }: WatchOptions,
  operation: string,
): Promise<void> {
  if (!(pollMs > 0)) {
    throw new StorageError("INVALID_DATA", `pollMs must be more than 0, got ${pollMs}`, { operation });
  }
  const context = { operation, identifier: database.location };
  do await pause(clock, pollMs, signal, context);
  while ((await database.watchToken({ signal })) === token && !(await isOver()));
}

/** Whether a run goes on. */
async function lifeOf({ database, now }: Watched, uid: string, { signal }: OperationOptions): Promise<RunStatus> {
  const { sql, params } = oneRunQuery(uid, await livingWriters(database, now()));
  const [row] = await database.all<{ status: RunStatus }>(sql, params, { signal });
  if (row !== undefined) return row.status;
  const message = `Run "${uid}" is no longer in "${database.location}"`;
  throw new StorageError("NOT_FOUND", message, { operation: "follow", identifier: uid });
}

async function lastSeqNum(database: CatalogDatabase, streamUid: string, { signal }: OperationOptions): Promise<number> {
  const sql = "SELECT MAX(seq_num) AS last FROM events WHERE stream_uid = ?";
  const [row] = await database.all<{ last: number | string | null }>(sql, [streamUid], { signal });
  return Number(row?.last ?? BEFORE_ALL);
}

async function hasCount(database: CatalogDatabase, count: number, { signal }: OperationOptions): Promise<boolean> {
  const [row] = await database.all<{ n: number | string }>("SELECT COUNT(*) AS n FROM runs", [], { signal });
  return Number(row?.n) === count;
}

async function allUids(database: CatalogDatabase, { signal }: OperationOptions): Promise<string[]> {
  const rows = await database.all<{ uid: string }>("SELECT uid FROM runs ORDER BY time_start, uid", [], { signal });
  return rows.map(({ uid }) => uid);
}
