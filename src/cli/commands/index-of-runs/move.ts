/** `sluice index move` */
import { Catalog } from "../../../catalog/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { beamtimeNamed, type IndexOptions, openIndex } from "../../open-catalog.ts";

/** Says where the file of a beamtime is now, and brings the index up to date with it. */
export async function moveBeamtime(
  name: string,
  file: string,
  options: IndexOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  // Before the index is changed: what is no beamtime file is none of this one.
  await (await Catalog.open(file)).close();
  await using index = await openIndex(options, terminal, "write");
  const { id, label } = await beamtimeNamed(index, name);
  await index.moveBeamtime(id, file);
  const counts = await index.reindex(file, { signal });
  const [moved] = await index.beamtimes(file);
  terminal.print({ index: index.location, beamtimeId: id, path: moved?.path, ...counts }, [
    `Beamtime "${label}" is ${moved?.path}: ${counts.added} added, ${counts.updated} updated, ${counts.removed} removed`,
  ]);
  return undefined;
}
