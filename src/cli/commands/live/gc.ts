/** `sluice live gc` */
import { existsSync } from "node:fs";
import { StorageError } from "../../../core/errors.ts";
import { openBlobTier, Retention } from "../../../live/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { dryEngine } from "../../dry-engine.ts";
import { exitCodes } from "../../exit-codes.ts";
import { shortKey } from "../../live-format.ts";
import { type LiveOptions, OpenLive } from "../../open-live.ts";
import { policyOf, type RetentionCommandOptions, reportLines, reportRecord } from "../../retention-options.ts";
import { describeError } from "../../terminal.ts";

/** Options of `sluice live gc`. */
export interface CollectOptions extends LiveOptions, RetentionCommandOptions {
  /** Folder of large frames that only these scans refer to. */
  readonly blobs?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

/** How long nothing was written to frames of which no scan is known. */
const ORPHANS_MS = 86_400_000;

/** Lets leave what may, once, and reports. The exit code is 1 if something could not be cleaned. */
export async function collect(options: CollectOptions, { terminal, signal }: CommandContext): Promise<number> {
  const { dryRun: isDryRun = false, blobs: folder } = options;
  if (folder !== undefined && !existsSync(folder)) {
    throw new StorageError("NOT_FOUND", `There is no folder "${folder}" of large frames`, { operation: "gc" });
  }
  await using open = await OpenLive.open(options, terminal);
  const { engine } = open.store;
  await using blobs = folder === undefined ? undefined : await openBlobTier({ root: folder });
  const retention = new Retention(isDryRun ? dryEngine(engine) : engine, policyOf(options, open.retention), {
    blobs: isDryRun && blobs ? { trim: async () => {}, streams: (options) => blobs.streams(options) } : blobs,
    orphansMs: ORPHANS_MS,
    onEvent: (event) => {
      if (event.type === "critical") terminal.say("The store is too full, and nothing that is left may leave");
    },
  });
  const report = await retention.pass({ signal });
  terminal.print({ live: open.shown, dryRun: isDryRun, ...reportRecord(report) }, reportLines(report, { isDryRun }));
  for (const { scan, error } of report.failed) {
    terminal.say(`${scan === undefined ? "The store" : shortKey(scan)}: ${describeError(error)}`);
  }
  return report.failed.length > 0 ? exitCodes.failed : exitCodes.ok;
}
