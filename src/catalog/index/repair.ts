/** Bringing the index back to what the beamtime files say. */
import type { OperationOptions } from "../../core/byte-store.ts";
import type { CatalogDatabase } from "../database.ts";
import { BeamtimeRuns } from "./beamtime-runs.ts";
import { type SyncCounts, syncBeamtime } from "./beamtime-sync.ts";
import type { IndexedBeamtime } from "./registry-table.ts";
import { type FileProblem, type OpenRuns, openRuns, verifyIndex } from "./verify.ts";

/** Options of a repair. */
export interface RepairOptions extends OperationOptions {
  /** True: says what would be done, and does nothing. Default `false`. */
  readonly dryRun?: boolean | undefined;
}

/** What a repair did, or would do. */
export interface RepairReport extends SyncCounts {
  /** Beamtimes whose file cannot be read. Their rows stay: a disk may be away for a while. */
  readonly unreadable: readonly FileProblem[];
  /** Runs that stay with another beamtime, whose file may have them too. `reindex` of a file takes them to it. */
  readonly elsewhere: number;
}

/** Repairs each beamtime in a transaction of its own, so that others can write in between. */
export async function repairIndex(
  database: CatalogDatabase,
  beamtimes: readonly IndexedBeamtime[],
  open: OpenRuns,
  { dryRun = false, signal }: RepairOptions,
): Promise<RepairReport> {
  const report = { added: 0, updated: 0, removed: 0, elsewhere: 0 };
  const unreadable: FileProblem[] = [];
  const steps = { "not-indexed": "added", changed: "updated", gone: "removed", elsewhere: "elsewhere" } as const;
  for (const beamtime of beamtimes) {
    const found = { added: 0, updated: 0, removed: 0, elsewhere: 0 };
    let unread: FileProblem | undefined;
    for await (const problem of verifyIndex(database, [beamtime], open, { signal })) {
      if ("uid" in problem) found[steps[problem.kind]]++;
      else unread = problem;
    }
    const isRight = found.added + found.updated + found.removed === 0;
    const done = unread ?? (dryRun || isRight ? found : await sync(database, beamtime, open, { signal }));
    if ("error" in done) {
      unreadable.push(done);
      continue;
    }
    report.elsewhere += found.elsewhere;
    report.added += done.added;
    report.updated += done.updated;
    report.removed += done.removed;
  }
  return { ...report, unreadable };
}

/** What verifying found is looked for again, now that nobody else writes. The file may have gone meanwhile. */
function sync(
  database: CatalogDatabase,
  beamtime: IndexedBeamtime,
  open: OpenRuns,
  options: OperationOptions,
): Promise<SyncCounts | FileProblem> {
  return database.transaction(async (transaction) => {
    const runs = await openRuns(beamtime, open);
    if (!(runs instanceof BeamtimeRuns)) return runs;
    try {
      const owner = { beamtimeId: beamtime.id, researcherId: beamtime.researcherId };
      return await syncBeamtime(transaction, database.dialect, runs, owner, { ...options, takeOver: false });
    } finally {
      await runs.close();
    }
  }, options);
}
