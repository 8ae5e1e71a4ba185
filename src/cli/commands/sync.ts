/** `sluice sync` */
import type { TreeItem } from "../../io/tree-transfer.ts";
import type { CommandContext } from "../command-line.ts";
import { exitCodes } from "../exit-codes.ts";
import { formatBytes, plural } from "../format.ts";
import { Locations } from "../location.ts";
import { describeError } from "../terminal.ts";

/** Options of `sluice sync`. */
export interface SyncCommandOptions {
  readonly delete?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly compare?: "content" | "size" | undefined;
  readonly verify?: "written" | "read" | undefined;
  readonly concurrency?: number | undefined;
  readonly session?: string | undefined;
}

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 1000;

/** Makes a target hold what a source holds. Every file is tried; the exit code is 1 if one failed. */
export async function sync(
  from: string,
  to: string,
  options: SyncCommandOptions,
  { terminal, signal }: CommandContext,
): Promise<number> {
  await using locations = await Locations.open(options.session);
  const { dryRun, compare, verify, concurrency } = options;
  let shown = performance.now();
  const items = await locations.files.sync(locations.find(from), locations.find(to), {
    delete: options.delete,
    dryRun,
    compare,
    verify,
    concurrency,
    signal,
    onError: "collect",
    onProgress: ({ files, filesTotal, byteLength, byteLengthTotal }) => {
      if (performance.now() - shown < PROGRESS_MS) return;
      shown = performance.now();
      const bytes = byteLengthTotal > 0 ? `, ${formatBytes(byteLength)} of ${formatBytes(byteLengthTotal)}` : "";
      terminal.progress(`${files} of ${plural(filesTotal, "file")}${bytes}`);
    },
  });
  if (signal.aborted) throw items.find((item) => item.error?.code === "ABORTED")?.error ?? signal.reason;
  const of = (...statuses: readonly TreeItem["status"][]) => items.filter((item) => statuses.includes(item.status));
  const written = of("copied", "replaced");
  const byteLength = written.reduce((sum, item) => sum + (item.byteLength ?? 0), 0);
  const failed = of("failed");
  const line = [
    dryRun ? "Would copy " : "",
    `${plural(written.length, "file")}, ${formatBytes(byteLength)}`,
    `; ${of("equal").length} equal already`,
    options.delete ? `; ${of("deleted").length} ${dryRun ? "to delete" : "deleted"}` : "",
    ` → ${to}`,
  ].join("");
  for (const { path, error } of failed) terminal.say(`${path}: ${describeError(error)}`);
  terminal.print({ from, to, dryRun: dryRun ?? false, items }, [line]);
  return failed.length === 0 ? exitCodes.ok : exitCodes.failed;
}
