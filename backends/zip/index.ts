/**
 * ZIP archives: read as a byte store by range reads, and written by stream. Light: the store is loaded when it is opened.
 *
 * @module sluice/backends/zip
 */
import type { ByteStore } from "../../src/core/byte-store.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { type BackendDescriptor, defineBackend, type InstanceConfig } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";
import type { ArchiveOptions, ArchiveWriter } from "./archive-writer.ts";
import type { ZipStore } from "./store.ts";

export type { EntryCompression } from "../../src/codecs/zip/pack-entry.ts";
export type { ArchiveOptions, ArchiveWriter, EntryOptions } from "./archive-writer.ts";
export type { ZipStore } from "./store.ts";

/** Options of the ZIP backend. */
export interface ZipOptions {
  /** Path of the archive in its store. */
  readonly archive?: string | undefined;
  /**
   * The store that the archive is in: an instance name, a URL or a configuration. Default: the local disk, with relative
   * paths as those of other options.
   */
  readonly store?: string | InstanceConfig | undefined;
  /** Folder of the archive that is the root. Default: all of it. */
  readonly root?: string | undefined;
  /** What happens to entries whose names are absolute, lead out of the archive or can be no key. Default `"refuse"`. */
  readonly badNames?: "refuse" | "skip" | undefined;
  /** Bytes that the directory of the archive may have. Default 256 MiB. */
  readonly maxDirectoryBytes?: number | undefined;
  /** Bytes that a value may have to be read into memory; streams have no limit. Default 4 GiB. */
  readonly maxValueBytes?: number | undefined;
}

const optionsOfZip = optionsSchema<ZipOptions>({
  archive: field.text,
  store: (value) =>
    typeof value === "string" || (typeof value === "object" && value !== null) ? undefined : "a store or its URL",
  root: field.text,
  badNames: field.oneOf("refuse", "skip"),
  maxDirectoryBytes: field.wholeNumber,
  maxValueBytes: field.wholeNumber,
});

/**
 * Begins a new archive in any byte store. The writer is loaded at the first call.
 *
 * @param store - Stays the caller's.
 * @param key - Key of the archive. Nothing is visible there before the archive is closed.
 * @throws What opening a byte writer throws: `ALREADY_EXISTS`, `PRECONDITION_FAILED`, `READ_ONLY`, …
 * @example
 * ```ts
 * import { createRegistry } from "sluice/registry";
 * import { createArchive } from "sluice/backends/zip";
 * await using store = await createRegistry().openStore("memory");
 * await using archive = await createArchive(store, "run.zip", { ifAbsent: true });
 * await archive.add("notes.txt", new TextEncoder().encode("wet sample"));
 * await archive.close();
 * ```
 */
export async function createArchive(
  store: ByteStore,
  key: string,
  options: ArchiveOptions = {},
): Promise<ArchiveWriter> {
  const { openArchiveWriter } = await import("./archive-writer.ts");
  return openArchiveWriter(store, key, options);
}

/**
 * Opens an archive in any byte store.
 *
 * @param store - Stays the caller's.
 * @param key - Key of the archive. It is read at the first operation.
 */
export async function openArchive(
  store: ByteStore,
  key: string,
  options: Omit<ZipOptions, "archive" | "store"> = {},
): Promise<ZipStore> {
  const { ZipStore } = await import("./store.ts");
  return new ZipStore(store, key, options);
}

/** The ZIP backend, key `"zip"`, scheme `zip:`. */
export const zip: BackendDescriptor<ZipOptions> = defineBackend<ZipOptions>({
  key: "zip",
  schemes: ["zip"],
  summary: "ZIP archives in any byte store, read by ranges",
  capabilities: { ...storageCapabilities, write: false, directories: false, requiresFilesystemValidation: false },
  options: async () => optionsOfZip,
  openStore: async ({ archive, store, ...options }, context) => {
    if (!archive) {
      throw new StorageError("CONFIG_INVALID", `${context.instance}.archive: the path of the archive is missing`, {
        backend: context.instance,
        operation: "open",
        identifier: "archive",
      });
    }
    const outer = await context.store(store ?? localDisk(archive));
    const { ZipStore } = await import("./store.ts");
    return new ZipStore(outer, archive, { ...options, name: context.instance });
  },
});

export default zip;

/** The disk that a path is on: all of it for an absolute path, else what is below the folder that paths start from. */
function localDisk(archive: string): InstanceConfig {
  return archive.startsWith("/") || /^[a-z]:[\\/]/i.test(archive) ? { use: "disk" } : { use: "disk", root: "." };
}
