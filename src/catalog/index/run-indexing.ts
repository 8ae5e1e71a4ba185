/** Writing single runs into the index. */
import { StorageError } from "../../core/errors.ts";
import { isFileProblem } from "./beamtime-runs.ts";
import { putEntries } from "./entry-table.ts";
import type { IndexConnection } from "./index-connection.ts";
import type { IndexEntry } from "./index-entry.ts";
import type { IndexPaths } from "./index-path.ts";
import { checkName, checkTime, type IndexedBeamtime, needBeamtime, needResearcher } from "./registry-table.ts";

/** What else is known of a run that is indexed. What is left out is taken from the run itself. */
export interface IndexRunDetails {
  readonly sampleName?: string | null | undefined;
  /** Seconds since 1970. */
  readonly timeStart?: number | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
}

/** A run, as {@link IndexWriter.indexRun} is given it. */
export interface GivenRun extends IndexRunDetails {
  readonly uid: string;
  readonly researcherId: number;
  readonly beamtimeId: number;
  readonly planName: string;
}

/** Writes a run that may be in no file. */
export async function indexGivenRun(
  connection: IndexConnection,
  paths: IndexPaths,
  run: GivenRun,
  now: () => number,
): Promise<void> {
  const { researcherId, beamtimeId } = run;
  const uid = checkName("run's uid", run.uid);
  const planName = checkName("plan's name", run.planName);
  const given = checkTime("timeStart", run.timeStart);
  const database = await connection.open();
  await needResearcher(database, researcherId);
  const beamtime = await needBeamtime(database, paths, beamtimeId);
  if (beamtime.researcherId !== researcherId) {
    const message = `Beamtime ${beamtimeId} is one of researcher ${beamtime.researcherId}, not of ${researcherId}`;
    throw new StorageError("INVALID_DATA", message, { operation: "indexRun", identifier: uid });
  }
  const own = await ownEntry(connection, beamtime, uid);
  await connection.write(async (transaction) => {
    const sql = "SELECT time_start FROM runs_index WHERE uid = ?";
    const [before] = await transaction.all<{ time_start: number | string }>(sql, [uid]);
    const entry: IndexEntry = {
      uid,
      planName,
      sampleName: run.sampleName ?? own?.sampleName,
      timeStart: Number(given ?? own?.timeStart ?? before?.time_start ?? now()),
      timeStop: own?.timeStop,
      exitStatus: own?.exitStatus,
      numEvents: own?.numEvents,
      tags: [...new Set(run.tags ?? own?.tags ?? [])],
      texts: own?.texts ?? (beamtime.description === undefined ? [] : [beamtime.description]),
    };
    await putEntries(transaction, database.dialect, { researcherId, beamtimeId }, [entry]);
  });
}

/**
 * Writes a run as its file has it.
 *
 * @throws A {@link StorageError} `NOT_FOUND` if the file has no such run.
 */
export async function indexOwnRun(connection: IndexConnection, beamtime: IndexedBeamtime, uid: string): Promise<void> {
  const database = await connection.open();
  const runs = await connection.runsOf(beamtime);
  try {
    await connection.write(async (transaction) => {
      // Read when nobody else writes the index, so that what is older never replaces what is newer.
      const entry = await runs.get(uid);
      if (entry === undefined) {
        throw new StorageError("NOT_FOUND", `"${beamtime.path}" has no run "${uid}"`, { identifier: uid });
      }
      const owner = { researcherId: beamtime.researcherId, beamtimeId: beamtime.id };
      await putEntries(transaction, database.dialect, owner, [entry]);
    });
  } finally {
    await runs.close();
  }
}

/** The run as its file has it. A file that is not there, or cannot be read, has nothing to add to what was given. */
async function ownEntry(
  connection: IndexConnection,
  beamtime: IndexedBeamtime,
  uid: string,
): Promise<IndexEntry | undefined> {
  try {
    const runs = await connection.runsOf(beamtime);
    try {
      return await runs.get(uid);
    } finally {
      await runs.close();
    }
  } catch (error) {
    if (isFileProblem(error)) return undefined;
    throw error;
  }
}
