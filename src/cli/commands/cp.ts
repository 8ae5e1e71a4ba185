/** `sluice cp` */
import type { IfExists } from "../../core/data-sink.ts";
import { StorageError } from "../../core/errors.ts";
import { baseName, joinKey } from "../../core/key.ts";
import type { CommandContext } from "../command-line.ts";
import { formatBytes, plural, quote } from "../format.ts";
import { type LocationOptions, Locations } from "../location.ts";
import { byteLengthOf, copyTreeCommand, type TreeCommandOptions, withStatus } from "../tree-command.ts";

/** Options of `sluice cp`. */
export interface CpOptions extends TreeCommandOptions, LocationOptions {
  readonly recursive?: boolean | undefined;
  readonly ifExists?: IfExists | undefined;
  readonly convert?: boolean | undefined;
  /** `false`: the target is the copy itself, also where a directory of its name exists. */
  readonly targetDirectory: boolean;
}

/** Copies a value, or with `recursive` a tree, between any two backends. */
export async function cp(from: string, to: string, options: CpOptions, context: CommandContext): Promise<number> {
  await using locations = await Locations.open(options, context.terminal);
  const { files } = locations;
  const { signal } = context;
  const source = locations.find(from);
  let target = locations.findTarget(to);
  if (!options.recursive && (await files.isDir(source.path, source.backend, { signal }))) {
    const advice = `sluice cp -r ${quote(from)} ${quote(to)}`;
    throw new StorageError("IS_A_DIRECTORY", `"${from}" is a directory; try: ${advice}`, { identifier: from });
  }
  const name = baseName(source.path.replace(/\/+$/, ""));
  const mayGoInside = options.targetDirectory && name !== "";
  const goesInside = mayGoInside && (await files.isDir(target.path, target.backend, { signal }));
  if (goesInside) target = { ...target, path: joinKey(target.path, name) };
  // What an interrupted copy has made is a directory, into which the same command would put a second copy.
  const again = options.recursive && mayGoInside && !goesInside ? ["-T"] : [];
  const [command = "cp", ...rest] = context.args;
  return await copyTreeCommand(
    {
      from,
      to,
      goOn: ["sluice", command, ...again, ...rest],
      run: (common) => {
        const as = options.convert ? "values" : "auto";
        return files.copyTree(source, target, { ...common, ifExists: options.ifExists, as });
      },
      summary: (items) => {
        const written = withStatus(items, "copied", "replaced");
        const byteLength = byteLengthOf(written);
        const equal = withStatus(items, "equal").length;
        const skipped = withStatus(items, "kept").length;
        return [
          `${plural(written.length, "file")}${byteLength > 0 ? `, ${formatBytes(byteLength)}` : ""}`,
          equal > 0 ? `, ${equal} equal already` : "",
          skipped > 0 ? `, ${skipped} skipped` : "",
          ` → ${to}`,
        ].join("");
      },
    },
    options,
    context,
  );
}
