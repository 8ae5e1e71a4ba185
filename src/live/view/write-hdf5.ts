/** Writes a file of scans as a real HDF5 file. */
import { randomUUID } from "node:crypto";
import { copyFile, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { CallOptions } from "../engine.ts";
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
 * nothing.
 *
 * @param file - Who has the scans. It must not be closed meanwhile.
 * @returns Names of the groups that were written.
 * @throws A {@link StorageError}: `ALREADY_EXISTS`, `MISSING_DEPENDENCY` without `h5wasm`, what reading a dataset throws.
 */
export async function writeHdf5(file: LiveFile, options: WriteHdf5Options = {}): Promise<readonly string[]> {
  const { ifExists = "add", signal, gzip } = options;
  const to = resolve(options.to ?? file.path);
  const h5 = await loadHdf5();
  const draft = join(dirname(to), `.${basename(to)}.sluice-new-${randomUUID().slice(0, 8)}`);
  try {
    const isThere = await exists(to);
    if (isThere && ifExists === "error") {
      const message = `${to} exists; pass ifExists: "add" or "replace", or another path`;
      throw new StorageError("ALREADY_EXISTS", message, { operation: "writeHdf5", identifier: to });
    }
    const isAdded = isThere && ifExists === "add";
    if (isAdded) await copyFile(to, draft);
    const made = new h5.File(draft, isAdded ? "a" : "w", { track_order: true });
    const written: string[] = [];
    try {
      const writer = new Hdf5Writer(h5, made, { gzip });
      const before = new Set(isAdded ? made.keys() : []);
      if (!isAdded) writer.attributes("/", file.root.attributes);
      for (const name of options.names ?? (await file.keys({ signal }))) if (!before.has(name)) written.push(name);
      await writeTree(file.root, "/", writer, { signal }, written);
      writer.finishRoot(to, written.at(-1));
      made.flush();
    } finally {
      made.close();
    }
    await sync(draft);
    await rename(draft, to);
    return written;
  } catch (error) {
    await rm(draft, { force: true });
    if (isStorageError(error)) throw error;
    const message = `${to} could not be written: ${error instanceof Error ? error.message : String(error)}`;
    throw new StorageError("UNEXPECTED", message, { operation: "writeHdf5", identifier: to, cause: error });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await (await open(path, "r")).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
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
