/** `sluice index add` */
import { dirname, resolve } from "node:path";
import { Catalog } from "../../../catalog/index.ts";
import { labelOf, publicLocation } from "../../../catalog/location.ts";
import { isUrl } from "../../../session/catalog-location.ts";
import type { CommandContext } from "../../command-line.ts";
import { plural } from "../../format.ts";
import { type IndexOptions, openIndex } from "../../open-catalog.ts";

/** Options of `sluice index add`. */
export interface AddBeamtimeOptions extends IndexOptions {
  readonly researcher: string;
  readonly label?: string | undefined;
  readonly description?: string | undefined;
  readonly root?: string | undefined;
  readonly email?: string | undefined;
  readonly orcid?: string | undefined;
  readonly affiliation?: string | undefined;
}

/** Registers a beamtime with its researcher, and indexes its runs. */
export async function addBeamtime(
  file: string,
  options: AddBeamtimeOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  // Before the index is made or changed: what is no beamtime file is not registered.
  await (await Catalog.open(file)).close();
  const { researcher, label = labelOf(file), root = folderOf(file), description } = options;
  const { email, orcid, affiliation } = options;
  await using index = await openIndex(options, terminal, "make");
  const researcherId = await index.registerResearcher(researcher, root, { email, orcid, affiliation });
  const beamtimeId = await index.registerBeamtime(researcherId, label, file, { description });
  const counts = await index.reindex(file, { signal });
  terminal.print({ index: index.location, researcherId, beamtimeId, ...counts }, [
    `Beamtime "${label}" of ${researcher}: ${plural(counts.added, "run")} added, ${counts.updated} updated, ${counts.removed} removed`,
  ]);
  return undefined;
}

/** Where the data of a beamtime lies: the folder of its file, or the database with its schema. */
function folderOf(file: string): string {
  if (!isUrl(file)) return dirname(resolve(file));
  const url = new URL(publicLocation(file));
  url.search = "";
  return url.href;
}
