/**
 * Zarr: values in hierarchies of arrays, an engine for arrays and groups, and a frame writer for acquisitions. Light:
 * everything heavy is imported when it is called for.
 *
 * @module sluice/backends/zarr
 */

import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import type { LiveFrames } from "../../src/core/live-frames.ts";
import type { CreateArrayOptions, CreateGroupOptions } from "./create.ts";
import type { LeftoverSearch, ZarrLeftover } from "./leftovers.ts";
import type { ZarrOptions } from "./options.ts";
import type { AttributeChange, WritableZarrArray, ZarrArray, ZarrGroup } from "./reader-types.ts";

export type { LiveFrames } from "../../src/core/live-frames.ts";
export type { ZarrBackend } from "./backend.ts";
export type { ZarrBackendOptions, ZarrBatchOptions, ZarrLoadOptions, ZarrSaveOptions } from "./backend-options.ts";
export type { Cast } from "./cast.ts";
export type { Compressor, CompressorName } from "./codec-options.ts";
export type { CreateArrayOptions, CreateGroupOptions } from "./create.ts";
export type { FillValue } from "./fill-value.ts";
export type { LeftoverSearch, ZarrLeftover } from "./leftovers.ts";
export type { Attributes, NamedConfiguration } from "./metadata.ts";
export type { ArrayLayoutOptions, NewArrayOptions } from "./new-array.ts";
export type { ZarrOptions } from "./options.ts";
export type { AttributeChange, WritableZarrArray, ZarrArray, ZarrGroup } from "./reader-types.ts";

/**
 * Opens whatever array or group is at a path of a store. The reader is loaded at the first call.
 *
 * @param store - Stays the caller's; the array reads from it as long as it is used.
 * @param path - Key of the node; `""`, the default, is the root of the store.
 * @throws A `StorageError`: `NOT_FOUND`, `CORRUPT`, `UNSUPPORTED`, `DTYPE_MISMATCH`.
 */
export async function openZarr(
  store: ByteStore,
  path?: string,
  options?: OperationOptions,
): Promise<ZarrArray | ZarrGroup> {
  const { openZarrNode } = await import("./reader.ts");
  return openZarrNode(store, path, options);
}

/**
 * Opens the frames of an acquisition that may be under way in another process, those of its open shard too: `sluice` wrote
 * it to a disk, with `journal: "auto"`. Elsewhere, frames are there when their shard is.
 *
 * @param store - Stays the caller's.
 * @param path - Key of the source's array.
 * @throws A `StorageError`: those of {@link openZarr}; `UNSUPPORTED` for an array that has no chunk for each frame.
 */
export async function openLiveFrames(store: ByteStore, path: string, options?: OperationOptions): Promise<LiveFrames> {
  const { openLiveFramesOf } = await import("./live-frames.ts");
  return openLiveFramesOf(store, path, options);
}

/**
 * Opens an array for changes.
 *
 * @param store - Stays the caller's.
 * @param options - `exclusive`: nobody else writes to this array, so that parts of chunks can be written also where the
 * store has no conditional writes.
 * @throws A `StorageError`: `NOT_FOUND`, `INVALID_DATA` (a group), `UNSUPPORTED` (a codec that can only be read).
 */
export async function openArray(
  store: ByteStore,
  path = "",
  options: OperationOptions & { readonly exclusive?: boolean | undefined } = {},
): Promise<WritableZarrArray> {
  const { openEditable } = await import("./create.ts");
  return openEditable(store, path, options);
}

/**
 * Makes an array of Zarr v3 (or v2), and the groups above it that are missing.
 *
 * @param store - Stays the caller's.
 * @throws A `StorageError` `ALREADY_EXISTS`, `IS_A_DIRECTORY`, `NOT_A_DIRECTORY`, `INVALID_DATA`, `SHAPE_MISMATCH`,
 * `DTYPE_MISMATCH`: nothing was made.
 * @example
 * ```ts
 * import { zeros } from "sluice";
 * import { createArray } from "sluice/backends/zarr";
 * import { createRegistry } from "sluice/registry";
 * await using store = await createRegistry().openStore("memory");
 * const shape = [100, 512, 512];
 * const array = await createArray(store, "run/cam", { shape, dtype: "uint16", dimensionNames: ["t", "y", "x"] });
 * await array.write([7], zeros([512, 512], "uint16"));
 * ```
 */
export async function createArray(
  store: ByteStore,
  path: string,
  options: CreateArrayOptions,
): Promise<WritableZarrArray> {
  const { createZarrArray } = await import("./create.ts");
  return createZarrArray(store, path, options);
}

/**
 * Makes a group, and those above it that are missing.
 *
 * @throws A `StorageError` `ALREADY_EXISTS`, `NOT_A_DIRECTORY`, `INVALID_DATA`.
 */
export async function createGroup(store: ByteStore, path: string, options?: CreateGroupOptions): Promise<ZarrGroup> {
  const { createZarrGroup } = await import("./create.ts");
  return createZarrGroup(store, path, options);
}

/**
 * Changes the attributes of an array or a group in one atomic step; those of others are kept.
 *
 * @param change - An object, whose members replace those of the same name, or a function from all attributes to all
 * attributes, which may be called several times.
 * @throws A `StorageError` `NOT_FOUND`, `INVALID_DATA`.
 */
export async function setAttributes(
  store: ByteStore,
  path: string,
  change: AttributeChange,
  options?: OperationOptions,
): Promise<void> {
  const { changeAttributes } = await import("./attributes.ts");
  return changeAttributes(store, path, change, options);
}

/**
 * Writes the metadata of all nodes below a group into one document, so that a store that is far away, or cannot list, is
 * opened by one read. A snapshot: later changes are not in it.
 *
 * @returns Number of nodes below the group.
 * @throws A `StorageError` `NOT_FOUND`, `INVALID_DATA` (an array), `UNSUPPORTED` (a store that does not list).
 */
export async function consolidateMetadata(
  store: ByteStore,
  path?: string,
  options?: OperationOptions,
): Promise<number> {
  const { consolidateZarr } = await import("./consolidated.ts");
  return consolidateZarr(store, path, options);
}

/**
 * Finds what killed processes left in hierarchies: arrays that were being saved or removed, and shards of acquisitions.
 * Changes nothing unless told to.
 *
 * @param search - `finish`: default false; shards are stored with the frames that are there, and the shape shows them.
 * `remove`: default false; finishes shards, and removes the rest, but for an array that was away from its place for
 * another to come, which goes back. `path`: where to look. `olderThanMs`: how long it must have been quiet.
 * @returns What was found; of shards, how many frames are there. What a living process writes is not.
 */
export async function recoverZarr(
  store: ByteStore,
  search: LeftoverSearch & { readonly remove?: boolean | undefined; readonly finish?: boolean | undefined } = {},
): Promise<ZarrLeftover[]> {
  const { findZarrLeftovers, orphanedShards, removeZarrLeftovers } = await import("./leftovers.ts");
  const { remove = false, finish = remove } = search;
  const shards = await orphanedShards(store, search, finish);
  return [...shards, ...(await (remove ? removeZarrLeftovers : findZarrLeftovers)(store, search))];
}

/** The `zarr` backend: values of a hierarchy in any byte store, and frames of acquisitions. */
export const zarr: BackendDescriptor<ZarrOptions> = defineBackend<ZarrOptions>({
  key: "zarr",
  capabilities: { ...storageCapabilities, frames: true },
  summary: "Zarr hierarchies: arrays with files beside them, and frames of acquisitions",
  options: async () => (await import("./options.ts")).zarrOptionsSchema,
  open: async (options, context) => {
    const { openZarrBackend } = await import("./open-backend.ts");
    return openZarrBackend(options, context);
  },
  openWriter: async (options, context) => {
    const { openZarrWriter } = await import("./open-writer.ts");
    return openZarrWriter(options, context);
  },
});
export default zarr;
