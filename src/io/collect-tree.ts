/** What lies below a directory, found with the two questions that every source answers: names, and kinds. */
import { DEFAULT_CONCURRENCY, mapBatch } from "../core/batch.ts";
import type { OperationOptions } from "../core/byte-store.ts";
import type { Capabilities } from "../core/capabilities.ts";
import type { DataSource } from "../core/data-source.ts";
import { joinKey, parentKey } from "../core/key.ts";
import { naturalSort } from "../core/natural-sort.ts";

/** Paths below a directory. */
export interface DirectoryTree {
  /** Directories, and links to directories, each once; the directory itself is not among them. Natural order. */
  readonly directories: string[];
  /** Files, and links to files. Natural order. */
  readonly files: string[];
}

/** Options of collecting what lies below a directory. */
export interface CollectOptions extends OperationOptions {
  /** Descends into directories (never through links). Default `true`. */
  readonly recursive?: boolean | undefined;
}

/** Paths below a directory, and which of them are links. */
export interface DirectoryEntries extends DirectoryTree {
  /** Links: those to files and directories, which are in the other lists too, and broken ones. */
  readonly links: string[];
}

/**
 * Collects what lies below a directory. Broken links are in neither list.
 *
 * @returns Paths relative to `directory`.
 * @throws A {@link StorageError} `NOT_FOUND` or `NOT_A_DIRECTORY` for the directory itself; nothing else is passed over.
 */
export async function collectTree(
  source: DataSource,
  directory: string,
  options: CollectOptions = {},
): Promise<DirectoryTree> {
  const { directories, files } = await collectEntries(source, directory, options);
  return { directories, files };
}

/** As {@link collectTree}, with the links. */
export async function collectEntries(
  source: DataSource,
  directory: string,
  options: CollectOptions = {},
): Promise<DirectoryEntries> {
  const { recursive = true, signal } = options;
  const isFlat = hasFlatKeys(source);
  if (isFlat && recursive) return collectFlat(source, directory, signal);
  const directories: string[] = [];
  const files: string[] = [];
  const links: string[] = [];
  let level = [""];
  while (level.length > 0) {
    const below: string[] = [];
    for (const parent of level) {
      const names = await source.listDir(parent === "" ? directory : joinKey(directory, parent), { signal });
      const kinds = await mapBatch(
        names,
        async (name) => {
          const path = joinKey(directory, joinKey(parent, name));
          const { kind } = await source.stat(path, { signal });
          if (kind !== "symlink") {
            const isFile = kind === "file";
            // With flat keys a file may be a directory as well: what is below it must not be passed over.
            return {
              isFile,
              isDirectory: isFile ? isFlat && (await source.isDir(path, { signal })) : kind === "directory",
              isLink: false,
            };
          }
          const isDirectory = await source.isDir(path, { signal });
          return { isFile: !isDirectory && (await source.isFile(path, { signal })), isDirectory, isLink: true };
        },
        { concurrency: DEFAULT_CONCURRENCY, signal },
        (error) => {
          throw error;
        },
      );
      kinds.forEach(({ isFile, isDirectory, isLink }, index) => {
        const path = joinKey(parent, names[index] as string);
        if (isLink) links.push(path);
        if (isFile) files.push(path);
        if (!isDirectory) return;
        directories.push(path);
        if (recursive && !isLink) below.push(path);
      });
    }
    level = below;
  }
  return { directories: naturalSort(directories), files: naturalSort(files), links };
}

/** As {@link collectEntries} of a source without real directories and links: its listing tells kinds, and asks nobody. */
async function collectFlat(
  source: DataSource,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<DirectoryEntries> {
  const root = joinKey(directory, "x").length - 1;
  const found = await source.listFiles(directory, { recursive: true, signal });
  const files = found.map((path) => path.slice(root));
  const directories = new Set<string>();
  for (const file of files) {
    for (let above = parentKey(file); above !== ""; above = parentKey(above)) directories.add(above);
  }
  return { directories: naturalSort([...directories]), files: naturalSort(files), links: [] };
}

/** True if a source declares that files may have others below them. */
function hasFlatKeys(source: DataSource): boolean {
  return (source as { capabilities?: Partial<Capabilities> }).capabilities?.flatKeys === true;
}
