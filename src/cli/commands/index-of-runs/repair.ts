/** `sluice index repair` */
import type { CommandContext } from "../../command-line.ts";
import { exitCodes } from "../../exit-codes.ts";
import { plural } from "../../format.ts";
import { type IndexOptions, openIndex } from "../../open-catalog.ts";

/** Options of `sluice index repair`. */
export interface RepairIndexOptions extends IndexOptions {
  readonly dryRun?: boolean | undefined;
}

/** Makes the index say what the files say. The exit code is 1 if a file could not be read. */
export async function repairIndex(
  { dryRun = false, ...options }: RepairIndexOptions,
  { terminal, signal }: CommandContext,
): Promise<number> {
  await using index = await openIndex(options, terminal, dryRun ? "read" : "write");
  const { unreadable, ...counts } = await index.repair({ dryRun, signal });
  const { added, updated, removed, elsewhere } = counts;
  const problems = unreadable.map(({ error, ...rest }) => ({ ...rest, error: error.toJSON() }));
  terminal.print({ index: index.location, dryRun, ...counts, unreadable: problems }, [
    `${plural(added, "run")} ${dryRun ? "to add" : "added"}, ${updated} ${dryRun ? "to update" : "updated"}, ${removed} ${dryRun ? "to remove" : "removed"}`,
    ...(elsewhere === 0
      ? []
      : [`${plural(elsewhere, "run")} left with another beamtime, which has the same file or a copy`]),
    ...unreadable.map(({ kind, beamtime, error }) => `${kind}  ${beamtime.label}  ${beamtime.path}: ${error.message}`),
  ]);
  return unreadable.length === 0 ? exitCodes.ok : exitCodes.failed;
}
