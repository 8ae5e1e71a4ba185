/** `sluice live ls` */
import { isStorageError } from "../../../core/errors.ts";
import type { Scan, ScanStateName } from "../../../live/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { formatTable, quote } from "../../format.ts";
import { queryOf, SCAN_HEADER, scanRecord, scanRow, shortKey } from "../../live-format.ts";
import { type LiveOptions, OpenLive } from "../../open-live.ts";
import { describeError } from "../../terminal.ts";

/** Options of `sluice live ls`. */
export interface ListScansOptions extends LiveOptions {
  readonly state?: readonly ScanStateName[] | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Prints a page of scans, newest first, and where the next one begins. A cursor is the key of the last scan of a page. */
export async function listScans(
  terms: readonly string[],
  options: ListScansOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { limit, cursor } = options;
  const query = queryOf(terms, options);
  await using open = await OpenLive.open(options, terminal);
  const { keys } = await open.store.search(query, { signal });
  const left = [...keys].reverse();
  const after = cursor === undefined ? -1 : left.findIndex((key) => shortKey(key) === shortKey(cursor));
  // One that has gone meanwhile has its place by its time, which keys begin with.
  const isGone = cursor !== undefined && after < 0;
  const rest = isGone ? left.filter((key) => shortKey(key) < shortKey(cursor)) : left.slice(after + 1);
  const scans: Scan[] = [];
  for (const key of rest.slice(0, limit)) {
    try {
      scans.push(await open.store.loadScan(key, { signal }));
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND", "CORRUPT")) throw error;
      if (error.code === "CORRUPT") terminal.say(describeError(error));
    }
  }
  const next = rest.length > limit ? shortKey(rest[limit - 1] as string) : undefined;
  terminal.print(
    { live: open.shown, scans: scans.map(scanRecord), cursor: next ?? null },
    scans.length === 0 ? [] : formatTable([SCAN_HEADER, ...scans.map(scanRow)]),
  );
  if (scans.length === 0) terminal.say("No scan");
  if (next !== undefined && !terminal.json) terminal.say(`More: --cursor ${quote(next)}`);
  return undefined;
}
