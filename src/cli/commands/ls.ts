/** `sluice ls` */

import { baseName, joinKey } from "../../core/key.ts";
import { compareNatural } from "../../core/natural-sort.ts";
import type { CommandContext } from "../command-line.ts";
import { formatBytes, formatTable } from "../format.ts";
import { type LocationOptions, Locations } from "../location.ts";

/** Options of `sluice ls`. */
export interface LsOptions extends LocationOptions {
  readonly recursive?: boolean | undefined;
  readonly pattern?: string | undefined;
}

/** One line of a listing. */
interface Entry {
  readonly path: string;
  readonly kind: string;
  readonly byteLength?: number | undefined;
  readonly modified?: string | undefined;
}

/** Lists entries of a directory, or files by depth and pattern. */
export async function ls(
  address: string,
  options: LsOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using locations = await Locations.open(options, terminal);
  const { files } = locations;
  const { backend, path } = locations.find(address);
  const { recursive, pattern } = options;

  let found: string[];
  if (await files.isFile(path, backend, { signal })) found = [path];
  else if (recursive || pattern !== undefined)
    found = await files.listFiles(path, backend, { recursive, pattern, signal });
  else found = (await files.listDir(path, backend, { signal })).map((name) => joinKey(path, name));

  const entries: Entry[] = [];
  for (const each of found) {
    const { kind, byteLength, modifiedMs } = await files.stat(each, backend, { signal });
    const modified = modifiedMs === undefined ? undefined : new Date(modifiedMs).toISOString();
    entries.push({ path: each, kind, byteLength: kind === "file" ? byteLength : undefined, modified });
  }
  entries.sort((a, b) => compareNatural(a.path, b.path));
  const shown = (entry: Entry) => {
    const name = recursive || pattern !== undefined ? entry.path : baseName(entry.path);
    return entry.kind === "directory" ? `${name}/` : name;
  };
  const rows = entries.map((entry) => [
    entry.byteLength === undefined ? "-" : formatBytes(entry.byteLength),
    entry.modified?.slice(0, 16).replace("T", " ") ?? "-",
    shown(entry),
  ]);
  terminal.print({ address, entries }, formatTable(rows));
  return undefined;
}
