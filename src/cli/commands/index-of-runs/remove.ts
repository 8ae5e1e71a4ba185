/** `sluice index remove` */
import type { CommandContext } from "../../command-line.ts";
import { plural } from "../../format.ts";
import { beamtimeNamed, type IndexOptions, openIndex } from "../../open-catalog.ts";

/** Takes a beamtime out of the index. Its file stays as it is. */
export async function removeBeamtime(
  name: string,
  options: IndexOptions,
  { terminal }: CommandContext,
): Promise<undefined> {
  await using index = await openIndex(options, terminal, "write");
  const { id, label, path } = await beamtimeNamed(index, name);
  const runs = await index.removeBeamtime(id);
  terminal.print({ index: index.location, beamtimeId: id, path, runs }, [
    `Beamtime "${label}" is no longer in the index, nor ${runs === 1 ? "is its run" : `are its ${plural(runs, "run")}`}; its file is left as it is: ${path}`,
  ]);
  return undefined;
}
