/** `sluice index search` */
import { relative } from "node:path";
import type { IndexedRun } from "../../../catalog/index.ts";
import { isUrl } from "../../../session/catalog-location.ts";
import type { CommandContext } from "../../command-line.ts";
import { formatTable, quote } from "../../format.ts";
import { type FilterOptions, filterOf, type IndexOptions, openIndex } from "../../open-catalog.ts";
import { momentOf } from "../../run-format.ts";

/** Options of `sluice index search`. */
export interface SearchIndexOptions extends IndexOptions, FilterOptions {
  readonly researcher?: string | undefined;
  readonly beamtime?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Prints a page of the runs of all beamtimes, newest first, each with the file that it is in. */
export async function searchIndex(
  words: readonly string[],
  options: SearchIndexOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { researcher, beamtime, limit, cursor } = options;
  await using index = await openIndex(options, terminal);
  const page = await index.search({ ...filterOf(words, options), researcher, beamtime, limit, cursor, signal });
  terminal.print(
    { index: index.location, runs: page.runs, cursor: page.cursor ?? null },
    page.runs.length === 0 ? [] : formatTable([HEADER, ...page.runs.map(rowOf)]),
  );
  if (page.runs.length === 0) terminal.say("No run");
  if (page.cursor !== undefined && !terminal.json) terminal.say(`More: --cursor ${quote(page.cursor)}`);
  return undefined;
}

const HEADER = ["STARTED (UTC)", "STATUS", "PLAN", "SAMPLE", "RESEARCHER", "BEAMTIME", "UID", "FILE"];

function rowOf({ timeStart, status, planName, sampleName = "–", researcher, beamtime, uid }: IndexedRun): string[] {
  const place = shortest(beamtime.path);
  return [momentOf(timeStart), status, planName, sampleName, researcher.name, beamtime.label, uid, place];
}

/** The path from here, if that is shorter; a URL as it is. */
function shortest(path: string): string {
  if (isUrl(path)) return path;
  const here = relative("", path);
  return here.length < path.length ? here : path;
}
