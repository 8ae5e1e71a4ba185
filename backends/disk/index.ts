/**
 * Files in folders: the descriptor of the disk backend. Light; the store is loaded when it is opened.
 *
 * @module sluice/backends/disk
 */
import { isAbsolute, join } from "node:path";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { describe } from "../../src/core/checks.ts";
import type { IfExists } from "../../src/core/data-sink.ts";
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";
import type { Leftover, LeftoverOptions } from "./leftovers.ts";

export type { Leftover, LeftoverOptions } from "./leftovers.ts";

/** Options of the disk backend. */
export interface DiskOptions {
  /**
   * Folder that contains everything: keys are relative to it, and nothing outside is reached. Relative to the session
   * file, or to the working directory. Default: the whole file system, with relative addresses taken from the working
   * directory.
   */
  readonly root?: string | undefined;
  /**
   * How far a write is safe when it is done: `"full"` survives a power cut, `"data"` has the bytes on the device but
   * perhaps not the name, `"none"` survives the end of the process. Default `"full"`.
   */
  readonly durability?: "full" | "data" | "none" | undefined;
  /**
   * `"auto"`: writers of many bytes that ask for it (the Zarr writer does) write past the cache of the operating system
   * where the file system can, unless `durability` is `"none"`. `"never"`: all bytes go through the cache.
   * Default `"auto"`.
   */
  readonly direct?: "never" | "auto" | undefined;
  /**
   * `"auto"`: on a local file system (Linux), questions that are mostly answered from memory, and reads of up to 4 MiB,
   * are made on the calling thread, for at most 2 ms before others have their turn. `"never"`: every call that may wait
   * is made on a thread of the pool. Default `"auto"`.
   */
  readonly inPlace?: "never" | "auto" | undefined;
  /**
   * Which names are written: `"system"`, whatever this system takes, or `"portable"`, only what Windows, macOS and Linux
   * all keep as it is, and never two that differ only in case. What is there is read and listed in both cases.
   * Default `"system"`.
   */
  readonly names?: "system" | "portable" | undefined;
  /** Overwrite policy of saves that name none. Default `"error"`. */
  readonly ifExists?: IfExists | undefined;
}

/** What the byte store of this backend offers besides the contract: looking after what killed processes left. */
export interface DiskMaintenance {
  /** Finds temporary files of processes that were killed while they wrote. */
  findLeftovers(options?: LeftoverOptions): AsyncIterable<Leftover>;
  /** Removes them, and answers what was removed. No value is touched. */
  removeLeftovers(options?: LeftoverOptions): Promise<Leftover[]>;
}

const optionsOfDisk = optionsSchema<DiskOptions>({
  root: field.text,
  durability: field.oneOf("full", "data", "none"),
  direct: field.oneOf("never", "auto"),
  inPlace: field.oneOf("never", "auto"),
  names: field.oneOf("system", "portable"),
  ifExists: field.oneOf("error", "replace", "skip"),
});

/** The disk backend, key `"disk"`, scheme `file:`. */
export const disk: BackendDescriptor<DiskOptions> = defineBackend<DiskOptions>({
  key: "disk",
  schemes: ["file"],
  summary: "Files in folders; every write atomic and durable",
  capabilities: { ...storageCapabilities, symlinks: true, absoluteKeys: "distinct" },
  options: async () => optionsOfDisk,
  openStore: async ({ root, durability, direct, inPlace, names }, context) => {
    if (durability !== undefined && !["full", "data", "none"].includes(durability)) {
      throw new StorageError(
        "CONFIG_INVALID",
        `durability of "${context.instance}" must be "full", "data" or "none", got ${describe(durability)}`,
        { backend: context.instance },
      );
    }
    const { DiskStore } = await import("./store.ts");
    const base = context.baseDirectory ?? process.cwd();
    const folder = root === undefined || isAbsolute(root) ? root : join(base, root);
    return new DiskStore({ root: folder, durability, direct, inPlace, names, name: context.instance });
  },
});

export default disk;
