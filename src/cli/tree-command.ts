/** What `cp` and `sync` have in common: progress, what became of the files, and how to go on. */
import { StorageError } from "../core/errors.ts";
import type { CopyTreeOptions, TreeItem, TreeProgress } from "../io/tree-transfer.ts";
import type { CommandContext } from "./command-line.ts";
import { exitCodes } from "./exit-codes.ts";
import { formatBytes, formatRate, plural, quote } from "./format.ts";
import { ProgressLine } from "./progress-line.ts";
import { describeError, escapeControls } from "./terminal.ts";

/** Options of commands that copy trees. */
export interface TreeCommandOptions {
  readonly concurrency?: number | undefined;
  readonly verify?: "written" | "read" | undefined;
  /** `"stop"`: the first failure ends the command. Default `"continue"`: every file is tried. */
  readonly onError?: "stop" | "continue" | undefined;
}

/** One copy of a tree. */
export interface TreeCommand {
  /** Addresses, as they were typed. */
  readonly from: string;
  readonly to: string;
  readonly dryRun?: boolean | undefined;
  /** Copies, with these options and its own. */
  readonly run: (options: CopyTreeOptions) => Promise<TreeItem[]>;
  /** The last line, for people. */
  readonly summary: (items: readonly TreeItem[]) => string;
  /** Arguments of `sluice` that go on after an interruption. */
  readonly goOn: readonly string[];
}

/** Copies, and reports. The exit code is 1 if a file failed, 130 after Ctrl-C. */
export async function copyTreeCommand(
  { from, to, dryRun = false, run, summary, goOn }: TreeCommand,
  { concurrency, verify, onError }: TreeCommandOptions,
  { terminal, signal }: CommandContext,
): Promise<number> {
  const stop = new AbortController();
  const line = new ProgressLine(terminal);
  const started = performance.now();
  let last: TreeProgress | undefined;
  const items = await run({
    concurrency,
    verify,
    dryRun,
    signal: AbortSignal.any([signal, stop.signal]),
    onError: "collect",
    onItem: ({ status, error }) => {
      if (status !== "failed" || onError !== "stop" || error?.code === "ABORTED") return;
      stop.abort(new StorageError("ABORTED", "Stopped at the first failure"));
    },
    onProgress: (progress) => {
      last = progress;
      line.show(() => progressText(progress, (performance.now() - started) / 1000));
    },
  });
  const unfinished = items.filter(({ error }) => error?.code === "ABORTED");
  const failed = items.filter((item) => item.status === "failed" && !unfinished.includes(item));
  const [only] = items;
  // A single value fails as any command does.
  if (items.length === 1 && only?.path === "" && only.status === "failed") throw only.error;
  for (const { path, error } of failed) terminal.say(`${escapeControls(path)}: ${describeError(error)}`);
  const isWhole = unfinished.length === 0;
  terminal.print({ from, to, dryRun, finished: isWhole, items }, isWhole ? [summary(items)] : []);
  if (!isWhole) {
    const bytes = last === undefined ? "" : `, ${formatBytes(byteLengthOf(items.filter(isDone)))}`;
    const done = items.filter(isDone).length;
    terminal.say(`Stopped after ${done} of ${plural(items.length, "file")}${bytes}. No file is half there.`);
  }
  if (!isWhole || failed.length > 0) terminal.say(`To go on: ${goOn.map(quote).join(" ")}`);
  if (signal.aborted) return exitCodes.interrupted;
  return isWhole && failed.length === 0 ? exitCodes.ok : exitCodes.failed;
}

/** Items of some statuses. */
export function withStatus(items: readonly TreeItem[], ...statuses: readonly TreeItem["status"][]): TreeItem[] {
  return items.filter((item) => statuses.includes(item.status));
}

/** Bytes of items. */
export function byteLengthOf(items: readonly TreeItem[]): number {
  return items.reduce((sum, item) => sum + (item.byteLength ?? 0), 0);
}

function isDone({ status }: TreeItem): boolean {
  return status !== "failed";
}

function progressText({ files, filesTotal, byteLength, byteLengthTotal }: TreeProgress, seconds: number): string {
  const count = `${files} of ${plural(filesTotal, "file")}`;
  if (byteLengthTotal === 0) return count;
  return `${count}, ${formatBytes(byteLength)} of ${formatBytes(byteLengthTotal)}, ${formatRate(byteLength, seconds)}`;
}
