/** `sluice sync` */
import type { CommandContext } from "../command-line.ts";
import { formatBytes, plural } from "../format.ts";
import { type LocationOptions, Locations } from "../location.ts";
import { byteLengthOf, copyTreeCommand, type TreeCommandOptions, withStatus } from "../tree-command.ts";

/** Options of `sluice sync`. */
export interface SyncCommandOptions extends TreeCommandOptions, LocationOptions {
  readonly delete?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly compare?: "content" | "size" | undefined;
}

/** Makes a target hold what a source holds. */
export async function sync(
  from: string,
  to: string,
  options: SyncCommandOptions,
  context: CommandContext,
): Promise<number> {
  await using locations = await Locations.open(options, context.terminal);
  const { dryRun, compare } = options;
  const source = locations.find(from);
  const target = locations.findTarget(to);
  return await copyTreeCommand(
    {
      from,
      to,
      dryRun,
      goOn: ["sluice", ...context.args],
      run: (common) => locations.files.sync(source, target, { ...common, delete: options.delete, compare }),
      summary: (items) => {
        const written = withStatus(items, "copied", "replaced");
        const deleted = withStatus(items, "deleted").length;
        return [
          dryRun ? "Would copy " : "",
          `${plural(written.length, "file")}, ${formatBytes(byteLengthOf(written))}`,
          `; ${withStatus(items, "equal").length} equal already`,
          options.delete ? `; ${deleted} ${dryRun ? "to delete" : "deleted"}` : "",
          ` → ${to}`,
        ].join("");
      },
    },
    options,
    context,
  );
}
