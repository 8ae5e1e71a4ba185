/** `sluice cp` */
import type { IfExists, SaveResult } from "../../core/data-sink.ts";
import { baseName, joinKey } from "../../core/key.ts";
import type { CommandContext } from "../command-line.ts";
import { formatBytes, plural } from "../format.ts";
import { Locations } from "../location.ts";

/** Options of `sluice cp`. */
export interface CpOptions {
  readonly ifExists?: IfExists | undefined;
  readonly convert?: boolean | undefined;
  readonly session?: string | undefined;
}

/** Copies a file or a tree between any two backends. */
export async function cp(
  from: string,
  to: string,
  options: CpOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using locations = await Locations.open(options.session);
  const { files } = locations;
  const source = locations.find(from);
  let target = locations.find(to);
  const name = baseName(source.path.replace(/\/+$/, ""));
  if (name !== "" && (await files.isDir(target.path, target.backend, { signal }))) {
    target = { ...target, path: joinKey(target.path, name) };
  }
  const results = await files.transfer(source, target, {
    ifExists: options.ifExists,
    as: options.convert ? "values" : "auto",
    signal,
  });
  const byteLength = results.reduce((sum, result) => sum + bytesOf(result), 0);
  const skipped = results.filter((result) => result.status === "skipped").length;
  const line = [
    `${plural(results.length - skipped, "file")}${byteLength > 0 ? `, ${formatBytes(byteLength)}` : ""}`,
    skipped > 0 ? `, ${skipped} skipped` : "",
    ` → ${to}`,
  ].join("");
  terminal.print({ from, to, results }, [line]);
  return undefined;
}

function bytesOf(result: SaveResult): number {
  return "byteLength" in result ? (result.byteLength ?? 0) : 0;
}
