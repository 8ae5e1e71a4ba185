/** Writes a file of scans as a Zarr hierarchy. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackendSet } from "../../../registry/backend-set.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { CallOptions } from "../engine.ts";
import { abandonedDrafts, draftName, sweepDrafts } from "./draft-name.ts";
import type { LiveFile } from "./live-file.ts";
import { isUri } from "./stored-files.ts";
import { writeTree } from "./tree-writer.ts";
import { type OpenHierarchy, openHierarchy } from "./zarr-tree.ts";
import { attributesOf, ZarrTreeWriter } from "./zarr-tree-writer.ts";

/** Options of {@link writeZarr}. */
export interface WriteZarrOptions extends CallOptions {
  /** Path or URI of the hierarchy: `"/data/scans.zarr"`, `"s3://bucket/scans.zarr"`. Default: path of the view. */
  readonly to?: string | undefined;
  /** Groups at the root to write, such as `"1.1"`. Default: all that are there now. */
  readonly names?: readonly string[] | undefined;
  /** What if a hierarchy is there: `"add"` keeps what it has, and adds groups that it has not. Default `"add"`. */
  readonly ifExists?: "add" | "error" | undefined;
  /** Opens the place. Default: a set of its own. */
  readonly backends?: BackendSet | undefined;
}

/**
 * Writes scans as Zarr v3. Streams that are still written are followed to their end; numbers are moved in pieces of
 * 16 MiB at most. Datasets in other files and virtual ones become plain arrays. What Zarr has not stands in attributes
 * of groups, as layouts write it: links as `sluice_link`, text, complex numbers and records as `sluice_value`.
 *
 * Each scan is written beside the hierarchy, under a name of its own, and moved to its place when it is whole: on a disk
 * in one step. What a process that was killed has left beside the hierarchy is removed by the next write, if that is on the
 * same machine.
 *
 * @returns Names of the groups that were written.
 * @throws A {@link StorageError}: `ALREADY_EXISTS`, `INVALID_KEY` for the root of a bucket, what reading a dataset and what the store throws.
 */
export async function writeZarr(file: LiveFile, options: WriteZarrOptions = {}): Promise<readonly string[]> {
  const { signal, ifExists = "add", to = file.path } = options;
  if (options.backends !== undefined) return await write(options.backends);
  const { BackendSet, createRegistry } = await import("../../../registry/index.ts");
  const backends = new BackendSet(createRegistry());
  try {
    return await write(backends);
  } finally {
    await backends.close();
  }

  async function write(set: BackendSet): Promise<readonly string[]> {
    const { backend, name } = await openHierarchy(to, set);
    if (name === "") {
      await backend.close();
      const message = `${to} names no place within a store; s3://bucket/scans.zarr would`;
      throw new StorageError("INVALID_KEY", message, { operation: "writeZarr", identifier: to });
    }
    const draft = draftName(name);
    const tree = backend.arrayTree(name);
    try {
      const there = await tree.node("", { signal });
      if (there !== undefined && (ifExists === "error" || there.kind === "array")) {
        const message = `${to} exists; pass ifExists: "add" if it is such a hierarchy, or another path`;
        throw new StorageError("ALREADY_EXISTS", message, { operation: "writeZarr", identifier: to });
      }
      const onDisk = pathOf(to);
      if (onDisk === undefined) await sweep(backend, name, signal);
      else await sweepDrafts(onDisk);
      const before = new Set(there?.kind === "group" ? await there.names({ signal }) : []);
      const names = (options.names ?? (await file.keys({ signal }))).filter((group) => !before.has(group));
      const made = backend.arrayTree(draft);
      await made.createGroup("", {}, { signal });
      await writeTree(file.root, "/", new ZarrTreeWriter(made, { signal }), { signal }, names);
      await tree.createGroup("", attributesOf(file.root.attributes), { signal });
      const written: string[] = [];
      for (const group of names) {
        if (await moved(`${draft}/${group}`, `${name}/${group}`)) written.push(group);
      }
      return written;
    } finally {
      if (await backend.isDir(draft)) await backend.deleteAll(draft);
      await backend.close();
    }

    /** False if somebody else has written it meanwhile, and that is what it stays. */
    async function moved(from: string, target: string): Promise<boolean> {
      try {
        await backend.move(from, target, { signal });
        return true;
      } catch (error) {
        if (ifExists === "add" && isStorageError(error, "ALREADY_EXISTS")) return false;
        throw error;
      }
    }
  }
}

/** Path of a hierarchy on a disk; `undefined` if it is in another store. */
function pathOf(location: string): string | undefined {
  if (!isUri(location)) return resolve(location);
  return /^file:/i.test(location) ? fileURLToPath(location).replace(/\/+$/, "") : undefined;
}

/** Removes drafts of processes that have ended. */
async function sweep(backend: OpenHierarchy["backend"], name: string, signal: AbortSignal | undefined): Promise<void> {
  // Without a folder there is nothing, and some stores cannot say.
  if (!backend.capabilities.list || !(await backend.isDir("", { signal }))) return;
  for (const left of abandonedDrafts(await backend.listDir("", { signal }), name)) {
    try {
      await backend.deleteAll(left, { signal });
    } catch (error) {
      // Somebody else sweeps too.
      if (!isStorageError(error, "NOT_FOUND")) throw error;
    }
  }
}
