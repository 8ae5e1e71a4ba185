/** Watching a catalogue that another process writes. */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { type Clock, pause } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { CatalogDatabase } from "./database.ts";
import { dialects } from "./dialect.ts";
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

/** Options of `Catalog.watch`. */
export interface WatchRunsOptions extends WatchOptions {
  /** True: runs come again when they end, are marked lost, or go on after they were. Default `false`. */
  readonly changes?: boolean | undefined;
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
const UNFINISHED = "WHERE exit_status IS NULL";

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

/** Yields the uids of runs that are added from now on, and, if asked to, of runs that end or go on. */
export async function* watchRuns(watched: Watched, options: WatchRunsOptions): AsyncGenerator<string> {
  const { database } = watched;
  const { runsToken } = dialects[database.dialect];
  let token = await database.watchToken(options);
  let runs = await runsToken(database);
  let known = new Set(await uidsWhere(database, "", options));
  let open = new Set(await uidsWhere(database, UNFINISHED, options));
  for (;;) {
    await nextChange(watched, token, async () => false, options, "watch");
    // All are asked for before what they are about: what is committed after them is seen the next time round.
    token = await database.watchToken(options);
    const runsNow = await runsToken(database);
    const openNow = options.changes ? new Set(await uidsWhere(database, UNFINISHED, options)) : open;
    const before = known;
    if (runsNow !== runs) known = new Set(await uidsWhere(database, "", options));
    const changed = [...open, ...openNow].filter((uid) => open.has(uid) !== openNow.has(uid));
    [runs, open] = [runsNow, openNow];
    if (known !== before) for (const uid of known) if (!before.has(uid)) yield uid;
    for (const uid of changed) if (before.has(uid) && known.has(uid)) yield uid;
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

async function uidsWhere(database: CatalogDatabase, where: string, { signal }: OperationOptions): Promise<string[]> {
  const sql = `SELECT uid FROM runs ${where} ORDER BY time_start, uid`;
  const rows = await database.all<{ uid: string }>(sql, [], { signal });
  return rows.map(({ uid }) => uid);
}
