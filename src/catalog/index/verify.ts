/** Whether the index says what the beamtime files say. */
import type { OperationOptions } from "../../core/byte-store.ts";
import { isStorageError, type StorageError } from "../../core/errors.ts";
import type { CatalogDatabase } from "../database.ts";
import { BeamtimeRuns, isFileProblem } from "./beamtime-runs.ts";
import { differences } from "./beamtime-sync.ts";
import type { IndexedBeamtime } from "./registry-table.ts";

/** Something that is not as it should be. */
export type IndexProblem =
  | FileProblem
  | {
      /**
       * - `not-indexed`: the run is in the file of the beamtime, and not in the index.
       * - `changed`: both have it, and they say different things of it.
       * - `gone`: the index has it, and the file has it no more.
       * - `elsewhere`: the index has it as a run of another beamtime. Its file was copied, or registered twice.
       */
      readonly kind: "not-indexed" | "changed" | "gone" | "elsewhere";
      readonly beamtime: IndexedBeamtime;
      readonly uid: string;
    };

/** A beamtime whose file cannot be looked into. */
export interface FileProblem {
  /**
   * `missing-file`: there is none where it should be. `unreadable-file`: there is one, or a server that cannot be asked,
   * and `error` says what it is.
   */
  readonly kind: "missing-file" | "unreadable-file";
  readonly beamtime: IndexedBeamtime;
  readonly error: StorageError;
}

/** Opens the runs of a beamtime. */
export type OpenRuns = (beamtime: IndexedBeamtime) => Promise<BeamtimeRuns>;

/**
 * Compares each beamtime with its file, one after the other, page by page. Runs that have not ended may be in the index
 * or not.
 */
export async function* verifyIndex(
  database: CatalogDatabase,
  beamtimes: readonly IndexedBeamtime[],
  open: OpenRuns,
  options: OperationOptions,
): AsyncGenerator<IndexProblem> {
  for (const beamtime of beamtimes) {
    const runs = await openRuns(beamtime, open);
    if (!(runs instanceof BeamtimeRuns)) {
      yield runs;
      continue;
    }
    try {
      const owner = { beamtimeId: beamtime.id, researcherId: beamtime.researcherId };
      for await (const { missing, changed, elsewhere, gone } of differences(database, runs, owner, options)) {
        for (const uid of gone) yield { kind: "gone", beamtime, uid };
        for (const { uid, exitStatus } of missing)
          if (exitStatus !== undefined) yield { kind: "not-indexed", beamtime, uid };
        for (const { uid } of changed) yield { kind: "changed", beamtime, uid };
        for (const { uid } of elsewhere) yield { kind: "elsewhere", beamtime, uid };
      }
    } catch (error) {
      // A page in its middle may be damaged. What is wrong with the index itself ends it all.
      if (!isFileProblem(error) || error.identifier !== runs.location) throw error;
      yield { kind: "unreadable-file", beamtime, error };
    } finally {
      await runs.close();
    }
  }
}

/** The file of a beamtime, or why it cannot be looked into. */
export async function openRuns(beamtime: IndexedBeamtime, open: OpenRuns): Promise<BeamtimeRuns | FileProblem> {
  try {
    return await open(beamtime);
  } catch (error) {
    if (!isFileProblem(error)) throw error;
    return { kind: isStorageError(error, "NOT_FOUND") ? "missing-file" : "unreadable-file", beamtime, error };
  }
}
