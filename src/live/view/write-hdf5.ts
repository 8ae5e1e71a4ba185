/** Writes a file of scans as a real HDF5 file. */
import { copyFile, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { CallOptions } from "../engine.ts";
import { draftName, sweepDrafts } from "./draft-name.ts";
import { loadHdf5 } from "./hdf5-module.ts";
import { Hdf5Writer } from "./hdf5-writer.ts";
import type { LiveFile } from "./live-file.ts";
import { writeTree } from "./tree-writer.ts";

/** Options of {@link writeHdf5}. */
export interface WriteHdf5Options extends CallOptions {
  /** Path of the HDF5 file. Default: that of the view. */
  readonly to?: string | undefined;
  /** Groups at the root to write, such as `"1.1"`. Default: all that are there now. */
  readonly names?: readonly string[] | undefined;
  /** What if a file is there: `"add"` keeps what it has, and adds groups that it has not. Default `"add"`. */
  readonly ifExists?: "add" | "replace" | "error" | undefined;
  /** Level of gzip, 1 to 9, for datasets of numbers with axes. Default: not compressed. */
  readonly gzip?: number | undefined;
}

/**
 * Writes scans as HDF5, with their attributes and links, in the order of their layouts. Streams that are still written
 * are followed to their end. Numbers are moved in pieces of 16 MiB at most; text is written at once. Datasets in other
 * files and virtual ones become plain datasets; float16 is kept as float32, booleans as bytes, both with the attribute
 * `sluice_dtype`.
 *
 * Readers see the file that was there before, then, in one step, the new one; a write that fails or is aborted changes
 * nothing. If somebody else has written the file meanwhile, it is written again, with what that one has. What a process that was killed has left beside the file is removed by the next write, if that is on the same
 * machine.
 *
 * @param file - Who has the scans. It must not be closed meanwhile.
 * @returns Names of the groups that were written.
 * @throws A {@link StorageError}: `ALREADY_EXISTS`, `MISSING_DEPENDENCY` without `h5wasm`, what reading a dataset throws.
 */
export async function writeHdf5(file: LiveFile, options: WriteHdf5Options = {}): Promise<readonly string[]> {
  const { ifExists = "add", signal, gzip } = options;
  const to = resolve(options.to ?? file.path);
  const h5 = await loadHdf5();
  const draft = join(dirname(to), draftName(basename(to)));
  try {
    const before = await versionOf(to);
    const isThere = before !== undefined;
    if (isThere && ifExists === "error") {
      const message = `${to} exists; pass ifExists: "add" or "replace", or another path`;
      throw new StorageError("ALREADY_EXISTS", message, { operation: "writeHdf5", identifier: to });
    }
    await sweepDrafts(to);
    const isAdded = isThere && ifExists === "add";
    if (isAdded) await copyFile(to, draft);
    const made = new h5.File(draft, isAdded ? "a" : "w", { track_order: true });
    const written: string[] = [];
    try {
      const writer = new Hdf5Writer(h5, made, { gzip });
      const present = new Set(isAdded ? made.keys() : []);
      if (!isAdded) writer.attributes("/", file.root.attributes);
      for (const name of options.names ?? (await file.keys({ signal }))) if (!present.has(name)) written.push(name);
      await writeTree(file.root, "/", writer, { signal }, written);
      writer.finishRoot(to, written.at(-1));
      made.flush();
    } finally {
      made.close();
    }
    await sync(draft);
    if (ifExists === "replace" || (await versionOf(to)) === before) {
      await rename(draft, to);
      return written;
    }
    await rm(draft);
    return await writeHdf5(file, options);
  } catch (error) {
    await rm(draft, { force: true });
    if (isStorageError(error)) throw error;
    const message = `${to} could not be written: ${error instanceof Error ? error.message : String(error)}`;
    throw new StorageError("UNEXPECTED", message, { operation: "writeHdf5", identifier: to, cause: error });
  }
}

/** Says one file from another at the same place; `undefined` if there is none. */
async function versionOf(path: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
