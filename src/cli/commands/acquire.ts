/** `sluice acquire` */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { StorageError } from "../../core/errors.ts";
import type { RunProgress, RunSummary } from "../../session/plans/run.ts";
import type { Preview } from "../../session/preview.ts";
import type { Session } from "../../session/session.ts";
import type { CommandContext } from "../command-line.ts";
import { exitCodes } from "../exit-codes.ts";
import { formatBytes, formatRate, formatTable, plural, quote } from "../format.ts";
import { ProgressLine } from "../progress-line.ts";
import type { Terminal } from "../terminal.ts";

/** Options of `sluice acquire`. */
export interface AcquireOptions {
  /** Readings, instead of the number in the file. */
  readonly num?: number | undefined;
  /** Folder whose installed packages may bring backends. */
  readonly discover?: string | undefined;
}

/** Runs the plan of a session file. Ctrl-C ends the run early and keeps what was recorded. */
export async function acquire(
  file: string,
  options: AcquireOptions,
  { terminal, signal }: CommandContext,
): Promise<number> {
  // No `await using` here: TypeScript does not rewrite the file names of import() in functions that have it.
  const { openSession, writePreview } = await import("../../session/index.ts");
  const onCatalogError = ({ code, message }: StorageError) => terminal.say(`Catalogue: ${code}: ${message}`);
  const onLiveError = ({ code, message }: StorageError) => terminal.say(`Live: ${code}: ${message}`);
  const session = await openSession(file, { signal, discover: options.discover, onCatalogError, onLiveError });
  try {
    for (const { message } of session.discovery?.problems ?? []) terminal.say(message);
    for (const [name, error] of session.failures) terminal.say(`Without ${name}: ${error.message}`);
    const { plan } = session.config;
    const chosen = plan && options.num !== undefined ? { ...plan, num: options.num } : plan;
    const summary = await session.run(chosen, { signal, onProgress: progressTo(terminal) });
    const preview = await writePreview(session, summary, { frame: -1 });
    const next = nextCommand(summary);
    const [catalog, live] = [asJson(summary.catalog), asJson(summary.live)];
    terminal.print({ ...summary, catalog, live, preview, next }, report(session, summary, preview, next));
    if (signal.aborted) return exitCodes.interrupted;
    // The frames are safe; that the run cannot be found again, or followed, is a failure all the same.
    const isWhole = summary.catalog?.error === undefined && summary.live?.error === undefined;
    return summary.exitStatus === "success" && isWhole ? exitCodes.ok : exitCodes.failed;
  } finally {
    await session.close();
  }
}

function asJson(report: { readonly error?: StorageError } | undefined) {
  return report?.error === undefined ? report : { ...report, error: report.error.toJSON() };
}

/** Shows progress in readings, frames and MB/s. */
function progressTo(terminal: Terminal): (progress: RunProgress) => void {
  const line = new ProgressLine(terminal, { startsAtOnce: true });
  return ({ events, total, frames, bytes, seconds }) =>
    line.show(() => {
      const stored = Object.values(frames).reduce((sum, count) => sum + count, 0);
      return `${events} of ${total} readings, ${plural(stored, "frame")}, ${formatBytes(bytes)}, ${formatRate(bytes, seconds)}`;
    });
}

function report(
  session: Session,
  summary: RunSummary,
  preview: Preview | undefined,
  next: string | undefined,
): string[] {
  const { exitStatus, reason, events, seconds, devices, stores } = summary;
  const frames = Object.values(devices).reduce((sum, device) => sum + device.frames, 0);
  const bytes = Object.values(devices).reduce((sum, device) => sum + device.bytes, 0);
  const state = exitStatus === "success" ? "done" : `stopped early (${reason})`;
  return [
    `Session "${session.name}" ${state}: ${plural(events, "reading")} in ${seconds.toFixed(2)} s`,
    "",
    ...formatTable(
      Object.entries(devices).map(([name, device]) => [
        `  ${name}`,
        plural(device.frames, "frame"),
        formatBytes(device.bytes),
        device.rejected > 0 ? `${device.rejected} rejected` : "",
      ]),
    ).map((line) => line.trimEnd()),
    "",
    ...Object.entries(stores).map(
      ([group, uri]) => `Data        ${dataLocation(uri)}${group === "default" ? "" : ` (${group})`}`,
    ),
    ...(summary.folder === undefined ? [] : [`Documents   ${shown(summary.folder)}/documents.jsonl`]),
    ...catalogLines(summary),
    ...liveLines(summary),
    ...(preview === undefined ? [] : [previewLine(preview)]),
    `Throughput  ${formatRate(bytes, seconds)}, ${(seconds > 0 ? frames / seconds : 0).toFixed(0)} frames a second`,
    ...(next === undefined ? [] : ["", `Try next    ${next}`]),
  ];
}

/** How to find the run again. */
function catalogLines({ catalog }: RunSummary): string[] {
  if (catalog === undefined) return [];
  const { location, runUid, error } = catalog;
  if (runUid === undefined) return [`Catalogue   not in ${shown(location)}: ${error?.code}`];
  const partly = error === undefined ? "" : ` (not all of it: ${error.code})`;
  return [`Catalogue   npx sluice runs show ${runUid.slice(0, 8)} --catalog ${quote(shown(location))}${partly}`];
}

/** How to follow the next run. */
function liveLines({ live }: RunSummary): string[] {
  if (live === undefined) return [];
  const { location, key, missing, error } = live;
  if (key === undefined) return [`Live        not at ${shown(location)}: ${error?.code}`];
  if (/^memory:/i.test(location)) return ["Live        in memory only, gone when this command ends"];
  const partly = error === undefined ? "" : ` (${plural(missing, "point")} missing: ${error.code})`;
  return [`Live        npx sluice live ls --live ${quote(shown(location))}${partly}`];
}

function previewLine({ path, device, frame, black, white }: Preview): string {
  return `Preview     ${shown(path)} (${device}, frame ${frame}, ${black} black to ${white} white)`;
}

/** `info` for a store that it can describe, else a list of what is there. */
function nextCommand({ stores }: RunSummary): string | undefined {
  const uris = Object.values(stores).filter((each) => each.startsWith("file:"));
  const known = uris.find((uri) => /\.(zarr|tiffs)$/.test(uri));
  if (known !== undefined) return `npx sluice info ${quote(shown(known))}`;
  return uris[0] === undefined ? undefined : `npx sluice ls -r ${quote(shown(uris[0]))}`;
}

function dataLocation(uri: string): string {
  return uri.startsWith("mem:") ? "in memory only, gone when this command ends" : shown(uri);
}

/** A location as one would type it here: relative where that is shorter. */
function shown(location: string): string {
  if (/^(?!file:)[a-z][a-z0-9+.-]+:/i.test(location)) return location;
  const path = location.startsWith("file:")
    ? fileURLToPath(location.replace("file://localhost/", "file:///"))
    : location;
  const here = relative("", path);
  return here.length < path.length ? here || "." : path;
}
