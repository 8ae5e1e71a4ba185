/** `sluice runs list`, `sluice runs search` */
import type { CatalogRun } from "../../../catalog/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { formatTable, quote } from "../../format.ts";
import { type CatalogOptions, type FilterOptions, filterOf, OpenCatalog } from "../../open-catalog.ts";
import { momentOf, runDocument } from "../../run-format.ts";

/** Options of `sluice runs list` and `sluice runs search`. */
export interface ListRunsOptions extends CatalogOptions, FilterOptions {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Prints a page of runs, newest first, and where the next one begins. */
export async function listRuns(
  words: readonly string[],
  options: ListRunsOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { limit, cursor } = options;
  await using open = await OpenCatalog.open(options, terminal);
  const page = await open.catalog.search({ ...filterOf(words, options), limit, cursor, signal });
  terminal.print(
    { catalog: open.catalog.location, runs: page.runs.map(runDocument), cursor: page.cursor ?? null },
    page.runs.length === 0 ? [] : formatTable([HEADER, ...page.runs.map(rowOf)]),
  );
  if (page.runs.length === 0) terminal.say("No run");
  if (page.cursor !== undefined && !terminal.json) terminal.say(`More: --cursor ${quote(page.cursor)}`);
  return undefined;
}

const HEADER = ["STARTED (UTC)", "STATUS", "PLAN", "EVENTS", "SAMPLE", "UID"];

function rowOf({ timeStart, status, planName, numEvents, sampleName = "–", uid }: CatalogRun): string[] {
  return [momentOf(timeStart), status, planName, String(numEvents), sampleName, uid];
}
